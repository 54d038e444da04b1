package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAbuse_DT05_RolledBackDisk (S8): a home is put back to what it was a while ago, as by a
// snapshot of the machine, and the one that went on is gone. At the first contact
// the node hears of what it said since, tells its person, and uses no number
// twice.
func TestAbuse_DT05_RolledBackDisk(t *testing.T) {
	ann := newPlayer(t, "ann")
	bob := newPlayer(t, "bob", ann)
	gid := newGroup(t, CreateGroup{}, ann, bob)
	bob.say(gid, "one")
	ann.reads(gid, "one")
	ok(t, bob.down())
	snapshot := filepath.Join(t.TempDir(), "snapshot")
	ok(t, os.CopyFS(snapshot, os.DirFS(bob.cfg.Home)))
	bob.up(ann)
	bob.say(gid, "two")
	_, err := bob.Rotate(within(t), gid)
	ok(t, err)
	bob.say(gid, "three")
	ann.reads(gid, "one", "two", "three")
	ok(t, bob.down())

	ok(t, os.RemoveAll(bob.cfg.Home))
	ok(t, os.CopyFS(bob.cfg.Home, os.DirFS(snapshot)))
	for _, path := range []string{bob.cfg.Home, filepath.Join(bob.cfg.Home, "db")} {
		ok(t, os.Chmod(path, 0o700))
	}
	bob.up(ann)
	bob.say(gid, "four")
	for _, p := range []*player{ann, bob} {
		p.reads(gid, "one", "two", "three", "four")
	}
	if !strings.Contains(bob.log.String(), "rolled back or copied") {
		t.Error("bob's person is not told")
	}
	quiet(t, gid, ann, bob)
}
