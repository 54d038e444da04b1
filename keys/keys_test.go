package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// testIdentity returns the identity whose seed is 32 times b.
func testIdentity(b byte) *Identity {
	return IdentityFromSeed(Secret(bytes.Repeat([]byte{b}, 32)))
}

// testHash returns the hash that is 32 times b.
func testHash(b byte) Hash { return Hash(bytes.Repeat([]byte{b}, 32)) }

func TestHashText(t *testing.T) {
	h := Sum([]byte("abc"))
	const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if h.String() != want || h.Short() != want[:8] {
		t.Fatalf("got %v, %v", h, h.Short())
	}
	if back, err := ParseHash(want); err != nil || back != h {
		t.Fatalf("parse: %v, %v", back, err)
	}
	for _, bad := range []string{"", want[1:], want[2:], want + "0", want + "00", strings.ToUpper(want), "g" + want[1:], " " + want[1:]} {
		if got, err := ParseHash(bad); !errors.Is(err, ErrHash) || !got.IsZero() {
			t.Errorf("ParseHash(%q) = %v, %v", bad, got, err)
		}
	}
	if h.IsZero() || !(Hash{}).IsZero() {
		t.Error("IsZero is wrong")
	}
	if h.Compare(h) != 0 || h.Compare(Hash{}) != 1 || (Hash{}).Compare(h) != -1 {
		t.Error("Compare is wrong")
	}
}

func TestItemIDText(t *testing.T) {
	id := ItemID{0xde, 0xad, 15: 0xef}
	const want = "dead00000000000000000000000000ef"
	if id.String() != want {
		t.Fatalf("got %v", id)
	}
	if back, err := ParseItemID(want); err != nil || back != id {
		t.Fatalf("parse: %v, %v", back, err)
	}
	for _, bad := range []string{"", want[1:], want[2:], want + "0", want + "00", strings.ToUpper(want), "x" + want[1:]} {
		if got, err := ParseItemID(bad); !errors.Is(err, ErrItemID) || !got.IsZero() {
			t.Errorf("ParseItemID(%q) = %v, %v", bad, got, err)
		}
	}
	if id.Compare(id) != 0 || id.Compare(ItemID{}) != 1 {
		t.Error("Compare is wrong")
	}
}

// TestIDsInJSON wants IDs as text, in values and in keys, and bad ones refused.
func TestIDsInJSON(t *testing.T) {
	type ids struct {
		Hash Hash
		Item ItemID
		Peer PeerID
		By   map[PeerID]Hash
	}
	p := testIdentity(1).PeerID()
	want := ids{testHash(1), ItemID{2}, p, map[PeerID]Hash{p: testHash(3)}}
	b, err := json.Marshal(want)
	if err != nil || !bytes.Contains(b, []byte(`"By":{"`+p.String()+`":"0303`)) {
		t.Fatalf("%s, %v", b, err)
	}
	var got ids
	if err := json.Unmarshal(b, &got); err != nil || got.Hash != want.Hash || got.Item != want.Item || got.Peer != p || got.By[p] != testHash(3) {
		t.Errorf("got %+v, %v", got, err)
	}
	for bad, want := range map[string]error{`{"Hash":"00"}`: ErrHash, `{"Item":"00"}`: ErrItemID, `{"Peer":"Qm"}`: ErrPeerID} {
		if err := json.Unmarshal([]byte(bad), &got); !errors.Is(err, want) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
