package group

import (
	"errors"
	"slices"
	"testing"

	"conclave/keys"
)

// makesLink has p make a link, and returns what is known of it and its key.
func (w *world) makesLink(p *peer, uses uint64) (LinkInfo, *keys.Identity) {
	w.t.Helper()
	key := keys.IdentityFromSeed(w.entropy())
	w.must(p, LinkAdd{Key: key.PeerID(), Uses: uses, Expires: w.now + 3_600_000, PreApproved: true})
	all := p.Links()
	return all[len(all)-1], key
}

// usesLink is the wish of x to come in by a link.
func (w *world) usesLink(x *peer, l LinkInfo, key *keys.Identity) LinkUsed {
	return LinkUsed{Peer: x.me, Bundle: x.bundle.Raw(), Invite: l.Invite, Proof: SignJoinProof(key, w.gid, l.Invite, x.me)}
}

// TestLinkAdmits: any member admits whoever has the link, and mints the key that
// the newcomer may have in the same step. What the link is good for is said.
func TestLinkAdmits(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	l, key := w.makesLink(alice, 1)
	if l.State != LinkOpen || l.Used != 0 || l.Uses != 1 || l.Key != key.PeerID() {
		t.Errorf("a new link: %+v", l)
	}
	x, y := w.outsider(200), w.outsider(201)
	forged := w.usesLink(x, l, key)
	forged.Proof = SignJoinProof(key, w.gid, l.Invite, y.me)
	if _, err := w.step(bob, forged); !errors.Is(err, ErrLink) {
		t.Errorf("with another's proof: %v", err)
	}
	r := w.must(bob, w.usesLink(x, l, key))
	if !bob.IsMember(x.me) || !alice.IsMember(x.me) || r.Epoch == (Hash{}) {
		t.Fatal("the link does not let x in, or mints no key for it")
	}
	if got, _ := alice.Link(l.Invite); got.State != LinkUsedUp || got.Used != 1 {
		t.Errorf("after its only use: %+v", got)
	}
	if r := w.must(bob, w.usesLink(x, l, key)); len(r.Publish) > 0 && r.Epoch != (Hash{}) {
		t.Error("a member who uses the link again changes something")
	}
	if _, err := w.step(alice, w.usesLink(y, l, key)); !errors.Is(err, ErrLink) {
		t.Errorf("used once too often: %v", err)
	}
}

func TestLinkEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(w *world, alice *peer, l LinkInfo)
		want LinkState
	}{
		"revoked": {func(w *world, alice *peer, l LinkInfo) { w.must(alice, LinkRevoke{Invite: l.Invite}) }, LinkRevoked},
		"retired": {func(w *world, alice *peer, l LinkInfo) { w.must(alice, Remove{Peer: w.all[2].me}) }, LinkRetired},
		"expired": {func(w *world, alice *peer, l LinkInfo) { w.now = l.Expires + 1 }, LinkExpired},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
			alice, bob := w.all[0], w.all[1]
			l, key := w.makesLink(alice, 5)
			c.end(w, alice, l)
			if _, err := w.step(bob, w.usesLink(w.outsider(200), l, key)); !errors.Is(err, ErrLink) {
				t.Errorf("bob lets somebody in: %v", err)
			}
			if got, _ := bob.Link(l.Invite); got.State != c.want {
				t.Errorf("the link is %v", got.State)
			}
			if _, err := w.step(bob, LinkAdd{Key: key.PeerID(), Uses: 1, Expires: w.now + 1}); !errors.Is(err, ErrNotAllowed) {
				t.Errorf("a member makes a link: %v", err)
			}
		})
	}
}

// overshot is a team of three of whom two let in one person each, apart, by a link
// for one, and have met since.
func overshot(t *testing.T) (*world, LinkInfo) {
	t.Helper()
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	l, key := w.makesLink(alice, 1)
	x, y := w.outsider(200), w.outsider(201)
	w.apart(func() { w.must(bob, w.usesLink(x, l, key)) }, alice, carol)
	w.apart(func() { w.must(carol, w.usesLink(y, l, key)) }, alice, bob)
	w.meet(w.all...)
	return w, l
}

