package group

import (
	"errors"
	"testing"

	"conclave/keys"
)

// epochCounts writes an EPOCH of p, which p itself forgets, altered by change,
// and says whether it counts at judge.
func (w *world) epochCounts(p, judge *peer, reason Reason, change func(b *Epoch)) bool {
	w.t.Helper()
	b, _ := p.epochBody(reason)
	if change != nil {
		change(b)
	}
	term := uint64(0)
	if p.Owner() == p.me {
		term = 1
	}
	v := w.signEntry(p, p.next(TypeEpoch, b, term))
	w.give(v, judge)
	return judge.counts(v)
}

// rotateOver lets p write an EPOCH over the epochs that q knows.
func (w *world) rotateOver(p, q *peer) {
	w.t.Helper()
	b, _ := q.epochBody(ReasonRequest)
	w.write(p, TypeEpoch, b, 1, q)
}

func TestMUST_49_Generation(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	for _, p := range []*peer{alice, bob} {
		for _, by := range []int{-1, 1, 1 << 40} {
			if w.epochCounts(p, alice, ReasonRequest, func(b *Epoch) { b.Gen += uint64(by) }) {
				t.Errorf("a gen that is %+d off counts", by)
			}
		}
		if !w.epochCounts(p, alice, ReasonRequest, nil) {
			t.Error("a sound EPOCH is void")
		}
	}
}

func TestMUST_50_FreshKeys(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	old := alice.current().body.(*Epoch)
	for _, p := range []*peer{alice, bob} {
		if w.epochCounts(p, alice, ReasonRequest, func(b *Epoch) { b.KC = old.KC }) {
			t.Error("a kc seen before counts")
		}
		if w.epochCounts(p, alice, ReasonRequest, func(b *Epoch) { b.Salt = old.Salt }) {
			t.Error("a salt seen before counts")
		}
	}
}

func TestMUST_51_HistoryOfTheView(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	for _, p := range []*peer{alice, bob} {
		if w.epochCounts(p, alice, ReasonRequest, func(b *Epoch) { b.History = HistoryAll }) {
			t.Error("an EPOCH opens history that the setting keeps closed")
		}
	}
}

func TestMUST_52_Envelopes(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	for _, p := range []*peer{alice, bob} {
		if w.epochCounts(p, alice, ReasonRequest, func(b *Epoch) { b.N = 3 }) {
			t.Error("three envelopes for two members count")
		}
		if !w.epochCounts(p, alice, ReasonRequest, func(b *Epoch) { b.N = 2 }) {
			t.Error("two envelopes for two members are void")
		}
	}
}

func TestMUST_53_FirstEpoch(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapRotate})
	first := func(b *Epoch) { b.Parents, b.Gen = nil, 1 }
	if w.epochCounts(bob, alice, ReasonCreate, first) {
		t.Error("a deputy's EPOCH without parents counts")
	}
	if !w.epochCounts(alice, alice, ReasonCreate, first) {
		t.Error("the owner's EPOCH without parents is void")
	}
	w2, one, two := newTalk(t)
	for _, p := range []*peer{one, two} {
		b, _ := p.epochBody(ReasonCreate)
		v := w2.signEntry(p, p.next(TypeEpoch, b, 0))
		w2.give(v, one, two)
		if !one.counts(v) || !two.counts(v) {
			t.Error("a person's first EPOCH of a conversation is void")
		}
	}
}

func TestMUST_54_RotateBy(t *testing.T) {
	for by, may := range map[RotateBy][3]bool{
		RotateByAny:      {true, true, true},
		RotateByDeputies: {true, true, false},
		RotateByOwner:    {true, false, false},
	} {
		s := settingsFor("team")
		s.RotateBy = by
		w := newTeam(t, s, "alice", "bob", "carol", "dave")
		alice, bob, dave := w.all[0], w.all[1], w.all[3]
		w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapRotate})
		w.must(alice, DeputyAdd{Peer: dave.me, Caps: CapKick})
		for i, p := range w.all[:3] {
			if got := w.epochCounts(p, alice, ReasonRequest, nil); got != may[i] {
				t.Errorf("rotate_by %d: the EPOCH of %d counts: %v", by, i, got)
			}
		}
		if got := w.epochCounts(dave, alice, ReasonRequest, nil); got != may[2] {
			t.Errorf("rotate_by %d: the EPOCH of a deputy without rotate counts: %v", by, got)
		}
	}
}

