package group

import (
	"errors"
	"testing"

	"conclave/keys"
)

func (w *world) served(by, u *peer, eid Hash) error {
	w.t.Helper()
	_, err := by.Serve(u.me, eid, u.bundle)
	return err
}

func TestMUST_60_ServeMembers(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	cur, _ := alice.Current()
	if err := w.served(alice, bob, cur.EID); err != nil {
		t.Fatalf("a member is refused: %v", err)
	}
	if err := w.served(alice, w.outsider(9), cur.EID); !errors.Is(err, RefusedNotMember) {
		t.Errorf("a stranger: %v", err)
	}
	w.must(carol, Quit{})
	if err := w.served(alice, carol, cur.EID); !errors.Is(err, RefusedNotMember) {
		t.Errorf("who left: %v", err)
	}
	w.must(alice, Remove{Peer: w.all[3].me})
	if err := w.served(alice, w.all[3], cur.EID); !errors.Is(err, RefusedNotMember) {
		t.Errorf("who was removed: %v", err)
	}
	if _, err := alice.Serve(bob.me, cur.EID, carol.bundle); !errors.Is(err, RefusedNotMember) {
		t.Errorf("another's bundle: %v", err)
	}
	if err := w.served(bob, bob, Hash{1}); !errors.Is(err, RefusedNotHeld) {
		t.Errorf("an unknown epoch: %v", err)
	}
}

// mintAs writes an EPOCH of p that p's own node takes, and gives its key to
// the others named.
func (w *world) mintAs(p *peer, to ...*peer) Verified {
	w.t.Helper()
	b, key := p.epochBody(ReasonRequest)
	v := w.signEntry(p, p.next(TypeEpoch, b, 0))
	w.give(v, append([]*peer{p}, to...)...)
	for _, q := range append([]*peer{p}, to...) {
		w.must(q, KeyReceived{Commit: b.KC, Key: key})
	}
	return v
}

func openHistory() Settings {
	s := settingsFor("team")
	s.History = HistoryAll
	return s
}

// The view of an EPOCH knows a BAN of someone it never saw admitted. Later the
// BAN turns out void, and the person is a member; what the EPOCH excluded it
// excludes for ever.
func TestMUST_61_ServeTheLivingInView(t *testing.T) {
	w := newTeam(t, openHistory(), "alice", "bob", "dave")
	alice, bob, dave := w.all[0], w.all[1], w.all[2]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapKick})
	carol := w.outsider(9)
	ban := w.write(bob, TypeBan, &Removal{Peer: carol.me}, 0, dave)
	epoch := w.mintAs(dave)
	w.apart(func() { w.must(alice, DeputyRemove{Peer: bob.me}) }, bob, dave)
	w.write(alice, TypeAdd, &Peer{Peer: carol.me}, 1)
	w.give(ban, alice)
	w.give(epoch, alice)
	key, _ := dave.Key(epoch.Hash)
	w.must(alice, KeyReceived{Commit: epoch.Entry().body.(*Epoch).KC, Key: key})
	if alice.counts(ban) || !alice.IsMember(carol.me) || !alice.counts(epoch) {
		t.Fatal("the BAN is not void, or the EPOCH is")
	}
	if err := w.served(alice, carol, epoch.Hash); !errors.Is(err, RefusedDead) {
		t.Errorf("who is dead in the view: %v", err)
	}
	if err := w.served(alice, bob, epoch.Hash); err != nil {
		t.Errorf("who is alive in the view: %v", err)
	}
}

func TestMUST_62_ServeNobodyRemovedInView(t *testing.T) {
	w := newTeam(t, openHistory(), "alice", "bob", "carol")
	alice, carol := w.all[0], w.all[2]
	first, _ := alice.Current()
	between := w.must(alice, Remove{Peer: carol.me}).Epoch
	w.admit(alice, carol)
	if !alice.IsMember(carol.me) || between == (Hash{}) {
		t.Fatal("carol is not back, or no epoch lies in between")
	}
	if err := w.served(alice, carol, between); !errors.Is(err, RefusedDead) {
		t.Errorf("a key of the time in between: %v", err)
	}
	if err := w.served(alice, carol, first.EID); err != nil {
		t.Errorf("a key of the time before, under open history: %v", err)
	}
	now, _ := alice.Current()
	if err := w.served(alice, carol, now.EID); err != nil || now.EID == between {
		t.Errorf("the present key: %v", err)
	}
}

