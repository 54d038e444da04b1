package keys

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"io"
)

// Identity is an Ed25519 key pair. It prints as "secret" wherever a Secret
// does. The key lies behind a pointer, so that fmt finds nothing in an
// Identity held in an unexported field either.
type Identity struct {
	key *[ed25519.PrivateKeySize]byte
}

// GenerateIdentity makes a fresh key pair. Errors: ErrRandom.
func GenerateIdentity() (*Identity, error) { return generateIdentity(source()) }

func generateIdentity(r io.Reader) (*Identity, error) {
	seed, err := readSecret(r)
	if err != nil {
		return nil, err
	}
	return IdentityFromSeed(seed), nil
}

// IdentityFromSeed returns the key pair of an RFC 8032 seed.
func IdentityFromSeed(seed Secret) *Identity {
	key := [ed25519.PrivateKeySize]byte(ed25519.NewKeyFromSeed(seed[:]))
	return &Identity{key: &key}
}

// PeerID returns the public half.
func (id *Identity) PeerID() PeerID { return PeerID(id.key[ed25519.SeedSize:]) }

// Seed returns the RFC 8032 seed, which is all there is to keep.
func (id *Identity) Seed() Secret { return Secret(id.key[:ed25519.SeedSize]) }

// Ed25519 returns a copy of the key pair for the transport's libraries. It
// prints as bytes, unlike id.
func (id *Identity) Ed25519() ed25519.PrivateKey { return bytes.Clone(id.key[:]) }

// Sign makes the record of body, whose first field names gid. It keeps body,
// which must not be changed afterwards.
func (id *Identity) Sign(l Label, gid Hash, body []byte) Record {
	sig := ed25519.Sign(id.key[:], signingInput(l, gid, body))
	return Record{Body: body, Sig: sig}
}

// Format writes "secret" whatever the verb and flags.
func (Identity) Format(f fmt.State, _ rune) { io.WriteString(f, secretText) }

// String returns "secret".
func (Identity) String() string { return secretText }

// MarshalText writes "secret"; JSON and log/slog use it.
func (Identity) MarshalText() ([]byte, error) { return []byte(secretText), nil }

// MarshalCBOR always fails, with ErrSecret: store Seed as [32]byte.
func (Identity) MarshalCBOR() ([]byte, error) { return nil, ErrSecret }
