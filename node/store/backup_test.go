package store_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"conclave/keys"
	"conclave/node/store"
)

// filled is a home with something of everything in it.
type filled struct {
	home  *store.Home
	bag   *store.Keybag
	db    *store.DB
	space *store.Space
	gid   keys.Hash
}

func fillHome(t *testing.T, records int) filled {
	t.Helper()
	f := filled{gid: keys.Sum([]byte("a group"))}
	f.home, _ = newHome(t)
	var err error
	f.bag, err = store.OpenKeybag(f.home)
	ok(t, err)
	f.db, err = store.Open(f.home.Database(), store.Options{})
	ok(t, err)
	t.Cleanup(func() { f.db.Close() })
	key, err := f.bag.DataKey(f.gid)
	ok(t, err)
	f.space, err = f.db.Space("/g/"+f.gid.String(), key)
	ok(t, err)
	for i := range records {
		f.put(t, uint64(i), "record")
	}
	ok(t, f.bag.Update(func(tx *store.Tx) error {
		tx.PutBundle(keys.Sum([]byte("bundle")), keys.Secret{7}, time.UnixMilli(1234))
		tx.EraseRoomKey(f.gid, keys.Sum([]byte("erased")))
		return tx.PutRoomKey(f.gid, keys.Sum([]byte("epoch")), keys.Secret{9})
	}))
	ok(t, f.home.SaveSettings(store.Settings{Port: 4001}))
	return f
}

func (f filled) put(t *testing.T, n uint64, text string) {
	t.Helper()
	var b store.Batch
	f.space.Put(&b, "/m/"+store.Num(n), []byte(text+store.Num(n)))
	ok(t, f.db.Commit(&b))
}

func (f filled) backup(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	ok(t, store.WriteBackup(&out, f.home, f.bag, f.db))
	return out.Bytes()
}

// TestBackupBringsEverythingBack: identity, keys, bundles, erasures, settings and
// records; the files are sealed under a fresh master key.
func TestBackupBringsEverythingBack(t *testing.T) {
	f := fillHome(t, 3000)
	dir := filepath.Join(t.TempDir(), "new", "home")
	re, err := store.BeginRestore(dir, bytes.NewReader(f.backup(t)), store.Options{})
	ok(t, err)
	if _, err := os.Stat(dir); err == nil {
		t.Fatal("the home is there before it is whole")
	}
	ok(t, re.Finish())
	wantGone(t, dir+".restoring")

	h, err := store.OpenHome(dir)
	ok(t, err)
	defer h.Close()
	bag, err := store.OpenKeybag(h)
	ok(t, err)
	db, err := store.Open(h.Database(), store.Options{})
	ok(t, err)
	defer db.Close()
	if h.Identity().PeerID() != f.home.Identity().PeerID() {
		t.Error("another identity")
	}
	if s, err := h.Settings(); err != nil || s.Port != 4001 {
		t.Errorf("settings: %v %v", s, err)
	}
	if k, held := bag.RoomKey(f.gid, keys.Sum([]byte("epoch"))); !held || k != (keys.Secret{9}) {
		t.Error("the room key is not there")
	}
	if !bag.Erased(f.gid, keys.Sum([]byte("erased"))) {
		t.Error("an erasure is forgotten")
	}
	if b, held := bag.Bundle(keys.Sum([]byte("bundle"))); !held || b.Seed != (keys.Secret{7}) || b.Created.UnixMilli() != 1234 {
		t.Error("the bundle is not there")
	}
	key, err := bag.DataKey(f.gid)
	ok(t, err)
	space, err := db.Space("/g/"+f.gid.String(), key)
	ok(t, err)
	n := 0
	for rec, err := range space.Scan(store.Query{}) {
		ok(t, err)
		if string(rec.Value) != "record"+store.Num(uint64(n)) {
			t.Fatalf("record %d is %q", n, rec.Value)
		}
		n++
	}
	if n != 3000 {
		t.Errorf("%d records", n)
	}
	masters := [2][]byte{}
	for i, home := range []string{dir, f.home.Dir()} {
		masters[i], err = os.ReadFile(filepath.Join(home, "master"))
		ok(t, err)
	}
	if bytes.Equal(masters[0], masters[1]) {
		t.Error("the master key of the old home opens the keybag of the new one")
	}
}

func wantGone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is there: %v", path, err)
	}
}

