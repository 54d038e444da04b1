package store_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"conclave/keys"
	"conclave/node/store"
)

// sealedIn returns the bytes of a record as they lie in the files.
func (f filled) sealedIn(t *testing.T, key string) []byte {
	t.Helper()
	_, rest, found := bytes.Cut(f.backup(t), []byte("/g/"+f.gid.String()+key))
	if !found {
		t.Fatalf("%s is not in the backup", key)
	}
	return slices.Clone(rest[:40])
}

// inFiles lists the files of the database that hold these bytes.
func inFiles(t *testing.T, dir string, what []byte) (out []string) {
	t.Helper()
	names, err := os.ReadDir(dir)
	ok(t, err)
	for _, n := range names {
		b, err := os.ReadFile(filepath.Join(dir, n.Name()))
		if os.IsNotExist(err) {
			continue // cleaned up meanwhile
		}
		ok(t, err)
		if bytes.Contains(b, what) {
			out = append(out, n.Name())
		}
	}
	return out
}

// TestPurge: the bytes of deleted records are in no file of the home any more:
// no table, no journal that waits to be written over. Others' stay.
func TestPurge(t *testing.T) {
	f := fillHome(t, 50)
	for i := range uint64(3) { // tables and old journals of every age
		f.put(t, 100+i, "in the way")
		for n := range uint64(300) {
			f.put(t, 1000*(i+1)+n, string(bytes.Repeat([]byte{'x'}, 20_000)))
		}
	}
	gone, kept := f.sealedIn(t, "/m/"+store.Num(7)), f.sealedIn(t, "/m/"+store.Num(8))
	late := f.sealedIn(t, "/m/"+store.Num(3299))
	for _, what := range [][]byte{gone, kept, late} {
		if len(inFiles(t, f.home.Database(), what)) == 0 {
			t.Fatal("a record is in no file: the test looks for the wrong bytes")
		}
	}
	var b store.Batch
	for _, n := range []uint64{7, 3299} {
		f.space.Delete(&b, "/m/"+store.Num(n))
	}
	ok(t, f.db.Commit(&b))
	ok(t, f.space.Purge())
	for name, what := range map[string][]byte{"an old record": gone, "a new record": late} {
		var in []string
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if in = inFiles(t, f.home.Database(), what); len(in) == 0 { // removed by pebble's own goroutine
				break
			}
		}
		if len(in) > 0 {
			t.Errorf("%s is still in %v", name, in)
		}
	}
	v, err := f.space.Get("/m/" + store.Num(8))
	ok(t, err)
	if string(v) != "record"+store.Num(8) || len(inFiles(t, f.home.Database(), kept)) == 0 {
		t.Errorf("the record after it is %q", v)
	}
	if _, held := f.bag.RoomKey(f.gid, keys.Sum([]byte("epoch"))); !held {
		t.Error("a key is gone")
	}
}
