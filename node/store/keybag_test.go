package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"conclave/keys"
	"conclave/node/store"
	"conclave/node/store/storetest"
)

func hash(format string, args ...any) keys.Hash { return keys.Sum(fmt.Appendf(nil, format, args...)) }

func secret(format string, args ...any) keys.Secret { return keys.Secret(hash(format, args...)) }

func openBag(t testing.TB, h *store.Home) *store.Keybag {
	t.Helper()
	b, err := store.OpenKeybag(h)
	ok(t, err)
	return b
}

// fillKeybag returns a keybag with some of everything.
func fillKeybag(t testing.TB, h *store.Home) *store.Keybag {
	t.Helper()
	b := openBag(t, h)
	ok(t, b.Update(func(tx *store.Tx) error {
		for g := range 3 {
			for e := range 5 {
				ok(t, tx.PutRoomKey(hash("g%d", g), hash("e%d", e), secret("k%d %d", g, e)))
			}
			_, err := tx.DataKey(hash("g%d", g))
			ok(t, err)
		}
		tx.EraseRoomKey(hash("g0"), hash("e0"))
		tx.EraseRoomKey(hash("g0"), hash("never held"))
		tx.PutBundle(hash("b0"), secret("s0"), time.UnixMilli(1_700_000_000_123))
		tx.PutBundle(hash("b1"), secret("s1"), time.UnixMilli(1_700_000_001_000))
		return nil
	}))
	return b
}

func sameKeybag(a, b *store.Keybag) bool {
	for g := range 3 {
		gid := hash("g%d", g)
		ea, eb := slices.Collect(a.ErasedEpochs(gid)), slices.Collect(b.ErasedEpochs(gid))
		slices.SortFunc(ea, keys.Hash.Compare)
		slices.SortFunc(eb, keys.Hash.Compare)
		if !slices.Equal(ea, eb) || !maps.Equal(maps.Collect(a.RoomKeys(gid)), maps.Collect(b.RoomKeys(gid))) {
			return false
		}
		ka, _ := a.DataKey(gid)
		kb, _ := b.DataKey(gid)
		if !ka.Equal(kb) {
			return false
		}
	}
	return maps.Equal(maps.Collect(a.Bundles()), maps.Collect(b.Bundles()))
}

func TestKeybag(t *testing.T) {
	h, _ := newHome(t)
	b := fillKeybag(t, h)
	for range 2 {
		if k, held := b.RoomKey(hash("g1"), hash("e0")); !held || k != secret("k1 0") {
			t.Fatal("g1 e0")
		}
		if _, held := b.RoomKey(hash("g0"), hash("e0")); held {
			t.Fatal("g0 e0 is back")
		}
		for _, e := range []string{"e0", "never held"} {
			if !b.Erased(hash("g0"), hash("%s", e)) {
				t.Fatalf("%s forgotten", e)
			}
		}
		if k, held := b.Bundle(hash("b0")); !held || k.Seed != secret("s0") || k.Created.UnixMilli() != 1_700_000_000_123 {
			t.Fatal("bundle")
		}
		if n := len(b.Groups()); n != 3 {
			t.Fatalf("%d groups", n)
		}
		again := openBag(t, h)
		if !sameKeybag(b, again) {
			t.Fatal("another keybag after opening again")
		}
		b = again
	}
}

func TestKeybagRefuses(t *testing.T) {
	h, _ := newHome(t)
	b := fillKeybag(t, h)
	file := readBag(t, h)
	stop := errors.New("stop")
	for want, change := range map[error]func(*store.Tx) error{
		store.ErrErased:     func(tx *store.Tx) error { return tx.PutRoomKey(hash("g0"), hash("e0"), secret("k0 0")) },
		store.ErrKeyChanged: func(tx *store.Tx) error { return tx.PutRoomKey(hash("g1"), hash("e0"), secret("other")) },
		stop: func(tx *store.Tx) error {
			tx.DropGroup(hash("g1"))
			tx.EraseBundle(hash("b0"))
			return stop
		},
		nil: func(tx *store.Tx) error { // nothing new
			tx.EraseRoomKey(hash("g0"), hash("e0"))
			tx.DropRoomKey(hash("g0"), hash("e0"))
			tx.DropGroup(hash("none"))
			tx.EraseBundle(hash("none"))
			return tx.PutRoomKey(hash("g1"), hash("e0"), secret("k1 0"))
		},
	} {
		if err := b.Update(change); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	if !bytes.Equal(file, readBag(t, h)) || !sameKeybag(b, openBag(t, h)) {
		t.Fatal("something changed")
	}
}

func readBag(t *testing.T, h *store.Home) []byte {
	b, err := os.ReadFile(filepath.Join(h.Dir(), "keybag"))
	ok(t, err)
	return b
}

func TestDropped(t *testing.T) {
	h, _ := newHome(t)
	b := fillKeybag(t, h)
	old, err := b.DataKey(hash("g0"))
	ok(t, err)
	ok(t, b.Update(func(tx *store.Tx) error {
		tx.DropGroup(hash("g0"))
		tx.DropGroup(hash("g1"))
		tx.DropRoomKey(hash("g2"), hash("e0"))
		return nil
	}))
	for range 2 {
		if len(b.Groups()) != 1 || len(maps.Collect(b.RoomKeys(hash("g0")))) != 0 {
			t.Fatal("still there")
		}
		if !b.Erased(hash("g0"), hash("e0")) || b.Erased(hash("g1"), hash("e0")) || b.Erased(hash("g2"), hash("e0")) {
			t.Fatal("erased epochs")
		}
		b = openBag(t, h)
	}
	if k, err := b.DataKey(hash("g0")); err != nil || k.Equal(old) {
		t.Fatal("the dropped data key is back", err)
	}
	ok(t, b.Update(func(tx *store.Tx) error { return tx.PutRoomKey(hash("g2"), hash("e0"), secret("new")) }))
}

// TestAbuse_DT04_Erased: what was erased is in no file of the home, neither in the
// clear nor to be opened with the keys that are left, and the file that held it
// before cannot be opened with them either.
func TestAbuse_DT04_Erased(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "home")
	p, err := openPlace(dir)
	ok(t, err)
	defer p.close(t)
	key, gid := secret("canary"), crashGroup
	ok(t, p.bag.Update(func(tx *store.Tx) error { return tx.PutRoomKey(gid, hash("e"), key) }))
	var batch store.Batch
	p.s.Put(&batch, "/m/1", []byte("the canary's song"))
	ok(t, p.db.Commit(&batch))
	before := filepath.Join(dir, "db", "before") // another name for the file that goes
	ok(t, os.Link(filepath.Join(dir, "keybag"), before))
	data, err := p.bag.DataKey(gid)
	ok(t, err)
	ok(t, p.bag.Update(func(tx *store.Tx) error {
		tx.EraseRoomKey(gid, hash("e"))
		tx.DropGroup(gid)
		return nil
	}))
	ok(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		ok(t, err)
		if e.Type().IsRegular() {
			b, err := os.ReadFile(path)
			ok(t, err)
			for _, canary := range [][]byte{key[:], data[:], []byte("canary")} {
				if bytes.Contains(b, canary) {
					t.Errorf("%x in %s", canary, path)
				}
			}
		}
		return nil
	}))
	ok(t, os.Rename(before, filepath.Join(dir, "keybag")))
	_, err = store.OpenKeybag(p.home)
	wantErr(t, err, store.ErrDamaged)
}

