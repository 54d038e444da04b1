package group

import (
	"slices"
	"testing"
)

// What lies beyond a cut is neither named nor offered to who never had it.
func TestHiddenIsNotNamed(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	alice, bob, carol, dave := w.all[0], w.all[1], w.all[2], w.all[3]
	w.apart(func() { w.say(carol, "beyond") }, alice, dave)
	w.must(alice, Remove{Peer: carol.me})
	if len(bob.msgs) != 1 {
		t.Fatal("bob holds nothing")
	}
	if n := w.offered(bob, dave); n != 0 || dave.Behind(bob.Heights()) {
		t.Errorf("bob offers dave %d records; dave lags behind: %v", n, dave.Behind(bob.Heights()))
	}
	if hs := bob.Heights().Logs; len(hs) != 0 {
		t.Errorf("bob names %v", hs)
	}
}

// Both branches of a forked log are named, so that nothing is offered twice.
func TestHeadsNameEveryBranch(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	one := w.signMsg(carol, carol.nextMsg(nil, w.item("one")))
	two := w.signMsg(carol, carol.nextMsg(nil, w.item("two")))
	w.give(one, alice, bob)
	if alice.Behind(bob.Heights()) {
		t.Error("alice lags behind where both hold one branch")
	}
	w.give(two, alice)
	for _, h := range []Hash{one.Hash, two.Hash} {
		if !slices.ContainsFunc(alice.Heights().Logs, func(l LogHead) bool { return l.Hash == short(h) }) {
			t.Error("a branch is not named")
		}
	}
	if !bob.Behind(alice.Heights()) {
		t.Error("bob does not see that he lacks a branch")
	}
}

// What was hidden beyond one cut is shown once a farther cut is known, without
// coming again.
func TestHiddenComesBack(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	alice, bob, carol, dave := w.all[0], w.all[1], w.all[2], w.all[3]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapKick})
	var said, near, far Verified
	w.apart(func() { said = w.decode(w.say(carol, "hello").Publish[0]) }, alice, dave)
	w.apart(func() {
		near = w.decode(w.must(alice, Remove{Peer: carol.me}).Publish[0])
		far = w.decode(w.must(bob, Remove{Peer: carol.me}).Publish[0])
	}, alice, bob, dave)
	w.give(near, dave)
	w.give(said, dave)
	if dave.Visible(said.Hash) {
		t.Fatal("what lies beyond the near cut is shown")
	}
	w.give(far, dave)
	if !dave.Visible(said.Hash) {
		t.Error("what lies within the farther cut stays hidden")
	}
}

// A giver that does not hold the beginning of a log does not know all that its
// author had seen: who was removed by then may be nobody it knows of.
func TestPlaintextOfAViewInPart(t *testing.T) {
	w := newTeam(t, openHistory(), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(alice, Remove{Peer: carol.me})
	plain := func(text string) Verified {
		return w.decode(w.must(bob, Send{Items: []Item{w.item(text)}, Plain: true}).Publish[0])
	}
	one, two := plain("one"), plain("two")
	w.write(alice, TypeAdd, &Peer{Peer: carol.me}, 1)
	dave := w.outsider(9)
	for _, e := range alice.disk.stored().Entries {
		w.must(dave, Received{Record: e})
	}
	w.must(dave, Based{Author: bob.me, Base: 1, Ord: one.Msg().Ord})
	w.give(two, dave)
	if !dave.IsMember(carol.me) || !dave.Visible(two.Hash) {
		t.Fatal("dave does not hold the message, or carol is no member")
	}
	miss, err := dave.MissingAt(carol.me, Heights{})
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(miss.Messages, func(r MessageRef) bool { return r.Hash == two.Hash }) {
		t.Error("plaintext goes to who was removed when it was said")
	}
}
