// Package group is the protocol: what a group is, who may change it, which key
// its members encrypt with, and what each node does next. It is pure and
// deterministic. A Machine takes one Input at a time and answers with a Ready:
// what to make durable, what to send and show afterwards, what to ask for and
// when to call again. It knows no clock, no randomness, no disk and no network;
// the same inputs give the same bytes out.
//
// PROTOCOL.md in this folder is the normative wire text.
package group

import (
	"errors"

	"conclave/keys"
)

// Hash and PeerID are the identifiers of the protocol, from package keys.
type (
	Hash   = keys.Hash
	PeerID = keys.PeerID
)

// What the core refuses, as decisions that a caller can act on.
var (
	ErrEncoding   = errors.New("group: bad encoding")                    // reject: not a record of this protocol
	ErrSize       = errors.New("group: record too large")                // reject
	ErrGroup      = errors.New("group: record of another group")         // reject
	ErrBody       = errors.New("group: bad field in record")             // reject
	ErrUnknown    = errors.New("group: type of record not defined here") // ignore: a newer version may know it
	ErrDependency = errors.New("group: record contradicts what it cites")
	ErrNotAllowed = errors.New("group: not allowed")
	ErrNotMember  = errors.New("group: not a member")
	ErrRemoved    = errors.New("group: this node was removed")
	ErrNoRequest  = errors.New("group: no such request")
	ErrOff        = errors.New("group: encryption is off")
	ErrRequired   = errors.New("group: this group requires encryption")
	ErrClosed     = errors.New("group: this node has left the group")
	ErrTooLarge   = errors.New("group: message too large")
	ErrBanned     = errors.New("group: banned")
	ErrStale      = errors.New("group: older than what is known")
	ErrCareful    = errors.New("group: not signing before this node has compared its records with others")
	ErrLink       = errors.New("group: the link admits nobody any more")
	ErrFrozen     = errors.New("group: the owner's log is forked, settings are frozen")
	ErrCopied     = errors.New("group: this identity signs elsewhere too")
	ErrFull       = errors.New("group: limit reached")
)

// Limits that every node holds to, so that no input makes it keep more.
const (
	MaxPayload     = 70_000 // bytes of one record with its kind byte
	MaxItems       = 256    // items in one message
	MaxItemText    = 32 << 10
	MaxMessage     = 64_000 // bytes of all items of one message, encoded
	MaxSeen        = 64     // heads in one vector
	MaxAcks        = 1_024  // acknowledged entries in one vector
	MaxParents     = 16
	MaxCuts        = 64
	MaxDeps        = 2
	MaxNameBytes   = 64
	MaxNoteBytes   = 1_024
	MaxRequests    = 32 // join requests waiting for an answer
	MaxOutbox      = 10_000
	MaxHeldKeys    = 64 // keys that arrived before their epoch
	sealOverhead   = 16 // bytes that sealing adds to the padded items
	maxPendingPeer = 4 << 20
	maxPendingAll  = 64 << 20
	maxCited       = 256     // acknowledged entries that an own message adds
	maxOrd         = 1 << 48 // the greatest claim about ord that counts
)
