package storetest

import (
	"errors"
	"slices"
	"testing"

	"conclave/keys"
	"conclave/node/store"
)

// bench is an open database with one space in it.
type bench struct {
	t    *testing.T
	open func() (*store.DB, error)
	db   *store.DB
	s    *store.Space
}

// reopen closes the database, if it is open, and opens it again.
func (b *bench) reopen() {
	b.t.Helper()
	if b.db != nil {
		check(b.t, b.db.Close())
	}
	db, err := b.open()
	check(b.t, err)
	b.db, b.s = db, space(b.t, db, "/g/01")
}

func space(t testing.TB, db *store.DB, prefix string) *store.Space {
	t.Helper()
	s, err := db.Space(prefix, keys.Secret(keys.Sum([]byte(prefix))))
	check(t, err)
	return s
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want compares what the key holds now and after opening again.
func (b *bench) want(key, value string) {
	b.t.Helper()
	got, err := b.s.Get(key)
	if err != nil || string(got) != value {
		b.t.Fatalf("get %s: %q, %v; want %q", key, got, err, value)
	}
}

func (b *bench) wantNone(key string) {
	b.t.Helper()
	if got, err := b.s.Get(key); !errors.Is(err, store.ErrNotFound) {
		b.t.Fatalf("get %s: %q, %v; want ErrNotFound", key, got, err)
	}
}

func (b *bench) put(pairs ...string) {
	b.t.Helper()
	var batch store.Batch
	for i := 0; i < len(pairs); i += 2 {
		b.s.Put(&batch, pairs[i], []byte(pairs[i+1]))
	}
	check(b.t, b.db.Commit(&batch))
}

// scan returns the keys that a query yields.
func (b *bench) scan(q store.Query) (got []string) {
	b.t.Helper()
	for rec, err := range b.s.Scan(q) {
		check(b.t, err)
		got = append(got, rec.Key)
	}
	return got
}

func (b *bench) wantScan(q store.Query, want ...string) {
	b.t.Helper()
	if got := b.scan(q); !slices.Equal(got, want) {
		b.t.Fatalf("scan %+v:\n got %v\nwant %v", q, got, want)
	}
}
