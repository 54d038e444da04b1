package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"conclave/keys"
	"conclave/node/store"
	"conclave/node/store/storetest"
)

func TestContract(t *testing.T) {
	openers := map[string]storetest.Opener{
		"real": func(t *testing.T) func() (*store.DB, error) {
			dir := filepath.Join(t.TempDir(), "db")
			return func() (*store.DB, error) { return store.Open(dir, store.Options{}) }
		},
		"failing": func(t *testing.T) func() (*store.DB, error) {
			disk := storetest.NewDisk(nil)
			// It fails at what this test does not do, so all else must work.
			disk.FailAt(1, syscall.EIO, storetest.HomeFile("none"))
			dir := filepath.Join(t.TempDir(), "db")
			return func() (*store.DB, error) { return store.Open(dir, store.Options{FS: disk}) }
		},
		// Each time it is opened after a power cut.
		"memory": func(t *testing.T) func() (*store.DB, error) {
			disk := storetest.NewMemDisk()
			return func() (*store.DB, error) {
				disk = disk.PowerLoss(0, nil)
				return store.Open("db", store.Options{FS: disk})
			}
		},
	}
	for name, open := range openers {
		t.Run(name, func(t *testing.T) { storetest.Run(t, open) })
	}
}

// TestNoGoroutineStays looks in a process of its own: databases that other tests
// made fail keep theirs, on purpose.
func TestNoGoroutineStays(t *testing.T) {
	ok(t, childCommand("leak", t.TempDir()).Run())
}

func childLeak(dir string) error {
	p, err := openPlace(dir)
	if err != nil {
		return err
	}
	var b store.Batch
	p.s.Put(&b, "/a", []byte("1"))
	if err := errors.Join(p.db.Commit(&b), p.db.Close(), p.home.Close()); err != nil {
		return err
	}
	return goleak.Find()
}

// perStep is how many records one step of these tests commits together.
const perStep = 4

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// soon waits for something from c.
func soon[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(time.Minute):
		t.Fatalf("after a minute still waiting for %s", what)
	}
	return v
}

func open(t testing.TB, dir string, disk *storetest.Disk) (*store.DB, *store.Space) {
	t.Helper()
	db, err := store.Open(dir, store.Options{FS: disk})
	ok(t, err)
	return db, spaceOf(t, db)
}

func spaceOf(t testing.TB, db *store.DB) *store.Space {
	t.Helper()
	s, err := db.Space("/g/01", keys.Secret{7})
	ok(t, err)
	return s
}

// stepKey is that of record i of step n; its value is stepValue's.
func stepKey(n, i int) string { return fmt.Sprintf("/m/%s/%d", store.Num(uint64(n)), i) }

func stepValue(n int) []byte { return bytes.Repeat([]byte{byte(n), byte(n >> 8)}, 300) }

func stepBatch(s *store.Space, n int) *store.Batch {
	var b store.Batch
	for i := range perStep {
		s.Put(&b, stepKey(n, i), stepValue(n))
	}
	return &b
}

func commit(t testing.TB, db *store.DB, s *store.Space, n int) {
	t.Helper()
	ok(t, db.Commit(stepBatch(s, n)))
}

// whole fails unless every acknowledged step is there, and every other either as
// a whole or not at all. It returns how many are there.
func whole(t testing.TB, s *store.Space, acked int) int {
	t.Helper()
	rows := map[string]int{}
	for rec, err := range s.Scan(store.Query{Prefix: "/m"}) {
		ok(t, err)
		step := strings.Split(rec.Key, "/")[2]
		var n int
		fmt.Sscanf(step, "%x", &n)
		if !bytes.Equal(rec.Value, stepValue(n)) {
			t.Fatalf("value of %s", rec.Key)
		}
		rows[step]++
	}
	for step, n := range rows {
		if n != perStep {
			t.Fatalf("step %s has %d of %d records", step, n, perStep)
		}
	}
	for n := range acked {
		if rows[store.Num(uint64(n))] == 0 {
			t.Fatalf("acknowledged step %d of %d is lost; %d are there", n, acked, len(rows))
		}
	}
	return len(rows)
}

