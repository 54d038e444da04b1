package keys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// TestPeerIDIsLibp2ps compares both text and bytes with go-libp2p's own.
func TestPeerIDIsLibp2ps(t *testing.T) {
	for i := range 256 {
		p := testIdentity(byte(i)).PeerID()
		pub, err := crypto.UnmarshalEd25519PublicKey(p[:])
		if err != nil {
			t.Fatal(err)
		}
		want, err := peer.IDFromPublicKey(pub)
		if err != nil {
			t.Fatal(err)
		}
		if p.String() != want.String() || string(p.Multihash()) != string(want) {
			t.Fatalf("seed %d: %v, libp2p says %v", i, p, want)
		}
		if got, err := ParsePeerID(want.String()); err != nil || got != p {
			t.Fatalf("parse %v: %v, %v", want, got, err)
		}
		if got, err := PeerIDFromMultihash([]byte(want)); err != nil || got != p {
			t.Fatalf("multihash of %v: %v, %v", want, got, err)
		}
	}
}

func TestPeerIDText(t *testing.T) {
	p := testIdentity(1).PeerID()
	if len(p.String()) != peerIDLen || !strings.HasSuffix(p.String(), p.Short()) || len(p.Short()) != 6 {
		t.Errorf("%v, short %v", p, p.Short())
	}
	f := strings.Split(p.Fingerprint(), " ")
	if len(f) != 8 || len(strings.Join(f, "")) != 32 {
		t.Errorf("fingerprint %q", p.Fingerprint())
	}
	text, err := p.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var back PeerID
	if err := back.UnmarshalText(text); err != nil || back != p {
		t.Errorf("text: %v, %v", back, err)
	}
	q := testIdentity(2).PeerID()
	if p.Compare(p) != 0 || p.Compare(q) != -q.Compare(p) || p.Compare(PeerID{}) != 1 {
		t.Error("Compare is wrong")
	}
	if p.IsZero() || !(PeerID{}).IsZero() {
		t.Error("IsZero is wrong")
	}
}

// TestBase58 compares with the encoder under peer.ID's String, which takes any
// bytes.
func TestBase58(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	for n := range 200 {
		b := make([]byte, n%50)
		rand.Read(b)
		clear(b[:min(n/50, len(b))]) // up to three leading zeros
		s := base58Encode(b)
		if want := peer.ID(b).String(); s != want {
			t.Fatalf("%x: %s, want %s", b, s, want)
		}
		if back, ok := base58Decode(s); !ok || !bytes.Equal(back, b) {
			t.Fatalf("%s: %x, %v, want %x", s, back, ok, b)
		}
	}
}

