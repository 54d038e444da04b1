package keys

import (
	"crypto/rand"
	"fmt"
	"io"
)

// source is where all randomness of this package comes from, but for what
// crypto/hpke draws for itself while sealing. The functions that take a reader
// take it so that a test can show what happens when it fails.
func source() io.Reader { return rand.Reader }

// NewEntropy returns 32 fresh random bytes. Errors: ErrRandom.
func NewEntropy() (Secret, error) { return readSecret(source()) }

// NewItemID returns a fresh random item ID. Errors: ErrRandom.
func NewItemID() (ItemID, error) { return readItemID(source()) }

func readSecret(r io.Reader) (Secret, error) {
	var s Secret
	if err := readFull(r, s[:]); err != nil {
		return Secret{}, err
	}
	return s, nil
}

func readItemID(r io.Reader) (ItemID, error) {
	var id ItemID
	if err := readFull(r, id[:]); err != nil {
		return ItemID{}, err
	}
	return id, nil
}

// readFull fills b from r, or fails: half a key is no key.
func readFull(r io.Reader, b []byte) error {
	if _, err := io.ReadFull(r, b); err != nil {
		return fmt.Errorf("%w: %w", ErrRandom, err)
	}
	return nil
}
