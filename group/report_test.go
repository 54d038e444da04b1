package group

import "testing"

// A key that comes before a start is over, when nothing may be signed yet, is
// reported once that is over; and where the node ends before, after the next.
func TestAKeyBeforeTheStartIsReported(t *testing.T) {
	for name, restart := range map[string]bool{"at once": false, "after another start": true} {
		w := newWorld(t, settingsFor("team"), "alice", "bob")
		alice, bob := w.all[0], w.all[1]
		w.admit(alice, bob)
		bob.Machine = New(Config{GID: w.gid, Self: bob.id, Bundle: bob.bundle, Careful: true}, bob.stored())
		eid := w.must(alice, Rotate{}).Epoch
		if !bob.Holds(bob.me, eid) || alice.Holds(bob.me, eid) {
			t.Fatalf("%s: bob holds the key: %v, alice knows: %v", name, bob.Holds(bob.me, eid), alice.Holds(bob.me, eid))
		}
		if restart {
			bob.Machine = New(Config{GID: w.gid, Self: bob.id, Bundle: bob.bundle, Careful: true}, bob.stored())
		}
		w.must(bob, Compared{})
		if !alice.Holds(bob.me, eid) {
			t.Errorf("%s alice does not know that bob holds the key", name)
		}
		if r := w.must(bob, Tick{}); len(r.Publish) > 0 {
			t.Errorf("%s: told again", name)
		}
	}
}