func TestMUST_63_HistoryOfTheEpoch(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice := w.all[0]
	closed, _ := alice.Current()
	w.must(alice, Change{Settings: openHistory()})
	open, _ := alice.Current()
	w.must(alice, Change{Settings: settingsFor("team")})
	carol := w.person(9)
	w.all = append(w.all, carol)
	carol.Machine = New(Config{GID: w.gid, Self: carol.id, Bundle: carol.bundle}, Stored{})
	w.admit(alice, carol)
	now, _ := alice.Current()
	if err := w.served(alice, carol, closed.EID); !errors.Is(err, RefusedHistory) {
		t.Errorf("a key made before, under closed history: %v", err)
	}
	if err := w.served(alice, carol, open.EID); err != nil {
		t.Errorf("a key made under open history: %v", err)
	}
	if err := w.served(alice, carol, now.EID); err != nil {
		t.Errorf("the present key: %v", err)
	}
	w.must(alice, Change{Settings: openHistory()})
	if err := w.served(alice, carol, closed.EID); !errors.Is(err, RefusedHistory) {
		t.Errorf("opening history opened an old key: %v", err)
	}
}

func TestMUST_64_EligibleIsSound(t *testing.T) {
	w, mallory, admit, revoke := revokedApprover(t)
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	// mallory, whom bob admitted, mints with a greater gen than all.
	mallory.Machine = New(Config{GID: w.gid, Self: mallory.id, Bundle: mallory.bundle}, bob.disk.stored())
	epoch := w.mintAs(mallory)
	w.apart(func() { w.must(alice, Rotate{}) }, bob)
	w.sync(alice, carol)
	cur, _ := carol.Current()
	w.give(admit, carol, alice)
	w.give(epoch, carol, alice)
	key, _ := mallory.Key(epoch.Hash)
	for _, p := range []*peer{alice, carol} {
		w.must(p, KeyReceived{Commit: epoch.Entry().body.(*Epoch).KC, Key: key})
		if now, ok := p.Current(); !ok || now.EID == epoch.Hash || now.EID != cur.EID {
			t.Error("a void EPOCH is used to encrypt")
		}
		if k, ok := p.Key(epoch.Hash); !ok || k != key {
			t.Error("the key of a void EPOCH is not kept for reading")
		}
	}
	if !carol.counts(revoke) {
		t.Error("the REVOKE is void")
	}

	// A deputy's EPOCH beyond the cut of the REVOKE that ended his GRANT.
	w2 := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol = w2.all[0], w2.all[1], w2.all[2]
	w2.must(alice, DeputyAdd{Peer: bob.me, Caps: CapRotate})
	sound, _ := carol.Current()
	w2.apart(func() { w2.must(alice, DeputyRemove{Peer: bob.me}) }, bob)
	late := w2.mintAs(bob, carol)
	if carol.counts(late) || !carol.IsMember(bob.me) {
		t.Fatal("the EPOCH beyond the cut counts")
	}
	if now, _ := carol.Current(); now.EID != sound.EID {
		t.Error("an EPOCH beyond the deputy's cut is used to encrypt")
	}
}

func TestMUST_65_EligibleExcludesTheDead(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapRotate})
	// bob mints without having seen that carol was removed, with a greater gen.
	var kick, safe Verified
	w.apart(func() {
		r := w.must(alice, Remove{Peer: carol.me})
		kick, safe = w.decode(r.Publish[0]), w.decode(r.Publish[1])
		w.mintAs(bob)
	}, bob, carol)
	unsafe := w.mintAs(bob, alice)
	if now, _ := alice.Current(); now.EID != safe.Hash {
		t.Error("alice encrypts under an epoch that carol may hold")
	}
	if now, _ := bob.Current(); now.EID != unsafe.Hash {
		t.Error("bob, who knows of no removal, does not use the newest epoch")
	}
	w.give(kick, bob)
	if _, ok := bob.Current(); ok || bob.Marked(w.now) != HardMark {
		t.Error("bob encrypts under an epoch that carol holds")
	}
	if len(w.say(bob, "held").Sent) != 0 {
		t.Error("bob's line left")
	}
	w.sync(alice, bob)
	if now, ok := bob.Current(); !ok || now.EID != safe.Hash {
		t.Error("bob does not take the epoch without carol")
	}
}

func TestMUST_66_EligibleKnowsTheSwitch(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	off := settingsFor("team")
	off.E2EE = false
	before, _ := bob.Current()
	w.write(alice, TypeSet, &Set{Settings: off}, 1, bob)
	w.write(alice, TypeSet, &Set{Settings: settingsFor("team")}, 1, bob)
	if now, ok := bob.Current(); ok {
		t.Errorf("generation %d, of before encryption was off, is used again", now.Gen)
	}
	w.must(alice, Rotate{})
	if now, ok := bob.Current(); !ok || now.EID == before.EID {
		t.Error("the new epoch is not used")
	}
	w.write(alice, TypeSet, &Set{Settings: openHistory()}, 1, bob)
	if _, ok := bob.Current(); ok {
		t.Error("an epoch of closed history is used after history was opened")
	}
}

