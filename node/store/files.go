package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// openPrivate opens a file that is 0600 from its first instant, whatever the
// umask, and no symbolic link. O_NONBLOCK keeps a pipe put in its place from
// holding us up.
func openPrivate(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, flag|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%w: %s is a symbolic link", ErrUnsafeHome, path)
	}
	if err != nil {
		return nil, err
	}
	if err := checkFile(f, path); err != nil {
		f.Close()
		return nil, err
	}
	if flag&os.O_CREATE != 0 {
		if err := f.Chmod(0o600); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

func checkFile(f *os.File, path string) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is not a file", ErrUnsafeHome, path)
	}
	return checkOwner(path, fi)
}

// readFile reads a file of at most limit bytes. Errors: ErrUnsafeHome,
// ErrDamaged for a longer one.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := openPrivate(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%w: %s is too long", ErrDamaged, path)
	}
	return b, nil
}

// createOnce makes the file name in dir with these contents unless it exists:
// of several processes one wins, and none ever sees half a file. Whatever made
// the link fail, the file being there is what counts: see removeLeftovers.
func createOnce(dir, name string, data []byte) error {
	f, err := os.CreateTemp(dir, name+".tmp-*") // 0600 and O_EXCL
	if err != nil {
		return diskError(err)
	}
	defer os.Remove(f.Name())
	if err := fill(f, data); err != nil {
		return diskError(err)
	}
	path := filepath.Join(dir, name)
	err = os.Link(f.Name(), path)
	if err != nil && !exists(path) {
		return diskError(err)
	}
	return diskError(syncFolder(dir))
}

// fill writes and syncs and closes f.
func fill(f *os.File, data []byte) error {
	err := f.Chmod(0o600)
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// replaceFile puts data in the place of the file name: after a crash the old
// contents or the new ones are there, and after it returned nil the new ones.
func (h *Home) replaceFile(name string, data []byte) error {
	path := filepath.Join(h.dir, name)
	tmp := path + ".tmp"
	steps := []struct {
		name string
		do   func() error
	}{
		{"write", func() error { return writeTemp(tmp, data) }},
		{"rename", func() error { return os.Rename(tmp, path) }},
		{"syncdir", func() error { return syncFolder(h.dir) }},
	}
	for _, s := range steps {
		if err := h.step(s.name, name, s.do); err != nil {
			os.Remove(tmp)
			return fmt.Errorf("%s %s: %w", s.name, name, diskError(err))
		}
	}
	return nil
}

func (h *Home) step(step, name string, do func() error) error {
	if h.fault != nil {
		if err := h.fault(step, name); err != nil {
			return err
		}
	}
	return do()
}

// writeTemp makes a fresh file: an old one may have been left by a crash.
func writeTemp(tmp string, data []byte) error {
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := openPrivate(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	return fill(f, data)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// syncFolder makes the names in dir durable.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// removeLeftovers removes the temporary files of a crash: they may hold keys
// that were erased since. The lock is held and the identity exists, so a
// process that is making one beside us finds it when its link fails.
func removeLeftovers(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !isLeftover(e.Name()) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func isLeftover(name string) bool {
	base, rest, ok := strings.Cut(name, ".tmp")
	if !ok || (rest != "" && rest[0] != '-') {
		return false
	}
	switch base {
	case versionFile, identityFile, masterFile, keybagFile, settingsFile:
		return true
	}
	return false
}
