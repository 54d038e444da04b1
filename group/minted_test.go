package group

import "testing"

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
