package node

import (
	"context"
	"errors"
	"net/netip"
	"syscall"

	"conclave/group"
	"conclave/node/mesh"
	"conclave/node/store"
)

var errStopping = &Error{Kind: NoNode, Message: "the node is stopping", Hint: "run `conclave up`"}

// waitError says why a wait ended: the person's timeout, or an interruption.
func waitError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &Error{Kind: TimedOut, Message: "timed out", Hint: "give more time with --timeout, 0 for no limit"}
	}
	return &Error{Kind: Interrupted, Message: "interrupted"}
}

// repairHint says what to do about a database that is damaged.
const repairHint = "`conclave doctor --repair` keeps what can be read; members bring the rest"

// diskError says what a person can do about a store that takes nothing more.
func diskError(err error) error {
	var known *Error
	var errno syscall.Errno
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.Is(err, store.ErrDiskFull):
		return &Error{Kind: KindError, Message: "disk full", Hint: "free some space; reading goes on meanwhile", cause: err}
	case errors.Is(err, store.ErrFailed) && errors.Is(err, store.ErrCorrupt):
		return &Error{Kind: KindError, Message: err.Error(), Hint: repairHint, cause: err}
	case errors.Is(err, store.ErrFailed), errors.As(err, &errno):
		return &Error{Kind: KindError, Message: "the disk failed: " + err.Error(), Hint: "nothing that was acknowledged is lost; check the disk and start the node again", cause: err}
	}
	return &Error{Kind: KindError, Message: err.Error(), cause: err}
}

// personError turns what the protocol refuses into one line and what to do.
func personError(err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	for _, e := range []struct {
		of            error
		kind          Kind
		message, hint string
	}{
		{group.ErrNotAllowed, NotAllowed, "not allowed", "only the owner, or a deputy with that right, may do this"},
		{group.ErrNotMember, NotFound, "not a member of this group", "see `conclave members GROUP`"},
		{group.ErrRemoved, NotAllowed, "you are no longer a member of this group", "ask to be let in again with `conclave join`"},
		{group.ErrNoRequest, NotFound, "no such request", "see `conclave requests`"},
		{group.ErrOff, NotAllowed, "encryption is off in this group", "send with --plain, or acknowledge it once: conclave encryption GROUP accept"},
		{group.ErrRequired, NotAllowed, "this group requires encryption", "it was created with --require-encryption"},
		{group.ErrClosed, NotAllowed, "you have left this group", "ask to join again"},
		{group.ErrBanned, NotAllowed, "that person is banned", "lift it with: conclave unban GROUP PEER_ID"},
		{group.ErrTooLarge, KindUsage, "text is too long or not UTF-8", "a line has at most 32 KiB"},
		{group.ErrFull, KindError, "a limit of this node is reached", "wait until held messages have left"},
		{group.ErrFrozen, NotAllowed, "the owner's log is forked: settings are frozen", "start a new group"},
		{group.ErrBody, KindUsage, "a value is not valid", "see `conclave help`"},
		{mesh.ErrUnreachable, TimedOut, "peer not found", "is it running and on the same network? give its address to `conclave up --peer`"},
		{mesh.ErrNoProtocol, KindError, "that peer does not speak this protocol", "it may run another version"},
	} {
		if errors.Is(err, e.of) {
			return &Error{Kind: e.kind, Message: e.message, Hint: e.hint}
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Kind: TimedOut, Message: "timed out", Hint: "give more time with --timeout, 0 for no limit"}
	}
	return diskError(err)
}

func isLoopback(ip string) bool {
	a, err := netip.ParseAddr(ip)
	return err == nil && a.IsLoopback()
}