func TestMUST_55_ReasonRemoved(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	if w.epochCounts(bob, alice, ReasonRemoved, nil) {
		t.Error("reason removed counts where nobody was removed")
	}
	w.apart(func() { w.write(alice, TypeKick, &Removal{Peer: carol.me}, 1, bob) }, carol)
	if !w.epochCounts(bob, alice, ReasonRemoved, nil) {
		t.Error("reason removed is void after a KICK")
	}
	w.rotateOver(alice, bob)
	if w.epochCounts(bob, alice, ReasonRemoved, nil) {
		t.Error("reason removed counts over an epoch that knows the removal")
	}
}

func TestMUST_56_ReasonAdmitted(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	if w.epochCounts(bob, alice, ReasonAdmitted, nil) {
		t.Error("reason admitted counts where everyone is served")
	}
	w.write(alice, TypeAdd, &Peer{Peer: crowd(1)[0].PeerID()}, 1, bob)
	if !w.epochCounts(bob, alice, ReasonAdmitted, nil) {
		t.Error("reason admitted is void where a newcomer is not served")
	}
}

func TestMUST_57_ReasonEncryptionOn(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	if w.epochCounts(bob, alice, ReasonEncryptionOn, nil) {
		t.Error("reason encryption-on counts where it was never off")
	}
	off := settingsFor("team")
	off.E2EE = false
	w.write(alice, TypeSet, &Set{Settings: off}, 1, bob)
	if w.epochCounts(bob, alice, ReasonEncryptionOn, nil) {
		t.Error("reason encryption-on counts while it is off")
	}
	w.write(alice, TypeSet, &Set{Settings: settingsFor("team")}, 1, bob)
	if !w.epochCounts(bob, alice, ReasonEncryptionOn, nil) {
		t.Error("reason encryption-on is void after encryption was switched on")
	}
	w.rotateOver(alice, bob)
	if w.epochCounts(bob, alice, ReasonEncryptionOn, nil) {
		t.Error("reason encryption-on counts over an epoch that knows the switch")
	}
}

func TestMUST_58_ReasonAge(t *testing.T) {
	s := settingsFor("team")
	s.MaxAge = 1000
	w := newTeam(t, s, "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	for at, want := range map[uint64]bool{0: false, 999: false, 1000: true, 5000: true} {
		b, _ := bob.epochBody(ReasonAge)
		e := bob.next(TypeEpoch, b, 0)
		e.Time = alice.current().Time + at
		v := w.signEntry(bob, e)
		w.give(v, alice)
		if got := alice.counts(v); got != want {
			t.Errorf("reason age %d ms after the parent, max_age 1000, counts: %v", at, got)
		}
	}
	s.MaxAge = 0
	w.write(alice, TypeSet, &Set{Settings: s}, 1, bob)
	w.now += 1 << 40
	if w.epochCounts(bob, alice, ReasonAge, nil) {
		t.Error("reason age counts where keys never age")
	}
}

func TestMUST_59_ReasonsOverOwnEpochs(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob := w.all[0], w.all[1]
	for _, r := range []Reason{ReasonCreate, ReasonCover} {
		if w.epochCounts(bob, alice, r, nil) {
			t.Errorf("a member's reason %s counts", r)
		}
		if !w.epochCounts(alice, alice, r, nil) {
			t.Errorf("the owner's reason %s is void", r)
		}
	}
	for _, r := range []Reason{ReasonMessages, ReasonRequest, ReasonRescue} {
		if !w.epochCounts(bob, alice, r, nil) {
			t.Errorf("a member's reason %s over another's epoch is void", r)
		}
	}
	own := w.decode(w.must(bob, Rotate{}).Publish[0])
	for _, r := range []Reason{ReasonMessages, ReasonRequest, ReasonRescue} {
		over := func(b *Epoch) { b.Parents, b.Gen = []Hash{own.Hash}, own.Entry().body.(*Epoch).Gen+1 }
		if w.epochCounts(bob, alice, r, over) {
			t.Errorf("a member's reason %s over the own epoch counts", r)
		}
	}
	if r := w.must(bob, Rotate{}); r.Epoch == (Hash{}) || !alice.counts(w.decode(r.Publish[0])) {
		t.Error("a second rotation that leaves the own epoch out is void")
	}
}

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

// A void EPOCH, which anyone may write, keeps nobody from minting the first.
func TestVoidEpochDoesNotBlockTheFirst(t *testing.T) {
	w := newWorld(t, encryptionOff(), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.admit(alice, bob)
	if w.epochCounts(bob, alice, ReasonCreate, nil) {
		t.Fatal("a member's first EPOCH counts")
	}
	r := w.must(alice, Change{Settings: settingsFor("team")})
	if r.Epoch == (Hash{}) || !alice.Settings().E2EE {
		t.Error("encryption cannot be switched on")
	}
}
