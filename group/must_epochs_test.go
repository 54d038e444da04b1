package group

import (
	"testing"
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
