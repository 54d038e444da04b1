package store

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// privateFS makes files 0600 and folders 0700 from their first instant,
// whatever the umask; the one beneath uses 0666 and 0755.
type privateFS struct{ vfs.FS }

// PrivateFS returns the operating system's files as Open uses them.
func PrivateFS() vfs.FS { return privateFS{vfs.Default} }

func (p privateFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := p.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := touchPrivate(name); err != nil {
		return nil, err
	}
	return p.OpenReadWrite(name, c)
}

func (p privateFS) MkdirAll(dir string, _ os.FileMode) error {
	if err := p.FS.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.Chmod(dir, 0o700)
}

func (p privateFS) Lock(name string) (io.Closer, error) {
	// Only where it is missing: to close another descriptor of a file that this
	// process has locked would drop the lock.
	if err := touchPrivate(name); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return p.FS.Lock(name)
}

func (p privateFS) Unwrap() vfs.FS { return p.FS }

// touchPrivate makes the empty file name, which must not exist.
func touchPrivate(name string) error {
	f, err := openPrivate(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	return f.Close()
}

// tablePause is how long a table that the full disk has no room for holds up
// pebble, which else would try again at once and for ever.
const tablePause = 5 * time.Second

// gateFS stands between pebble and the disk, and never lets pebble see a failed
// write. Pebble ends the process on most of them: by its logger's Fatalf, by a
// panic, and in one place by a panic that unlocks an unlocked mutex, which no
// recover catches. So the first failed write makes the DB fail for good, and the
// goroutine that met it, like every one that wants to write after it, sleeps
// here until the process ends. Nothing is written any more; reading goes on.
//
// The exception is a table (a flush or a compaction) for which there is no space:
// it fails without harm, since what is in it is also elsewhere. Not so where
// somebody waits for it: Open, and a Commit that finds the memory full.
type gateFS struct {
	vfs.FS
	state *failure
}

type gateFile struct {
	vfs.File
	name  string
	state *failure
}

// enter blocks for good once the store has failed.
func (f *failure) enter() {
	select {
	case <-f.failed:
		select {}
	default:
	}
}

// leave judges the error of a write to the file name.
func (f *failure) leave(name string, err error) error {
	if err == nil {
		return nil
	}
	if noSpace(err) && strings.HasSuffix(name, ".sst") && f.mayWait() {
		f.pause()
		return err
	}
	f.fail(err)
	select {}
}

func (f *failure) pause() {
	t := time.NewTimer(tablePause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-f.closing:
	case <-f.failed:
	}
}

func (g gateFS) file(name string, f vfs.File, err error) (vfs.File, error) {
	if err := g.state.leave(name, err); err != nil {
		return nil, err
	}
	return &gateFile{f, name, g.state}, nil
}

func (g gateFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	g.state.enter()
	if strings.HasPrefix(g.PathBase(name), "marker.") {
		if err := g.state.leave(name, g.syncDir(g.PathDir(name))); err != nil {
			return nil, err
		}
	}
	f, err := g.FS.Create(name, c)
	return g.file(name, f, err)
}

// syncDir comes before a marker, by which pebble finds its other files: it
// creates one of those, then the marker, and syncs the folder once for both. A
// power cut in between may leave the marker alone, and a database that does not
// open.
func (g gateFS) syncDir(dir string) error {
	f, err := g.FS.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (g gateFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	g.state.enter()
	f, err := g.FS.OpenReadWrite(name, c, o...)
	return g.file(name, f, err)
}

func (g gateFS) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	g.state.enter()
	f, err := g.reuse(oldname, newname, c)
	return g.file(newname, f, err)
}

// OpenDir is how folders are synced.
func (g gateFS) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &gateFile{f, name, g.state}, nil
}

func (g gateFS) Link(oldname, newname string) error {
	g.state.enter()
	return g.state.leave(newname, g.FS.Link(oldname, newname))
}

func (g gateFS) Rename(oldname, newname string) error {
	g.state.enter()
	return g.state.leave(newname, g.FS.Rename(oldname, newname))
}

// Remove may fail: a file too many does no harm.
func (g gateFS) Remove(name string) error {
	g.state.enter()
	return g.FS.Remove(name)
}

func (g gateFS) Unwrap() vfs.FS { return g.FS }

func (f *gateFile) Write(p []byte) (int, error) {
	f.state.enter()
	n, err := f.File.Write(p)
	return n, f.state.leave(f.name, err)
}

func (f *gateFile) WriteAt(p []byte, off int64) (int, error) {
	f.state.enter()
	n, err := f.File.WriteAt(p, off)
	return n, f.state.leave(f.name, err)
}

func (f *gateFile) Sync() error {
	f.state.enter()
	return f.state.leave(f.name, f.File.Sync())
}

func (f *gateFile) SyncData() error {
	f.state.enter()
	return f.state.leave(f.name, f.File.SyncData())
}

func (f *gateFile) SyncTo(length int64) (bool, error) {
	f.state.enter()
	full, err := f.File.SyncTo(length)
	return full, f.state.leave(f.name, err)
}

func (f *gateFile) Close() error {
	return f.state.leave(f.name, f.File.Close())
}
