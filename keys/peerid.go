package keys

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
)

// PeerID is an Ed25519 public key, which is the member's identity: there is no
// table from one to the other that could lie. Its text form is the libp2p peer
// ID of that key.
type PeerID [32]byte

// peerIDPrefix is what stands before the key in a libp2p peer ID: an identity
// multihash (00) of 36 bytes (24) that hold the protobuf
// PublicKey{Type: Ed25519, Data: 32 bytes}. See the libp2p peer ID
// specification.
const peerIDPrefix = "\x00\x24\x08\x01\x12\x20"

// peerIDLen is the length of every Ed25519 peer ID in base58btc: one '1' for
// the leading zero byte and 51 digits for the other 37, whose first is 0x24.
const peerIDLen = 52

// ParsePeerID reads a libp2p peer ID in base58btc. IDs of other key types,
// CIDs, other spellings of the same bytes and keys that Check refuses are
// errors. Errors: ErrPeerID.
func ParsePeerID(s string) (PeerID, error) {
	if len(s) != peerIDLen {
		return PeerID{}, fmt.Errorf("%w: %d characters, want %d", ErrPeerID, len(s), peerIDLen)
	}
	b, ok := base58Decode(s)
	if !ok {
		return PeerID{}, fmt.Errorf("%w: not base58", ErrPeerID)
	}
	return PeerIDFromMultihash(b)
}

// PeerIDFromMultihash reads the 38 bytes that Multihash writes, and no others.
// Errors: ErrPeerID.
func PeerIDFromMultihash(b []byte) (PeerID, error) {
	key, ok := bytes.CutPrefix(b, []byte(peerIDPrefix))
	if !ok || len(key) != len(PeerID{}) {
		return PeerID{}, fmt.Errorf("%w: not an Ed25519 identity multihash", ErrPeerID)
	}
	p := PeerID(key)
	if err := p.Check(); err != nil {
		return PeerID{}, err
	}
	return p, nil
}

// Multihash returns the 38 bytes of the libp2p peer ID.
func (p PeerID) Multihash() []byte { return append([]byte(peerIDPrefix), p[:]...) }

// String returns the libp2p peer ID in base58btc, 52 characters.
func (p PeerID) String() string { return base58Encode(p.Multihash()) }

// Short returns the last six characters of String, to stand beside a name. It
// is for recognising, not for verifying.
func (p PeerID) Short() string {
	s := p.String()
	return s[len(s)-6:]
}

// Fingerprint returns 128 bits of H("conclave/1 fingerprint" || key) as eight
// groups of four lower hex characters, for people to compare.
func (p PeerID) Fingerprint() string {
	h := hashOf([]byte("conclave/1 fingerprint"), p[:])
	return grouped(hex.EncodeToString(h[:16]), 4)
}

// IsZero reports whether p is 32 zero bytes, which stand for "nobody". Check
// refuses it.
func (p PeerID) IsZero() bool { return p == PeerID{} }

// Compare orders peer IDs as byte strings: -1, 0 or +1.
func (p PeerID) Compare(o PeerID) int { return bytes.Compare(p[:], o[:]) }

// MarshalText writes String.
func (p PeerID) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what ParsePeerID reads.
func (p *PeerID) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePeerID(string(b))
	return err
}

// smallOrderY are the canonical y coordinates of the eight points of small
// order: 0 (order 4), 1 (the identity), -1 (order 2) and the two of order 8.
// Both signs of x belong to each, so the sign bit is left out of the
// comparison; that also covers x = 0 with a sign bit, since x = 0 only where
// y is 1 or -1.
var smallOrderY = [...][32]byte{
	{},
	{1},
	{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	{0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
	{0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
}

// Check refuses keys under which a signature would say nothing about who made
// it, and second encodings of one point: a y coordinate of 2^255-19 or more,
// and the points of small order. Bytes that are no point at all pass: nothing
// verifies under them, so they can only name somebody who never speaks.
// Errors: ErrPeerID.
func (p PeerID) Check() error {
	y := p
	y[31] &= 0x7f
	if !belowPrime(y) {
		return fmt.Errorf("%w: y coordinate is not reduced", ErrPeerID)
	}
	for _, small := range smallOrderY {
		if y == small {
			return fmt.Errorf("%w: point of small order", ErrPeerID)
		}
	}
	return nil
}

// belowPrime reports whether y, little endian, is below 2^255-19.
func belowPrime(y [32]byte) bool {
	if y[31] != 0x7f || y[0] < 0xed {
		return true
	}
	for _, b := range y[1:31] {
		if b != 0xff {
			return true
		}
	}
	return false
}

// grouped puts a space after every n characters of s, but for the last group.
func grouped(s string, n int) string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 && i%n == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}