func TestMUST_67_Choose(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	alice, bob, carol, dave := w.all[0], w.all[1], w.all[2], w.all[3]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapRotate})
	w.must(alice, DeputyAdd{Peer: carol.me, Caps: CapRotate})
	mint := func(p *peer) (out Verified) {
		w.apart(func() { out = w.decode(w.must(p, Rotate{}).Publish[0]) }, alice, bob, carol, dave)
		return out
	}
	members := []Verified{mint(dave), mint(carol), mint(bob), mint(alice)}
	chosen := func() Hash {
		best := dave.eligible()[0]
		return best.eh
	}
	for _, v := range members {
		w.give(v, dave)
		if chosen() != v.Hash {
			t.Fatalf("not the EPOCH of the higher rank counts")
		}
	}
	w.give(members[1], bob)
	w.give(members[2], carol)
	over := mint(bob) // gen 1 more, by a lower rank than alice's
	if w.give(over, dave); chosen() != over.Hash {
		t.Error("not the greatest gen counts")
	}
	// Two of one rank and gen: the lowest eid, whatever came first.
	w2 := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	var twins []Verified
	w2.apart(func() {
		twins = append(twins, w2.decode(w2.must(w2.all[1], Rotate{}).Publish[0]))
		twins = append(twins, w2.decode(w2.must(w2.all[2], Rotate{}).Publish[0]))
	}, w2.all...)
	low, high := twins[0], twins[1]
	if high.Hash.Compare(low.Hash) < 0 {
		low, high = high, low
	}
	w2.give(low, w2.all[0])
	w2.give(high, w2.all[0], w2.all[3])
	w2.give(low, w2.all[3])
	for _, p := range []*peer{w2.all[0], w2.all[3]} {
		if p.eligible()[0].eh != low.Hash {
			t.Error("of two equals not the lowest eid counts")
		}
		if now, ok := p.Current(); !ok || now.EID == low.Hash || now.EID == high.Hash {
			t.Error("an epoch whose key is not held is the current one")
		}
	}
}

func TestMUST_68_Cover(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	if alice.Marked(w.now) != Unmarked {
		t.Fatalf("mark %s where everyone is served", alice.Marked(w.now))
	}
	w.write(alice, TypeAdd, &Peer{Peer: crowd(1)[0].PeerID()}, 1, bob, carol)
	for _, p := range w.all {
		if got := p.Marked(w.now); got != SoftMark {
			t.Errorf("mark %s with a newcomer who is not served", got)
		}
	}
	w.must(alice, Rotate{})
	if alice.Marked(w.now) != Unmarked {
		t.Errorf("mark %s after the rotation", alice.Marked(w.now))
	}
}

// While carol and dan are apart they replace the key twice, and alice lets bob in.
// All but bob speak then under dan's key, which he may not have: he has to find the
// group marked, since he may be the only one to replace it.
func TestCoverOfWhoIsShutOut(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "carol", "dan")
	alice, carol, dan, bob := w.all[0], w.all[1], w.all[2], w.outsider(200)
	w.all = append(w.all, bob)
	carol.side, dan.side = 1, 1
	w.must(carol, Rotate{})
	w.must(dan, Rotate{})
	w.admit(alice, bob)
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapRotate})
	carol.side, dan.side = 0, 0
	w.meet(w.all...)
	best, _ := carol.Current()
	if _, holds := bob.Key(best.EID); holds || best.Author != dan.me || bob.Covers(bob.me, best.EID) == nil {
		t.Fatalf("bob may have the key that the others speak under: %+v", best)
	}
	if got := bob.Marked(w.now); got != SoftMark {
		t.Errorf("at bob the mark is %s", got)
	}
	w.must(bob, Wished{From: carol.me})
	w.meet(w.all...)
	for _, p := range w.all {
		if e, _ := p.Current(); e.Author != bob.me || p.Marked(w.now) != Unmarked {
			t.Errorf("a key of ·%s, mark %s", e.Author.Short(), p.Marked(w.now))
		}
	}
}

func TestMUST_69_CommitmentDecides(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	bob.off = true
	r := w.must(alice, Rotate{})
	bob.off = false
	v := w.decode(r.Publish[0])
	kc := v.Entry().body.(*Epoch).KC
	key, _ := alice.Key(v.Hash)
	wrong := key
	wrong[0] ^= 1
	w.give(v, bob)
	if r, err := w.step(bob, KeyReceived{Commit: kc, Key: wrong}); !errors.Is(err, keys.ErrCommitment) || len(r.Keys) != 0 {
		t.Errorf("a wrong key: %v, %d stored", err, len(r.Keys))
	}
	if _, ok := bob.Key(v.Hash); ok {
		t.Fatal("a wrong key is held")
	}
	if r := w.must(bob, KeyReceived{Commit: kc, Key: key}); len(r.Keys) != 1 {
		t.Errorf("%d keys stored of 1", len(r.Keys))
	}
	// A wrong key that came before its epoch is dropped when the epoch comes.
	bob.off = true
	v = w.decode(w.must(alice, Rotate{}).Publish[0])
	kc = v.Entry().body.(*Epoch).KC
	w.must(bob, KeyReceived{Commit: kc, Key: wrong})
	if r := w.must(bob, Received{Record: v}); len(r.Keys) != 0 {
		t.Error("a wrong key that came early was kept")
	}
}

