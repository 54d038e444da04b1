package keys

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/mlkem"
	"fmt"
	"io"
)

// KEMHybrid is the one key encapsulation in use: MLKEM768X25519, a hybrid of
// ML-KEM-768 and X25519.
const KEMHybrid = 1

// bundleKeySize is the length of a KEMHybrid public key: ML-KEM, then X25519.
const bundleKeySize = mlkem.EncapsulationKeySize768 + 32

// Bundle is the encryption key of one node, signed by its identity. Of two
// bundles of one peer the one with the greater Seq counts. Get one from
// GenerateBundle or ParseBundle; one put together by hand has neither record
// nor hash.
type Bundle struct {
	Peer PeerID
	KEM  uint64
	Key  []byte
	Seq  uint64

	raw  []byte
	hash Hash
}

// bundleBody is the signed body of a bundle.
type bundleBody struct {
	_    struct{} `cbor:",toarray"`
	GID  Hash     // 32 zero bytes: a bundle belongs to no group
	Peer PeerID
	KEM  uint64
	Key  []byte
	Seq  uint64
}

// Raw returns the signed record as it travels. The caller must not change it.
func (b Bundle) Raw() []byte { return b.raw }

// Hash returns the hash of the signed body.
func (b Bundle) Hash() Hash { return b.hash }

// GenerateBundle makes a fresh encryption key signed by id, and returns with
// it the private half, a 32-byte seed. Errors: ErrRandom.
func GenerateBundle(id *Identity, seq uint64) (Bundle, Secret, error) {
	return generateBundle(source(), id, seq)
}

func generateBundle(r io.Reader, id *Identity, seq uint64) (Bundle, Secret, error) {
	seed, err := readSecret(r)
	if err != nil {
		return Bundle{}, Secret{}, err
	}
	sk, err := hpke.MLKEM768X25519().NewPrivateKey(seed[:])
	if err != nil {
		return Bundle{}, Secret{}, fmt.Errorf("generate bundle: %w: %v", ErrKEM, err)
	}
	body := bundleBody{Peer: id.PeerID(), KEM: KEMHybrid, Key: sk.PublicKey().Bytes(), Seq: seq}
	rec := id.Sign(LabelBundle, Hash{}, Marshal(body))
	return newBundle(body, rec), seed, nil
}

func newBundle(b bundleBody, rec Record) Bundle {
	return Bundle{Peer: b.Peer, KEM: b.KEM, Key: b.Key, Seq: b.Seq, raw: rec.Encode(), hash: rec.Hash()}
}

// ParseBundle reads and verifies a signed bundle. What it returns can be
// sealed to. Errors: ErrNotCanonical, ErrBundle, ErrPeerID, ErrSignature,
// ErrKEM.
func ParseBundle(raw []byte) (Bundle, error) {
	rec, err := DecodeRecord(raw)
	if err != nil {
		return Bundle{}, fmt.Errorf("bundle: %w", err)
	}
	var body bundleBody
	if err := Unmarshal(rec.Body, &body); err != nil {
		return Bundle{}, fmt.Errorf("bundle: %w", err)
	}
	if !body.GID.IsZero() {
		return Bundle{}, fmt.Errorf("%w: names a group", ErrBundle)
	}
	if err := rec.Verify(LabelBundle, Hash{}, body.Peer); err != nil {
		return Bundle{}, err
	}
	if err := checkKEM(body.KEM, body.Key); err != nil {
		return Bundle{}, fmt.Errorf("bundle: %w", err)
	}
	return newBundle(body, rec), nil
}

// checkKEM refuses every key that SealEnvelope would fail on. A point of small
// order in the X25519 part is found only by using it: any scalar will do,
// since clamped scalars are multiples of the cofactor.
func checkKEM(kem uint64, key []byte) error {
	if kem != KEMHybrid {
		return fmt.Errorf("%w: kem %d", ErrKEM, kem)
	}
	if len(key) != bundleKeySize {
		return fmt.Errorf("%w: key of %d bytes", ErrKEM, len(key))
	}
	if _, err := hpke.MLKEM768X25519().NewPublicKey(key); err != nil {
		return fmt.Errorf("%w: %v", ErrKEM, err)
	}
	pub, err := ecdh.X25519().NewPublicKey(key[mlkem.EncapsulationKeySize768:])
	if err != nil {
		return fmt.Errorf("%w: %v", ErrKEM, err)
	}
	probe, err := ecdh.X25519().NewPrivateKey(make([]byte, 32))
	if err != nil {
		return fmt.Errorf("%w: %v", ErrKEM, err)
	}
	if _, err := probe.ECDH(pub); err != nil {
		return fmt.Errorf("%w: %v", ErrKEM, err)
	}
	return nil
}
