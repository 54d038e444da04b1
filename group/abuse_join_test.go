package group

import (
	"errors"
	"testing"

	"conclave/keys"
)

func TestAbuse_MM18_KeyForABundleOfSomeoneElse(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	cur, _ := alice.Current()
	mallory, _, err := keys.GenerateBundle(crowd(1)[0], w.now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Serve(bob.me, cur.EID, mallory); !errors.Is(err, RefusedNotMember) {
		t.Errorf("a bundle of somebody else: %v", err)
	}
	if _, err := alice.Serve(mallory.Peer, cur.EID, mallory); !errors.Is(err, RefusedNotMember) {
		t.Errorf("somebody else: %v", err)
	}
	if _, err := alice.Serve(bob.me, cur.EID, bob.bundle); err != nil {
		t.Errorf("bob's own bundle: %v", err)
	}
}
