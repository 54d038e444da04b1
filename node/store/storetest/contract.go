package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"conclave/keys"
	"conclave/node/store"
)

// Opener prepares an empty place and returns what opens the database there. The
// function may be called again after each Close.
type Opener func(t *testing.T) (open func() (*store.DB, error))

// Run runs the contract of store.DB.
func Run(t *testing.T, opener Opener) {
	for name, test := range map[string]func(*testing.T, *bench){
		"Records":   testRecords,
		"Batch":     testBatch,
		"Scan":      testScan,
		"Page":      testPage,
		"Neighbors": testNeighbors,
		"Keys":      testKeys,
		"Spaces":    testSpaces,
		"Big":       testBig,
		"Together":  testTogether,
		"Snapshot":  testSnapshot,
		"Clear":     testClear,
		"Close":     testClose,
	} {
		t.Run(name, func(t *testing.T) {
			b := &bench{t: t, open: opener(t)}
			b.reopen()
			t.Cleanup(func() { b.db.Close() })
			test(t, b)
		})
	}
}

func testRecords(t *testing.T, b *bench) {
	b.wantNone("/a")
	b.put("/a", "1", "/b", "", "/c/d", "3")
	b.put("/a", "new")
	for range 2 {
		b.want("/a", "new")
		b.want("/b", "")
		b.want("/c/d", "3")
		b.wantNone("/c")
		b.reopen()
	}
	var batch store.Batch
	b.s.Delete(&batch, "/a")
	b.s.Delete(&batch, "/never")
	check(t, b.db.Commit(&batch))
	for range 2 {
		b.wantNone("/a")
		b.want("/b", "")
		b.reopen()
	}
}

func testBatch(t *testing.T, b *bench) {
	check(t, b.db.Commit(&store.Batch{}))
	b.put("/a", "old", "/b", "old")
	var batch store.Batch
	b.s.Put(&batch, "/a", []byte("first"))
	b.s.Put(&batch, "/a", []byte("second"))
	b.s.Delete(&batch, "/b")
	b.s.Put(&batch, "/c", []byte("x"))
	b.s.Delete(&batch, "/c")
	if batch.Len() != 5 {
		t.Fatalf("Len %d", batch.Len())
	}
	b.want("/a", "old")
	check(t, b.db.Commit(&batch))
	for range 2 {
		b.want("/a", "second")
		b.wantNone("/b")
		b.wantNone("/c")
		b.reopen()
	}
}

// rows puts /m/<n> for n below count and returns the keys in order.
func (b *bench) rows(count int) (all []string) {
	var pairs []string
	for n := range count {
		key := "/m/" + store.Num(uint64(n)*1000)
		all = append(all, key)
		pairs = append([]string{key, fmt.Sprint(n)}, pairs...) // not in their order
	}
	b.put(pairs...)
	return all
}

func testScan(t *testing.T, b *bench) {
	b.wantScan(store.Query{})
	k := b.rows(10)
	down := slices.Clone(k)
	slices.Reverse(down)
	between := "/m/" + store.Num(4500)
	for range 2 {
		b.wantScan(store.Query{Prefix: "/m"}, k...)
		b.wantScan(store.Query{Prefix: "/m", Reverse: true}, down...)
		b.wantScan(store.Query{Prefix: "/m", Limit: 3}, k[:3]...)
		b.wantScan(store.Query{Prefix: "/m", Reverse: true, Limit: 3}, down[:3]...)
		b.wantScan(store.Query{Prefix: "/m", Limit: 50}, k...)
		b.wantScan(store.Query{Prefix: "/m", From: k[4]}, k[4:]...)
		b.wantScan(store.Query{Prefix: "/m", After: k[4]}, k[5:]...)
		b.wantScan(store.Query{Prefix: "/m", From: between}, k[5:]...)
		b.wantScan(store.Query{Prefix: "/m", From: k[4], Reverse: true}, down[5:]...)
		b.wantScan(store.Query{Prefix: "/m", After: k[4], Reverse: true}, down[6:]...)
		b.wantScan(store.Query{Prefix: "/m", From: between, Reverse: true}, down[5:]...)
		b.wantScan(store.Query{KeysOnly: true}, k...)
		b.wantScan(store.Query{Prefix: "/n"})
		b.reopen()
	}
	n := 0
	for rec, err := range b.s.Scan(store.Query{Prefix: "/m"}) {
		check(t, err)
		if string(rec.Value) != fmt.Sprint(n) {
			t.Fatalf("value %q of %s", rec.Value, rec.Key)
		}
		n++
	}
}