// TestMUST_111_LinksAreTrimmed: two sponsors who did not hear of each other let in
// one more than the link is for. The last in order goes, wherever it is found
// out, and stays out when both find it out.
func TestMUST_111_LinksAreTrimmed(t *testing.T) {
	w, l := overshot(t)
	for _, p := range w.all {
		joins := p.st.joinsBy(l.Invite)
		if len(joins) != 2 {
			t.Fatalf("%s sees %d joins", p.me.Short(), len(joins))
		}
		first, last := joins[0].body.(*Join).Joiner, joins[1].body.(*Join).Joiner
		if !p.IsMember(first) || p.IsMember(last) {
			t.Errorf("at %s the first is in: %v, the last: %v", p.me.Short(), p.IsMember(first), p.IsMember(last))
		}
		if slices.Contains(p.Members(), last) {
			t.Error("whoever was removed is on the roster")
		}
	}
}

// TestMUST_115_SponsorsMint: only the owner, or a deputy, may replace the key, and
// neither is there. Whom a member lets in by a link has a key all the same, from
// that member alone, and once.
func TestMUST_115_SponsorsMint(t *testing.T) {
	for _, by := range []RotateBy{RotateByAny, RotateByDeputies, RotateByOwner} {
		s := settingsFor("team")
		s.RotateBy = by
		w := newTeam(t, s, "alice", "bob", "carol")
		alice, bob, carol := w.all[0], w.all[1], w.all[2]
		l, key := w.makesLink(alice, 3)
		x := w.outsider(200)
		alice.off = true
		old := bob.current().eh
		if w.epochCounts(bob, carol, ReasonAdmitted, nil) {
			t.Errorf("rotate_by %d: bob mints for nobody", by)
		}
		r := w.must(bob, w.usesLink(x, l, key))
		if r.Epoch == (Hash{}) || carol.current() == nil || carol.current().eh != r.Epoch {
			t.Fatalf("rotate_by %d: no key for the newcomer", by)
		}
		if carol.st.mayHold(carol.current(), x.me) != nil {
			t.Errorf("rotate_by %d: the key is not for the newcomer", by)
		}
		if by == RotateByAny {
			continue
		}
		overOld := func(b *Epoch) { b.Parents, b.Gen = []Hash{old}, carol.g.byHash[short(old)].body.(*Epoch).Gen+1 }
		if w.epochCounts(carol, bob, ReasonAdmitted, overOld) {
			t.Errorf("rotate_by %d: carol mints for whom bob let in", by)
		}
		if w.epochCounts(bob, carol, ReasonAdmitted, nil) {
			t.Errorf("rotate_by %d: bob mints twice for one newcomer", by)
		}
		bothParents := func(b *Epoch) { b.Parents = append(b.Parents, old); sortHashes(b.Parents) }
		if w.epochCounts(bob, carol, ReasonAdmitted, bothParents) {
			t.Errorf("rotate_by %d: an older parent makes bob's second epoch count", by)
		}
		w.must(bob, w.usesLink(w.outsider(201), l, key))
		last := func(b *Epoch) { b.Parents, b.Gen = []Hash{r.Epoch}, carol.g.byHash[short(r.Epoch)].body.(*Epoch).Gen+1 }
		if w.epochCounts(bob, carol, ReasonRequest, last) {
			t.Errorf("rotate_by %d: bob rotates with another reason", by)
		}
		if !w.epochCounts(bob, carol, ReasonAdmitted, last) {
			t.Errorf("rotate_by %d: bob may not mint for his second newcomer", by)
		}
	}
}

