package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// formats are the layouts of a home that this program knows. Entry i leads from
// format i+1 to the next: it reads the home old, which it does not change, and
// writes what is other in the next format into the folder fresh, files and
// folders under the names that they have in a home. Formats count from 1.
type formats []func(old, fresh string) error

// upgrades are those of this program. There is one format so far.
var upgrades formats

func (f formats) newest() uint64 { return uint64(len(f)) + 1 }

// The folders of an upgrade, in the home: what is to come, and what it takes the
// place of.
const (
	freshName = "upgrade-" // and the format
	formerDir = "former"
)

// version reads the version file. Errors: ErrNoHome if there is none,
// ErrNewerFormat, ErrDamaged.
func (f formats) version(dir string) (uint64, error) {
	path := filepath.Join(dir, versionFile)
	b, err := readFile(path, 64)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%w: %s", ErrNoHome, dir)
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(string(b), "\n"), 10, 32)
	switch {
	case err != nil || n == 0:
		return 0, fmt.Errorf("%w: %s is not a version", ErrDamaged, path)
	case n > f.newest():
		return 0, fmt.Errorf("%w: %s has format %d, this program knows %d", ErrNewerFormat, dir, n, f.newest())
	}
	return n, nil
}

func versionText(n uint64) []byte { return []byte(strconv.FormatUint(n, 10) + "\n") }

// upgrade brings the home to the newest format, one step at a time. The lock is
// held. What comes is whole and durable in a folder of its own before the version
// file changes: until then the home is the old one, whatever lies there, and from
// then on the new one, whose files have only to be moved to their places, now or
// at the next start. What they replace is kept until all are there.
func (h *Home) upgrade(f formats) error {
	for {
		n, err := f.version(h.dir)
		if err != nil {
			return err
		}
		if err := h.finishUpgrade(n); err != nil {
			return fmt.Errorf("upgrade to format %d: %w", n, diskError(err))
		}
		if n == f.newest() {
			return nil
		}
		if err := h.prepareUpgrade(n+1, f[n-1]); err != nil {
			return fmt.Errorf("upgrade to format %d: %w", n+1, diskError(err))
		}
		if err := h.replaceFile(versionFile, versionText(n+1)); err != nil {
			return err
		}
	}
}

// prepareUpgrade writes what is other in format n.
func (h *Home) prepareUpgrade(n uint64, convert func(old, fresh string) error) error {
	fresh := h.freshDir(n)
	for _, s := range []struct {
		name string
		do   func() error
	}{
		{"remove", func() error { return os.RemoveAll(fresh) }}, // of a try that did not end
		{"create", func() error { return os.Mkdir(fresh, 0o700) }},
		{"write", func() error { return convert(h.dir, fresh) }},
		{"sync", func() error { return syncTree(fresh) }},
		{"syncdir", func() error { return syncFolder(h.dir) }},
	} {
		if err := h.step(s.name, freshName, s.do); err != nil {
			return err
		}
	}
	return nil
}

// finishUpgrade moves what was written for format n, which the home has, to its
// places.
func (h *Home) finishUpgrade(n uint64) error {
	fresh, former := h.freshDir(n), filepath.Join(h.dir, formerDir)
	names, err := os.ReadDir(fresh)
	if errors.Is(err, fs.ErrNotExist) {
		return os.RemoveAll(former)
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(former, 0o700); err != nil {
		return err
	}
	for _, e := range names {
		place, kept := filepath.Join(h.dir, e.Name()), filepath.Join(former, e.Name())
		if exists(place) {
			if err := h.step("rename", place, func() error { return os.Rename(place, kept) }); err != nil {
				return err
			}
		}
		if err := h.step("rename", kept, func() error { return os.Rename(filepath.Join(fresh, e.Name()), place) }); err != nil {
			return err
		}
	}
	for _, done := range []string{fresh, former} {
		err := h.step("remove", done, func() error { return errors.Join(syncFolder(h.dir), os.RemoveAll(done)) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *Home) freshDir(n uint64) string {
	return filepath.Join(h.dir, freshName+strconv.FormatUint(n, 10))
}

// syncTree makes a folder with all that is in it durable.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncFolder(path) // a file as well
	})
}
