package store_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"conclave/node/store"
)

// salvaged opens a home around a damaged database, salvages it, and returns how
// many whole records are left of those that flipMaster wrote.
func salvaged(t *testing.T, damage func(dir string)) int {
	t.Helper()
	home, err := store.OpenHome(filepath.Join(t.TempDir(), "home"))
	ok(t, err)
	defer home.Close()
	ok(t, os.RemoveAll(home.Database()))
	ok(t, os.CopyFS(home.Database(), os.DirFS(flipMaster(t))))
	damage(home.Database())
	out, err := home.Salvage(store.Options{})
	ok(t, err)
	if _, err := os.Stat(out.Aside); err != nil {
		t.Error("the damaged database is gone:", err)
	}
	db, err := store.Open(home.Database(), store.Options{})
	ok(t, err)
	defer db.Close()
	n := 0
	for rec, err := range spaceOf(t, db).Scan(store.Query{Prefix: "/m"}) {
		ok(t, err)
		var step int
		fmt.Sscanf(strings.Split(rec.Key, "/")[2], "%x", &step)
		if !bytes.Equal(rec.Value, stepValue(step)) {
			t.Fatalf("value of %s", rec.Key)
		}
		n++
	}
	if n != out.Records {
		t.Errorf("%d records, %d were said to be copied", n, out.Records)
	}
	return n
}

const flipRecords = flipSteps * perStep

func TestSalvageWhole(t *testing.T) {
	if n := salvaged(t, func(string) {}); n != flipRecords {
		t.Errorf("%d of %d records of a database without damage", n, flipRecords)
	}
}

// TestSalvageTable: all but the damaged block is kept, wherever it lies.
func TestSalvageTable(t *testing.T) {
	for _, at := range []float64{0.0002, 0.01, 0.3, 0.5, 0.8} {
		n := salvaged(t, func(dir string) {
			tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
			ok(t, err)
			path := slices.Min(tables)
			b, err := os.ReadFile(path)
			ok(t, err)
			b[int(at*float64(len(b)))] ^= 1
			ok(t, os.WriteFile(path, b, 0o600))
		})
		if n == flipRecords || n < flipRecords*9/10 {
			t.Errorf("damage at %v: %d of %d records are left", at, n, flipRecords)
		}
	}
}

// TestSalvageOptions: nothing is lost with pebble's note of its options.
func TestSalvageOptions(t *testing.T) {
	for _, at := range []float64{0, 0.02, 0.1, 0.5} {
		n := salvaged(t, func(dir string) {
			notes, err := filepath.Glob(filepath.Join(dir, "OPTIONS-*"))
			ok(t, err)
			b, err := os.ReadFile(notes[0])
			ok(t, err)
			b[int(at*float64(len(b)))] ^= 4
			ok(t, os.WriteFile(notes[0], b, 0o600))
		})
		if n != flipRecords {
			t.Errorf("damage at %v: %d of %d records are left", at, n, flipRecords)
		}
	}
}

// TestSalvageHopeless: a database of which nothing can be read becomes an empty
// one.
func TestSalvageHopeless(t *testing.T) {
	n := salvaged(t, func(dir string) {
		files, err := filepath.Glob(filepath.Join(dir, "[0-9M]*"))
		ok(t, err)
		for _, path := range files {
			ok(t, os.WriteFile(path, bytes.Repeat([]byte("x"), 4096), 0o600))
		}
	})
	if n != 0 {
		t.Errorf("%d records out of nothing", n)
	}
}

// TestAbuse_FA08_FlippedSalvage: whatever byte changes, nothing panics and no record is
// another than was written.
func TestAbuse_FA08_FlippedSalvage(t *testing.T) {
	runs := 10
	if thorough() {
		runs = 100
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 2))
	t.Logf("seed %d", seed)
	for range runs {
		var f flip
		if n := salvaged(t, func(dir string) { f = flipByte(t, rng, dir) }); n == 0 && !strings.HasPrefix(f.file, "MANIFEST") {
			t.Errorf("%+v: nothing is left", f)
		}
	}
}
