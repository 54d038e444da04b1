package group

import (
	"errors"
	"testing"
)

// TestHandOver: the owner hands over to who has accepted in this term, everybody
// follows, and the former owner is a member like all. What was accepted in an
// earlier term counts no more.
func TestHandOver(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	if _, err := w.step(alice, HandOver{Peer: bob.me}); !errors.Is(err, ErrNoRequest) {
		t.Errorf("to who has not accepted: %v", err)
	}
	if _, err := w.step(alice, TakeOver{}); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("by the owner: %v", err)
	}
	w.must(bob, TakeOver{})
	w.must(carol, TakeOver{})
	if r := w.must(bob, TakeOver{}); len(r.Publish) > 0 {
		t.Error("the same acceptance again is an entry")
	}
	if _, err := w.step(carol, HandOver{Peer: bob.me}); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("by a member: %v", err)
	}
	w.must(alice, HandOver{Peer: bob.me})
	for _, p := range w.all {
		if p.Owner() != bob.me || p.Role(alice.me) != "member" {
			t.Errorf("at %s the owner is %s, alice is %s", p.me.Short(), p.Owner().Short(), p.Role(alice.me))
		}
	}
	if _, err := w.step(bob, HandOver{Peer: carol.me}); !errors.Is(err, ErrNoRequest) {
		t.Errorf("on an acceptance of an earlier term: %v", err)
	}
	w.must(carol, TakeOver{})
	w.must(bob, HandOver{Peer: carol.me})
	w.must(carol, Rotate{})
	if alice.Owner() != carol.me {
		t.Error("the second transfer does not count")
	}
}
