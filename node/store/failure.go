package store

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
)

// failure is the state that a DB shares with what runs beneath it: whether a
// write has failed, which is for good, and whether the DB is being closed. It is
// also pebble's logger.
type failure struct {
	log     *slog.Logger
	opened  atomic.Bool
	noRoom  atomic.Bool   // the last table found no space
	stalled atomic.Bool   // a Commit waits for a table
	purging atomic.Int32  // calls of Purge that begin journals
	failed  chan struct{} // closed by the first fail, after cause was set
	closing chan struct{}
	once    sync.Once
	cause   error
}

func newFailure(log *slog.Logger) *failure {
	return &failure{log: log, failed: make(chan struct{}), closing: make(chan struct{})}
}

func (f *failure) fail(cause error) {
	f.once.Do(func() {
		f.log.Error("store failed; it writes nothing any more", "error", cause)
		f.cause = cause
		close(f.failed)
	})
}

// err returns ErrFailed with its cause, or nil. The cause is text alone, for a
// caller that looks for ErrDiskFull means the one that did no harm; but for
// ErrCorrupt, where pebble came upon a damaged block while it merged tables:
// it would at every start.
func (f *failure) err() error {
	select {
	case <-f.failed:
	default:
		return nil
	}
	if cause := readError(f.cause); errors.Is(cause, ErrCorrupt) {
		return fmt.Errorf("%w: %w", ErrFailed, cause)
	}
	return fmt.Errorf("%w: %v", ErrFailed, diskError(f.cause))
}

// Infof is pebble's; it reports what it replays at start, and such.
func (f *failure) Infof(format string, args ...any) { f.log.Debug(fmt.Sprintf(format, args...)) }

// Errorf is pebble's.
func (f *failure) Errorf(format string, args ...any) { f.log.Error(fmt.Sprintf(format, args...)) }

// Fatalf is pebble's, which expects it to end the process. It returns, since it
// is called on pebble's own goroutines too and the gate keeps whatever follows
// from the disk: Commit finds the failure before it believes in success.
func (f *failure) Fatalf(format string, args ...any) { f.fail(fmt.Errorf(format, args...)) }

// events are what pebble reports on its own goroutines.
func (f *failure) events() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: f.background,
		FlushEnd:        func(i pebble.FlushInfo) { f.tableDone(i.Err) },
		CompactionEnd:   func(i pebble.CompactionInfo) { f.tableDone(i.Err) },
		WriteStallBegin: f.stallBegin,
		WriteStallEnd:   func() { f.stalled.Store(false) },
		DataCorruption:  f.damaged,
	}
}

// background is told of failed flushes and compactions. Without space they are
// tried again later; else something is broken that trying again does not mend.
func (f *failure) background(err error) {
	if noSpace(err) {
		f.log.Warn("store: no space for a table", "error", err)
		return
	}
	f.fail(err)
}

// damaged is told of a block that a reader, who gets an error, found damaged;
// pebble's own answer is Fatalf. It does not print the whole of it, which has
// keys in it.
func (f *failure) damaged(i pebble.DataCorruptionInfo) {
	f.log.Error("store: damaged table", "file", i.Path, "error", firstLine(i.Details))
}

func (f *failure) tableDone(err error) {
	if err == nil {
		f.noRoom.Store(false)
	}
}

// mayWait reports whether a table that found no space may be tried again later.
func (f *failure) mayWait() bool {
	f.noRoom.Store(true)
	return f.opened.Load() && !f.stalled.Load()
}

// stallBegin is told that a Commit waits for a table. It must not wait for one
// that has no room: the reserve was there, so it is not a full disk but a quota
// or something like it, and nobody knows when that ends.
func (f *failure) stallBegin(pebble.WriteStallBeginInfo) {
	f.stalled.Store(true)
	if f.noRoom.Load() {
		f.fail(syscall.ENOSPC)
	}
}
