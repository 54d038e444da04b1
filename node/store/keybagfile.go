package store

import (
	"bytes"
	"crypto/cipher"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/crypto/chacha20poly1305"

	"conclave/keys"
)

// A keybag file is
//
//	magic "CVBAG" | version 1 | kind 1 byte | zero 1 byte |
//	nonce 24 bytes | file key 32 bytes, sealed: 48 bytes | body, sealed
//
// The file key is fresh in every file and sealed under the master key with
// XChaCha20-Poly1305, the first 8 bytes as associated data. The body is sealed
// under the file key with ChaCha20-Poly1305, the nonce zero, since the key seals
// nothing else, and all that stands before it as associated data: no version or
// parameter can be edited. kind says where the master key comes from.
const (
	keybagMagic   = "CVBAG"
	keybagVersion = 1
	prefixSize    = len(keybagMagic) + 3
	headerSize    = prefixSize + chacha20poly1305.NonceSizeX + 32 + chacha20poly1305.Overhead

	// maxKeybag bounds what is read: some 650,000 room keys.
	maxKeybag = 64 << 20
)

// The body is CBOR of these. Keys are rows of eid and key, 64 bytes each, and
// Erased rows of eids: many small rows are one byte string, which keeps the
// rewriting cheap.
type bagBody struct {
	_       struct{} `cbor:",toarray"`
	Bundles []bagBundle
	Groups  []bagRows
}

type bagBundle struct {
	_       struct{} `cbor:",toarray"`
	Hash    keys.Hash
	Seed    [32]byte
	Created int64 // unix ms
}

type bagRows struct {
	_      struct{} `cbor:",toarray"`
	GID    keys.Hash
	Data   [32]byte // zero: none
	Keys   []byte
	Erased []byte
}

func keybagPrefix() []byte {
	return append([]byte(keybagMagic), keybagVersion, kindFileMode, 0)
}

// sealKeybag returns the file that holds s. Errors: keys.ErrRandom, or too large
// to be read again.
func sealKeybag(master keys.Secret, s *bagState) ([]byte, error) {
	fileKey, err := keys.NewEntropy()
	if err != nil {
		return nil, err
	}
	entropy, err := keys.NewEntropy()
	if err != nil {
		return nil, err
	}
	body, err := encodeBag(s)
	if err != nil {
		return nil, err
	}
	defer clear(body)
	if headerSize+len(body)+chacha20poly1305.Overhead > maxKeybag {
		return nil, fmt.Errorf("keybag over %d bytes", maxKeybag)
	}
	prefix := keybagPrefix()
	nonce := entropy[:chacha20poly1305.NonceSizeX]
	out := make([]byte, 0, headerSize+len(body)+chacha20poly1305.Overhead)
	out = append(append(out, prefix...), nonce...)
	out = wrapAEAD(master).Seal(out, nonce, fileKey[:], prefix)
	return bodyAEAD(fileKey).Seal(out, zeroNonce(), body, out), nil
}

// openKeybag reads what sealKeybag wrote. Errors: ErrNewerFormat, ErrDamaged.
func openKeybag(master keys.Secret, file []byte) (*bagState, error) {
	if len(file) < headerSize || !bytes.HasPrefix(file, []byte(keybagMagic)) {
		return nil, ErrDamaged
	}
	if v := file[len(keybagMagic)]; v > keybagVersion {
		return nil, fmt.Errorf("%w: keybag version %d", ErrNewerFormat, v)
	}
	prefix, header := file[:prefixSize], file[:headerSize]
	nonce := file[prefixSize : prefixSize+chacha20poly1305.NonceSizeX]
	fileKey, err := wrapAEAD(master).Open(nil, nonce, header[prefixSize+len(nonce):], prefix)
	if err != nil || !bytes.Equal(prefix, keybagPrefix()) {
		return nil, ErrDamaged
	}
	defer clear(fileKey)
	body, err := bodyAEAD(keys.Secret(fileKey)).Open(nil, zeroNonce(), file[headerSize:], header)
	if err != nil {
		return nil, ErrDamaged
	}
	defer clear(body)
	return decodeBag(body)
}

func wrapAEAD(master keys.Secret) cipher.AEAD {
	a, err := chacha20poly1305.NewX(master[:])
	if err != nil {
		panic(err) // only for lengths, and they are constant
	}
	return a
}

func bodyAEAD(fileKey keys.Secret) cipher.AEAD {
	a, err := chacha20poly1305.New(fileKey[:])
	if err != nil {
		panic(err) // only for lengths, and they are constant
	}
	return a
}

func zeroNonce() []byte { return make([]byte, chacha20poly1305.NonceSize) }

func encodeBag(s *bagState) ([]byte, error) {
	var body bagBody
	for hash, k := range s.bundles {
		body.Bundles = append(body.Bundles, bagBundle{Hash: hash, Seed: k.Seed, Created: k.Created.UnixMilli()})
	}
	for gid, g := range s.groups {
		rows := bagRows{GID: gid, Data: g.data, Keys: make([]byte, 0, 64*len(g.rooms))}
		for eid, k := range g.rooms {
			rows.Keys = append(append(rows.Keys, eid[:]...), k[:]...)
		}
		for eid := range g.erased {
			rows.Erased = append(rows.Erased, eid[:]...)
		}
		defer clear(rows.Keys)
		body.Groups = append(body.Groups, rows)
	}
	return cbor.Marshal(body)
}

// decodeBag reads what encodeBag wrote. Errors: ErrDamaged.
func decodeBag(b []byte) (*bagState, error) {
	mode, err := cbor.DecOptions{
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		MaxArrayElements:  1 << 20,
		MaxNestedLevels:   4,
	}.DecMode()
	if err != nil {
		return nil, err
	}
	var body bagBody
	if err := mode.Unmarshal(b, &body); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	s := &bagState{bundles: map[keys.Hash]BundleKey{}, groups: map[keys.Hash]*bagGroup{}}
	for _, k := range body.Bundles {
		s.bundles[k.Hash] = BundleKey{Seed: k.Seed, Created: time.UnixMilli(k.Created)}
	}
	for _, rows := range body.Groups {
		if s.groups[rows.GID], err = decodeRows(rows); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func decodeRows(rows bagRows) (*bagGroup, error) {
	if len(rows.Keys)%64 != 0 || len(rows.Erased)%32 != 0 {
		return nil, ErrDamaged
	}
	g := &bagGroup{
		data:   rows.Data,
		rooms:  make(map[keys.Hash]keys.Secret, len(rows.Keys)/64),
		erased: make(map[keys.Hash]struct{}, len(rows.Erased)/32),
	}
	for b := rows.Keys; len(b) > 0; b = b[64:] {
		g.rooms[keys.Hash(b[:32])] = keys.Secret(b[32:64])
	}
	for b := rows.Erased; len(b) > 0; b = b[32:] {
		g.erased[keys.Hash(b[:32])] = struct{}{}
	}
	return g, nil
}