// testPage walks through in pages, both ways.
func testPage(t *testing.T, b *bench) {
	k := b.rows(25)
	for _, reverse := range []bool{false, true} {
		var got []string
		for after := ""; ; {
			page := b.scan(store.Query{Prefix: "/m", After: after, Reverse: reverse, Limit: 7})
			if len(page) == 0 {
				break
			}
			got, after = append(got, page...), page[len(page)-1]
		}
		if reverse {
			slices.Reverse(got)
		}
		if !slices.Equal(got, k) {
			t.Fatalf("reverse %v: %v", reverse, got)
		}
	}
}

// testNeighbors: a prefix is a whole number of parts.
func testNeighbors(t *testing.T, b *bench) {
	b.put("/m", "", "/m-/a", "", "/m/a", "", "/m/a/b", "", "/m0", "", "/m0/a", "", "/ma/a", "", "/m_/a", "")
	b.wantScan(store.Query{Prefix: "/m"}, "/m/a", "/m/a/b")
	b.wantScan(store.Query{Prefix: "/m", Reverse: true}, "/m/a/b", "/m/a")
	b.wantScan(store.Query{Prefix: "/m/a"}, "/m/a/b")
	other := space(t, b.db, "/g/010")
	var batch store.Batch
	other.Put(&batch, "/m/a/c", nil)
	check(t, b.db.Commit(&batch))
	b.wantScan(store.Query{Prefix: "/m"}, "/m/a", "/m/a/b")
}

func testKeys(t *testing.T, b *bench) {
	bad := []string{"", "/", "a", "//", "/a/", "/a//b", "/A", "/a b", "/.", "/a/..", "/a.b", "/\x00", "/a\xff", "/é",
		"/" + string(bytes.Repeat([]byte("a"), 1024))}
	for _, key := range bad {
		var put, del store.Batch
		b.s.Put(&put, key, []byte("x"))
		b.s.Delete(&del, key)
		_, get := b.s.Get(key)
		for _, err := range []error{b.db.Commit(&put), b.db.Commit(&del), get} {
			if !errors.Is(err, store.ErrKey) {
				t.Errorf("key %.20q: %v, want ErrKey", key, err)
			}
		}
		if _, err := b.db.Space(key, keys.Secret{}); !errors.Is(err, store.ErrKey) {
			t.Errorf("space %.20q: %v, want ErrKey", key, err)
		}
	}
	for _, q := range []store.Query{
		{Prefix: "m"}, {From: "x"}, {Prefix: "/m", From: "/n/a"}, {Prefix: "/m", After: "/m"}, {From: "/a", After: "/a"},
	} {
		for _, err := range b.s.Scan(q) {
			if !errors.Is(err, store.ErrKey) {
				t.Errorf("scan %+v: %v, want ErrKey", q, err)
			}
		}
	}
	b.wantScan(store.Query{})
}

// testSpaces: a value is good only under its key and its data key.
func testSpaces(t *testing.T, b *bench) {
	b.put("/a", "mine", "/b", "mine too")
	thief, err := b.db.Space("/g/01", keys.Secret{1})
	check(t, err)
	if _, err := thief.Get("/a"); !errors.Is(err, store.ErrCorrupt) {
		t.Fatalf("with another data key: %v", err)
	}
	n := 0
	for rec, err := range thief.Scan(store.Query{}) {
		if !errors.Is(err, store.ErrCorrupt) || rec.Key == "" || rec.Value != nil {
			t.Fatalf("with another data key: %+v, %v", rec, err)
		}
		n++
	}
	if n != 2 {
		t.Fatalf("the scan ended at the first damaged record: %d", n)
	}
	other := space(t, b.db, "/g/02")
	if _, err := other.Get("/a"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("in another space: %v", err)
	}
}

