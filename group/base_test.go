package group

import (
	"fmt"
	"testing"
)

// records counts what a peer would be given.
func (w *world) offered(p, q *peer) int {
	w.t.Helper()
	miss, err := p.MissingAt(q.me, q.Heights())
	if err != nil {
		w.t.Fatal(err)
	}
	return len(miss.Records) + len(miss.Messages)
}

// A newcomer whose copy of a log came from somebody whose own copy begins higher
// still gets what lies between from whoever holds it.
func TestBaseGoesDown(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.say(alice, "alone")
	w.admit(alice, bob)
	bob.off = true
	for i := range 4 {
		w.say(alice, fmt.Sprint("to bob ", i))
	}
	bob.off = false
	w.admit(alice, carol)
	bob.off = true
	w.say(alice, "to both")
	bob.off = false
	w.sync(carol, bob)
	if got := fmt.Sprint(w.reads(bob)); got != "[to both]" {
		t.Fatalf("bob reads %s", got)
	}
	w.restart(bob)
	w.sync(alice, bob)
	want := "[to bob 0 to bob 1 to bob 2 to bob 3 to both]"
	if got := fmt.Sprint(w.reads(bob)); got != want {
		t.Errorf("bob reads %s, want %s", got, want)
	}
	if n := w.offered(alice, bob) + w.offered(carol, bob); n != 0 {
		t.Errorf("%d records are offered again", n)
	}
	w.restart(bob)
	if got := fmt.Sprint(w.reads(bob)); got != want {
		t.Errorf("bob reads %s after a restart, want %s", got, want)
	}
	for h, r := range bob.msgs {
		if a := alice.msgs[h]; a.ord != r.ord {
			t.Errorf("record %d has ord %d at bob, %d at alice", r.seq, r.ord, a.ord)
		}
	}
}

// Where a copy begins survives a restart, also where nothing above it is held.
func TestBaseSurvivesRestart(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.say(alice, "alone")
	w.admit(alice, bob)
	before := fmt.Sprint(bob.Heights())
	w.restart(bob)
	if after := fmt.Sprint(bob.Heights()); after != before {
		t.Errorf("heights %s after a restart, %s before", after, before)
	}
}

// What a removed member says beyond its cut is neither kept nor handed on, nor
// asked for again and again.
func TestBeyondTheCutIsForgotten(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.admit(alice, bob)
	w.admit(alice, carol)
	w.say(carol, "within")
	alice.off = true
	for i := range 5 {
		w.say(carol, fmt.Sprint("beyond ", i)) // bob hears it, alice does not
	}
	bob.off, carol.off, alice.off = true, true, false
	w.must(alice, Remove{Peer: carol.me})
	bob.off = false
	w.sync(bob, alice)
	if n := len(alice.disk.messages); n != 1 {
		t.Errorf("alice keeps %d messages, want 1", n)
	}
	w.sync(alice, bob)
	if n := w.offered(bob, alice); n != 0 {
		t.Errorf("bob offers alice %d records beyond the cut", n)
	}
	if alice.Behind(bob.Heights()) || bob.Behind(alice.Heights()) {
		t.Error("one lags behind the other for ever")
	}
	if got := fmt.Sprint(w.reads(bob), w.reads(alice)); got != "[within] [within]" {
		t.Errorf("bob and alice read %s", got)
	}
}

// What somebody answers is kept, though it lies beyond a cut and is not shown.
func TestAnsweredBeyondTheCutIsHandedOn(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	alice, bob, carol, dave := w.all[0], w.all[1], w.all[2], w.all[3]
	for _, p := range w.all[1:] {
		w.admit(alice, p)
	}
	alice.off, dave.off = true, true
	w.say(carol, "beyond 1")
	w.say(carol, "beyond 2")
	w.say(bob, "answer")
	w.say(carol, "beyond 3")
	bob.off, carol.off, alice.off, dave.off = true, true, false, false
	w.must(alice, Remove{Peer: carol.me})
	bob.off = false
	w.sync(bob, alice)
	w.sync(alice, bob)
	w.sync(alice, dave)
	if got := fmt.Sprint(w.reads(alice), w.reads(bob), w.reads(dave)); got != "[answer] [answer] [answer]" {
		t.Errorf("alice, bob and dave read %s", got)
	}
	if n := len(dave.disk.messages); n != 3 {
		t.Errorf("dave keeps %d messages, want the answer and the two it rests on", n)
	}
}
