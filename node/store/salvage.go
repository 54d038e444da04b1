package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Salvaged is what became of a damaged database.
type Salvaged struct {
	Records int    // copied into the new one
	Aside   string // the folder that the old one was moved to
}

// Salvage puts a new database in the place of a damaged one, with every record
// that can still be read, and keeps the old one beside it. No DB may be open in
// the home. What was written last, and not yet laid down in a table, is lost
// where the journal is damaged. Errors: those of the file system, ErrDiskFull;
// the old database stands where it stood then.
func (h *Home) Salvage(opts Options) (Salvaged, error) {
	opts.Logger = slog.New(slog.DiscardHandler) // every look at a damaged table is logged
	old := h.Database()
	next := old + ".salvaged"
	out := Salvaged{Aside: fmt.Sprintf("%s.damaged-%d", old, time.Now().UnixNano())}
	if err := os.RemoveAll(next); err != nil {
		return out, err
	}
	fresh, err := Open(next, opts)
	if err != nil {
		return out, err
	}
	out.Records, err = copyReadable(old, fresh, opts)
	if err := errors.Join(err, fresh.Close()); err != nil {
		return out, err
	}
	if err := os.Rename(old, out.Aside); err != nil {
		return out, err
	}
	return out, errors.Join(os.Rename(next, old), syncFolder(h.dir))
}

// copyReadable copies what can be read, and returns how many records that were.
func copyReadable(from string, to *DB, opts Options) (n int, err error) {
	db, err := openDamaged(from, opts)
	if db == nil || err != nil {
		return 0, err
	}
	defer db.Close()
	var b Batch
	size := 0
	flush := func() error {
		n += b.Len()
		err := to.Commit(&b)
		b, size = Batch{}, 0
		return err
	}
	err = db.eachReadable(func(key string, value []byte) error {
		b.add(op{key: key, value: value}, nil)
		b.adds = true
		if size += len(value); b.Len() < 1000 && size < 1<<20 {
			return nil
		}
		return flush()
	})
	return n, errors.Join(err, flush())
}

// openDamaged opens a database without its journal where it does not open with
// it, and returns nil where that does not help.
func openDamaged(dir string, opts Options) (*DB, error) {
	opts.ReadOnly = true // nothing is merged or deleted that is damaged
	db, err := Open(dir, opts)
	if err == nil || !errors.Is(err, ErrCorrupt) {
		return db, err
	}
	journals, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		return nil, err
	}
	for _, j := range journals {
		if err := os.Rename(j, strings.TrimSuffix(j, ".log")+".journal"); err != nil {
			return nil, err
		}
	}
	if db, err = Open(dir, opts); errors.Is(err, ErrCorrupt) {
		return nil, nil
	}
	return db, err
}

// eachReadable yields the rows in the order of their keys, and passes over those
// that cannot be read.
func (db *DB) eachReadable(yield func(key string, value []byte) error) error {
	for from := "/"; from != ""; {
		last, bad, err := db.readOn(from, yield)
		if err != nil || !bad {
			return err
		}
		from = db.pass(last)
	}
	return nil
}

// readOn yields rows from a key on. It returns the last key before one that
// cannot be read, if there is one.
func (db *DB) readOn(from string, yield func(key string, value []byte) error) (last string, bad bool, err error) {
	it, err := db.ds.DB.NewIter(&pebble.IterOptions{LowerBound: []byte(from)})
	if err != nil {
		return from, true, nil // there is no table that can be read
	}
	defer it.Close()
	last = from
	for first := true; ; first = false {
		value, valid, err := row(it, first)
		if err != nil {
			return last, true, nil
		}
		if !valid {
			return "", false, nil
		}
		last = string(it.Key())
		if err := yield(last, value); err != nil {
			return "", false, err
		}
	}
}

// row moves the iterator and reads the row beneath it. valid is false at the end.
func row(it *pebble.Iterator, first bool) (value []byte, valid bool, err error) {
	defer recovered(&err)
	if valid, err = step(it, first, false); err != nil || !valid {
		return nil, false, err
	}
	v, err := it.ValueAndErr()
	return append([]byte(nil), v...), err == nil, err
}

// pass returns a key behind rows that cannot be read, not far behind: it makes
// the last key before them greater, from its end to its front, until what stands
// behind can be read. It is empty where nothing stands there.
func (db *DB) pass(last string) string {
	const greatest = "{" // follows every character of a key
	for i := len(last) - 1; i > 0; i-- {
		if ok, _ := db.readsFrom(last[:i] + greatest); !ok {
			continue
		}
		for c := last[i] + 1; c < greatest[0]; c++ {
			if ok, end := db.readsFrom(last[:i] + string(rune(c))); ok && !end {
				return last[:i] + string(rune(c))
			}
		}
		if _, end := db.readsFrom(last[:i] + greatest); end {
			return ""
		}
		return last[:i] + greatest
	}
	return ""
}

// readsFrom reports whether the first row at or after a key can be read, also
// where there is none.
func (db *DB) readsFrom(key string) (ok, end bool) {
	it, err := db.ds.DB.NewIter(&pebble.IterOptions{LowerBound: []byte(key)})
	if err != nil {
		return false, false
	}
	defer it.Close()
	_, valid, err := row(it, true)
	return err == nil, err == nil && !valid
}

// Sound reports whether every record of the home's database can be read. No DB
// may be open in the home. It writes nothing.
func (h *Home) Sound(opts Options) (bool, error) {
	opts.Logger = slog.New(slog.DiscardHandler)
	opts.ReadOnly = true
	db, err := Open(h.Database(), opts)
	if errors.Is(err, ErrCorrupt) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer db.Close()
	_, bad, err := db.readOn("/", func(string, []byte) error { return nil })
	return !bad, err
}
