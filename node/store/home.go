package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"conclave/keys"
)

// The files of a home.
const (
	versionFile  = "version"
	lockFile     = "lock"
	identityFile = "identity"
	masterFile   = "master"
	keybagFile   = "keybag"
	settingsFile = "settings"
	databaseDir  = "db"
	socketFile   = "api.sock"
)

// Home is the folder of one node, held by one process at a time.
type Home struct {
	dir      string
	lock     *os.File
	identity *keys.Identity
	fault    FaultFunc
}

// FaultFunc stands in for a failing disk in tests: it is asked before each step
// (write, sync, rename, syncdir) of the replacement of the file name, and what
// it returns is the step's error.
type FaultFunc func(step, name string) error

// OpenHome opens the folder dir for one node, making it and its identity first
// if need be, and brings one of an older format to the present one. Close gives
// it back. Errors: ErrUnsafeHome, ErrNewerFormat,
// ErrLocked, ErrDamaged, ErrDiskFull, those of the file system.
func OpenHome(dir string) (*Home, error) {
	return openHome(dir, upgrades, nil)
}

func openHome(dir string, f formats, fault FaultFunc) (*Home, error) {
	dir, err := prepareHome(dir, f)
	if err != nil {
		return nil, err
	}
	h := &Home{dir: dir, fault: fault}
	if h.lock, err = lockHome(dir); err != nil {
		return nil, err
	}
	if err := h.load(f); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

func (h *Home) load(f formats) (err error) {
	// A newer program may have had the home between our first look and the lock.
	if err := h.upgrade(f); err != nil {
		return err
	}
	if err := checkSocket(h.Socket()); err != nil {
		return err
	}
	if h.identity, err = ensureIdentity(h.dir); err != nil {
		return err
	}
	return removeLeftovers(h.dir)
}

// Close releases the home. The Keybag and the DB in it must be closed or out of
// use by then.
func (h *Home) Close() error { return h.lock.Close() }

// Dir returns the absolute path of the folder.
func (h *Home) Dir() string { return h.dir }

// Identity returns who this node is.
func (h *Home) Identity() *keys.Identity { return h.identity }

// Socket returns the path of the local API's socket. A Unix socket path may
// have at most 107 bytes; this one may be longer.
func (h *Home) Socket() string { return SocketPath(h.dir) }

// Database returns the path for Open.
func (h *Home) Database() string { return filepath.Join(h.dir, databaseDir) }

// SetFault makes f stand in for the disk. For tests; before any other use.
func (h *Home) SetFault(f FaultFunc) { h.fault = f }

// SocketPath returns the path of the local API's socket in the home dir.
func SocketPath(dir string) string { return filepath.Join(dir, socketFile) }

// InitIdentity returns the identity in the home dir, making both first if need
// be. It takes no lock: it may run beside a node, or beside itself, and all
// callers get the same identity. Errors: those of OpenHome but ErrLocked.
func InitIdentity(dir string) (*keys.Identity, error) {
	dir, err := prepareHome(dir, upgrades)
	if err != nil {
		return nil, err
	}
	return ensureIdentity(dir)
}

// ReadIdentity returns the identity in the home dir and touches nothing.
// Errors: ErrNoHome, ErrUnsafeHome, ErrNewerFormat, ErrDamaged.
func ReadIdentity(dir string) (*keys.Identity, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := checkFolder(dir); err != nil {
		return nil, err
	}
	if _, err := upgrades.version(dir); err != nil {
		return nil, err
	}
	seed, err := readKeyFile(filepath.Join(dir, identityFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s has no identity", ErrNoHome, dir)
	}
	if err != nil {
		return nil, err
	}
	return keys.IdentityFromSeed(seed), nil
}

// prepareHome makes dir a folder of our own with a version file and returns its
// absolute path. Everything that is checked is checked before anything is
// touched.
func prepareHome(dir string, f formats) (string, error) {
	// Absolute and clean: with a slash at its end a symbolic link would pass for
	// the folder that it leads to.
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := makeFolder(dir); err != nil {
		return "", diskError(err)
	}
	if err := checkFolder(dir); err != nil {
		return "", err
	}
	_, err = f.version(dir)
	if errors.Is(err, ErrNoHome) {
		err = startHome(dir, f)
	}
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o700)
}

// startHome writes the version file. A folder that holds our keys but no
// version is no new home.
func startHome(dir string, f formats) error {
	err := refuseOrphans(dir, versionFile, identityFile, masterFile, keybagFile, databaseDir)
	if err != nil {
		// Perhaps somebody else has just started it.
		if _, now := f.version(dir); !errors.Is(now, ErrNoHome) {
			return now
		}
		return err
	}
	return createOnce(dir, versionFile, versionText(f.newest()))
}

// makeFolder creates dir, 0700 from its first instant, and makes its name
// durable.
func makeFolder(dir string) error {
	if _, err := os.Lstat(dir); err == nil {
		return nil
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(parent)
}

// checkFolder refuses a home that somebody else could have prepared or could
// change under us.
func checkFolder(dir string) error {
	fi, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s", ErrNoHome, dir)
	case err != nil:
		return err
	case fi.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%w: %s is a symbolic link", ErrUnsafeHome, dir)
	case !fi.IsDir():
		return fmt.Errorf("%w: %s is not a folder", ErrUnsafeHome, dir)
	}
	return checkOwner(dir, fi)
}

// checkOwner refuses what is not ours, or writable by others.
func checkOwner(path string, fi fs.FileInfo) error {
	if st, ok := fi.Sys().(*syscall.Stat_t); !ok || st.Uid != uint32(os.Geteuid()) {
		return fmt.Errorf("%w: %s belongs to another user", ErrUnsafeHome, path)
	}
	if fi.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%w: %s is writable by others; if they are trusted: chmod go-w %[2]s", ErrUnsafeHome, path)
	}
	return nil
}

// checkSocket refuses anything but a socket of our own where the local API's
// socket goes. One left behind by a crash is the API's to remove.
func checkSocket(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%w: %s is in the way of the socket", ErrUnsafeHome, path)
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); !ok || st.Uid != uint32(os.Geteuid()) {
		return fmt.Errorf("%w: %s belongs to another user", ErrUnsafeHome, path)
	}
	return nil
}

// lockHome takes the lock that a second node finds taken. The system drops it
// with the process, however that ends.
func lockHome(dir string) (*os.File, error) {
	f, err := openPrivate(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, diskError(err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("%w: %s", ErrLocked, dir)
	}
	return nil, fmt.Errorf("lock %s: %w", dir, err)
}
