package keys

import (
	"bytes"
	"crypto/subtle"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// SenderKey returns HKDF(room key, "sender" || peer), from which the keys of
// one author's messages of one epoch are made.
func SenderKey(roomKey Secret, peer PeerID) Secret {
	return Secret(hkdfKey(roomKey, nil, 32, []byte("sender"), peer[:]))
}

// messageKey is what one message is sealed with, used once.
type messageKey struct {
	key    [chacha20poly1305.KeySize]byte
	nonce  [chacha20poly1305.NonceSize]byte
	commit Hash
}

// newMessageKey splits HKDF(sender key, salt, "msg" || header) into key, nonce
// and commitment. The salt is fresh for every message, so no counter has to
// survive a crash; the header is bound by being part of the derivation.
func newMessageKey(senderKey Secret, salt, header Hash) (k messageKey) {
	okm := hkdfKey(senderKey, salt[:], len(k.key)+len(k.nonce)+len(k.commit), []byte("msg"), header[:])
	n := copy(k.key[:], okm)
	n += copy(k.nonce[:], okm[n:])
	copy(k.commit[:], okm[n:])
	return k
}

// SealMessage encrypts plaintext with ChaCha20-Poly1305, padded to PaddedLen.
// salt is random and never used again; header is the hash of all that stands
// beside the ciphertext. len(ct) is PaddedLen(len(plaintext)) + 16.
func SealMessage(senderKey Secret, salt, header Hash, plaintext []byte) (commit Hash, ct []byte) {
	k := newMessageKey(senderKey, salt, header)
	aead, err := chacha20poly1305.New(k.key[:])
	if err != nil {
		panic(err) // only for the key's length, which is constant
	}
	return k.commit, aead.Seal(nil, k.nonce[:], pad(plaintext), nil)
}

// OpenMessage is the inverse of SealMessage. The commitment is compared before
// anything is decrypted: the cipher alone does not tell which of two keys a
// ciphertext was made with. Errors: ErrCommitment, ErrPadding, ErrOpen.
func OpenMessage(senderKey Secret, salt, header, commit Hash, ct []byte) ([]byte, error) {
	k := newMessageKey(senderKey, salt, header)
	if subtle.ConstantTimeCompare(k.commit[:], commit[:]) != 1 {
		return nil, fmt.Errorf("open message: %w", ErrCommitment)
	}
	aead, err := chacha20poly1305.New(k.key[:])
	if err != nil {
		return nil, fmt.Errorf("open message: %w: %v", ErrOpen, err)
	}
	padded, err := aead.Open(nil, k.nonce[:], ct, nil)
	if err != nil {
		return nil, fmt.Errorf("open message: %w", ErrOpen)
	}
	return unpad(padded)
}

// The buckets that lengths are rounded up to: powers of two, then steps.
const (
	minBucket  = 128
	stepBucket = 4096
)

// padMark ends the text inside the padding; zeros follow (ISO/IEC 7816-4).
const padMark = 0x80

// PaddedLen returns the length of n bytes of plaintext after padding: the
// least of 128, 256, 512, 1024, 2048, 4096 and the further multiples of 4096
// that leaves room for one byte more than n.
func PaddedLen(n int) int {
	if n >= stepBucket {
		return (n/stepBucket + 1) * stepBucket
	}
	bucket := minBucket
	for bucket <= n {
		bucket *= 2
	}
	return bucket
}

func pad(plaintext []byte) []byte {
	padded := make([]byte, PaddedLen(len(plaintext)), PaddedLen(len(plaintext))+chacha20poly1305.Overhead)
	padded[copy(padded, plaintext)] = padMark
	return padded
}

// unpad returns the text in padded iff pad would have written padded for it:
// one text has one form, and none smuggles length into a larger bucket.
func unpad(padded []byte) ([]byte, error) {
	text, ok := bytes.CutSuffix(bytes.TrimRight(padded, "\x00"), []byte{padMark})
	if !ok || PaddedLen(len(text)) != len(padded) {
		return nil, fmt.Errorf("open message: %w", ErrPadding)
	}
	return text[:len(text):len(text)], nil
}
