package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ErrUsedHome: there is something in this home already.
var ErrUsedHome = errors.New("home is not empty")

// restoringSuffix is added to the name of a home while it is being restored
// beside its place.
const restoringSuffix = ".restoring"

// restoreBatch is how many bytes of records one Commit of a restore takes.
const restoreBatch = 1 << 20

// Restore is a home that was read from a backup and has not taken its place yet:
// Finish puts it there as a whole, and Abort leaves nothing of it.
type Restore struct {
	Home *Home
	Bag  *Keybag
	DB   *DB
	dest string
}

// BeginRestore reads a backup, unsealed by the caller, into a folder
// beside dir. dir itself is not touched, and must be empty or not be there.
// Errors: ErrUsedHome, ErrNoBackup, ErrNewerFormat, ErrLocked while another
// restore runs, ErrDiskFull, those of r and of the file system; nothing is left
// behind then.
func BeginRestore(dir string, r io.Reader, opts Options) (*Restore, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := CheckUnused(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return nil, diskError(err)
	}
	re := &Restore{dest: dir}
	b := &backupReader{r: bufio.NewReaderSize(r, 64<<10)}
	s, err := b.secrets()
	if err != nil {
		return nil, err
	}
	if err := re.begin(s); err != nil {
		return nil, errors.Join(err, re.Abort())
	}
	if err := re.fill(b, opts); err != nil {
		return nil, errors.Join(err, re.Abort())
	}
	return re, nil
}

// CheckUnused refuses a home that holds anything. Errors: ErrUsedHome,
// ErrUnsafeHome.
func CheckUnused(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	err = checkFolder(dir)
	if errors.Is(err, ErrNoHome) {
		return nil
	}
	if err != nil {
		return err
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		return fmt.Errorf("%w: %s", ErrUsedHome, dir)
	}
	return nil
}

// begin makes the home beside its place, with the identity of the backup. What
// an earlier restore left there, which did not end, is removed first.
func (re *Restore) begin(s secrets) error {
	at := re.dest + restoringSuffix
	if err := removeRestoring(at); err != nil {
		return err
	}
	at, err := prepareHome(at, upgrades)
	if err != nil {
		return err
	}
	err = createOnce(at, identityFile, encodeKeyFile(s.seed))
	if err == nil {
		re.Home, err = OpenHome(at)
	}
	if err != nil {
		return errors.Join(err, removeRestoring(at))
	}
	if re.Bag, err = OpenKeybag(re.Home); err != nil {
		return err
	}
	if err := re.Bag.write(s.bag); err != nil {
		return err
	}
	re.Bag.state.Store(s.bag)
	return re.Home.SaveSettings(s.settings)
}

// removeRestoring removes a restore that did not end, unless it is still running.
func removeRestoring(at string) error {
	err := checkFolder(at)
	if errors.Is(err, ErrNoHome) {
		return nil
	}
	if err != nil {
		return err
	}
	lock, err := lockHome(at)
	if err != nil {
		return err
	}
	defer lock.Close()
	return os.RemoveAll(at)
}

func (re *Restore) fill(b *backupReader, opts Options) (err error) {
	if re.DB, err = Open(re.Home.Database(), opts); err != nil {
		return err
	}
	var batch Batch
	size := 0
	flush := func() error {
		err := re.DB.Commit(&batch)
		batch, size = Batch{}, 0
		return err
	}
	err = b.records(func(key string, sealed []byte) error {
		batch.ops, batch.adds = append(batch.ops, op{key: key, value: sealed}), true
		if size += len(key) + len(sealed); size < restoreBatch {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// Finish closes the restored home and gives it its place, durably: before it
// there is none there, and after it the whole one. On an error the place is as
// it was and nothing is left behind.
func (re *Restore) Finish() error {
	at := re.Home.Dir()
	if err := re.DB.Close(); err != nil {
		re.DB = nil
		return errors.Join(err, re.Abort())
	}
	re.DB = nil
	// The lock file goes along: who opened the place between the check and now
	// has made it a folder that is not empty, and the rename fails.
	if err := errors.Join(syncFolder(at), rename(at, re.dest)); err != nil {
		return errors.Join(err, re.Abort())
	}
	return errors.Join(syncFolder(filepath.Dir(re.dest)), re.Home.Close())
}

// rename is the system's own, which puts a folder in the place of an empty one;
// package os refuses that.
func rename(from, to string) error {
	err := syscall.Rename(from, to)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOTEMPTY), errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w: %s", ErrUsedHome, to)
	}
	return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
}

// Abort removes what was restored so far.
func (re *Restore) Abort() error {
	var errs []error
	if re.DB != nil {
		select {
		case <-re.DB.Failed(): // only the end of the process closes it
		default:
			errs = append(errs, re.DB.Close())
		}
	}
	if re.Home == nil { // not begun, or another restore's
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, os.RemoveAll(re.dest+restoringSuffix), re.Home.Close())...)
}
