package group

import (
	"errors"
	"fmt"
	"testing"
)

func TestAbuse_RM01_NewKeyAfterRemoval(t *testing.T) {
	w := newTeam(t, openHistory(), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	r := w.must(alice, Remove{Peer: carol.me})
	for _, job := range r.Seal {
		for _, b := range job.To {
			if b.Peer == carol.me {
				t.Error("the new key is sealed to who was removed")
			}
		}
	}
	for _, p := range []*peer{alice, bob} {
		for _, e := range p.Epochs() {
			if err := w.served(p, carol, e.EID); err == nil {
				t.Errorf("generation %d is served to who was removed", e.Gen)
			}
		}
	}
	if _, ok := carol.Key(r.Epoch); ok {
		t.Error("carol holds the new key")
	}
}

func TestAbuse_RM04_PostingAfterRemoval(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.say(carol, "within")
	w.apart(func() { w.must(alice, Remove{Peer: carol.me}) }, carol)
	for range 2 { // under the old epoch, which carol still holds
		var late Verified
		w.apart(func() { late = w.decode(w.say(carol, "beyond").Publish[0]) }, alice, bob)
		for _, p := range []*peer{alice, bob} {
			if r := w.must(p, Received{Record: late}); len(r.Show)+len(r.Batch.Messages) != 0 {
				t.Error("a line of who was removed is shown")
			}
			w.restart(p)
			if got := fmt.Sprint(w.reads(p)); got != "[within]" {
				t.Errorf("reads %s", got)
			}
		}
	}
}

func TestAbuse_RM07_HidingTheRemoval(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.apart(func() { w.must(alice, Remove{Peer: carol.me}) }, bob, carol)
	w.say(carol, "bob does not know") // and bob still takes it
	if len(w.reads(bob)) != 1 {
		t.Fatal("bob, who does not know, hides the line")
	}
	w.sync(alice, bob)
	if bob.IsMember(carol.me) || len(w.reads(bob)) != 0 {
		t.Error("bob does not converge")
	}
	for _, e := range carol.entries { // the log without its end, again
		w.step(bob, Received{Record: e})
	}
	if bob.IsMember(carol.me) {
		t.Error("a shorter log took the removal back")
	}
	w.restart(bob)
	if bob.IsMember(carol.me) {
		t.Error("a restart took the removal back")
	}
}

func TestAbuse_RM09_ReAdded(t *testing.T) {
	for _, s := range []Settings{settingsFor("team"), openHistory()} {
		w := newTeam(t, s, "alice", "bob", "carol")
		alice, carol := w.all[0], w.all[2]
		w.must(alice, Remove{Peer: carol.me})
		w.say(alice, "without carol")
		w.must(alice, Rotate{})
		w.admit(alice, carol)
		for _, p := range w.all[:2] {
			w.sync(p, carol)
			for _, e := range p.Epochs() {
				view := p.g.byHash[short(e.EID)].view(p.g)
				if err := w.served(p, carol, e.EID); view.removed(carol.me) && err == nil {
					t.Errorf("history %d: generation %d is served", s.History, e.Gen)
				}
			}
		}
		for _, text := range w.reads(carol) {
			if text == "without carol" {
				t.Errorf("history %d: carol reads what was said without her", s.History)
			}
		}
		if now, ok := carol.Current(); !ok || carol.Covers(carol.me, now.EID) != nil {
			t.Error("carol cannot speak again")
		}
	}
}

func TestAbuse_RM10_TheLastLeaves(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.must(bob, Quit{})
	w.now += 1000
	w.must(alice, Tick{})
	if r := w.say(alice, "alone"); len(r.Sent) != 1 || len(r.Seal) != 0 {
		t.Errorf("alone: sent %d, sealed %d", len(r.Sent), len(r.Seal))
	}
	r := w.must(alice, Quit{})
	if len(alice.Members()) != 0 || r.Epoch != (Hash{}) || len(r.Seal) != 0 {
		t.Error("after the last LEAVE there are members, or a key")
	}
	for range 3 {
		w.now += 60_000
		if r := w.must(alice, Tick{}); len(r.Publish)+len(r.Seal) != 0 || r.Wake != 0 {
			t.Error("a closed group goes on publishing")
		}
	}
	if _, err := w.step(alice, Send{Items: []Item{w.item("x")}}); !errors.Is(err, ErrClosed) {
		t.Errorf("a line to nobody: %v", err)
	}

	w = newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob = w.all[0], w.all[1]
	if _, err := w.step(alice, Quit{}); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("the owner leaves others behind: %v", err)
	}
	w.must(alice, Quit{Abandon: true})
	if bob.IsMember(alice.me) || len(bob.Members()) != 2 {
		t.Fatal("the owner did not leave")
	}
	w.must(bob, Online{Peer: alice.me, Up: false})
	w.must(w.all[2], Online{Peer: alice.me, Up: false})
	w.say(bob, "we go on")
	w.now += rankWait
	w.must(bob, Tick{})
	if got := fmt.Sprint(w.reads(w.all[2])); got != "[we go on]" {
		t.Errorf("carol reads %s", got)
	}
}

func TestAbuse_RM11_SelfLeave(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	before, _ := alice.Current()
	r := w.must(carol, Quit{})
	if len(r.Publish) != 1 {
		t.Fatalf("a leave publishes %d records", len(r.Publish))
	}
	for _, p := range []*peer{alice, bob} {
		if p.Marked(w.now) != HardMark || p.IsMember(carol.me) {
			t.Errorf("mark %s after a LEAVE", p.Marked(w.now))
		}
		if err := w.served(p, carol, before.EID); err == nil {
			t.Error("a key is served to who left")
		}
	}
	if r := w.say(bob, "x"); len(r.Sent) != 0 {
		t.Error("a line left under the key that who left holds")
	}
	w.now += rankWait
	w.must(bob, Tick{})
	if now, ok := bob.Current(); !ok || now.EID == before.EID || now.Reason != ReasonRemoved {
		t.Errorf("the key after the rotation is %+v", now)
	}
}
