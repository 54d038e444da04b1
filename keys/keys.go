// Package keys holds who we are and seals and opens bytes: identities, signed
// records, encryption bundles, envelopes, message keys and safety numbers.
//
// It is pure. Nothing here reads a clock, a disk or the network, or starts a
// goroutine; randomness is used only by the functions that generate or seal.
// Whatever comes from outside ends in a typed error, never in a panic.
//
// Every hash is SHA-256. Integers inside hashes and key derivations are 8
// bytes, big endian. The byte strings named in the comments below are written
// without quotes or terminators into the hash, one after the other.
package keys

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// The errors of this package. Functions wrap them with detail; compare with
// errors.Is.
var (
	ErrPeerID       = errors.New("not an Ed25519 peer ID")
	ErrHash         = errors.New("not a hash")
	ErrItemID       = errors.New("not an item ID")
	ErrNotCanonical = errors.New("not canonical")
	ErrSignature    = errors.New("bad signature")
	ErrBundle       = errors.New("not a bundle")
	ErrKEM          = errors.New("unusable encapsulation key")
	ErrOpen         = errors.New("cannot open")
	ErrCommitment   = errors.New("key commitment does not match")
	ErrPadding      = errors.New("bad padding")
	ErrRandom       = errors.New("no randomness")
	ErrSecret       = errors.New("secrets are not encoded")
)

// Hash is the SHA-256 of a record's body or of the parts of a construction.
type Hash [sha256.Size]byte

// Sum returns the SHA-256 of b.
func Sum(b []byte) Hash { return sha256.Sum256(b) }

// ParseHash reads the form that String writes, and no other. Errors: ErrHash.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if !parseHex(h[:], s) {
		return Hash{}, fmt.Errorf("%w: want %d lower hex characters", ErrHash, 2*len(h))
	}
	return h, nil
}

// String returns 64 lower hex characters.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Short returns the first 8 hex characters, for people; it identifies nothing.
func (h Hash) Short() string { return hex.EncodeToString(h[:4]) }

// IsZero reports whether h is 32 zero bytes, which stand for "none".
func (h Hash) IsZero() bool { return h == Hash{} }

// Compare orders hashes as byte strings: -1, 0 or +1.
func (h Hash) Compare(o Hash) int { return bytes.Compare(h[:], o[:]) }

// MarshalText writes String.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what ParseHash reads.
func (h *Hash) UnmarshalText(b []byte) (err error) {
	*h, err = ParseHash(string(b))
	return err
}

// ItemID names one item of one author for good: 16 random bytes.
type ItemID [16]byte

// ParseItemID reads the form that String writes, and no other. Errors:
// ErrItemID.
func ParseItemID(s string) (ItemID, error) {
	var id ItemID
	if !parseHex(id[:], s) {
		return ItemID{}, fmt.Errorf("%w: want %d lower hex characters", ErrItemID, 2*len(id))
	}
	return id, nil
}

// String returns 32 lower hex characters.
func (id ItemID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether id is 16 zero bytes, which stand for "none".
func (id ItemID) IsZero() bool { return id == ItemID{} }

// Compare orders item IDs as byte strings: -1, 0 or +1.
func (id ItemID) Compare(o ItemID) int { return bytes.Compare(id[:], o[:]) }

// MarshalText writes String.
func (id ItemID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what ParseItemID reads.
func (id *ItemID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseItemID(string(b))
	return err
}

// parseHex fills dst from exactly 2*len(dst) lower hex characters. Upper case
// is refused: two spellings of one ID would be two rows in somebody's table.
func parseHex(dst []byte, s string) bool {
	if len(s) != 2*len(dst) {
		return false
	}
	_, err := hex.Decode(dst, []byte(s))
	return err == nil && hex.EncodeToString(dst) == s
}

// hashOf returns the SHA-256 of the parts, one after the other.
func hashOf(parts ...[]byte) Hash { return Sum(bytes.Join(parts, nil)) }

// be64 returns n as 8 bytes, big endian.
func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
