package keys

import (
	"crypto/ed25519"
	"testing"
)

// TestIdentityIsEd25519 takes the first test vector of RFC 8032, section 7.1.
func TestIdentityIsEd25519(t *testing.T) {
	seed := Secret(unhex(t, "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
	id := IdentityFromSeed(seed)
	p := id.PeerID()
	if hx(p[:]) != "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a" {
		t.Errorf("public key %x", p[:])
	}
	if !id.Seed().Equal(seed) {
		t.Error("the seed does not come back")
	}
	key := id.Ed25519()
	if pub := key.Public().(ed25519.PublicKey); PeerID(pub) != p {
		t.Errorf("transport's key %x", pub)
	}
	clear(key)
	if !id.Seed().Equal(seed) || id.PeerID() != p {
		t.Error("the transport's key shares memory with the identity")
	}
}

func TestGenerateIdentity(t *testing.T) {
	a, err := GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	b, err := GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	if a.PeerID() == b.PeerID() || a.PeerID().Check() != nil {
		t.Errorf("got %v and %v", a.PeerID(), b.PeerID())
	}
	rec := a.Sign(LabelProof, Hash{}, []byte("body"))
	if rec.Verify(LabelProof, Hash{}, a.PeerID()) != nil || rec.Verify(LabelProof, Hash{}, b.PeerID()) == nil {
		t.Error("a fresh identity's signature is not its own")
	}
}
