package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"conclave/node/store"
)

// TestAbuse_DT02_Swapped: records exchanged, edited or cut short on disk are
// refused one by one.
func TestAbuse_DT02_Swapped(t *testing.T) {
	dir := t.TempDir()
	db, err := store.Open(dir, store.Options{})
	ok(t, err)
	s := spaceOf(t, db)
	var b store.Batch
	for _, k := range []string{"a", "b", "c", "d", "e"} {
		s.Put(&b, "/m/"+k, []byte("canary of "+k))
	}
	ok(t, db.Commit(&b))
	ok(t, db.Close())
	tamper(t, dir)
	db, err = store.Open(dir, store.Options{})
	ok(t, err)
	defer db.Close()
	s = spaceOf(t, db)
	var good, bad []string
	for rec, err := range s.Scan(store.Query{Prefix: "/m"}) {
		if errors.Is(err, store.ErrCorrupt) {
			bad = append(bad, rec.Key)
			continue
		}
		ok(t, err)
		good = append(good, rec.Key)
	}
	if fmt.Sprint(good, bad) != "[/m/e] [/m/a /m/b /m/c /m/d]" {
		t.Fatalf("good %v, bad %v", good, bad)
	}
	if _, err := s.Get("/m/a"); !errors.Is(err, store.ErrCorrupt) {
		t.Fatal(err)
	}
}

// tamper swaps a and b, edits c and cuts d short.
func tamper(t *testing.T, dir string) {
	raw, err := pebble.Open(dir, &pebble.Options{Logger: quiet{}})
	ok(t, err)
	get := func(k string) []byte {
		v, done, err := raw.Get([]byte("/g/01/m/" + k))
		ok(t, err)
		defer done.Close()
		if bytes.Contains(v, []byte("canary")) {
			t.Fatal("stored in the clear")
		}
		return bytes.Clone(v)
	}
	set := func(k string, v []byte) { ok(t, raw.Set([]byte("/g/01/m/"+k), v, pebble.Sync)) }
	a, b, c := get("a"), get("b"), get("c")
	set("a", b)
	set("b", a)
	c[len(c)-20] ^= 1
	set("c", c)
	set("d", get("d")[:10])
	ok(t, raw.Close())
}

// TestDamagedTable: a damaged block is reported to who reads it, and nobody else
// takes notice.
func TestDamagedTable(t *testing.T) {
	dir := flipMaster(t)
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	ok(t, err)
	path := slices.Min(tables) // the oldest: it holds the first steps
	b, err := os.ReadFile(path)
	ok(t, err)
	b[len(b)/2] ^= 1
	ok(t, os.WriteFile(path, b, 0o600))
	db, err := store.Open(dir, store.Options{})
	ok(t, err)
	s := spaceOf(t, db)
	var last error
	for _, last = range s.Scan(store.Query{}) {
	}
	wantErr(t, last, store.ErrCorrupt)
	damaged := 0
	for n := range flipSteps {
		_, err := s.Get(stepKey(n, 0))
		if errors.Is(err, store.ErrCorrupt) {
			damaged++
			continue
		}
		ok(t, err)
	}
	if damaged == 0 || damaged > flipSteps/4 {
		t.Fatalf("%d of %d records damaged", damaged, flipSteps)
	}
	commit(t, db, s, flipSteps)
	ok(t, db.Writable())
	ok(t, db.Close())
}

// TestDamageWhileMerging: pebble comes upon a damaged block while it merges
// tables. The store fails, and says that it is damage.
func TestDamageWhileMerging(t *testing.T) {
	dir := flipMaster(t)
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	ok(t, err)
	path := slices.Min(tables)
	b, err := os.ReadFile(path)
	ok(t, err)
	b[len(b)/2] ^= 1
	ok(t, os.WriteFile(path, b, 0o600))
	db, err := store.Open(dir, store.Options{})
	ok(t, err)
	s := spaceOf(t, db)
	purged := s.Purge()
	wantErr(t, purged, store.ErrCorrupt)
	soon(t, "the failure", db.Failed())
	wantErr(t, db.Writable(), store.ErrFailed)
	wantErr(t, db.Writable(), store.ErrCorrupt)
}

// TestMissingTable: a database that lacks a file of its own is damaged, whatever
// the system says of the file.
func TestMissingTable(t *testing.T) {
	dir := flipMaster(t)
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	ok(t, err)
	ok(t, os.Remove(slices.Min(tables)))
	_, err = store.Open(dir, store.Options{})
	wantErr(t, err, store.ErrCorrupt)
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("in more than a line: %q", err)
	}
}

// TestAbuse_FA08_FlippedDatabase: whatever byte of the database changes, nothing
// panics, no record is another than was written, no batch is there in part, and none is
// missing without an error, but for the exception that the package names.
func TestAbuse_FA08_FlippedDatabase(t *testing.T) {
	runs := 60
	if thorough() {
		runs = 1000
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	master := flipMaster(t)
	for range runs {
		dir := t.TempDir()
		ok(t, os.CopyFS(dir, os.DirFS(master)))
		readFlipped(t, dir, flipByte(t, rng, dir))
		ok(t, os.RemoveAll(dir))
	}
}

const flipSteps = 400

// flipMaster returns a closed database with tables and a journal: opening it
// again is what turns the first into the second.
func flipMaster(t *testing.T) string {
	dir := t.TempDir()
	for n := 0; n < flipSteps; {
		db, err := store.Open(dir, store.Options{})
		ok(t, err)
		s := spaceOf(t, db)
		for range flipSteps / 2 {
			commit(t, db, s, n)
			n++
		}
		ok(t, db.Close())
	}
	return dir
}

// flip says what was changed.
type flip struct {
	file     string
	at, size int
}

// looksTorn: pebble cannot tell this from a write that a crash cut off.
func (f flip) looksTorn() bool {
	grows := strings.HasSuffix(f.file, ".log") || strings.HasPrefix(f.file, "MANIFEST")
	return grows && f.at >= f.size-64<<10
}

func flipByte(t *testing.T, rng *rand.Rand, dir string) flip {
	var files []string
	ok(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if fi, _ := e.Info(); err == nil && fi.Mode().IsRegular() && fi.Size() > 0 {
			files = append(files, path)
		}
		return err
	}))
	path := files[rng.IntN(len(files))]
	b, err := os.ReadFile(path)
	ok(t, err)
	at := rng.IntN(len(b))
	b[at] ^= 1 << rng.IntN(8)
	ok(t, os.WriteFile(path, b, 0o600))
	return flip{filepath.Base(path), at, len(b)}
}

func readFlipped(t *testing.T, dir string, f flip) {
	db, err := store.Open(dir, store.Options{})
	if err != nil {
		return // refused
	}
	defer db.Close()
	s := spaceOf(t, db)
	for _, err := range s.Scan(store.Query{}) {
		if err != nil {
			return // seen
		}
	}
	if steps := whole(t, s, 0); steps < flipSteps && !f.looksTorn() {
		t.Errorf("%+v: %d of %d steps, and no error", f, steps, flipSteps)
	}
}
