package keys

import (
	"bytes"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// safetyVersion is hashed into every safety number: numbers of different
// constructions are different.
const safetyVersion = 1

// safetyRounds makes each guess at a number that looks alike dearer.
const safetyRounds = 5200

// SafetyNumber returns what two people compare to know that nobody stands
// between them: 60 digits in groups of five, the same whichever is a. Each
// person gives 30 digits, the lesser half first.
//
// A half is six groups of five bytes, each taken modulo 100000, of the last of
// 5200 rounds of h = SHA-512(h || key), beginning with h = "conclave/1 safety"
// || version || key || peer ID multihash.
func SafetyNumber(a, b PeerID) string {
	halves := []string{safetyHalf(a), safetyHalf(b)}
	slices.Sort(halves)
	return strings.Join(halves, " ")
}

func safetyHalf(p PeerID) string {
	start := bytes.Join([][]byte{[]byte("conclave/1 safety"), be64(safetyVersion), p[:], p.Multihash()}, nil)
	return digits(stretch(start, p[:]), 6)
}

// GroupSafetyNumber returns what the members of a group compare to know that
// they see the same people and the same owner: 60 digits in groups of five, in
// whatever order members are given and however often. It is longer than half a
// pair's number since the owner chooses both of two views that should collide.
//
// It is made like a half of SafetyNumber, twelve groups long, from h =
// "conclave/1 group safety" || version || gid || owner || count || members in
// order, with gid in place of the key.
func GroupSafetyNumber(gid Hash, members []PeerID, owner PeerID) string {
	members = slices.Clone(members)
	slices.SortFunc(members, PeerID.Compare)
	members = slices.Compact(members)
	start := bytes.Join([][]byte{[]byte("conclave/1 group safety"), be64(safetyVersion), gid[:], owner[:], be64(uint64(len(members)))}, nil)
	for _, m := range members {
		start = append(start, m[:]...)
	}
	return digits(stretch(start, gid[:]), 12)
}

// stretch returns h after safetyRounds rounds of h = SHA-512(h || key).
func stretch(h, key []byte) [sha512.Size]byte {
	buf := append(slices.Clone(h), key...)
	sum := sha512.Sum512(buf)
	for range safetyRounds - 1 {
		buf = append(append(buf[:0], sum[:]...), key...)
		sum = sha512.Sum512(buf)
	}
	return sum
}

// digits writes n groups of five decimal digits, each from five bytes of sum;
// n is at most 12.
func digits(sum [sha512.Size]byte, n int) string {
	groups := make([]string, n)
	for i := range groups {
		var b [8]byte
		copy(b[3:], sum[5*i:5*i+5])
		groups[i] = fmt.Sprintf("%05d", binary.BigEndian.Uint64(b[:])%100000)
	}
	return strings.Join(groups, " ")
}