func testBig(t *testing.T, b *bench) {
	value := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	var batch store.Batch
	for n := range 12 {
		b.s.Put(&batch, "/big/"+store.Num(uint64(n)), value)
	}
	check(t, b.db.Commit(&batch))
	for range 2 {
		for rec, err := range b.s.Scan(store.Query{Prefix: "/big"}) {
			check(t, err)
			if !bytes.Equal(rec.Value, value) {
				t.Fatal("value of", rec.Key)
			}
		}
		if n := len(b.scan(store.Query{Prefix: "/big"})); n != 12 {
			t.Fatalf("%d records", n)
		}
		b.reopen()
	}
}

func testTogether(t *testing.T, b *bench) {
	const writers, each = 8, 20
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				var batch store.Batch
				b.s.Put(&batch, "/t/"+store.Num(uint64(w))+"/"+store.Num(uint64(n)), []byte("x"))
				errs[w] = errors.Join(errs[w], b.db.Commit(&batch))
			}
		})
	}
	wg.Wait()
	check(t, errors.Join(errs...))
	for range 2 {
		if n := len(b.scan(store.Query{Prefix: "/t"})); n != writers*each {
			t.Fatalf("%d records", n)
		}
		b.reopen()
	}
}

// testSnapshot: a scan shows the records as they were when it began, and the
// loop may use the store.
func testSnapshot(t *testing.T, b *bench) {
	k := b.rows(5)
	n := 0
	for rec, err := range b.s.Scan(store.Query{Prefix: "/m"}) {
		check(t, err)
		if string(rec.Value) != fmt.Sprint(n) {
			t.Fatalf("value %q of %s", rec.Value, rec.Key)
		}
		b.want(k[0], "0")
		var batch store.Batch
		b.s.Delete(&batch, k[4])
		b.s.Put(&batch, "/m/"+store.Num(99_999), nil)
		check(t, b.db.Commit(&batch))
		n++
	}
	if n != 5 {
		t.Fatalf("%d records", n)
	}
	b.wantScan(store.Query{Prefix: "/m"}, append(k[:4:4], "/m/"+store.Num(99_999))...)
}

func testClear(t *testing.T, b *bench) {
	other := space(t, b.db, "/g/02")
	var batch store.Batch
	other.Put(&batch, "/a", []byte("stays"))
	for n := range 2500 {
		b.s.Put(&batch, "/c/"+store.Num(uint64(n)), nil)
	}
	check(t, b.db.Commit(&batch))
	check(t, b.s.Clear())
	for range 2 {
		b.wantScan(store.Query{})
		if _, err := space(t, b.db, "/g/02").Get("/a"); err != nil {
			t.Fatal(err)
		}
		b.reopen()
	}
}

// testClose: Close waits for a scan that is under way, and after it there are
// errors.
func testClose(t *testing.T, b *bench) {
	b.rows(5)
	db, s, n := b.db, b.s, 0
	closed := make(chan error, 1)
	for _, err := range s.Scan(store.Query{}) {
		check(t, err)
		if n++; n == 1 {
			go func() { closed <- db.Close() }()
		}
		select {
		case <-closed:
			t.Fatal("closed beneath a scan")
		default:
		}
	}
	if err := <-closed; err != nil || n != 5 {
		t.Fatalf("%d records, close: %v", n, err)
	}
	var batch store.Batch
	s.Put(&batch, "/b", nil)
	_, get := s.Get("/a")
	var scan error
	for _, scan = range s.Scan(store.Query{}) {
	}
	for _, err := range []error{db.Commit(&batch), get, scan, db.Close()} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%v, want ErrClosed", err)
		}
	}
	b.db = nil
	b.reopen()
	b.wantNone("/b")
}
