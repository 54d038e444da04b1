package node

import (
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/store"
	"conclave/node/store/storetest"
)

// still is a room whose loop does not run: a test takes it from turn to turn.
func still(t *testing.T, d *storetest.Disk) *room {
	t.Helper()
	n, err := Open(Config{Home: t.TempDir() + "/ann", disk: testDisk{database: store.Options{FS: d}, home: d.Step}})
	ok(t, err)
	t.Cleanup(func() { n.close() })
	n.ctx = t.Context()
	entropy, err := keys.NewEntropy()
	ok(t, err)
	gid, genesis, err := group.CreateID(n.self, group.Settings{Name: "team", E2EE: true, MaxAge: group.DefaultMaxAge}, false, n.clock(), entropy)
	ok(t, err)
	r, err := n.openRoom(gid, nil)
	ok(t, err)
	r.wake = time.NewTimer(time.Hour)
	ok(t, r.takes(group.Create{Genesis: genesis}))
	r.out.take()
	return r
}

// takes runs one turn for one event.
func (r *room) takes(ev group.Event) error {
	j := job{events: []group.Event{ev}, done: make(chan outcome, 1)}
	r.turn([]job{j})
	return (<-j.done).err
}

func (r *room) looks(f func(*group.Machine)) error {
	j := job{look: f, done: make(chan outcome, 1), taken: new(atomic.Bool)}
	r.turn([]job{j})
	return (<-j.done).err
}

func line(text string) group.Send {
	id, err := keys.NewItemID()
	if err != nil {
		panic(err)
	}
	return group.Send{Items: []group.Item{{ID: id, Text: text}}}
}

// TestWaitersOfOneTurn: two people wait for lines of theirs that are held when a
// turn begins and leave later in that turn. Both are told.
func TestWaitersOfOneTurn(t *testing.T) {
	ann := newPlayer(t, "ann")
	r := ann.roomOf(newGroup(t, CreateGroup{}, ann, newPlayer(t, "bob", ann)))
	var told []chan group.SentItem
	ok(t, r.look(within(t), func(*group.Machine) {
		r.compared.Store(false)
		ok(t, r.reload(ann.ownBundle())) // as after a start: held until it has compared
		var js []job
		for _, text := range []string{"one", "two"} {
			c := make(chan group.SentItem, 1)
			told = append(told, c)
			js = append(js, job{events: []group.Event{line(text)}, wait: c})
		}
		r.compared.Store(true)
		r.turn(append(js, job{events: []group.Event{group.Compared{}}}))
	}))
	for i, c := range told {
		if len(c) != 1 {
			t.Errorf("the one who waits for line %d is told of %d", i+1, len(c))
		}
	}
}

// TestNothingAfterAFailedWrite (S9): once a write has failed the Machine is
// ahead of the disk. Though later writes would succeed, nothing that it holds is
// let out, be it published or told to a peer that catches up.
func TestNothingAfterAFailedWrite(t *testing.T) {
	d := storetest.NewMemDisk()
	r := still(t, d)
	d.FailAt(1, syscall.EIO, storetest.HomeFile("keybag"))
	if err := r.takes(group.Rotate{}); err == nil {
		t.Fatal("a rotation though the key cannot be kept")
	}
	d.Heal()
	if err := r.takes(line("under a key that is on no disk")); err == nil {
		t.Error("a line was taken after the failure")
	}
	if err := r.looks(func(*group.Machine) { t.Error("somebody looks at what is not on disk") }); err == nil {
		t.Error("a look was answered after the failure")
	}
	if out := r.out.take(); len(out) > 0 {
		t.Errorf("%d payloads left after the failure", len(out))
	}
	var said *Error
	if err := diskError(take(t, "the end", r.n.fatal)); !errors.As(err, &said) || !diskFailed(err) {
		t.Errorf("the node ends with %v", err)
	}
}

// TestFullDiskIsNoEnd (FA-03): while the disk is full nothing is taken and reading
// goes on; afterwards lines are taken again, and what was refused is not among
// them.
func TestFullDiskIsNoEnd(t *testing.T) {
	d := storetest.NewMemDisk()
	d.SetSpace(1<<30, 1<<30)
	r := still(t, d)
	ok(t, r.takes(line("before")))
	d.SetSpace(0, 1<<30)
	if err := r.takes(line("without space")); err == nil || err.Error() != "disk full" {
		t.Errorf("a full disk says %v", err)
	}
	held := 0
	ok(t, r.looks(func(m *group.Machine) { held = len(m.Held()) }))
	d.SetSpace(1<<30, 1<<30)
	ok(t, r.takes(line("after")))
	if held != 0 {
		t.Error("a refused line is held")
	}
	if len(r.n.fatal) > 0 {
		t.Errorf("a full disk ends the node: %v", <-r.n.fatal)
	}
	if got := len(r.out.take()); got != 2 {
		t.Errorf("%d lines left, want 2", got)
	}
}

// TestKeyWithoutItsEpoch: the keybag took a new key, then the database had no
// space. The Machine goes back, the key does no harm, and the next rotation
// works.
func TestKeyWithoutItsEpoch(t *testing.T) {
	d := storetest.NewMemDisk()
	d.SetSpace(1<<30, 1<<30)
	r := still(t, d)
	stalled, release := d.StallAt(3, storetest.HomeFile("keybag")) // the last step of a replacement
	go func() {
		<-stalled
		d.SetSpace(0, 1<<30)
		d.FailAt(1, syscall.ENOSPC, storetest.HomeFile("keybag"))
		release()
	}()
	if err := r.takes(group.Rotate{}); err == nil || err.Error() != "disk full" {
		t.Fatalf("a full disk says %v", err)
	}
	d.Heal()
	d.SetSpace(1<<30, 1<<30)
	if len(r.n.fatal) > 0 {
		t.Fatalf("a full disk ends the node: %v", <-r.n.fatal)
	}
	ok(t, r.takes(group.Rotate{}))
	ok(t, r.takes(line("under the new key")))
}

// TestBundleIsReplacedOrNot: where the new bundle cannot be kept for want of
// space, the old one stays, here and on the disk.
func TestBundleIsReplacedOrNot(t *testing.T) {
	d := storetest.NewMemDisk()
	d.SetSpace(1<<30, 1<<30)
	n := still(t, d).n
	old := n.bundle
	n.now = func() time.Time { return time.Now().Add(bundleLife + time.Hour) }
	d.SetSpace(0, 1<<30)
	if err := n.ensureBundle(); err == nil {
		t.Fatal("a bundle was kept without space")
	}
	if n.bundle.Seq != old.Seq {
		t.Error("a bundle is in use that is on no disk")
	}
	d.SetSpace(1<<30, 1<<30)
	ok(t, n.saveDirectory())
	ok(t, n.openDirectory())
	if b, err := keys.ParseBundle(n.dir.Bundle); err != nil || b.Seq != old.Seq {
		t.Errorf("on the disk is bundle %d, not %d (%v)", b.Seq, old.Seq, err)
	}
}
