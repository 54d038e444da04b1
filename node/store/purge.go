package store

import (
	"context"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// purgeFlushes is how many journals are begun after a purge: pebble keeps old
// ones, with what they hold, to write over them; no more than half as many.
const purgeFlushes = 8

// Purge takes what was deleted from the space, or overwritten, out of the
// database's files: a log-structured store keeps it in old tables and journals
// else. It rewrites the space, so it is for now and then, and waits for backups
// under way, which hold on to what they began with. It is best effort on disks
// that do not write in place, as all deletion is. Errors: ErrDiskFull, ErrFailed,
// ErrClosed.
func (s *Space) Purge() error {
	if err := s.db.enter(); err != nil {
		return err
	}
	defer s.db.leave()
	s.db.fixed.Lock()
	defer s.db.fixed.Unlock()
	if err := s.db.Writable(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		var err error
		defer func() { done <- err }()
		defer recovered(&err)
		err = s.purge()
	}()
	select {
	case err := <-done:
		return readError(err)
	case <-s.db.state.failed:
		return s.db.state.err()
	case <-s.db.state.closing: // Close must not wait for a disk with no room
		return ErrClosed
	}
}

func (s *Space) purge() error {
	d := s.db.ds.DB
	if err := d.Compact(context.Background(), []byte(s.prefix+"/"), []byte(s.prefix+"0"), false); err != nil {
		return err
	}
	s.db.state.purging.Add(1)
	defer s.db.state.purging.Add(-1)
	for range purgeFlushes {
		if err := d.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// reuse writes over an old journal as pebble wants it, but with the old contents
// gone while a purge runs.
func (g gateFS) reuse(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if g.state.purging.Load() == 0 {
		return g.FS.ReuseForWrite(oldname, newname, c)
	}
	if err := g.FS.Remove(oldname); err != nil {
		return nil, err
	}
	return g.FS.Create(newname, c)
}
