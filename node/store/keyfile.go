package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"conclave/keys"
)

// A key file is 48 bytes: magic, version, kind, one zero byte, the 32-byte
// secret, and the first 8 bytes of the SHA-256 of all before. The sum is there
// for the seed's sake: a flipped bit would be another person's identity.
const (
	keyFileMagic   = "CVKEY"
	keyFileVersion = 1
	keyFileSum     = 8
	keyFileSize    = len(keyFileMagic) + 3 + 32 + keyFileSum
)

// How the secret of a key file is protected. There is one way so far: by the
// mode of the file. Another kind may have another size.
const kindFileMode = 0

// ensureIdentity returns the identity in dir, making it if there is none. An
// identity is never made where the rest of a home is: to become somebody else
// without a word would be worse than not to start.
func ensureIdentity(dir string) (*keys.Identity, error) {
	seed, err := ensureKeyFile(dir, identityFile, masterFile, keybagFile, databaseDir)
	if err != nil {
		return nil, err
	}
	return keys.IdentityFromSeed(seed), nil
}

// ensureMaster returns the key that the keybag is wrapped under.
func ensureMaster(dir string) (keys.Secret, error) {
	return ensureKeyFile(dir, masterFile, keybagFile, databaseDir)
}

// ensureKeyFile reads the key file name, making it with a fresh secret if
// neither it nor any of the files that depend on it exists.
func ensureKeyFile(dir, name string, dependents ...string) (keys.Secret, error) {
	path := filepath.Join(dir, name)
	secret, err := readKeyFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	if err := refuseOrphans(dir, name, dependents...); err != nil {
		return keys.Secret{}, err
	}
	if secret, err = keys.NewEntropy(); err != nil {
		return keys.Secret{}, err
	}
	if err := createOnce(dir, name, encodeKeyFile(secret)); err != nil {
		return keys.Secret{}, err
	}
	return readKeyFile(path) // ours, or that of a process that was faster
}

func readKeyFile(path string) (keys.Secret, error) {
	b, err := readFile(path, 4096)
	if err != nil {
		return keys.Secret{}, err
	}
	defer clear(b)
	secret, err := decodeKeyFile(b)
	if err != nil {
		return keys.Secret{}, fmt.Errorf("%w: %s", err, path)
	}
	return secret, nil
}

func encodeKeyFile(secret keys.Secret) []byte {
	b := append([]byte(keyFileMagic), keyFileVersion, kindFileMode, 0)
	b = append(b, secret[:]...)
	sum := sha256.Sum256(b)
	return append(b, sum[:keyFileSum]...)
}

// decodeKeyFile returns the secret of a key file. Errors: ErrDamaged,
// ErrNewerFormat for one that is whole but of a version or kind not known here.
func decodeKeyFile(b []byte) (keys.Secret, error) {
	if len(b) < len(keyFileMagic)+3+keyFileSum || !bytes.HasPrefix(b, []byte(keyFileMagic)) {
		return keys.Secret{}, ErrDamaged
	}
	body, sum := b[:len(b)-keyFileSum], b[len(b)-keyFileSum:]
	want := sha256.Sum256(body)
	if !bytes.Equal(sum, want[:keyFileSum]) {
		return keys.Secret{}, ErrDamaged
	}
	head := body[len(keyFileMagic):]
	if head[0] != keyFileVersion || head[1] != kindFileMode {
		return keys.Secret{}, ErrNewerFormat
	}
	if len(b) != keyFileSize || head[2] != 0 {
		return keys.Secret{}, ErrDamaged
	}
	return keys.Secret(head[3:]), nil
}

// refuseOrphans returns ErrDamaged if a file that cannot be without the missing
// file name exists.
func refuseOrphans(dir, missing string, dependents ...string) error {
	for _, d := range dependents {
		if exists(filepath.Join(dir, d)) {
			return fmt.Errorf("%w: %s has %s but no %s; restore it from a backup", ErrDamaged, dir, d, missing)
		}
	}
	return nil
}