// TestBackupIsOneMoment: what is written while the backup is read is not in it,
// and all from before is.
func TestBackupIsOneMoment(t *testing.T) {
	f := fillHome(t, 2000)
	r, w := io.Pipe()
	go func() { w.CloseWithError(store.WriteBackup(w, f.home, f.bag, f.db)) }()
	first := make([]byte, 1)
	_, err := io.ReadFull(r, first) // it has begun
	ok(t, err)
	var b store.Batch
	f.space.Put(&b, "/m/"+store.Num(1<<40), []byte("later"))
	for n := range uint64(2000) {
		f.space.Put(&b, "/m/"+store.Num(n), []byte("changed"))
	}
	ok(t, f.db.Commit(&b))
	dir := filepath.Join(t.TempDir(), "home")
	re, err := store.BeginRestore(dir, io.MultiReader(bytes.NewReader(first), r), store.Options{})
	ok(t, err)
	defer re.Abort()
	key, err := re.Bag.DataKey(f.gid)
	ok(t, err)
	space, err := re.DB.Space("/g/"+f.gid.String(), key)
	ok(t, err)
	n := 0
	for rec, err := range space.Scan(store.Query{}) {
		ok(t, err)
		if !strings.HasPrefix(string(rec.Value), "record") {
			t.Fatalf("%s holds what came later: %q", rec.Key, rec.Value)
		}
		n++
	}
	if n != 2000 {
		t.Errorf("%d records", n)
	}
}

// TestBackupThatIsCutOrWrong: whatever a file holds, it becomes a home as a
// whole or not at all.
func TestBackupThatIsCutOrWrong(t *testing.T) {
	f := fillHome(t, 20)
	whole := f.backup(t)
	try := func(name string, b []byte, want error) {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "home")
		re, err := store.BeginRestore(dir, bytes.NewReader(b), store.Options{})
		if err == nil {
			re.Abort()
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
		wantGone(t, dir)
		wantGone(t, dir+".restoring")
	}
	for n := 0; n < len(whole); n += 97 {
		try("cut", whole[:n], store.ErrNoBackup)
	}
	try("without its end", whole[:len(whole)-13], store.ErrNoBackup)
	try("going on", append(bytes.Clone(whole), 0), store.ErrNoBackup)
	newer := bytes.Clone(whole)
	newer[5+8] = 2
	try("newer", newer, store.ErrNewerFormat)
	huge := append(bytes.Clone(whole[:5+9]), 2, 0xff, 0xff, 0xff, 0xff)
	try("a length without bytes", huge, store.ErrNoBackup)
	one := bytes.Clone(whole)
	one[len(one)-1]++
	try("another count", one, store.ErrNoBackup)
}

// TestRestoreTouchesNoUsedHome: whatever is there stays.
func TestRestoreTouchesNoUsedHome(t *testing.T) {
	f := fillHome(t, 2)
	backup := f.backup(t)
	_, err := store.BeginRestore(f.home.Dir(), bytes.NewReader(backup), store.Options{})
	wantErr(t, err, store.ErrUsedHome)

	dir := filepath.Join(t.TempDir(), "home")
	ok(t, os.Mkdir(dir, 0o700)) // empty: that will do
	re, err := store.BeginRestore(dir, bytes.NewReader(backup), store.Options{})
	ok(t, err)
	_, err = store.BeginRestore(dir, bytes.NewReader(backup), store.Options{})
	wantErr(t, err, store.ErrLocked)
	ok(t, os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600)) // somebody was faster
	wantErr(t, re.Finish(), store.ErrUsedHome)
	if _, err := os.Stat(filepath.Join(dir, "mine")); err != nil {
		t.Error(err)
	}
	wantGone(t, dir+".restoring")
	ok(t, os.Remove(filepath.Join(dir, "mine")))

	// One that a crash ended is in nobody's way.
	ok(t, os.MkdirAll(filepath.Join(dir+".restoring", "db"), 0o700))
	re, err = store.BeginRestore(dir, bytes.NewReader(backup), store.Options{})
	ok(t, err)
	ok(t, re.Finish())
}

// FuzzRestore: any bytes end in an error or a whole home, and leave nothing.
func FuzzRestore(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x09CVBACKUP\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := filepath.Join(t.TempDir(), "home")
		re, err := store.BeginRestore(dir, bytes.NewReader(b), store.Options{})
		if err == nil {
			ok(t, re.Abort())
		}
		wantGone(t, dir+".restoring")
	})
}
