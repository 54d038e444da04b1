package group

import (
	"testing"

	"conclave/keys"
)

// takeTurns has two members replace the key in turn and returns how many free
// epochs each of the first's is found to follow, itself included.
func (w *world) takeTurns(a, b *peer, apart ...int64) (counts []int) {
	w.t.Helper()
	for _, d := range apart {
		w.now += uint64(d)
		counts = append(counts, w.all[0].MintedFreely(w.must(a, Rotate{}).Epoch))
		w.must(b, Rotate{})
	}
	return counts
}

func TestMintedFreely(t *testing.T) {
	const minute = 60_000
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	got := w.takeTurns(bob, carol, 0, 0, 10*minute, 49*minute, minute, minute, -30*minute)
	for i, want := range []int{1, 2, 3, 4, 3, 4, 7} {
		if got[i] != want {
			t.Errorf("epoch %d counts %d, want %d", i+1, got[i], want)
		}
	}
	for name, eid := range map[string]Hash{"the owner's": w.must(alice, Rotate{}).Epoch, "unknown": {1}} {
		if n := alice.MintedFreely(eid); n != 0 {
			t.Errorf("%s counts %d", name, n)
		}
	}
	r := w.must(bob, Rotate{})
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapRotate})
	if n := alice.MintedFreely(r.Epoch); n != 0 {
		t.Errorf("a deputy's counts %d", n)
	}
}

// A member who mints over an old epoch, though knowing the newest, holds nobody
// up: the next epoch goes on from the newest, too, and serves a newcomer whom that
// one does not serve.
func TestAnEpochOverAnOldOneHoldsNobodyUp(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	alice, carol := w.all[0], w.all[2]
	w.must(alice, Remove{Peer: w.all[3].me})
	old := alice.g.epochs[0]
	key, salt := keys.Secret{7}, Hash{7}
	low := &Epoch{Gen: 2, Parents: []Hash{old.eh}, KC: keys.Commitment(key, salt, w.gid), Salt: salt, Suite: Suite, Reason: ReasonRequest}
	if v := w.write(carol, TypeEpoch, low, 0, alice); !alice.counts(v) {
		t.Fatal("the EPOCH does not count")
	}
	newcomer := w.outsider(9)
	w.all = append(w.all, newcomer)
	w.admit(alice, newcomer)
	cur, ok := newcomer.Current()
	if mine, _ := alice.Current(); !ok || cur.EID != mine.EID || alice.Marked(w.now) != Unmarked {
		t.Errorf("the newcomer speaks under generation %d, alice under %d, mark %s", cur.Gen, mine.Gen, alice.Marked(w.now))
	}
}
