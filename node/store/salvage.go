package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sort"
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

// setAside are the files that pebble need not have, in the order in which a
// damaged database is tried without them: its options, which are ours, then its
// journals, with what was written last.
var setAside = []string{"OPTIONS-*", "*.log"}

// openDamaged opens a database without those of its files that keep it from
// opening, and returns nil where that does not help.
func openDamaged(dir string, opts Options) (*DB, error) {
	opts.ReadOnly = true // nothing is merged or deleted that is damaged
	for _, pattern := range setAside {
		db, err := Open(dir, opts)
		if err == nil || !errors.Is(err, ErrCorrupt) {
			return db, err
		}
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, path := range files {
			if err := os.Rename(path, filepath.Join(dir, "unread."+filepath.Base(path))); err != nil {
				return nil, err
			}
		}
	}
	db, err := Open(dir, opts)
	if errors.Is(err, ErrCorrupt) {
		return nil, nil
	}
	return db, err
}

// eachReadable yields the rows in the order of their keys, and passes over those
// that cannot be read.
func (db *DB) eachReadable(yield func(key string, value []byte) error) error {
	for from := "/"; from != ""; {
		bad, err := db.readOn(from, yield)
		if err != nil || bad == "" {
			return err
		}
		from = db.pass(bad)
	}
	return nil
}

// readOn yields rows from a key on. It returns a key from which nothing can be
// read, where it came to one, behind all that it yielded.
func (db *DB) readOn(from string, yield func(key string, value []byte) error) (bad string, err error) {
	it, err := db.ds.DB.NewIter(&pebble.IterOptions{LowerBound: []byte(from)})
	if err != nil {
		return from, nil // there is no table that can be read
	}
	defer it.Close()
	bad = from
	for first := true; ; first = false {
		value, valid, err := row(it, first)
		if err != nil {
			return bad, nil
		}
		if !valid {
			return "", nil
		}
		bad = string(it.Key()) + keyChars[:1]
		if err := yield(string(it.Key()), value); err != nil {
			return "", err
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

// keyChars are what keys are made of, in order, after one that is less than any.
// maxKeyLen is longer than any key.
const (
	keyChars  = " -/0123456789_abcdefghijklmnopqrstuvwxyz"
	maxKeyLen = 512
)

// pass returns the first key behind bad from which something can be read: the
// one that follows the greatest key from which nothing can be read, which it
// finds character by character. It is empty where that would be no key. Each look
// at a damaged block is slow: pebble tries every bit of it.
func (db *DB) pass(bad string) string {
	first := db.fault(bad)
	for p, fault := "", first; len(p) < maxKeyLen; {
		least := 0
		if strings.HasPrefix(bad, p) && len(p) < len(bad) {
			least = max(0, strings.IndexByte(keyChars, bad[len(p)]))
		}
		faultAt := func(c int) string {
			if key := p + keyChars[c:c+1]; key > bad {
				return db.fault(key)
			}
			return first
		}
		// Between two keys that meet one fault there is nothing but it.
		c := least - 1 + sort.Search(len(keyChars)-least, func(i int) bool { return faultAt(least+i) != fault })
		for c < len(keyChars)-1 {
			next := faultAt(c + 1)
			if next == "" {
				break
			}
			c, fault = c+1, next
		}
		if c < least { // what begins with p can be read
			return max(p, bad) + keyChars[:1]
		}
		p += keyChars[c : c+1]
	}
	return ""
}

// fault says why the first row at or after a key cannot be read, and in which
// block of which table. It is empty where the row can be read, or there is none.
func (db *DB) fault(key string) string {
	it, err := db.ds.DB.NewIter(&pebble.IterOptions{LowerBound: []byte(key)})
	if err != nil {
		return firstLine(err)
	}
	defer it.Close()
	if _, _, err = row(it, true); err != nil {
		return firstLine(err)
	}
	return ""
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
	bad, err := db.readOn("/", func(string, []byte) error { return nil })
	return bad == "", err
}
