package group

import "testing"

// A member who may not rotate waits for somebody who may, without being woken
// again and again.
func TestNoWakeWhereNothingCanBeDone(t *testing.T) {
	s := settingsFor("team")
	s.RotateBy = RotateByOwner
	w := newWorld(t, s, "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.admit(alice, bob)
	w.admit(alice, carol)
	alice.off = true
	w.must(carol, Quit{})
	wake := w.say(bob, "held").Wake
	for n := 0; wake > 0; n++ {
		if n > 5 {
			t.Fatalf("woken %d times, the next time after %d ms", n, wake-w.now)
		}
		w.now = wake
		wake = w.must(bob, Tick{}).Wake
	}
	if len(bob.Held()) != 1 {
		t.Error("the line left")
	}
}
