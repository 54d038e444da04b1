package keys

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
)

// secretText is what every secret looks like in print.
const secretText = "secret"

// Secret is 32 bytes that must not be seen: a room key, a seed. It prints as
// "secret" under every verb of fmt, in JSON and in logs, and refuses to be
// encoded as CBOR; who means to store one says so by converting it to
// [32]byte.
//
// The holes are fmt's own: it calls no methods on unexported fields, nor for
// %p or a %w out of place. Do not print a struct that holds a Secret in an
// unexported field.
type Secret [32]byte

// Equal compares in constant time.
func (s Secret) Equal(o Secret) bool { return subtle.ConstantTimeCompare(s[:], o[:]) == 1 }

// IsZero reports in constant time whether s is 32 zero bytes, which stand for
// "none".
func (s Secret) IsZero() bool { return s.Equal(Secret{}) }

// Erase overwrites s with zeros. Copies that were made of it stay.
func (s *Secret) Erase() { clear(s[:]) }

// Format writes "secret" whatever the verb and flags.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, secretText) }

// String returns "secret".
func (Secret) String() string { return secretText }

// MarshalText writes "secret"; JSON and log/slog use it.
func (Secret) MarshalText() ([]byte, error) { return []byte(secretText), nil }

// UnmarshalText always fails, with ErrSecret.
func (*Secret) UnmarshalText([]byte) error { return ErrSecret }

// MarshalCBOR always fails, with ErrSecret: convert to [32]byte.
func (Secret) MarshalCBOR() ([]byte, error) { return nil, ErrSecret }

// UnmarshalCBOR always fails, with ErrSecret: decode a [32]byte.
func (*Secret) UnmarshalCBOR([]byte) error { return ErrSecret }

// Derive returns 32 bytes of HKDF-SHA256-Expand(s, "conclave/1 derive " ||
// label || 0x00 || n). It lets one fresh Secret serve a whole step: room key,
// salts and nonces under different labels and numbers are independent. The
// label holds no zero byte; s is uniformly random.
func Derive(s Secret, label string, n uint64) [32]byte {
	info := "conclave/1 derive " + label + "\x00" + string(be64(n))
	okm, err := hkdf.Expand(sha256.New, s[:], info, 32)
	if err != nil {
		panic(err) // only for lengths, and they are constant
	}
	return [32]byte(okm)
}

// hkdfKey returns n bytes of HKDF-SHA256(key, salt, info), extract and expand.
func hkdfKey(key Secret, salt []byte, n int, info ...[]byte) []byte {
	var label []byte
	for _, part := range info {
		label = append(label, part...)
	}
	okm, err := hkdf.Key(sha256.New, key[:], salt, string(label), n)
	if err != nil {
		panic(err) // only for lengths, and they are constant
	}
	return okm
}
