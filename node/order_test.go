package node

import (
	"maps"
	"syscall"
	"testing"

	"conclave/group"
	"conclave/node/store/storetest"
)

// TestKeysBeforeTheRest (S9): the keybag takes a new key before the database
// takes what rests on it. Where the keybag fails, nothing of the new epoch is in
// the database.
func TestKeysBeforeTheRest(t *testing.T) {
	d := storetest.NewMemDisk()
	r := still(t, d)
	before, err := r.disk.load()
	ok(t, err)
	d.FailAt(1, syscall.EIO, storetest.HomeFile("keybag"))
	if err := r.takes(group.Rotate{}); err == nil {
		t.Fatal("a rotation though the key cannot be kept")
	}
	d.Heal()
	after, err := r.disk.load()
	ok(t, err)
	if len(after.Entries) != len(before.Entries) {
		t.Errorf("%d entries are stored, %d before: an epoch without its key", len(after.Entries), len(before.Entries))
	}
	if !maps.Equal(after.Keys, before.Keys) {
		t.Error("the keys are not those of before")
	}
}
