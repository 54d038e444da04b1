package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ipfs/go-datastore"
	pebbleds "github.com/ipfs/go-ds-pebble"
)

// The reserve: while less than this is free, new records are refused, so that
// there is room left for the tables that pebble writes on its own, and for
// deleting. On a small volume it is a share of the volume.
const (
	reserveBytes = 64 << 20
	reserveShare = 10
)

// diskFormat is pinned: a newer pebble must not change what is on disk unasked,
// and an older one than this cannot tell a journal that was damaged from one
// that just ends, and would lose acknowledged batches without a word.
const diskFormat = pebble.FormatTableFormatV6

// Options are those of Open; the zero value is the ordinary one.
type Options struct {
	// Logger gets what pebble and the store report; nil discards it.
	Logger *slog.Logger
	// FS replaces the operating system's files, in tests.
	FS vfs.FS
	// ReadOnly leaves every file as it is; Commit fails.
	ReadOnly bool
}

// DB is a database of sealed records: a go-datastore over pebble. Records are
// reached through a Space; changes are made by Commit.
type DB struct {
	ds      *pebbleds.Datastore
	dir     string
	fs      vfs.FS
	reserve uint64
	state   *failure
	fixed   sync.RWMutex // held by a backup for reading: a Purge waits for it

	mu     sync.Mutex // guards the fields below
	users  int
	closed bool
	idle   chan struct{} // closed when closed and users is 0
}

// Open opens the database in the folder dir, making it if need be. Errors:
// ErrDiskFull where there is no space to open it, ErrCorrupt where its files are
// damaged, those of the file system. After one that came from a write this
// process cannot open the database any more.
func Open(dir string, opts Options) (*DB, error) {
	if opts.FS == nil {
		opts.FS = PrivateFS()
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if err := opts.FS.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", diskError(err))
	}
	db := &DB{dir: dir, fs: opts.FS, state: newFailure(opts.Logger), idle: make(chan struct{})}
	db.reserve = reserveOf(opts.FS, dir)
	if db.await(func() error { return db.open(opts.ReadOnly) }) != nil {
		// The folder is there: a file that is not should be.
		if errors.Is(db.state.cause, fs.ErrNotExist) || db.optionsDamaged() {
			return nil, fmt.Errorf("open store: %w: %s", ErrCorrupt, firstLine(db.state.cause))
		}
		return nil, fmt.Errorf("open store: %w", readError(db.state.cause))
	}
	db.state.opened.Store(true)
	return db, nil
}

func (db *DB) open(readOnly bool) (err error) {
	db.ds, err = pebbleds.NewDatastore(db.dir,
		pebbleds.WithPebbleOpts(db.pebbleOptions(readOnly)),
		pebbleds.WithPebbleWriteOptions(pebble.Sync))
	return err
}

func (db *DB) pebbleOptions(readOnly bool) *pebble.Options {
	o := &pebble.Options{
		FS:                 gateFS{db.fs, db.state},
		Logger:             db.state,
		FormatMajorVersion: diskFormat,
		// What is not flushed yet must fit into the reserve several times.
		MemTableSize:  min(max(db.reserve/16, 256<<10), 4<<20),
		EventListener: db.state.events(),
		ReadOnly:      readOnly,
	}
	// Sealed values do not compress.
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
	return o
}

// optionsDamaged reports whether pebble's note of its options is not what it can
// be: this package opens every database with the same ones where it matters.
func (db *DB) optionsDamaged() bool {
	desc, err := pebble.Peek(db.dir, db.fs)
	if err != nil || desc.OptionsFilename == "" {
		return false
	}
	f, err := db.fs.Open(desc.OptionsFilename)
	if err != nil {
		return false
	}
	defer f.Close()
	note, err := io.ReadAll(io.LimitReader(f, 1<<20))
	o := db.pebbleOptions(true)
	o.EnsureDefaults()
	return err == nil && o.CheckCompatibility(db.dir, string(note)) != nil
}

