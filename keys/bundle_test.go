package keys

import (
	"bytes"
	"crypto/mlkem"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"testing"
)

// testBundle returns the bundle, always the same, of an identity, and its
// private half.
func testBundle(t testing.TB, id *Identity) (Bundle, Secret) {
	t.Helper()
	b, seed, err := generateBundle(bytes.NewReader(bytes.Repeat([]byte{42}, 32)), id, 7)
	if err != nil {
		t.Fatal(err)
	}
	return b, seed
}

func TestBundleRoundTrip(t *testing.T) {
	for _, seq := range []uint64{0, 1, 1 << 41, math.MaxUint64} {
		want, seed, err := GenerateBundle(testIdentity(2), seq)
		if err != nil || seed.IsZero() {
			t.Fatal(err)
		}
		got, err := ParseBundle(want.Raw())
		if err != nil {
			t.Fatal(err)
		}
		if got.Peer != testIdentity(2).PeerID() || got.KEM != KEMHybrid || got.Seq != seq || !bytes.Equal(got.Key, want.Key) {
			t.Errorf("seq %d: differs", seq)
		}
		if got.Hash() != want.Hash() || got.Hash().IsZero() || !bytes.Equal(got.Raw(), want.Raw()) {
			t.Errorf("seq %d: other record", seq)
		}
	}
}

// signed returns the record of a bundle body, signed as if it were good.
func signed(body bundleBody) []byte {
	return testIdentity(2).Sign(LabelBundle, body.GID, Marshal(body)).Encode()
}

func TestParseBundleRefuses(t *testing.T) {
	id := testIdentity(2)
	b, _ := testBundle(t, id)
	good := bundleBody{Peer: b.Peer, KEM: b.KEM, Key: b.Key, Seq: b.Seq}
	with := func(change func(*bundleBody)) []byte {
		body := good
		body.Key = slices.Clone(good.Key)
		change(&body)
		return signed(body)
	}
	if _, err := ParseBundle(with(func(*bundleBody) {})); err != nil {
		t.Fatalf("unchanged: %v", err)
	}
	rec, err := DecodeRecord(b.Raw())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		raw  []byte
		want error
	}{
		"empty":             {nil, ErrNotCanonical},
		"of a group":        {with(func(b *bundleBody) { b.GID = testHash(1) }), ErrBundle},
		"other kem":         {with(func(b *bundleBody) { b.KEM = 2 }), ErrKEM},
		"kem zero":          {with(func(b *bundleBody) { b.KEM = 0 }), ErrKEM},
		"no key":            {with(func(b *bundleBody) { b.Key = nil }), ErrKEM},
		"short key":         {with(func(b *bundleBody) { b.Key = b.Key[1:] }), ErrKEM},
		"long key":          {with(func(b *bundleBody) { b.Key = append(b.Key, 0) }), ErrKEM},
		"ML-KEM alone":      {with(func(b *bundleBody) { b.Key = b.Key[:mlkem.EncapsulationKeySize768] }), ErrKEM},
		"other peer":        {with(func(b *bundleBody) { b.Peer = testIdentity(3).PeerID() }), ErrSignature},
		"small-order peer":  {with(func(b *bundleBody) { b.Peer = PeerID{1} }), ErrPeerID},
		"other label":       {id.Sign(LabelJoin, Hash{}, rec.Body).Encode(), ErrSignature},
		"signed for group":  {id.Sign(LabelBundle, testHash(1), rec.Body).Encode(), ErrSignature},
		"trailing byte":     {append(slices.Clone(b.Raw()), 0), ErrNotCanonical},
		"body has trailing": {id.Sign(LabelBundle, Hash{}, append(slices.Clone(rec.Body), 0)).Encode(), ErrNotCanonical},
		"body not bundle":   {id.Sign(LabelBundle, Hash{}, Marshal(1)).Encode(), ErrNotCanonical},
		"not reduced": {with(func(b *bundleBody) {
			b.Key[0], b.Key[1] = 0xff, 0xff // the first coefficient becomes 4095, above q
		}), ErrKEM},
	} {
		got, err := ParseBundle(c.raw)
		if !errors.Is(err, c.want) || got.Key != nil || got.Raw() != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestParseBundleRefusesLowOrderX25519 takes the points of small order of
// RFC 7748's curve, which the hybrid KEM notices only while sealing.
func TestParseBundleRefusesLowOrderX25519(t *testing.T) {
	b, _ := testBundle(t, testIdentity(2))
	for _, low := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		point, err := hex.DecodeString(low)
		if err != nil {
			t.Fatal(err)
		}
		body := bundleBody{Peer: b.Peer, KEM: b.KEM, Key: slices.Clone(b.Key), Seq: b.Seq}
		copy(body.Key[mlkem.EncapsulationKeySize768:], point)
		if _, err := ParseBundle(signed(body)); !errors.Is(err, ErrKEM) {
			t.Errorf("%s: %v", low, err)
		}
		if _, err := SealEnvelope(Bundle{Key: body.Key}, Hash{}, Hash{}, PeerID{}, Secret{}); !errors.Is(err, ErrKEM) {
			t.Errorf("%s: sealed to, %v", low, err)
		}
	}
}

// TestAbuse_MM07_BundleBits flips a bit in every byte of a bundle.
func TestAbuse_MM07_BundleBits(t *testing.T) {
	b, _ := testBundle(t, testIdentity(2))
	for i := range b.Raw() {
		if _, err := ParseBundle(flip(b.Raw(), 8*i+i%8)); err == nil {
			t.Errorf("byte %d: accepted", i)
		}
	}
}

// TestAbuse_MM08_BundleLength cuts a bundle short everywhere.
func TestAbuse_MM08_BundleLength(t *testing.T) {
	b, _ := testBundle(t, testIdentity(2))
	for n := range b.Raw() {
		if _, err := ParseBundle(b.Raw()[:n]); !errors.Is(err, ErrNotCanonical) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// FuzzParseBundle parses b as it is, and as the body of a record that is
// signed well, so that what lies behind the signature is reached.
func FuzzParseBundle(f *testing.F) {
	id := testIdentity(2)
	b, _ := testBundle(f, id)
	rec, err := DecodeRecord(b.Raw())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b.Raw())
	f.Add(rec.Body)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, raw := range [][]byte{b, id.Sign(LabelBundle, Hash{}, b).Encode()} {
			got, err := ParseBundle(raw)
			if err != nil {
				continue
			}
			if !bytes.Equal(got.Raw(), raw) || len(got.Key) != bundleKeySize {
				t.Fatalf("%x parsed as %+v", raw, got)
			}
			if _, err := SealEnvelope(got, Hash{}, Hash{}, PeerID{}, Secret{}); err != nil {
				t.Fatalf("cannot seal to %x: %v", raw, err)
			}
		}
	})
}
