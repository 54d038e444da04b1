package group

import (
	"fmt"
	"slices"
	"testing"
)

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
	for n, end := 0, w.now+60_000; wake > 0 && wake < end; n++ {
		if n > 10 {
			t.Fatalf("woken %d times in a minute", n)
		}
		w.now = wake
		wake = w.must(bob, Tick{}).Wake
	}
	if len(bob.Held()) != 1 {
		t.Error("the line left")
	}
}

// A clock that is turned back by a day makes nobody wait for a day.
func TestClockTurnedBackDelaysNoRotation(t *testing.T) {
	s := settingsFor("team")
	s.MaxMessages = 1
	w := newWorld(t, s, "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.admit(alice, bob)
	w.now += softApart
	w.say(alice, "one")
	if r := w.say(alice, "two"); r.Epoch == (Hash{}) {
		t.Fatal("no rotation after the first message")
	}
	w.now -= 24 * 3600 * 1000
	w.say(alice, "three")
	w.now += softApart
	if r := w.say(alice, "four"); r.Epoch == (Hash{}) {
		t.Error("no rotation after the clock was turned back")
	}
}

// Whom no usable key covers, and who may not mint, asks those who may.
func TestUncoveredMemberWishes(t *testing.T) {
	s := settingsFor("team")
	s.RotateBy = RotateByOwner
	w := newWorld(t, s, "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.admit(alice, bob)
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapApprove})
	w.must(bob, JoinAsked{Request: Request{Peer: carol.me, Bundle: carol.bundle.Raw()}})
	w.must(bob, Approve{Peer: carol.me}) // and may not mint
	w.sync(bob, carol)
	w.must(carol, Online{Peer: alice.me, Up: true})
	r := w.say(carol, "hello")
	for n := 0; len(r.Wish) == 0; n++ {
		if r.Wake == 0 || n > 10 {
			t.Fatal("carol waits for ever")
		}
		w.now = r.Wake
		r = w.must(carol, Tick{})
	}
	w.must(alice, Wished{From: carol.me})
	w.sync(alice, carol)
	if len(carol.Held()) != 0 {
		t.Error("carol's line is still held")
	}
}

// Which of two branches of a chain a cut binds does not depend on what came
// first: the fork, the cut or the record that it names.
func TestCutBindsABranchInWhateverOrder(t *testing.T) {
	s := settingsFor("team")
	w := newWorld(t, s, "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.admit(alice, bob)
	w.admit(alice, carol)
	base := w.write(bob, TypeProfile, &Profile{Name: "base"}, 0, alice, carol)
	var left, right, named Verified
	w.apart(func() {
		e := bob.next(TypeProfile, &Profile{Name: "left"}, 0)
		left = w.signEntry(bob, e)
		e = bob.next(TypeProfile, &Profile{Name: "right"}, 0)
		right = w.signEntry(bob, e)
		e = bob.next(TypeProfile, &Profile{Name: "named"}, 0)
		e.Seq, e.Prev = right.Entry().Seq+1, right.Hash
		named = w.signEntry(bob, e)
	}, alice, bob, carol)
	w.give(right, alice)
	w.give(named, alice)
	kick := w.must(alice, Remove{Peer: bob.me}).Batch.Entries[0]
	v := w.decode(kick.Payload)
	orders := [][]Verified{{left, right, named, v}, {v, left, right, named}, {right, named, v, left}, {left, v, right, named}, {v, named, right, left}}
	for i, order := range orders {
		p := w.outsider(byte(100 + i))
		for _, h := range carol.disk.stored().Entries {
			if h.Hash != left.Hash && h.Hash != v.Hash {
				w.must(p, Received{Record: h})
			}
		}
		for _, x := range order {
			w.step(p, Received{Record: x})
		}
		if !p.counts(base) || p.counts(left) || !p.counts(right) || !p.counts(named) {
			t.Errorf("order %d: base %v, left %v, right %v, named %v; want all but left",
				i, p.counts(base), p.counts(left), p.counts(right), p.counts(named))
		}
	}
}

// What someone who is no deputy any more said before a deputy removed him is
// still shown, and what he does as a member afterwards is cut.
func TestDeputyRemovesWhoWasADeputy(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	for _, p := range w.all[1:] {
		w.admit(alice, p)
	}
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapKick | CapRotate})
	w.must(alice, DeputyAdd{Peer: carol.me, Caps: CapApprove})
	w.must(alice, DeputyRemove{Peer: carol.me})
	w.say(carol, "before")
	w.apart(func() { w.must(bob, Remove{Peer: carol.me}) }, carol)
	late := w.write(carol, TypeProfile, &Profile{Name: "late"}, 0, alice, bob)
	for _, p := range []*peer{alice, bob} {
		if got := fmt.Sprint(w.reads(p)); got != "[before]" {
			t.Errorf("%s reads %s", p.me.Short(), got)
		}
		if p.counts(late) || p.IsMember(carol.me) {
			t.Error("what lies beyond the cut counts")
		}
	}
}

// Entries that nobody had the authority to write are not acknowledged, so that a
// stranger cannot crowd out those that count.
func TestStrangersEntriesAreNotAcknowledged(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.admit(alice, bob)
	w.admit(alice, carol)
	mallory := w.outsider(50)
	for _, v := range alice.disk.stored().Entries {
		mallory.Step(Input{Now: w.now, Event: Received{Record: v}})
	}
	e := mallory.next(TypeLeave, &Leave{JID: alice.st.incarnation(carol.me).eh}, 0)
	v := w.signEntry(mallory, e)
	w.step(alice, Received{Record: v})
	leave := w.must(carol, Quit{}).Batch.Entries[0].Hash
	b, _ := alice.epochBody(ReasonRemoved)
	if !slices.Contains(b.Acks, leave) || slices.Contains(b.Acks, v.Hash) {
		t.Errorf("the epoch acknowledges %v, want %v alone", b.Acks, leave)
	}
}
