package keys

import "testing"

func TestEnvelopeRoundTrip(t *testing.T) {
	alice, bob := testIdentity(1), testIdentity(2)
	b, seed, err := GenerateBundle(bob, 7)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ParseBundle(b.Raw())
	if err != nil || parsed.Hash() != b.Hash() || parsed.Seq != 7 || parsed.Peer != bob.PeerID() {
		t.Fatalf("parse: %+v, %v", parsed, err)
	}
	ct, err := SealEnvelope(parsed, testHash(3), testHash(4), alice.PeerID(), Secret{5})
	if err != nil || len(ct) != EnvelopeSize {
		t.Fatalf("seal: %d bytes, %v", len(ct), err)
	}
	info := EnvelopeInfo{GID: testHash(3), Ectx: testHash(4), Minter: alice.PeerID(), Member: bob.PeerID(), Bundle: b.Hash()}
	if got, err := OpenEnvelope(seed, info, ct); err != nil || !got.Equal(Secret{5}) {
		t.Fatalf("open: %v", err)
	}
}