func TestMUST_70_EnvelopeBinding(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	cur, _ := alice.Current()
	ectx, kc, minter, _ := alice.EnvelopeFor(cur.EID)
	job, err := alice.Serve(bob.me, cur.EID, bob.bundle)
	if err != nil {
		t.Fatal(err)
	}
	ct := w.seal(job)[0].Data
	good := keys.EnvelopeInfo{GID: w.gid, Ectx: ectx, Minter: minter, Member: bob.me, Bundle: bob.bundle.Hash()}
	if _, err := keys.OpenEnvelope(bob.seed, good, ct); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(i *keys.EnvelopeInfo){
		"group":  func(i *keys.EnvelopeInfo) { i.GID[0] ^= 1 },
		"epoch":  func(i *keys.EnvelopeInfo) { i.Ectx[0] ^= 1 },
		"minter": func(i *keys.EnvelopeInfo) { i.Minter[0] ^= 1 },
		"member": func(i *keys.EnvelopeInfo) { i.Member[0] ^= 1 },
		"bundle": func(i *keys.EnvelopeInfo) { i.Bundle[0] ^= 1 },
	} {
		bad := good
		change(&bad)
		if _, err := keys.OpenEnvelope(bob.seed, bad, ct); !errors.Is(err, keys.ErrOpen) {
			t.Errorf("opened for another %s: %v", name, err)
		}
	}
	e := alice.g.byHash[short(cur.EID)]
	base := keys.EnvelopeContext(w.gid, minter, e.Lane, e.Seq, kc)
	if base != ectx {
		t.Error("the context is not that of the EPOCH")
	}
	for _, other := range []Hash{
		keys.EnvelopeContext(Hash{1}, minter, e.Lane, e.Seq, kc), keys.EnvelopeContext(w.gid, bob.me, e.Lane, e.Seq, kc),
		keys.EnvelopeContext(w.gid, minter, e.Lane+1, e.Seq, kc), keys.EnvelopeContext(w.gid, minter, e.Lane, e.Seq+1, kc),
		keys.EnvelopeContext(w.gid, minter, e.Lane, e.Seq, Hash{1}),
	} {
		if other == ectx {
			t.Error("two EPOCHs have one context")
		}
	}
}

func TestMUST_71_Recipients(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave", "erin")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(carol, Quit{})
	w.must(alice, Remove{Peer: w.all[3].me})
	newest, v := w.bundleOf(bob, w.now+5)
	w.give(v, alice)
	w.write(alice, TypeAdd, &Peer{Peer: crowd(1)[0].PeerID()}, 1) // no bundle known
	r := w.must(alice, Rotate{})
	if len(r.Seal) != 1 || len(r.Seal[0].To) != 2 {
		t.Fatalf("sealed to %+v", r.Seal)
	}
	for _, b := range r.Seal[0].To {
		if b.Peer == bob.me && b.Hash() != newest.Hash() || b.Peer != bob.me && b.Peer != w.all[4].me {
			t.Errorf("sealed to bundle %d of %s", b.Seq, b.Peer.Short())
		}
	}
	if n := w.decode(r.Publish[0]).Entry().body.(*Epoch).N; n != 2 {
		t.Errorf("n is %d, want 2", n)
	}
}

func TestMUST_72_PushBudget(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice")
	alice := w.all[0]
	most := pushBudget / envelopeMax
	key := alice.bundle.Key
	for i, id := range crowd(most + 1) {
		w.write(alice, TypeAdd, &Peer{Peer: id.PeerID()}, 1)
		alice.bundles[id.PeerID()] = keys.Bundle{Peer: id.PeerID(), KEM: 1, Key: key, Seq: 1}
		if i+1 < most {
			continue
		}
		b := alice.draftEpoch(ReasonRequest, w.entropy()).body.(*Epoch)
		to := alice.recipients()
		switch {
		case i+1 == most && (int(b.N) != most || len(to) != most || b.Chunks == 0):
			t.Errorf("%d members: n %d, %d chunks, %d recipients", i+2, b.N, b.Chunks, len(to))
		case i+1 > most && (b.N != 0 || b.Chunks != 0 || to != nil):
			t.Errorf("%d members: n %d, %d chunks, %d recipients", i+2, b.N, b.Chunks, len(to))
		}
	}
	if r := w.must(alice, Rotate{}); len(r.Seal) != 0 {
		t.Error("envelopes are sealed over the budget")
	}
}
