package group

import (
	"fmt"
	"testing"
)

// What a newcomer may read can cite what it may not: that lies below where its
// copy begins, and is not waited for.
// See MUST-106.
func testNewcomerDoesNotWait(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.admit(alice, carol)
	w.say(alice, "before bob")
	w.must(alice, JoinAsked{Request: Request{Peer: bob.me, Bundle: bob.bundle.Raw()}})
	w.must(alice, Approve{Peer: bob.me})
	w.say(carol, "hello bob") // reaches bob before anybody told it where logs begin
	miss, err := alice.MissingAt(bob.me, bob.Heights())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range miss.Records {
		w.deliver(bob, r)
	}
	for _, b := range miss.Bases {
		w.must(bob, b)
	}
	if need := bob.pend.missing(); len(need) > 0 || len(miss.Bases) != 1 {
		t.Errorf("with the base told bob still waits for %x", need)
	}
	w.sync(alice, bob)
	if got := fmt.Sprint(w.reads(bob)); got != "[hello bob]" {
		t.Errorf("bob reads %s", got)
	}
	if need := bob.pend.missing(); len(need) > 0 {
		t.Errorf("bob still waits for %x", need)
	}
	w.restart(bob)
	if got := fmt.Sprint(w.reads(bob)); got != "[hello bob]" {
		t.Errorf("bob reads %s after a restart", got)
	}
}