// reserveOf returns the reserve of the volume that dir lies on, 0 if its size
// cannot be had.
func reserveOf(fs vfs.FS, dir string) uint64 {
	u, err := fs.GetDiskUsage(dir)
	if err != nil {
		return 0
	}
	return min(reserveBytes, u.TotalBytes/reserveShare)
}

// Writable returns nil if Commit takes new records now. Errors: ErrDiskFull,
// ErrFailed.
func (db *DB) Writable() error { return db.writable(db.reserve) }

func (db *DB) writable(reserve uint64) error {
	if err := db.state.err(); err != nil {
		return err
	}
	u, err := db.fs.GetDiskUsage(db.dir)
	if err == nil && u.AvailBytes < reserve {
		return ErrDiskFull
	}
	return nil // a file system that cannot tell has no reserve
}

// Failed is closed when a write has failed: see ErrFailed.
func (db *DB) Failed() <-chan struct{} { return db.state.failed }

// Commit applies the changes of b, all or none, and returns when they are on
// disk. Concurrent calls share their syncs: pebble joins them by itself. A read
// beside a running Commit may see its changes before they are on disk. b must
// not be used again.
//
// Errors: ErrDiskFull, and nothing was written; ErrFailed; ErrClosed; what the
// calls that filled b met (ErrKey, keys.ErrRandom).
func (db *DB) Commit(b *Batch) error {
	if b.err != nil {
		return b.err
	}
	if len(b.ops) == 0 {
		return nil
	}
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	reserve := db.reserve
	if !b.adds {
		reserve /= 4 // deleting makes space, in the end
	}
	if err := db.writable(reserve); err != nil {
		return err
	}
	return db.await(func() error { return db.apply(b) })
}

// await runs a call that may never return, since the gate puts goroutines to
// sleep: then it returns the failure.
func (db *DB) await(call func() error) error {
	done := make(chan error, 1)
	go func() {
		var err error
		defer func() { done <- err }()
		defer recovered(&err)
		err = call()
	}()
	select {
	case err := <-done:
		if err != nil {
			db.state.fail(err)
		}
	case <-db.state.failed:
	}
	return db.state.err()
}

func (db *DB) apply(b *Batch) error {
	ctx := context.Background() // pebble's takes no notice of it
	batch, err := db.ds.Batch(ctx)
	if err != nil {
		return err
	}
	for _, op := range b.ops {
		key := datastore.RawKey(op.key)
		if op.delete {
			err = batch.Delete(ctx, key)
		} else {
			err = batch.Put(ctx, key, op.value)
		}
		if err != nil {
			return err
		}
	}
	return batch.Commit(ctx)
}

// Close waits for running calls and closes the files. After a failure it leaves
// them as they are and returns ErrFailed; the process should end then.
func (db *DB) Close() error {
	db.mu.Lock()
	already := db.closed
	db.closed = true
	if !already {
		close(db.state.closing)
		if db.users == 0 {
			close(db.idle)
		}
	}
	db.mu.Unlock()
	if already {
		return ErrClosed
	}
	<-db.idle
	if err := db.state.err(); err != nil {
		return err
	}
	// Not the datastore's Close: it would flush to a table first, which never
	// ends while the disk is full. The journal holds everything.
	return db.await(db.ds.DB.Close)
}

// enter keeps Close waiting until leave. Errors: ErrClosed.
func (db *DB) enter() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return ErrClosed
	}
	db.users++
	return nil
}

func (db *DB) leave() {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.users--
	if db.closed && db.users == 0 {
		close(db.idle)
	}
}

// recovered turns a panic on damaged files into an error.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: %v", ErrCorrupt, r)
	}
}

// firstLine is what an error of pebble says, without the details of its layers.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// readError types the errors of pebble.
func readError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, datastore.ErrNotFound):
		return ErrNotFound
	case pebble.IsCorruptionError(err):
		return fmt.Errorf("%w: %s", ErrCorrupt, firstLine(err))
	}
	return diskError(err)
}
