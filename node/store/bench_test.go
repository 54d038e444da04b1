package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"conclave/keys"
	"conclave/node/store"
)

const (
	benchRecords = 3
	benchSize    = 512
)

// BenchmarkCommit measures one Commit of a few records, as a Step makes it,
// alone and from eight goroutines, beside pebble without the store. The ratio is
// that of the store's time to pebble's, the two taking turns on one disk.
func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{1, 8} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			sealed, bare := benchStore(b), benchPebble(b)
			var ours, theirs time.Duration
			n := 0
			for b.Loop() {
				ours += together(writers, n, sealed)
				theirs += together(writers, n, bare)
				n++
			}
			per := float64(n * writers)
			b.ReportMetric(float64(ours)/per, "store-ns/commit")
			b.ReportMetric(float64(theirs)/per, "pebble-ns/commit")
			b.ReportMetric(float64(ours)/float64(theirs), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// together lets several goroutines commit once each.
func together(writers, n int, commit func(key string) error) time.Duration {
	start := time.Now()
	done := make(chan error, writers)
	for w := range writers {
		go func() { done <- commit("/m/" + store.Num(uint64(w)) + "/" + store.Num(uint64(n))) }()
	}
	for range writers {
		if err := <-done; err != nil {
			panic(err)
		}
	}
	return time.Since(start)
}

func benchStore(b *testing.B) func(string) error {
	db, err := store.Open(b.TempDir(), store.Options{})
	ok(b, err)
	b.Cleanup(func() { db.Close() })
	s, err := db.Space("/g/01", keys.Secret{1})
	ok(b, err)
	value := make([]byte, benchSize)
	return func(key string) error {
		var batch store.Batch
		for i := range benchRecords {
			s.Put(&batch, key+"/"+store.Num(uint64(i)), value)
		}
		return db.Commit(&batch)
	}
}

func benchPebble(b *testing.B) func(string) error {
	db, err := pebble.Open(b.TempDir(), &pebble.Options{Logger: quiet{}, FormatMajorVersion: pebble.FormatTableFormatV6})
	ok(b, err)
	b.Cleanup(func() { db.Close() })
	value := make([]byte, benchSize+40)
	return func(key string) error {
		batch := db.NewBatch()
		for i := range benchRecords {
			batch.Set([]byte("/g/01"+key+"/"+store.Num(uint64(i))), value, nil)
		}
		return batch.Commit(pebble.Sync)
	}
}

type quiet struct{}

func (quiet) Infof(string, ...any)         {}
func (quiet) Errorf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }
func (quiet) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }
