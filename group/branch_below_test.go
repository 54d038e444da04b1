package group

import (
	"fmt"
	"testing"
)

// Whoever cites what somebody never wrote is heard by that somebody too, where a
// peer says that the record is not to be had: the peer would offer it for ever.
func TestALieAboutTheOwnLogHoldsNothingUp(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.admit(alice, bob)
	for range 3 {
		w.say(alice, "before carol came")
	}
	w.admit(alice, carol)
	w.say(alice, "to all")
	x := bob.nextMsg(nil, w.item("as alice said"))
	x.Deps = []Head{{Author: alice.me, Lane: alice.lane, Seq: 2, Hash: Short{1}}}
	lie := w.signMsg(bob, x)
	w.must(alice, Received{Record: lie})
	w.must(carol, Received{Record: lie})
	if alice.msgs[short(lie.Hash)] != nil || carol.msgs[short(lie.Hash)] == nil {
		t.Fatal("carol alone should hold the record, whose copy begins above what it cites")
	}
	w.sync(carol, alice)
	if alice.msgs[short(lie.Hash)] == nil || w.offered(carol, alice) != 0 {
		t.Errorf("alice holds the record: %v; %d records are offered again", alice.msgs[short(lie.Hash)] != nil, w.offered(carol, alice))
	}
	before := fmt.Sprint(alice.Heights().Logs)
	w.restart(alice)
	if after := fmt.Sprint(alice.Heights().Logs); after != before {
		t.Errorf("heights %s after a restart, %s before", after, before)
	}
}

// A branch that ends below a hole, so that nothing else is held under its
// numbers, is offered to whoever holds the other branch whole.
func TestABranchBelowAHoleIsOffered(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.admit(alice, bob)
	other := w.signMsg(bob, bob.nextMsg(nil, w.item("the other first")))
	w.must(bob, Send{Items: []Item{w.item("not for carol")}, Plain: true})
	first := bob.logs[chain{bob.me, bob.lane}].top().hash
	w.admit(alice, carol)
	w.say(bob, "to all")
	w.must(carol, Received{Record: other})
	if carol.msgs[short(first)] != nil || carol.logs[chain{bob.me, bob.lane}].height() != 2 || carol.msgs[short(other.Hash)] == nil {
		t.Fatal("carol should hold the second record and the other first one")
	}
	w.sync(carol, alice)
	if alice.msgs[short(other.Hash)] == nil || len(alice.alarms) != 1 {
		t.Errorf("alice holds the other branch: %v, alarms %d", alice.msgs[short(other.Hash)] != nil, len(alice.alarms))
	}
	if n := w.offered(carol, alice) + w.offered(alice, carol); n != 0 {
		t.Errorf("%d records are offered again", n)
	}
}

// No peer says where this node's own log begins.
func TestNoBaseInTheOwnLog(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	bob := w.all[1]
	x := bob.nextMsg(nil, w.item("above"))
	x.Seq, x.Prev, x.Ctrl = 6, Hash{1}, nil
	w.must(bob, Based{Author: bob.me, Lane: x.Lane, Base: 5, Ord: 1 << 40})
	above := w.signMsg(bob, x)
	w.must(bob, Received{Record: above})
	if bob.msgs[short(above.Hash)] != nil {
		t.Error("an own log begins where a peer says")
	}
}

// What is held of another branch is not missing.
func TestNoGapInAnotherBranch(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	other := w.signMsg(bob, bob.nextMsg(nil, w.item("the other first")))
	w.must(alice, Received{Record: other})
	w.say(bob, "one")
	w.say(bob, "two")
	x := bob.nextMsg(nil, w.item("waits"))
	x.Deps = []Head{{Author: alice.me, Lane: alice.lane, Seq: 1, Hash: Short{1}}}
	w.must(alice, Received{Record: w.signMsg(bob, x)})
	if n := len(alice.logs[chain{bob.me, bob.lane}].fork); n != 2 {
		t.Fatalf("%d records lie on the second branch", n)
	}
	if gaps := alice.Gaps(); len(gaps) != 0 {
		t.Errorf("gaps %+v, and everything is held", gaps)
	}
}
