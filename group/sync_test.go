package group

import (
	"math"
	"testing"
)

// A member may claim any height. Nothing but an answer may come of it.
func TestHeightsBeyondAllRecords(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.admit(alice, bob)
	w.say(alice, "one")
	for _, at := range []uint64{1, 2, math.MaxUint64 - 1, math.MaxUint64} {
		for _, h := range []LogHead{
			{Author: alice.me, Seq: at},
			{Author: alice.me, Seq: 1, Base: at, Hash: Short{1}},
			{Author: alice.me, Seq: at, Base: at, Hash: Short{1}},
		} {
			if _, err := alice.MissingAt(bob.me, Heights{Logs: []LogHead{h}}); err != nil {
				t.Errorf("%+v: %v", h, err)
			}
		}
	}
}
