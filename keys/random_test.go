package keys

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/cryptotest"
	"testing/iotest"
)

// TestAbuse_FA13_FailingReader gives each generating function readers that
// fail, at once or midway, and wants nothing back but the error.
func TestAbuse_FA13_FailingReader(t *testing.T) {
	broken := errors.New("broken")
	readers := map[string]func() io.Reader{
		"fails":    func() io.Reader { return iotest.ErrReader(broken) },
		"empty":    func() io.Reader { return bytes.NewReader(nil) },
		"15 bytes": func() io.Reader { return bytes.NewReader(bytes.Repeat([]byte{7}, 15)) },
		"fails midway": func() io.Reader {
			return io.MultiReader(bytes.NewReader([]byte("half a key")), iotest.ErrReader(broken))
		},
	}
	for name, reader := range readers {
		if s, err := readSecret(reader()); !errors.Is(err, ErrRandom) || !s.IsZero() {
			t.Errorf("%s: entropy %x, %v", name, s[:], err)
		}
		if id, err := readItemID(reader()); !errors.Is(err, ErrRandom) || !id.IsZero() {
			t.Errorf("%s: item ID %v, %v", name, id, err)
		}
		if id, err := generateIdentity(reader()); !errors.Is(err, ErrRandom) || id != nil {
			t.Errorf("%s: identity %v, %v", name, id, err)
		}
		b, seed, err := generateBundle(reader(), testIdentity(1), 1)
		if !errors.Is(err, ErrRandom) || !seed.IsZero() || b.Raw() != nil || b.Key != nil {
			t.Errorf("%s: bundle %v, %v", name, b, err)
		}
	}
	if _, err := readSecret(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("the cause is lost: %v", err)
	}
	if s, err := readSecret(bytes.NewReader(bytes.Repeat([]byte{7}, 31))); !errors.Is(err, ErrRandom) || !s.IsZero() {
		t.Errorf("31 bytes: %x, %v", s[:], err)
	}
}

// TestSlowReader wants short reads put together, not taken as they come.
func TestSlowReader(t *testing.T) {
	src := bytes.Repeat([]byte{7}, 32)
	if s, err := readSecret(iotest.OneByteReader(bytes.NewReader(src))); err != nil || !bytes.Equal(s[:], src) {
		t.Errorf("got %x, %v", s[:], err)
	}
}

// TestSourceIsCryptoRand pins the standard library's source and wants every
// exported generator to follow it.
func TestSourceIsCryptoRand(t *testing.T) {
	type draw struct {
		entropy, bundleSeed Secret
		item                ItemID
		id                  PeerID
	}
	take := func(t *testing.T, seed uint64) (d draw) {
		cryptotest.SetGlobalRandom(t, seed)
		var errs [4]error
		var id *Identity
		d.entropy, errs[0] = NewEntropy()
		d.item, errs[1] = NewItemID()
		id, errs[2] = GenerateIdentity()
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
		d.id = id.PeerID()
		if _, d.bundleSeed, errs[3] = GenerateBundle(id, 1); errs[3] != nil {
			t.Fatal(errs[3])
		}
		return d
	}
	a, again, b := take(t, 1), take(t, 1), take(t, 2)
	if a != again {
		t.Error("same source, different draws")
	}
	if a.entropy == b.entropy || a.item == b.item || a.id == b.id || a.bundleSeed == b.bundleSeed {
		t.Error("different source, same draws")
	}
	if a.entropy == a.bundleSeed || a.entropy.IsZero() || a.item.IsZero() || a.bundleSeed.IsZero() {
		t.Error("draws repeat or are zero")
	}
}
