package group

import (
	"errors"
	"testing"
)

// A record names others by half a hash only where the format says so. Where it
// gives a whole hash, the other half must be right too.
func TestWholeHashesAreCompared(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.admit(alice, bob)
	w.say(bob, "one")
	w.must(bob, SetName{Name: "bob"})
	half := func(h Hash) Hash { h[31] ^= 1; return h }

	e := bob.next(TypeProfile, &Profile{Name: "b"}, 0)
	e.Prev = half(e.Prev)
	if _, err := w.step(alice, Received{Record: w.signEntry(bob, e)}); !errors.Is(err, ErrDependency) {
		t.Errorf("prev of an entry: %v", err)
	}
	x := bob.nextMsg(bob.current(), w.item("two"))
	x.Prev = half(x.Prev)
	if _, err := w.step(alice, Received{Record: w.signMsg(bob, x)}); !errors.Is(err, ErrDependency) {
		t.Errorf("prev of a message: %v", err)
	}
	x = bob.nextMsg(bob.current(), w.item("two"))
	x.JID = half(x.JID)
	if _, err := w.step(alice, Received{Record: w.signMsg(bob, x)}); !errors.Is(err, ErrDependency) {
		t.Errorf("jid of a message: %v", err)
	}
}
