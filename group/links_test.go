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
	w.must(p, LinkAdd{Key: key.PeerID(), Uses: uses, Expires: w.now + 1000, PreApproved: true})
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

// TestMUST_111_LinksAreTrimmed: two sponsors who did not hear of each other let in
// one more than the link is for. The last in order goes, wherever it is found
// out, and stays out when both find it out.
func TestMUST_111_LinksAreTrimmed(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	l, key := w.makesLink(alice, 1)
	x, y := w.outsider(200), w.outsider(201)
	w.apart(func() { w.must(bob, w.usesLink(x, l, key)) }, alice, carol)
	w.apart(func() { w.must(carol, w.usesLink(y, l, key)) }, alice, bob)
	w.meet(w.all...)
	for _, p := range w.all {
		joins := p.joinsBy(l.Invite)
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
