package store

import (
	"context"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/ipfs/go-datastore"
	"golang.org/x/crypto/chacha20poly1305"

	"conclave/keys"
)

// maxKey is the greatest length of a whole key, the space's prefix included.
const maxKey = 1024

// Num returns n as 16 lower hex digits, whose order is that of the numbers.
func Num(n uint64) string { return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, n)) }

// Space is the part of a DB under one prefix, a group's for example, with the
// values sealed under one data key: XChaCha20-Poly1305 with a random nonce, 40
// bytes more than the value, and the whole key as associated data, so that a
// value is good only where it was put.
//
// Keys are what the caller makes of them, within this grammar: one or more
// parts, each "/" and one or more of the characters a-z, 0-9, "-" and "_"; at
// most 1024 bytes with the prefix. Whatever else a caller has goes in as lower
// hex, numbers with fixed width (Num). Keys order as byte strings do; they are
// not sealed. Methods take and return keys without the prefix.
type Space struct {
	db     *DB
	prefix string
	aead   cipher.AEAD
}

// Space returns the space under prefix, a key itself, with its data key.
// Errors: ErrKey.
func (db *DB) Space(prefix string, dataKey keys.Secret) (*Space, error) {
	if err := checkKey(prefix); err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(dataKey[:])
	if err != nil {
		return nil, err
	}
	return &Space{db: db, prefix: prefix, aead: aead}, nil
}

// Format writes the prefix whatever the verb: fmt would find the data key.
func (s Space) Format(f fmt.State, _ rune) { io.WriteString(f, s.prefix) }

// checkKey holds the grammar of keys. What it lets through go-datastore leaves
// as it is.
func checkKey(key string) error {
	if key == "" || len(key) > maxKey || key[0] != '/' || key[len(key)-1] == '/' || strings.Contains(key, "//") {
		return fmt.Errorf("%w: %.80q", ErrKey, key)
	}
	for _, c := range []byte(key) {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '/') {
			return fmt.Errorf("%w: %.80q", ErrKey, key)
		}
	}
	return nil
}

// key returns the whole key.
func (s *Space) key(key string) (string, error) {
	whole := s.prefix + key
	if key == "" || key[0] != '/' {
		return "", fmt.Errorf("%w: %.80q", ErrKey, key)
	}
	return whole, checkKey(whole)
}

// Batch is a set of changes for one Commit, to one space or several. Of two
// changes to one key the later counts. The zero value is empty and ready. For
// one goroutine.
type Batch struct {
	ops  []op
	adds bool
	err  error // the first that Put or Delete met
}

type op struct {
	key    string
	value  []byte // sealed
	delete bool
}

// Len returns the number of changes.
func (b *Batch) Len() int { return len(b.ops) }

// Put adds to b that the record key is value. What is wrong with it, Commit
// returns.
func (s *Space) Put(b *Batch, key string, value []byte) {
	whole, err := s.key(key)
	var sealed []byte
	if err == nil {
		sealed, err = s.seal(whole, value)
	}
	b.add(op{key: whole, value: sealed}, err)
	b.adds = true
}

// Delete adds to b that there is no record key. What is wrong with it, Commit
// returns.
func (s *Space) Delete(b *Batch, key string) {
	whole, err := s.key(key)
	b.add(op{key: whole, delete: true}, err)
}

func (b *Batch) add(o op, err error) {
	if b.err == nil {
		b.err = err
	}
	b.ops = append(b.ops, o)
}

func (s *Space) seal(whole string, value []byte) ([]byte, error) {
	entropy, err := keys.NewEntropy()
	if err != nil {
		return nil, err
	}
	nonce := entropy[:chacha20poly1305.NonceSizeX]
	out := make([]byte, len(nonce), len(nonce)+len(value)+chacha20poly1305.Overhead)
	copy(out, nonce)
	return s.aead.Seal(out, nonce, value, []byte(whole)), nil
}

func (s *Space) open(whole string, sealed []byte) ([]byte, error) {
	if len(sealed) < chacha20poly1305.NonceSizeX {
		return nil, fmt.Errorf("%w: %s", ErrCorrupt, whole)
	}
	nonce, ct := sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:]
	value, err := s.aead.Open(nil, nonce, ct, []byte(whole))
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrCorrupt, whole)
	}
	return value, nil
}

// Get returns the value of a record. Errors: ErrNotFound, ErrCorrupt, ErrKey,
// ErrClosed, those of the file system.
func (s *Space) Get(key string) (value []byte, err error) {
	whole, err := s.key(key)
	if err != nil {
		return nil, err
	}
	if err := s.db.enter(); err != nil {
		return nil, err
	}
	defer s.db.leave()
	defer recovered(&err)
	sealed, err := s.db.ds.Get(context.Background(), datastore.RawKey(whole))
	if err != nil {
		return nil, readError(err)
	}
	return s.open(whole, sealed)
}
