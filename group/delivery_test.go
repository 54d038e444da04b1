package group

import "testing"

// TestDelivery follows a message from the author alone to everyone it is for.
func TestDelivery(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	want := func(h Hash, to, of int) {
		t.Helper()
		if have, lack, own := alice.Delivery(h); !own || len(have) != to || len(have)+len(lack) != of {
			t.Errorf("delivered to %d, not to %d (%v), want %d of %d", len(have), len(lack), own, to, of)
		}
	}
	var first Hash
	w.apart(func() { first = w.decode(w.say(alice, "first").Publish[0]).Hash }, bob, carol)
	want(first, 0, 2)

	w.sync(alice, bob)
	r := w.must(alice, Holds{Peer: bob.me, Logs: bob.Heights().Logs})
	want(first, 1, 2)
	if len(r.Batch.Holds) != 1 {
		t.Error("not kept")
	}
	if r := w.must(alice, Holds{Peer: bob.me, Logs: bob.Heights().Logs}); len(r.Batch.Holds)+len(r.Show) != 0 {
		t.Error("kept again though nothing changed")
	}

	w.sync(alice, carol)
	w.say(carol, "an answer") // cites what it answers
	want(first, 2, 2)

	alice.Machine = New(Config{GID: w.gid, Self: alice.id, Bundle: alice.bundle}, alice.stored())
	want(first, 2, 2)
	w.must(alice, Remove{Peer: carol.me})
	want(first, 1, 1)

	if _, _, ok := bob.Delivery(first); ok {
		t.Error("bob knows who holds alice's message")
	}
}

// TestDeliveryIsNotForNewcomers: whoever may not read a message is not waited for.
func TestDeliveryIsNotForNewcomers(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice := w.all[0]
	early := w.decode(w.say(alice, "early").Publish[0]).Hash
	carol := w.person(9)
	carol.Machine = New(Config{GID: w.gid, Self: carol.id, Bundle: carol.bundle}, Stored{})
	w.all = append(w.all, carol)
	w.admit(alice, carol)
	if have, lack, _ := alice.Delivery(early); len(have)+len(lack) != 1 {
		t.Errorf("had by %d others, lacked by %d, want bob alone", len(have), len(lack))
	}
	late := w.decode(w.say(alice, "late").Publish[0]).Hash
	if have, lack, _ := alice.Delivery(late); len(have)+len(lack) != 2 {
		t.Errorf("had by %d others, lacked by %d, want 2", len(have), len(lack))
	}
}

// TestHoldsOfForeignRecords: a peer's word about records that are not this
// node's, or not held, or about other numbers, is worth nothing.
func TestHoldsOfForeignRecords(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob := w.all[0], w.all[1]
	mine := w.decode(w.say(alice, "mine").Publish[0])
	theirs := w.decode(w.say(bob, "bob's").Publish[0])
	h := LogHead{Author: alice.me, Seq: 1, Hash: short(mine.Hash)}
	wrong := []LogHead{
		{Author: bob.me, Seq: 1, Hash: short(theirs.Hash)},
		{Author: alice.me, Seq: 1, Hash: short(theirs.Hash)},
		{Author: alice.me, Seq: 2, Hash: h.Hash},
		{Author: alice.me, Lane: 1, Seq: 1, Hash: h.Hash},
		{Author: alice.me, Base: 1, Seq: 1, Hash: h.Hash},
	}
	if r := w.must(alice, Holds{Peer: w.all[2].me, Logs: wrong}); len(r.Batch.Holds) != 0 {
		t.Errorf("kept %v", r.Batch.Holds)
	}
	stranger := w.person(9)
	if r := w.must(alice, Holds{Peer: stranger.id.PeerID(), Logs: []LogHead{h}}); len(r.Batch.Holds) != 0 {
		t.Error("a stranger's word was kept")
	}
	if r := w.must(alice, Holds{Peer: w.all[2].me, Logs: []LogHead{h}}); len(r.Batch.Holds) != 1 {
		t.Error("a right head was not kept")
	}
}
