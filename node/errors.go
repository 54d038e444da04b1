package node

import (
	"errors"
	"io/fs"

	"conclave/node/store"
)

// Kind is what class of failure an Error is; every door maps it to its own
// code (the command line to an exit code, the API to a status).
type Kind string

// The kinds, with the names that the command line's JSON errors carry.
const (
	KindError   Kind = "error"
	KindUsage   Kind = "usage"
	NoNode      Kind = "no_node"
	NotFound    Kind = "not_found"
	NotAllowed  Kind = "not_allowed"
	Passphrase  Kind = "wrong_passphrase"
	TimedOut    Kind = "timeout"
	Interrupted Kind = "interrupted"
)

// Error is a failure that a person can act on: one line that says what is
// wrong, and a hint that says what to do. Neither ever holds a secret.
type Error struct {
	Kind    Kind
	Message string
	Hint    string

	cause error
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.cause }

// KindOf returns the kind of err, KindError for any that is not an *Error.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindError
}

// homeError says what a person can do about a home that does not open.
func homeError(err error) error {
	hints := []struct {
		of   error
		hint string
	}{
		{store.ErrLocked, "stop the other node, or choose another --home"},
		{store.ErrNewerFormat, "this home was written by a newer conclave: use that version"},
		{store.ErrUnsafeHome, "choose a folder of your own, not reachable by others"},
		{store.ErrDamaged, "restore the folder from a backup"},
		{store.ErrCorrupt, repairHint},
		{store.ErrDiskFull, "free some space, then try again"},
		{fs.ErrPermission, "choose a folder that you may write to: --home DIR"},
		{fs.ErrNotExist, "choose a folder that you may write to: --home DIR"},
	}
	for _, h := range hints {
		if errors.Is(err, h.of) {
			return &Error{Kind: KindError, Message: err.Error(), Hint: h.hint}
		}
	}
	return diskError(err)
}
