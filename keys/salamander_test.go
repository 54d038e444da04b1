package keys

import (
	"encoding/binary"
	"errors"
	"math/big"
	"slices"
	"testing"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/chacha20poly1305"
)

// salamander is a ciphertext that ChaCha20-Poly1305 opens under two message
// keys to two well-padded texts: what a cheat would send to show two members
// two things under one signature.
type salamander struct {
	keys   [2]Secret // sender keys of two epochs
	salt   Hash
	header Hash
	ct     []byte
	commit [2]Hash
}

// The texts that the two keys show at the beginning of the 127 bytes, each
// where the other has noise.
var salamanderTexts = [2]string{"pay bob 10 coins", "pay eve 10 coins"}

// findSalamander tries salts until the keystreams agree in the last byte, so
// that both texts can end in the padding's mark, and until a block exists that
// makes the two tags one.
func findSalamander() salamander {
	author := testIdentity(1).PeerID()
	s := salamander{keys: [2]Secret{SenderKey(Secret{1}, author), SenderKey(Secret{2}, author)}, header: testHash(3)}
	for n := uint64(0); ; n++ {
		s.salt = Sum(be64(n))
		a, b := newStream(s.keys[0], s.salt, s.header), newStream(s.keys[1], s.salt, s.header)
		if a.text[127] != b.text[127] {
			continue
		}
		s.commit = [2]Hash{a.commit, b.commit}
		for filler := range byte(64) {
			if s.ct = collide(a, b, filler); s.ct != nil {
				return s
			}
		}
	}
}

// stream is what ChaCha20-Poly1305 makes of one message key: the tag key's two
// halves and the keystream of 128 bytes of text.
type stream struct {
	messageKey
	r, s *big.Int
	text [128]byte
}

func newStream(key Secret, salt, header Hash) stream {
	st := stream{messageKey: newMessageKey(key, salt, header)}
	c, err := chacha20.NewUnauthenticatedCipher(st.key[:], st.nonce[:])
	if err != nil {
		panic(err)
	}
	var otk [64]byte // the first block is for the tag
	c.XORKeyStream(otk[:], otk[:])
	c.XORKeyStream(st.text[:], st.text[:])
	clamp := [16]byte{3: 0xf0, 4: 3, 7: 0xf0, 8: 3, 11: 0xf0, 12: 3, 15: 0xf0}
	for i, mask := range clamp {
		otk[i] &^= mask
	}
	st.r, st.s = littleEndian(otk[:16]), littleEndian(otk[16:32])
	return st
}

// freeBlock is the block of 16 bytes that is solved for.
const freeBlock = 3

// collide returns a ciphertext of 128 bytes and a tag that both accept, with
// each one's text in its own block, or nil if this filler has none.
//
// The tag is sum(c_i r^(10-i)) mod 2^130-5, plus s, mod 2^128, over eight
// blocks of text and one of lengths. All but one c_i are fixed; setting the
// two tags equal leaves one linear equation in that one for each multiple of
// 2^128 by which the sums may differ.
func collide(a, b stream, filler byte) []byte {
	ct := make([]byte, 128)
	for i := range ct {
		ct[i] = filler
	}
	for i := range 16 {
		ct[i] = a.text[i] ^ salamanderTexts[0][i]
		ct[16+i] = b.text[16+i] ^ salamanderTexts[1][i]
	}
	ct[127] = a.text[127] ^ padMark
	clear(ct[16*freeBlock : 16*freeBlock+16])

	factor := sub(a.power(freeBlock), b.power(freeBlock))
	factor.ModInverse(factor.Mod(factor, polyPrime), polyPrime)
	for wrap := int64(-4); wrap <= 4; wrap++ {
		want := sub(b.s, a.s) // a's sum less b's
		want.Add(want, new(big.Int).Mul(big.NewInt(wrap), twoTo128))
		want.Add(sub(want, a.sum(ct)), b.sum(ct))
		x := want.Mul(want, factor).Mod(want, polyPrime)
		if x.Cmp(twoTo128) >= 0 {
			continue
		}
		block := x.FillBytes(make([]byte, 16))
		slices.Reverse(block)
		full := slices.Clone(ct)
		copy(full[16*freeBlock:], block)
		if tag := a.tag(full); slices.Equal(tag, b.tag(full)) {
			return append(full, tag...)
		}
	}
	return nil
}

var (
	twoTo128  = new(big.Int).Lsh(big.NewInt(1), 128)
	polyPrime = sub(new(big.Int).Lsh(big.NewInt(1), 130), big.NewInt(5))
)

func littleEndian(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

// power returns what block i of nine is multiplied by.
func (s stream) power(i int) *big.Int {
	return new(big.Int).Exp(s.r, big.NewInt(int64(9-i)), polyPrime)
}

// sum returns Poly1305's polynomial over ct of 128 bytes, before s is added.
func (s stream) sum(ct []byte) *big.Int {
	total := new(big.Int)
	lengths := binary.LittleEndian.AppendUint64(make([]byte, 8), uint64(len(ct)))
	for i := range 9 {
		block := lengths
		if i < 8 {
			block = ct[16*i : 16*i+16]
		}
		c := new(big.Int).Add(littleEndian(block), twoTo128)
		total.Add(total, c.Mul(c, s.power(i)))
	}
	return total.Mod(total, polyPrime)
}

func (s stream) tag(ct []byte) []byte {
	t := s.sum(ct)
	tag := t.Mod(t.Add(t, s.s), twoTo128).FillBytes(make([]byte, 16))
	slices.Reverse(tag)
	return tag
}

// TestAbuse_MM06_Salamander shows first that the cipher alone is fooled, then
// that whichever commitment the cheat signs, only its own key opens.
func TestAbuse_MM06_Salamander(t *testing.T) {
	s := findSalamander()
	for i, key := range s.keys {
		k := newMessageKey(key, s.salt, s.header)
		aead, err := chacha20poly1305.New(k.key[:])
		if err != nil {
			t.Fatal(err)
		}
		padded, err := aead.Open(nil, k.nonce[:], s.ct, nil)
		if err != nil {
			t.Fatalf("the cipher is not fooled under key %d: %v", i, err)
		}
		text, err := unpad(padded)
		if err != nil || len(text) != 127 || string(text[16*i:16*i+16]) != salamanderTexts[i] {
			t.Fatalf("text under key %d: %q, %v", i, text, err)
		}
		if got, err := OpenMessage(key, s.salt, s.header, s.commit[i], s.ct); err != nil || string(got) != string(text) {
			t.Errorf("key %d under its own commitment: %q, %v", i, got, err)
		}
		if got, err := OpenMessage(key, s.salt, s.header, s.commit[1-i], s.ct); !errors.Is(err, ErrCommitment) || got != nil {
			t.Errorf("key %d under the other's commitment: %q, %v", i, got, err)
		}
	}
}
