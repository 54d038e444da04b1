package keys

import (
	"crypto/hpke"
	"crypto/mlkem"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"
)

// sealed is an envelope from alice to bob, with all it takes to open it.
type sealed struct {
	seed Secret
	key  Secret
	info EnvelopeInfo
	ct   []byte
}

func newSealed(t testing.TB) sealed {
	t.Helper()
	b, seed := testBundle(t, testIdentity(2))
	s := sealed{seed: seed, key: Secret(testHash(5)), info: EnvelopeInfo{
		GID: testHash(3), Ectx: testHash(4), Minter: testIdentity(1).PeerID(), Member: b.Peer, Bundle: b.Hash(),
	}}
	var err error
	if s.ct, err = SealEnvelope(b, s.info.GID, s.info.Ectx, s.info.Minter, s.key); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEnvelopeRoundTrip(t *testing.T) {
	s := newSealed(t)
	if len(s.ct) != EnvelopeSize || EnvelopeSize != 1168 {
		t.Errorf("%d bytes", len(s.ct))
	}
	if got, err := OpenEnvelope(s.seed, s.info, s.ct); err != nil || !got.Equal(s.key) {
		t.Errorf("open: %v", err)
	}
	if again := newSealed(t); string(again.ct) == string(s.ct) {
		t.Error("sealed twice the same")
	}
}

// TestAbuse_MM07_EnvelopeMoved opens an envelope in every context but its own.
func TestAbuse_MM07_EnvelopeMoved(t *testing.T) {
	s := newSealed(t)
	for name, change := range map[string]func(*EnvelopeInfo){
		"group":              func(i *EnvelopeInfo) { i.GID[31] ^= 1 },
		"epoch":              func(i *EnvelopeInfo) { i.Ectx[0] ^= 1 },
		"minter":             func(i *EnvelopeInfo) { i.Minter[7] ^= 1 },
		"member":             func(i *EnvelopeInfo) { i.Member[9] ^= 1 },
		"bundle":             func(i *EnvelopeInfo) { i.Bundle[31] ^= 0x80 },
		"roles swapped":      func(i *EnvelopeInfo) { i.Minter, i.Member = i.Member, i.Minter },
		"group, ectx change": func(i *EnvelopeInfo) { i.GID, i.Ectx = i.Ectx, i.GID },
	} {
		info := s.info
		change(&info)
		if got, err := OpenEnvelope(s.seed, info, s.ct); !errors.Is(err, ErrOpen) || !got.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := OpenEnvelope(s.key, s.info, s.ct); !errors.Is(err, ErrOpen) {
		t.Errorf("other private half: %v", err)
	}
}

// TestAbuse_MM07_EnvelopeBits flips a bit in every byte of an envelope.
func TestAbuse_MM07_EnvelopeBits(t *testing.T) {
	s := newSealed(t)
	for i := range s.ct {
		if got, err := OpenEnvelope(s.seed, s.info, flip(s.ct, 8*i+i%8)); !errors.Is(err, ErrOpen) || !got.IsZero() {
			t.Errorf("byte %d: %v", i, err)
		}
	}
}

// TestAbuse_MM08_EnvelopeLength offers every other length, and an honest seal
// of a key of 31 and of 33 bytes.
func TestAbuse_MM08_EnvelopeLength(t *testing.T) {
	s := newSealed(t)
	for n := range len(s.ct) {
		if _, err := OpenEnvelope(s.seed, s.info, s.ct[:n]); !errors.Is(err, ErrOpen) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	sk, err := hpke.MLKEM768X25519().NewPrivateKey(s.seed[:])
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 31, 33, 64} {
		ct, err := hpke.Seal(sk.PublicKey(), hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), s.info.bytes(), make([]byte, n))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := OpenEnvelope(s.seed, s.info, ct); !errors.Is(err, ErrOpen) {
			t.Errorf("key of %d bytes: %v", n, err)
		}
	}
}

func TestSealEnvelopeRefusesEmptyBundle(t *testing.T) {
	if ct, err := SealEnvelope(Bundle{}, Hash{}, Hash{}, PeerID{}, Secret{}); !errors.Is(err, ErrKEM) || ct != nil {
		t.Errorf("%d bytes, %v", len(ct), err)
	}
}

// TestContextsDiffer changes each input of each derived name in turn.
func TestContextsDiffer(t *testing.T) {
	g, g2, p, p2, kc := testHash(1), testHash(2), testIdentity(1).PeerID(), testIdentity(2).PeerID(), testHash(3)
	base := EnvelopeContext(g, p, 1, 2, kc)
	for i, other := range []Hash{
		EnvelopeContext(g2, p, 1, 2, kc), EnvelopeContext(g, p2, 1, 2, kc), EnvelopeContext(g, p, 2, 2, kc),
		EnvelopeContext(g, p, 1, 3, kc), EnvelopeContext(g, p, 2, 1, kc), EnvelopeContext(g, p, 1, 2, g),
	} {
		if other == base {
			t.Errorf("context: input %d does not count", i)
		}
	}
	tag := EnvelopeTag(base, p, g)
	if tag == EnvelopeTag(g, p, g) || tag == EnvelopeTag(base, p2, g) || tag == EnvelopeTag(base, p, g2) {
		t.Error("tag: an input does not count")
	}
	c := Commitment(Secret{1}, g, g2)
	if c == Commitment(Secret{2}, g, g2) || c == Commitment(Secret{1}, g2, g2) || c == Commitment(Secret{1}, g, g) || c == Commitment(Secret{1}, g2, g) {
		t.Error("commitment: an input does not count")
	}
	if SenderKey(Secret{1}, p) == SenderKey(Secret{1}, p2) || SenderKey(Secret{1}, p) == SenderKey(Secret{2}, p) {
		t.Error("sender key: an input does not count")
	}
}

// TestHPKEVectors runs the vectors for our suite out of those that the Go tree
// carries (crypto/hpke/testdata; its licence lies beside them) through the
// standard library, and checks the sizes we build on.
func TestHPKEVectors(t *testing.T) {
	type hexes = string
	var vectors []struct {
		KEM         uint16 `json:"kem_id"`
		KDF         uint16 `json:"kdf_id"`
		AEAD        uint16 `json:"aead_id"`
		Info        hexes  `json:"info"`
		Seed        hexes  `json:"skRm"`
		Public      hexes  `json:"pkRm"`
		Enc         hexes  `json:"enc"`
		Encryptions []struct{ AAD, Nonce, PT, CT hexes }
	}
	raw, err := os.ReadFile("testdata/hpke-pq.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &vectors); err != nil || len(vectors) == 0 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	suite := hpke.MLKEM768X25519()
	for _, v := range vectors {
		if v.KEM != suite.ID() || v.KDF != hpke.HKDFSHA256().ID() || v.AEAD != hpke.ChaCha20Poly1305().ID() {
			t.Fatalf("suite %x %x %x is not ours", v.KEM, v.KDF, v.AEAD)
		}
		sk, err := suite.NewPrivateKey(unhex(t, v.Seed))
		if err != nil || hex.EncodeToString(sk.PublicKey().Bytes()) != v.Public || len(v.Public) != 2*bundleKeySize {
			t.Fatalf("key pair: %v", err)
		}
		if err := checkKEM(KEMHybrid, unhex(t, v.Public)); err != nil {
			t.Errorf("public key: %v", err)
		}
		if len(v.Enc) != 2*(mlkem.CiphertextSize768+32) {
			t.Errorf("encapsulation of %d bytes", len(v.Enc)/2)
		}
		r, err := hpke.NewRecipient(unhex(t, v.Enc), sk, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), unhex(t, v.Info))
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range v.Encryptions {
			if pt, err := r.Open(unhex(t, e.AAD), unhex(t, e.CT)); err != nil || hex.EncodeToString(pt) != e.PT {
				t.Errorf("encryption %d: %x, %v", i, pt, err)
			}
		}
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
