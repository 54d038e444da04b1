package group

import (
	"fmt"
	"testing"
)

// What a newcomer may read can cite what it may not: that lies below where its
// copy begins, and is not waited for.
func TestNewcomerDoesNotWaitForWhatLiesBelow(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.admit(alice, carol)
	w.say(alice, "before bob")
	w.admit(alice, bob)
	w.say(carol, "hello bob")
	w.sync(alice, bob)
	if got := fmt.Sprint(w.reads(bob)); got != "[hello bob]" {
		t.Errorf("bob reads %s", got)
	}
	if w.must(bob, Tick{}).Want {
		t.Errorf("bob still waits for %x", bob.pend.missing())
	}
	w.restart(bob)
	if got := fmt.Sprint(w.reads(bob)); got != "[hello bob]" {
		t.Errorf("bob reads %s after a restart", got)
	}
}
