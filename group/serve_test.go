package group

import (
	"errors"
	"testing"
)

// A node hands over what it holds: not a key that it lacks, and not one that it
// erased, though the asker may have it.
func TestServeOnlyWhatIsHeld(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	var epoch Verified
	w.apart(func() { epoch = w.decode(w.must(alice, Rotate{}).Publish[0]) }, bob, carol)
	w.give(epoch, bob)
	if err := w.served(bob, carol, epoch.Hash); !errors.Is(err, RefusedNotHeld) {
		t.Errorf("a key that is not held: %v", err)
	}
	stored := alice.disk.stored()
	stored.Erased = []Hash{epoch.Hash}
	alice.Machine = New(Config{GID: w.gid, Self: alice.id, Bundle: alice.bundle}, stored)
	if err := w.served(alice, carol, epoch.Hash); !errors.Is(err, RefusedErased) {
		t.Errorf("a key that was erased: %v", err)
	}
	kc := epoch.Entry().body.(*Epoch).KC
	delete(alice.held, epoch.Hash)
	if r, err := w.step(alice, KeyReceived{Commit: kc, Key: stored.Keys[epoch.Hash]}); len(r.Keys) != 0 {
		t.Errorf("a key that was erased is kept again: %v", err)
	}
}
