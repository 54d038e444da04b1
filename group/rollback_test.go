package group

import (
	"fmt"
	"testing"
)

// A peer's word about where a log begins moves nothing by itself.
func TestABaseNobodySignedHidesNothing(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.admit(alice, bob)
	w.admit(alice, carol)
	w.say(alice, "one")
	w.must(bob, Based{Author: alice.me, Lane: 0, Base: 1 << 40})
	w.must(bob, Based{Author: carol.me, Lane: 0, Base: 1 << 40})
	w.say(alice, "two")
	w.say(carol, "three")
	if got := fmt.Sprint(w.reads(bob)); got != "[one two three]" {
		t.Errorf("bob reads %s", got)
	}
}

// A home that was rolled back hears of its own later records, and from then on
// signs in a new lane: no number is used twice.
func TestARolledBackHomeBeginsANewLane(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.admit(alice, bob)
	w.say(bob, "one")
	old := New(Config{GID: w.gid, Self: bob.id, Bundle: bob.bundle, Careful: true}, bob.stored())
	w.say(bob, "two")
	bob.Machine = old
	if r := w.say(bob, "three"); len(r.Sent) != 0 || len(r.Publish) != 0 {
		t.Fatal("signed before its heights were compared")
	}
	w.sync(alice, bob)
	w.must(bob, Compared{})
	w.sync(bob, alice)
	if got := fmt.Sprint(w.reads(alice)); got != "[one two three]" {
		t.Errorf("alice reads %s", got)
	}
	for c, log := range alice.logs {
		if len(log.fork) > 0 {
			t.Errorf("two records under one number in %v", c)
		}
	}
	if bob.lane == 0 {
		t.Error("bob goes on in the old lane")
	}
}

// A backup that was restored beside the living original signs in a later lane.
// The original hears of it at first contact, once, and goes on in its own.
func TestACopyRestoredElsewhereIsToldOf(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.admit(alice, bob)
	w.say(bob, "one")
	stored := bob.stored()
	stored.Local = &Local{Lane: 1000}
	clone := &peer{w: w, id: bob.id, bundle: bob.bundle, seed: bob.seed, disk: newDisk()}
	clone.Machine = New(Config{GID: w.gid, Self: bob.id, Bundle: bob.bundle}, stored)
	w.say(bob, "two")
	told := 0
	w.watch = func(p *peer, r Ready) {
		for _, s := range r.Show {
			if s.Kind == ShowCopied && p == bob {
				told++
			} else if s.Kind == ShowCopied || s.Kind == ShowAlarm {
				t.Errorf("shown to another: %v", s)
			}
		}
	}
	w.say(clone, "three")
	w.say(clone, "four")
	if told != 1 {
		t.Errorf("bob was told %d times", told)
	}
	w.say(bob, "five")
	if got := fmt.Sprint(w.reads(alice)); got != "[one two three five four]" {
		t.Errorf("alice reads %s", got)
	}
	if bob.lane != 0 {
		t.Error("bob left his lane, in which nobody else signs")
	}
}