// TestAbuse_NO10_ForeignPeerIDs offers IDs of other kinds, and other spellings
// of a good one.
func TestAbuse_NO10_ForeignPeerIDs(t *testing.T) {
	p := testIdentity(1).PeerID()
	good := p.String()
	bad := map[string]string{
		"empty":           "",
		"leading one":     "1" + good,
		"leading space":   " " + good[1:],
		"trailing space":  good + " ",
		"not base58":      good[:51] + "0",
		"multibase":       "z" + good,
		"CID":             peer.ToCid(peer.ID(p.Multihash())).String(),
		"hashed key":      base58Encode(append([]byte{0x12, 0x20}, p[:]...)),
		"one digit short": good[:51],
		"53 characters":   good + "1",
		"overflow":        strings.Repeat("z", peerIDLen),
		"long":            strings.Repeat("z", 1<<20),
	}
	for name, kind := range map[string]int{"RSA": crypto.RSA, "ECDSA": crypto.ECDSA, "secp256k1": crypto.Secp256k1} {
		_, pub, err := crypto.GenerateKeyPair(kind, 2048)
		if err != nil {
			t.Fatal(err)
		}
		id, err := peer.IDFromPublicKey(pub)
		if err != nil {
			t.Fatal(err)
		}
		bad[name] = id.String()
		refuseMultihash(t, name, []byte(id))
	}
	for name, s := range bad {
		if got, err := ParsePeerID(s); !errors.Is(err, ErrPeerID) || !got.IsZero() {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// TestAbuse_NO10_AliasMultihash offers other encodings of the same key.
func TestAbuse_NO10_AliasMultihash(t *testing.T) {
	p := testIdentity(1).PeerID()
	key := string(p[:])
	for name, s := range map[string]string{
		"empty":              "",
		"bare key":           key,
		"no multihash":       "\x08\x01\x12\x20" + key,
		"long varint code":   "\x80\x00\x24\x08\x01\x12\x20" + key,
		"long varint length": "\x00\xa4\x00\x08\x01\x12\x20" + key,
		"fields swapped":     "\x00\x24\x12\x20" + key + "\x08\x01",
		"field twice":        "\x00\x26\x08\x01\x08\x01\x12\x20" + key,
		"unknown field":      "\x00\x26\x08\x01\x12\x20" + key + "\x18\x00",
		"type RSA":           "\x00\x24\x08\x00\x12\x20" + key,
		"31 byte key":        "\x00\x23\x08\x01\x12\x1f" + key[:31],
		"trailing byte":      peerIDPrefix + key + "\x00",
		"byte missing":       peerIDPrefix + key[:31],
	} {
		refuseMultihash(t, name, []byte(s))
	}
}

func refuseMultihash(t *testing.T, name string, b []byte) {
	t.Helper()
	if got, err := PeerIDFromMultihash(b); !errors.Is(err, ErrPeerID) || !got.IsZero() {
		t.Errorf("multihash %s: %v, %v", name, got, err)
	}
}

// refusePoint wants p refused at every entry.
func refusePoint(t *testing.T, name string, p PeerID) {
	t.Helper()
	if err := p.Check(); !errors.Is(err, ErrPeerID) {
		t.Errorf("%s %x: Check says %v", name, p[:], err)
	}
	refuseMultihash(t, name, p.Multihash())
	if _, err := ParsePeerID(p.String()); !errors.Is(err, ErrPeerID) {
		t.Errorf("%s %x: ParsePeerID says %v", name, p[:], err)
	}
	var rec Record
	if err := rec.Verify(LabelEntry, Hash{}, p); !errors.Is(err, ErrPeerID) {
		t.Errorf("%s %x: Verify says %v", name, p[:], err)
	}
}

// TestAbuse_NO10_SmallOrder computes the torsion subgroup afresh and offers
// every encoding of its points.
func TestAbuse_NO10_SmallOrder(t *testing.T) {
	points := torsion()
	if len(points) != 8 {
		t.Fatalf("%d points of small order", len(points))
	}
	for _, pt := range points {
		enc := encodePoint(pt)
		refusePoint(t, "small order", enc)
		enc[31] ^= 0x80 // the other sign: x = -x, or x = 0 with a sign
		refusePoint(t, "small order, other sign", enc)
		if high := new(big.Int).Add(pt.y, fieldPrime); high.BitLen() <= 255 {
			enc = encodePoint(point{pt.x, high})
			refusePoint(t, "small order, not reduced", enc)
			enc[31] ^= 0x80
			refusePoint(t, "small order, not reduced, other sign", enc)
		}
	}
}

func TestAbuse_NO10_NotReduced(t *testing.T) {
	for k := range int64(19) {
		y := new(big.Int).Add(fieldPrime, big.NewInt(k))
		for _, x := range []int64{0, 1} {
			refusePoint(t, "not reduced", encodePoint(point{big.NewInt(x), y}))
		}
	}
	top := encodePoint(point{big.NewInt(0), sub(fieldPrime, big.NewInt(2))})
	gap := PeerID(bytes.Repeat([]byte{0xff}, 32))
	gap[17] = 0xfe // below the prime by one byte in the middle
	for _, p := range []PeerID{top, gap} {
		if err := p.Check(); err != nil {
			t.Errorf("reduced %x: %v", p[:], err)
		}
	}
}

// TestSmallOrderForgery shows what Check is for: crypto/ed25519 accepts this
// signature, by the identity point, over any message at all.
func TestSmallOrderForgery(t *testing.T) {
	forger := PeerID{1}
	forged := Record{Body: []byte("pay eve"), Sig: append([]byte{1}, make([]byte, 63)...)}
	if !ed25519.Verify(forger[:], signingInput(LabelEntry, Hash{}, forged.Body), forged.Sig) {
		t.Fatal("the forgery does not convince crypto/ed25519 any more")
	}
	if err := forged.Verify(LabelEntry, Hash{}, forger); !errors.Is(err, ErrPeerID) {
		t.Errorf("got %v", err)
	}
}

// TestNotAPoint holds what Check's comment says of bytes that are no point.
func TestNotAPoint(t *testing.T) {
	var p PeerID
	p[0] = 2 // no x belongs to y = 2
	if err := p.Check(); err != nil {
		t.Fatalf("Check: %v", err)
	}
	rec := Record{Body: []byte("x"), Sig: make([]byte, 64)}
	if err := rec.Verify(LabelEntry, Hash{}, p); !errors.Is(err, ErrSignature) {
		t.Errorf("Verify: %v", err)
	}
}

func FuzzParsePeerID(f *testing.F) {
	f.Add(testIdentity(1).PeerID().String())
	f.Add("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N")
	f.Add("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePeerID(s)
		if err != nil {
			if !errors.Is(err, ErrPeerID) || !p.IsZero() {
				t.Fatalf("%v, %v", p, err)
			}
			return
		}
		id, err := peer.Decode(s)
		if err != nil || string(id) != string(p.Multihash()) || p.String() != s {
			t.Fatalf("%q is %v here, %v, %v in libp2p", s, p, id, err)
		}
	})
}

// The curve -x^2 + y^2 = 1 + d x^2 y^2 over 2^255-19, slowly, for the torsion
// points alone.
var (
	fieldPrime = sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	curveOrder = bigInt("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed")
	curveD     = bigInt("52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3")
)

type point struct{ x, y *big.Int }

func bigInt(h string) *big.Int {
	b, err := hex.DecodeString(h)
	if err != nil {
		panic(err)
	}
	return new(big.Int).SetBytes(b)
}

func sub(a, b *big.Int) *big.Int { return new(big.Int).Sub(a, b) }

func mulMod(ns ...*big.Int) *big.Int {
	out := big.NewInt(1)
	for _, n := range ns {
		out.Mul(out, n).Mod(out, fieldPrime)
	}
	return out
}

func (p point) add(q point) point {
	one := big.NewInt(1)
	k := mulMod(curveD, p.x, q.x, p.y, q.y)
	x := new(big.Int).Add(mulMod(p.x, q.y), mulMod(p.y, q.x))
	y := new(big.Int).Add(mulMod(p.y, q.y), mulMod(p.x, q.x))
	x = mulMod(x, new(big.Int).ModInverse(new(big.Int).Add(one, k), fieldPrime))
	y = mulMod(y, new(big.Int).ModInverse(new(big.Int).Mod(sub(one, k), fieldPrime), fieldPrime))
	return point{x, y}
}

func (p point) times(n *big.Int) point {
	sum := point{big.NewInt(0), big.NewInt(1)}
	for i := n.BitLen() - 1; i >= 0; i-- {
		sum = sum.add(sum)
		if n.Bit(i) == 1 {
			sum = sum.add(p)
		}
	}
	return sum
}

// pointAt returns a point with the y coordinate given, if there is one.
func pointAt(y *big.Int) (point, bool) {
	yy := mulMod(y, y)
	u := sub(yy, big.NewInt(1))
	v := new(big.Int).Add(mulMod(curveD, yy), big.NewInt(1))
	xx := mulMod(u, new(big.Int).ModInverse(v, fieldPrime))
	x := new(big.Int).ModSqrt(xx, fieldPrime)
	return point{x, y}, x != nil
}

// torsion returns the multiples of the first point of order 8 found by
// multiplying points by the order of the prime subgroup.
func torsion() []point {
	for y := int64(2); ; y++ {
		p, ok := pointAt(big.NewInt(y))
		if !ok {
			continue
		}
		g := p.times(curveOrder)
		var all []point
		for sum := g; ; sum = sum.add(g) {
			all = append(all, sum)
			if sum.x.Sign() == 0 && sum.y.IsInt64() {
				break // the identity, (0, 1)
			}
		}
		if len(all) == 8 {
			return all
		}
	}
}

// encodePoint writes y little endian with the sign of x, reduced or not.
func encodePoint(p point) (enc PeerID) {
	p.y.FillBytes(enc[:])
	for i := range 16 {
		enc[i], enc[31-i] = enc[31-i], enc[i]
	}
	enc[31] |= byte(p.x.Bit(0)) << 7
	return enc
}
