// Package store is the disk of a node: the folder it lives in (Home), one small
// file of secrets (Keybag), and a database of sealed records (DB).
//
// It knows nothing of groups and their protocol: keys are paths, values are
// bytes. What it promises is about crashes and about what a thief of the disk
// finds:
//
//   - What Commit or Update acknowledged is still there after kill -9 or a power
//     cut, and a batch is there as a whole or not at all.
//   - A record that was edited, cut short or swapped with another is refused
//     with ErrCorrupt, never taken for the truth. Two things are not seen here:
//     an older copy of the whole home, and damage in the last 64 KiB of the
//     database's journal or manifest, which looks like a write that a crash cut
//     off. Batches are missing then, each as a whole.
//   - A secret that was erased is not in the home's files any more: secrets live
//     in the keybag alone, which is rewritten whole under a fresh key, and the
//     database holds nothing that is readable without the keybag.
//   - Folders are 0700 and files 0600 from their first instant, whatever the
//     umask.
//
// All functions are safe for concurrent use unless they say otherwise.
package store

import (
	"errors"
	"fmt"
	"syscall"
)

// The errors of this package. Functions wrap them with the file or key they are
// about; compare with errors.Is.
var (
	// ErrUnsafeHome: the home, or a file in it, is not safely ours: a symbolic
	// link, another user's, or writable by others.
	ErrUnsafeHome = errors.New("unsafe home")
	// ErrNoHome: there is no home at this path yet.
	ErrNoHome = errors.New("no home here")
	// ErrNewerFormat: written by a newer program. Nothing was touched.
	ErrNewerFormat = errors.New("home has a newer format")
	// ErrLocked: another node runs on this home.
	ErrLocked = errors.New("home is in use by another node")
	// ErrDamaged: a file of the home is missing, cut short or changed.
	ErrDamaged = errors.New("home is damaged")

	// ErrErased: this epoch's key was erased for good.
	ErrErased = errors.New("room key was erased")
	// ErrKeyChanged: another key is held for this epoch.
	ErrKeyChanged = errors.New("another key is held for this epoch")

	// ErrKey: not a key of the grammar that Space describes.
	ErrKey = errors.New("not a store key")
	// ErrNotFound: no record has this key.
	ErrNotFound = errors.New("no such record")
	// ErrCorrupt: a record, or the database itself, is not what was written.
	ErrCorrupt = errors.New("record is damaged")
	// ErrDiskFull: free space is under the reserve, or there was none. Nothing
	// was written; reading goes on.
	ErrDiskFull = errors.New("disk full")
	// ErrFailed: a write failed, so this DB writes nothing any more; where that
	// was for tables that are damaged, the error is ErrCorrupt as well. It is not
	// known whether the batch that met the failure is on disk; earlier ones are.
	// Reading goes on. Only a new process can open the database again.
	ErrFailed = errors.New("store failed")
	// ErrClosed: the DB was closed.
	ErrClosed = errors.New("store is closed")
)

// noSpace reports whether err says that the disk, or our share of it, is full.
func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// diskError adds ErrDiskFull to errors that mean it.
func diskError(err error) error {
	if noSpace(err) {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}