// TestGuestsHaveAKey_SponsorsApart: two members let somebody in at the same time, without
// the owner, who alone may rotate. Once they meet there is a key for everyone.
func TestGuestsHaveAKey_SponsorsApart(t *testing.T) {
	s := settingsFor("team")
	s.RotateBy = RotateByOwner
	w := newTeam(t, s, "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	l, key := w.makesLink(alice, 3)
	x, y := w.outsider(200), w.outsider(201)
	alice.off = true
	w.apart(func() { w.must(bob, w.usesLink(x, l, key)) }, carol)
	w.apart(func() { w.must(carol, w.usesLink(y, l, key)) }, bob)
	w.meet(bob, carol)
	w.now += guestBurst * guestApart
	w.must(bob, Tick{})
	w.must(carol, Tick{})
	w.meet(bob, carol)
	if bob.current() != nil && carol.current() != nil && bob.current().eh != carol.current().eh {
		t.Fatal("they would seal under two keys")
	}
	for _, p := range []*peer{x, y, bob, carol} {
		if err := bob.st.mayHold(bob.current(), p.me); err != nil {
			t.Errorf("%s may not have the key: %v", p.me.Short(), err)
		}
	}
}

// TestMUST_116_BudgetForGuests: many come in by a link at once. Five keys are made
// for them, and then one in ten seconds for all who came meanwhile; what an owner
// approves is never delayed, and neither is what a line waits for.
func TestMUST_116_BudgetForGuests(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	l, key := w.makesLink(alice, 40)
	minted := 0
	w.watch = func(p *peer, r Ready) {
		if r.Epoch != (Hash{}) {
			minted++
		}
	}
	joins := func(n int) (r Ready) {
		for range n {
			r = w.must(bob, w.usesLink(w.outsider(byte(100+len(bob.Members()))), l, key))
		}
		return r
	}
	r := joins(12)
	if minted != guestBurst {
		t.Errorf("%d keys for 12 who came at once", minted)
	}
	if r.Wake != w.now+guestApart {
		t.Errorf("the next key is planned %d ms from now", int64(r.Wake-w.now))
	}
	if len(bob.st.uncovered(bob.current())) != 12-guestBurst {
		t.Errorf("%d wait for a key", len(bob.st.uncovered(bob.current())))
	}
	w.now += guestApart
	w.must(bob, Tick{})
	if minted != guestBurst+1 || len(bob.st.uncovered(bob.current())) != 0 {
		t.Errorf("after 10 s: %d keys, %d wait", minted, len(bob.st.uncovered(bob.current())))
	}
	joins(1)
	if minted != guestBurst+1 {
		t.Error("one more at once")
	}
	w.now += 10 * guestBurst * guestApart
	joins(12)
	if minted != 2*guestBurst+1 {
		t.Errorf("%d keys in all, after a long rest and 13 more", minted)
	}
	x := w.outsider(99)
	w.must(alice, JoinAsked{Request: Request{Peer: x.me, Bundle: x.bundle.Raw()}})
	if r := w.must(alice, Approve{Peer: x.me}); r.Epoch == (Hash{}) {
		t.Error("the owner's approval is delayed")
	}
}

// TestOvershootIsTold: who goes because a link let in too many is told apart from
// whom a person removed, by everybody alike.
func TestOvershootIsTold(t *testing.T) {
	w, l := overshot(t)
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	stays := bob.st.joinsBy(l.Invite)[0].body.(*Join).Joiner
	goes := bob.st.joinsBy(l.Invite)[1].body.(*Join).Joiner
	w.must(alice, Remove{Peer: stays})
	w.must(alice, Remove{Peer: carol.me})
	for _, p := range w.all[:2] {
		told := map[PeerID]bool{}
		for _, e := range p.g.order {
			if info, _ := p.Entry(e.eh); info.Type == TypeKick {
				told[info.Subject] = info.Overshoot
			}
		}
		if len(told) != 3 || !told[goes] || told[stays] || told[carol.me] {
			t.Errorf("%s is told: %v of %s, who was one too many", p.me.Short(), told, goes.Short())
		}
	}
}

// TestGuestsAct: somebody whom a plain member let in, while the owner was away,
// names themself, lets another one in, and leaves. Nobody but that member's JOIN
// tells that they may, so they cite it.
func TestGuestsAct(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	l, key := w.makesLink(alice, 5)
	alice.off = true
	x, y := w.outsider(200), w.outsider(201)
	w.must(bob, w.usesLink(x, l, key))
	w.all = append(w.all, x)
	w.sync(bob, x)
	w.must(x, SetName{Name: "x"})
	if carol.Name(x.me) != "x" {
		t.Errorf("carol calls x %q", carol.Name(x.me))
	}
	w.must(x, w.usesLink(y, l, key))
	if !carol.IsMember(y.me) {
		t.Error("y is not let in")
	}
	w.must(x, Quit{})
	alice.off = false
	w.sync(carol, alice)
	for _, p := range []*peer{alice, bob, carol} {
		if p.IsMember(x.me) || !p.IsMember(y.me) {
			t.Errorf("at %s x is in: %v, y: %v", p.me.Short(), p.IsMember(x.me), p.IsMember(y.me))
		}
	}
}
