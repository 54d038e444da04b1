package group

import (
	"slices"
	"testing"
)

// What waits outlives a restart, is named to whoever is asked, and is not given
// again; once it waits no longer the store is told.
func TestWaitingOutlivesARestart(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	var said []Verified
	w.apart(func() {
		for range 30 {
			said = append(said, w.decode(w.say(alice, "one of many").Publish[0]))
		}
	}, bob)
	for _, v := range slices.Concat(said[1:10], said[14:20]) {
		w.give(v, bob)
	}
	if len(bob.disk.waiting) != 15 {
		t.Fatalf("%d of 15 waiting records are stored", len(bob.disk.waiting))
	}
	w.restart(bob)
	runs := bob.Waiting(10)
	if len(runs) != 2 || runs[0].Base != 1 || runs[0].Seq != 10 || runs[1].Base != 14 || runs[1].Seq != 20 || runs[1].Hash != short(said[19].Hash) {
		t.Fatalf("it names %+v", runs)
	}
	if first := bob.Waiting(1); len(first) != 1 || first[0] != runs[0] {
		t.Errorf("of one run at most it names %+v", first)
	}
	h := bob.Heights()
	h.Logs = append(h.Logs, runs...)
	miss, err := alice.MissingAt(bob.me, h)
	if err != nil || len(miss.Messages) != 15 {
		t.Fatalf("%d records are given, not 15: %v", len(miss.Messages), err)
	}
	for _, ref := range miss.Messages {
		w.deliver(bob, alice.messages[ref.Hash].Payload)
	}
	if n := len(w.reads(bob)); n != 30 || len(bob.disk.waiting) != 0 || len(bob.Waiting(10)) != 0 {
		t.Errorf("bob reads %d lines, and %d records are stored as waiting", n, len(bob.disk.waiting))
	}
}

// A stored record that no longer has to wait comes in with the first step, and is
// stored as what it is.
func TestStoredWaitingIsTriedAgain(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	var said []Verified
	w.apart(func() {
		for range 3 {
			said = append(said, w.decode(w.say(alice, "a line").Publish[0]))
		}
	}, bob)
	w.give(said[1], bob)
	w.give(said[2], bob)
	before := bob.disk.copy()
	w.give(said[0], bob)
	one := bob.disk.messages[said[0].Hash]
	bob.disk = before // as if what came in with the first line were lost
	bob.disk.messages[one.Hash] = one
	w.restart(bob)
	w.must(bob, Tick{})
	if len(bob.disk.waiting) != 0 || len(bob.disk.messages) != 3 || len(w.reads(bob)) != 3 {
		t.Errorf("%d wait, %d are held", len(bob.disk.waiting), len(bob.disk.messages))
	}
}

// Of somebody who was never admitted nothing is stored: identities cost nothing.
func TestStrangersWaitInMemoryAlone(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	x := w.person(9)
	m := alice.nextMsg(nil, w.item("from nowhere"))
	m.Author, m.Seq, m.Prev, m.JID = x.id.PeerID(), 2, Hash{7}, Hash{8}
	w.give(w.signMsg(x, m), bob)
	if len(bob.pend.waits) != 1 || len(bob.disk.waiting) != 0 {
		t.Errorf("%d wait, of which %d are stored", len(bob.pend.waits), len(bob.disk.waiting))
	}
}
