package keys

import (
	"bytes"
	"crypto/hpke"
	"crypto/mlkem"
	"fmt"
)

// EnvelopeSize is the length of every envelope: the ML-KEM ciphertext, the
// ephemeral X25519 key, and the room key with its tag.
const EnvelopeSize = mlkem.CiphertextSize768 + 32 + len(Secret{}) + 16

// EnvelopeInfo is what an envelope is bound to. Minter is the author of the
// epoch, also where another holder wrapped the key again; Bundle is the hash
// of the member's bundle that it was sealed to.
type EnvelopeInfo struct {
	GID, Ectx      Hash
	Minter, Member PeerID
	Bundle         Hash
}

// bytes is "conclave/1 env" || gid || ectx || minter || member || bundle hash.
func (i EnvelopeInfo) bytes() []byte {
	return bytes.Join([][]byte{[]byte("conclave/1 env"), i.GID[:], i.Ectx[:], i.Minter[:], i.Member[:], i.Bundle[:]}, nil)
}

// SealEnvelope encrypts the room key to the owner of b alone: HPKE (RFC 9180)
// base mode, one-shot, MLKEM768X25519 with HKDF-SHA256 and ChaCha20-Poly1305.
// It says nothing about who sealed it; the epoch's commitment decides whether
// the key is right. Errors: ErrKEM.
func SealEnvelope(b Bundle, gid, ectx Hash, minter PeerID, roomKey Secret) ([]byte, error) {
	info := EnvelopeInfo{GID: gid, Ectx: ectx, Minter: minter, Member: b.Peer, Bundle: b.Hash()}
	pk, err := hpke.MLKEM768X25519().NewPublicKey(b.Key)
	if err != nil {
		return nil, fmt.Errorf("seal envelope: %w: %v", ErrKEM, err)
	}
	ct, err := hpke.Seal(pk, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info.bytes(), roomKey[:])
	if err != nil {
		return nil, fmt.Errorf("seal envelope: %w: %v", ErrKEM, err)
	}
	return ct, nil
}

// OpenEnvelope returns the room key in ct. The caller compares its Commitment
// with the epoch's before it keeps the key. seed is what GenerateBundle
// returned. Errors: ErrOpen.
func OpenEnvelope(seed Secret, info EnvelopeInfo, ct []byte) (Secret, error) {
	if len(ct) != EnvelopeSize {
		return Secret{}, fmt.Errorf("%w: envelope of %d bytes", ErrOpen, len(ct))
	}
	sk, err := hpke.MLKEM768X25519().NewPrivateKey(seed[:])
	if err != nil {
		return Secret{}, fmt.Errorf("%w: envelope: %v", ErrOpen, err)
	}
	key, err := hpke.Open(sk, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info.bytes(), ct)
	if err != nil {
		return Secret{}, fmt.Errorf("%w: envelope: %v", ErrOpen, err)
	}
	return Secret(key), nil
}

// EnvelopeContext returns ectx = H("ectx" || gid || minter || lane || seq ||
// kc), where minter, lane and seq name the epoch entry and kc is its
// Commitment.
func EnvelopeContext(gid Hash, minter PeerID, lane, seq uint64, kc Hash) Hash {
	return hashOf([]byte("ectx"), gid[:], minter[:], be64(lane), be64(seq), kc[:])
}

// EnvelopeTag returns H(ectx || member || bundle hash)[:8], by which a member
// finds its envelope in a chunk.
func EnvelopeTag(ectx Hash, member PeerID, bundle Hash) [8]byte {
	h := hashOf(ectx[:], member[:], bundle[:])
	return [8]byte(h[:8])
}

// Commitment returns kc = HKDF(room key, "kc" || salt || gid), which stands in
// the signed epoch, so that all holders of an epoch hold the same key.
func Commitment(roomKey Secret, salt, gid Hash) Hash {
	return Hash(hkdfKey(roomKey, nil, 32, []byte("kc"), salt[:], gid[:]))
}