// TestFailedWrite lets the n-th write fail, for many n, and cuts the power
// afterwards.
func TestFailedWrite(t *testing.T) {
	step := 7
	if thorough() {
		step = 1
	}
	for n := 1; ; n += step {
		if !failWrite(t, n) {
			t.Logf("%d writes", n)
			return
		}
	}
}

// failWrite reports whether there were n writes.
func failWrite(t *testing.T, n int) bool {
	rng := rand.New(rand.NewPCG(uint64(n), 0))
	disk := storetest.NewMemDisk()
	db, s := open(t, "db", disk)
	cause := []error{syscall.EIO, syscall.ENOSPC}[n%2]
	reached := disk.FailAt(n, cause, storetest.AnyWrite)
	acked, err := 0, error(nil)
	for ; acked < 300 && err == nil; acked++ {
		err = db.Commit(stepBatch(s, acked))
	}
	if err != nil {
		acked--
		if !errors.Is(err, store.ErrFailed) {
			t.Fatalf("write %d: %v, want ErrFailed", n, err)
		}
		disk.Heal()
		afterFailure(t, db, s, acked)
	} else {
		db.Close()
	}
	lost, s2 := open(t, "db", disk.PowerLoss(rng.IntN(101), rng))
	whole(t, s2, acked)
	commit(t, lost, s2, 1000)
	ok(t, lost.Close())
	select {
	case <-reached:
		return true
	default:
		return false
	}
}

// afterFailure: reading goes on, writing does not, also on a healed disk.
func afterFailure(t *testing.T, db *store.DB, s *store.Space, acked int) {
	t.Helper()
	whole(t, s, acked)
	if acked > 0 {
		_, err := s.Get(stepKey(acked-1, 0))
		ok(t, err)
	}
	soon(t, "the failure", db.Failed())
	for _, err := range []error{db.Commit(stepBatch(s, 2000)), db.Writable(), db.Close()} {
		if !errors.Is(err, store.ErrFailed) || errors.Is(err, store.ErrDiskFull) {
			t.Fatalf("after the failure: %v", err)
		}
	}
}

// TestFailedTogether: when one of several concurrent commits meets a failure all
// of them return.
func TestFailedTogether(t *testing.T) {
	disk := storetest.NewMemDisk()
	db, s := open(t, "db", disk)
	disk.FailAt(5, syscall.EIO, storetest.JournalSync)
	done := make(chan error)
	for w := range 8 {
		go func() {
			for n := 0; ; n++ {
				if err := db.Commit(stepBatch(s, w<<8|n)); err != nil {
					done <- err
					return
				}
			}
		}()
	}
	for range 8 {
		if err := soon(t, "a commit to return", done); !errors.Is(err, store.ErrFailed) {
			t.Fatal(err)
		}
	}
}

// TestStall: a slow disk makes Commit wait, and nothing else.
func TestStall(t *testing.T) {
	disk := storetest.NewMemDisk()
	db, s := open(t, "db", disk)
	commit(t, db, s, 0)
	stalled, release := disk.StallAt(1, storetest.JournalSync)
	done := make(chan error, 1)
	go func() { done <- db.Commit(stepBatch(s, 1)) }()
	soon(t, "the stall", stalled)
	_, err := s.Get(stepKey(0, 0))
	ok(t, err)
	select {
	case err := <-done:
		t.Fatalf("returned before the sync: %v", err)
	default:
	}
	release()
	ok(t, soon(t, "the commit", done))
	ok(t, db.Close())
}

