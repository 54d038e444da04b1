package store

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"conclave/keys"
)

func fuzzState() *bagState {
	h := func(s string) keys.Hash { return keys.Sum([]byte(s)) }
	return &bagState{
		bundles: map[keys.Hash]BundleKey{h("b"): {Seed: keys.Secret(h("s")), Created: time.UnixMilli(1_700_000_000_000)}},
		groups: map[keys.Hash]*bagGroup{h("g"): {
			data:   keys.Secret(h("d")),
			rooms:  map[keys.Hash]keys.Secret{h("e"): keys.Secret(h("k"))},
			erased: map[keys.Hash]struct{}{h("x"): {}},
		}},
	}
}

// FuzzOpenKeybag: of all files only the one that was sealed opens.
func FuzzOpenKeybag(f *testing.F) {
	master := keys.Secret{1, 2, 3}
	good, err := sealKeybag(master, fuzzState())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:headerSize])
	f.Add([]byte(keybagMagic))
	f.Fuzz(func(t *testing.T, file []byte) {
		s, err := openKeybag(master, file)
		switch {
		case err == nil && !reflect.DeepEqual(s, fuzzState()):
			t.Fatal("opened to another state")
		case err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewerFormat):
			t.Fatal(err)
		}
	})
}

// FuzzDecodeBag: whatever the body, it is refused or survives being written
// again.
func FuzzDecodeBag(f *testing.F) {
	good, err := encodeBag(fuzzState())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte{0x82, 0x80, 0x80})
	f.Add([]byte{0x82, 0x9a, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := decodeBag(body)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		again, err := encodeBag(s)
		if err != nil {
			t.Fatal(err)
		}
		if s2, err := decodeBag(again); err != nil || !reflect.DeepEqual(s, s2) {
			t.Fatalf("changed by writing it again: %v", err)
		}
	})
}

// FuzzDecodeKeyFile: one secret has one spelling.
func FuzzDecodeKeyFile(f *testing.F) {
	f.Add(encodeKeyFile(keys.Secret{1}))
	f.Add([]byte(keyFileMagic))
	f.Fuzz(func(t *testing.T, file []byte) {
		s, err := decodeKeyFile(file)
		switch {
		case err == nil && string(encodeKeyFile(s)) != string(file):
			t.Fatal("a second spelling")
		case err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewerFormat):
			t.Fatal(err)
		}
	})
}