// TestKeybagFaults: whichever step fails, the keybag holds the old keys or the
// new ones, and the next update works.
func TestKeybagFaults(t *testing.T) {
	for n := 1; n <= 3; n++ {
		h, _ := newHome(t)
		disk := storetest.NewMemDisk()
		h.SetFault(disk.Step)
		b := fillKeybag(t, h)
		disk.FailAt(n, syscall.ENOSPC, storetest.HomeFile("keybag"))
		change := func(tx *store.Tx) error {
			tx.EraseRoomKey(hash("g1"), hash("e1"))
			return tx.PutRoomKey(hash("g1"), hash("new"), secret("new"))
		}
		for range 2 {
			err := b.Update(change)
			wantErr(t, err, store.ErrDiskFull)
			if _, held := b.RoomKey(hash("g1"), hash("new")); held {
				t.Fatal("changed although it failed")
			}
		}
		onDisk := openBag(t, h)
		_, old := onDisk.RoomKey(hash("g1"), hash("e1"))
		_, new := onDisk.RoomKey(hash("g1"), hash("new"))
		if old == new || old != (n < 3) {
			t.Fatalf("step %d: old key %v, new key %v", n, old, new)
		}
		disk.Heal()
		ok(t, b.Update(change))
		if !sameKeybag(b, openBag(t, h)) {
			t.Fatal("another keybag")
		}
	}
}

// TestKeybagTogether: updates from several goroutines, readers beside them.
func TestKeybagTogether(t *testing.T) {
	h, _ := newHome(t)
	b := openBag(t, h)
	done := make(chan error)
	for g := range 4 {
		go func() {
			var err error
			for e := range 10 {
				err = errors.Join(err, b.Update(func(tx *store.Tx) error {
					return tx.PutRoomKey(hash("g%d", g), hash("e%d", e), secret("k"))
				}))
				if n := len(maps.Collect(b.RoomKeys(hash("g%d", g)))); n != e+1 {
					err = fmt.Errorf("%d keys after %d updates", n, e+1)
				}
			}
			done <- err
		}()
	}
	for range 4 {
		ok(t, soon(t, "an update", done))
	}
	for g := range 4 {
		if n := len(maps.Collect(openBag(t, h).RoomKeys(hash("g%d", g)))); n != 10 {
			t.Fatalf("%d keys", n)
		}
	}
}

// TestKeyFileEdited (DT-07): an edited version or kind is refused, in the key
// files and in the keybag.
func TestKeyFileEdited(t *testing.T) {
	for _, name := range []string{"identity", "master", "keybag"} {
		for at := range 8 {
			h, dir := newHome(t)
			fillKeybag(t, h)
			ok(t, h.Close())
			path := filepath.Join(dir, name)
			b, err := os.ReadFile(path)
			ok(t, err)
			b[at]++
			ok(t, os.WriteFile(path, b, 0o600))
			h, err = store.OpenHome(dir)
			if err == nil {
				_, err = store.OpenKeybag(h)
				h.Close()
			}
			if !errors.Is(err, store.ErrDamaged) && !errors.Is(err, store.ErrNewerFormat) {
				t.Errorf("byte %d of %s: %v", at, name, err)
			}
		}
	}
}

func BenchmarkKeybag10k(b *testing.B) {
	h, err := store.OpenHome(filepath.Join(b.TempDir(), "home"))
	ok(b, err)
	defer h.Close()
	bag := openBag(b, h)
	ok(b, bag.Update(func(tx *store.Tx) error {
		for n := range 10_000 {
			ok(b, tx.PutRoomKey(hash("g%d", n%10), hash("e%d", n), secret("k%d", n)))
		}
		return nil
	}))
	n := 0
	for b.Loop() {
		n++
		ok(b, bag.Update(func(tx *store.Tx) error { return tx.PutRoomKey(hash("g0"), hash("n%d", n), secret("k")) }))
	}
}