func TestReserve(t *testing.T) {
	disk := storetest.NewMemDisk()
	disk.SetSpace(10<<30, 100<<30)
	db, s := open(t, "db", disk)
	for _, c := range []struct {
		free     uint64
		put, del error
	}{
		{64 << 20, nil, nil},
		{64<<20 - 1, store.ErrDiskFull, nil},
		{16 << 20, store.ErrDiskFull, nil},
		{16<<20 - 1, store.ErrDiskFull, store.ErrDiskFull},
		{65 << 20, nil, nil},
	} {
		disk.SetSpace(c.free, 100<<30)
		var del store.Batch
		s.Delete(&del, "/x")
		if err := db.Commit(&del); !errors.Is(err, c.del) {
			t.Errorf("delete with %d free: %v", c.free, err)
		}
		put := db.Commit(stepBatch(s, 1))
		for _, err := range []error{put, db.Writable()} {
			if !errors.Is(err, c.put) || (err != nil && err.Error() != "disk full") {
				t.Errorf("put with %d free: %v", c.free, err)
			}
		}
	}
	ok(t, db.Close())
	disk.SetSpace(2<<20, 8<<20)
	db, s = open(t, "db", disk)
	commit(t, db, s, 2)
	disk.SetSpace(800<<10, 8<<20)
	if err := db.Commit(stepBatch(s, 3)); !errors.Is(err, store.ErrDiskFull) {
		t.Errorf("small volume: %v", err)
	}
	whole(t, s, 0)
	ok(t, db.Close())
}

// TestNoSpaceForTable: a flush that has no room does not end the store, until a
// Commit would have to wait for it.
func TestNoSpaceForTable(t *testing.T) {
	disk := storetest.NewMemDisk()
	disk.SetSpace(10<<30, 100<<30) // much room for what is not flushed
	db, s := open(t, "db", disk)
	reached := disk.FailAt(1, syscall.ENOSPC, storetest.TableWrite)
	n := 0
	for flushing := true; flushing; n++ {
		commit(t, db, s, n)
		select {
		case <-reached:
			flushing = false
		default:
		}
	}
	commit(t, db, s, n)
	ok(t, db.Close()) // although the flush has not been done
	disk = disk.PowerLoss(0, nil)
	db, s = open(t, "db", disk)
	whole(t, s, n+1)
	disk.FailAt(1, syscall.ENOSPC, storetest.TableWrite)
	var err error
	for ; err == nil; n++ {
		err = db.Commit(stepBatch(s, n+1))
	}
	if !errors.Is(err, store.ErrFailed) || !strings.Contains(err.Error(), "disk full") {
		t.Fatal(err)
	}
	whole(t, s, n)
}

// TestOpenFails: whichever write of Open fails, of a new database and of one that
// has records, the error is returned, nothing is harmed and the next Open works,
// whatever a power cut in between leaves of what was not synced.
func TestOpenFails(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
		for _, steps := range []int{0, 3} {
			for n := 1; openFails(t, n, steps, cause); n++ {
			}
		}
	}
}

func openFails(t *testing.T, n, steps int, cause error) bool {
	disk := storetest.NewMemDisk()
	if steps > 0 {
		db, s := open(t, "db", disk)
		for i := range steps {
			commit(t, db, s, i)
		}
		ok(t, db.Close())
	}
	reached := disk.FailAt(n, cause, storetest.AnyWrite)
	db, err := store.Open("db", store.Options{FS: disk})
	switch {
	case err == nil:
		db.Close()
	case cause == syscall.ENOSPC && !errors.Is(err, store.ErrDiskFull):
		t.Errorf("write %d: %v, want ErrDiskFull", n, err)
	}
	for i := range uint64(11) {
		cut := disk.PowerLoss(int(i)*10, rand.New(rand.NewPCG(uint64(n), i)))
		db, s := open(t, "db", cut)
		whole(t, s, steps)
		ok(t, db.Close())
	}
	select {
	case <-reached:
		return true
	default:
		return false
	}
}
