package keys

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"testing/cryptotest"
)

var update = flag.Bool("update", false, "write testdata/vectors.json afresh")

// vector freezes one construction: the inputs, the rule and what comes out.
// Bytes are in hex; numbers, texts and peer IDs as they are. In a rule, what
// stands in single quotes is text, and H is SHA-256.
type vector struct {
	Name string            `json:"name"`
	Rule string            `json:"rule"`
	In   map[string]string `json:"in"`
	Out  map[string]string `json:"out"`
}

type fields = map[string]string

func hx(b []byte) string { return hex.EncodeToString(b) }

// makeVectors computes every vector but the envelope, which takes randomness
// of its own and is given.
func makeVectors(t *testing.T, envelope []byte) []vector {
	a, b := testIdentity(1), testIdentity(2)
	bundle, seed := testBundle(t, b)
	return []vector{
		peerVector(a),
		safetyVector(a.PeerID(), b.PeerID()),
		groupSafetyVector(a.PeerID(), b.PeerID()),
		deriveVector(),
		recordVector(a),
		bundleVector(b, bundle, seed),
		commitmentVector(),
		contextVector(a.PeerID(), bundle),
		envelopeVector(a.PeerID(), bundle, seed, envelope),
		messageVector(a.PeerID()),
		salamanderVector(),
	}
}

func peerVector(id *Identity) vector {
	seed, p := id.Seed(), id.PeerID()
	return vector{"peer", "Ed25519 key of the seed; peer ID = base58btc(002408011220 || key); fingerprint = H('conclave/1 fingerprint' || key)[:16]",
		fields{"seed": hx(seed[:])},
		fields{"key": hx(p[:]), "peer_id": p.String(), "short": p.Short(), "fingerprint": p.Fingerprint()}}
}

func safetyVector(a, b PeerID) vector {
	return vector{"safety number", "5200 rounds of h = SHA-512(h || key) from 'conclave/1 safety' || 1 (8 bytes) || key || multihash; 6 times 5 bytes mod 100000; halves sorted",
		fields{"a": a.String(), "b": b.String()},
		fields{"number": SafetyNumber(a, b)}}
}

func groupSafetyVector(a, b PeerID) vector {
	gid := testHash(9)
	return vector{"group safety number", "5200 rounds of h = SHA-512(h || gid) from 'conclave/1 group safety' || 1 || gid || owner || count || members sorted (numbers 8 bytes, people as keys); 12 times 5 bytes mod 100000",
		fields{"gid": gid.String(), "owner": a.String(), "members": b.String() + " " + a.String()},
		fields{"number": GroupSafetyNumber(gid, []PeerID{b, a}, a)}}
}

func deriveVector() vector {
	s := Secret(testHash(5))
	out := Derive(s, "salt", 258)
	return vector{"derive", "HKDF-Expand(secret, 'conclave/1 derive ' || label || 00 || n (8 bytes))",
		fields{"secret": hx(s[:]), "label": "salt", "n": "258"}, fields{"bytes": hx(out[:])}}
}

func recordVector(id *Identity) vector {
	gid := testHash(9)
	body := Marshal([]any{gid, "hello"})
	r := id.Sign(LabelEntry, gid, body)
	return vector{"record", "sig = Ed25519('conclave/1 ' || label || 00 || gid || H(body)); wire = CBOR [body, sig]; hash = H(body)",
		fields{"author": id.PeerID().String(), "label": string(LabelEntry), "gid": gid.String(), "body": hx(body)},
		fields{"sig": hx(r.Sig), "wire": hx(r.Encode()), "hash": r.Hash().String()}}
}

func bundleVector(id *Identity, b Bundle, seed Secret) vector {
	return vector{"bundle", "body = CBOR [32 zero bytes, peer, 1, MLKEM768X25519 public key of the seed, seq], signed with label 'bundle' and a gid of 32 zero bytes",
		fields{"peer": id.PeerID().String(), "seed": hx(seed[:]), "seq": "7"},
		fields{"raw": hx(b.Raw()), "hash": b.Hash().String()}}
}

func commitmentVector() vector {
	key, salt, gid := Secret(testHash(5)), testHash(6), testHash(9)
	return vector{"commitment", "kc = HKDF-SHA256(room key, no salt, 'kc' || salt || gid), 32 bytes",
		fields{"room_key": hx(key[:]), "salt": salt.String(), "gid": gid.String()},
		fields{"kc": Commitment(key, salt, gid).String()}}
}

func contextVector(minter PeerID, b Bundle) vector {
	gid, kc := testHash(9), testHash(6)
	ectx := EnvelopeContext(gid, minter, 3, 258, kc)
	tag := EnvelopeTag(ectx, b.Peer, b.Hash())
	return vector{"envelope context", "ectx = H('ectx' || gid || minter || lane || seq || kc); tag = H(ectx || member || bundle hash)[:8]",
		fields{"gid": gid.String(), "minter": minter.String(), "lane": "3", "seq": "258", "kc": kc.String(), "member": b.Peer.String(), "bundle": b.Hash().String()},
		fields{"ectx": ectx.String(), "tag": hx(tag[:])}}
}

// envelopeInfo is what the envelope of the vectors is bound to.
func envelopeInfo(minter PeerID, b Bundle) EnvelopeInfo {
	return EnvelopeInfo{GID: testHash(9), Ectx: testHash(4), Minter: minter, Member: b.Peer, Bundle: b.Hash()}
}

func envelopeVector(minter PeerID, b Bundle, seed Secret, envelope []byte) vector {
	key, info := Secret(testHash(5)), envelopeInfo(minter, b)
	return vector{"envelope", "HPKE base, one-shot, MLKEM768X25519, HKDF-SHA256, ChaCha20-Poly1305; info = 'conclave/1 env' || gid || ectx || minter || member || bundle hash",
		fields{"seed": hx(seed[:]), "gid": info.GID.String(), "ectx": info.Ectx.String(), "minter": minter.String(), "member": b.Peer.String(),
			"bundle": b.Hash().String(), "room_key": hx(key[:])},
		fields{"info": hx(info.bytes()), "envelope": hx(envelope)}}
}

func messageVector(author PeerID) vector {
	room, salt, header := Secret(testHash(5)), testHash(6), testHash(7)
	key := SenderKey(room, author)
	k := newMessageKey(key, salt, header)
	commit, ct := SealMessage(key, salt, header, []byte("hello"))
	return vector{"message", "sender key = HKDF-SHA256(room key, no salt, 'sender' || author), 32 bytes; HKDF-SHA256(sender key, salt, 'msg' || header) = key 32, nonce 12, commitment 32; ChaCha20-Poly1305 of text || 80 || zeros",
		fields{"room_key": hx(room[:]), "author": author.String(), "salt": salt.String(), "header": header.String(), "text": "hello"},
		fields{"sender_key": hx(key[:]), "key": hx(k.key[:]), "nonce": hx(k.nonce[:]), "commit": commit.String(), "ct": hx(ct)}}
}

func salamanderVector() vector {
	s := findSalamander()
	return vector{"salamander", "ct opens in ChaCha20-Poly1305 under the message keys of both sender keys; a receiver accepts it under one of them at most, by the commitment",
		fields{"sender_key_0": hx(s.keys[0][:]), "sender_key_1": hx(s.keys[1][:]), "salt": s.salt.String(), "header": s.header.String()},
		fields{"commit_0": s.commit[0].String(), "commit_1": s.commit[1].String(), "ct": hx(s.ct)}}
}

const vectorFile = "testdata/vectors.json"

// TestVectors compares every construction with the committed bytes. With
// -update it writes them, the envelope under pinned randomness, and says how.
func TestVectors(t *testing.T) {
	if *update {
		writeVectors(t)
	}
	raw, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var want []vector
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	envelope := openVector(t, want)
	if got := encodeVectors(t, makeVectors(t, envelope)); !bytes.Equal(got, raw) {
		t.Errorf("a construction changed, or the file did:\n%s", firstDifference(got, raw))
	}
}

// openVector finds the committed envelope and opens it. It is not sealed again
// to compare, since the library may draw its randomness otherwise one day.
func openVector(t *testing.T, vs []vector) []byte {
	t.Helper()
	bundle, seed := testBundle(t, testIdentity(2))
	for _, v := range vs {
		if v.Name == "envelope" {
			ct := unhex(t, v.Out["envelope"])
			key, err := OpenEnvelope(seed, envelopeInfo(testIdentity(1).PeerID(), bundle), ct)
			if err != nil || key != Secret(testHash(5)) {
				t.Errorf("envelope: %v", err)
			}
			return ct
		}
	}
	t.Fatal("no envelope")
	return nil
}

func writeVectors(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	bundle, _ := testBundle(t, testIdentity(2))
	info := envelopeInfo(testIdentity(1).PeerID(), bundle)
	ct, err := SealEnvelope(bundle, info.GID, info.Ectx, info.Minter, Secret(testHash(5)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorFile, encodeVectors(t, makeVectors(t, ct)), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Log("wrote", vectorFile, "from identities with seeds 0101.. and 0202.., a bundle seed of 2a2a.., and an envelope under SetGlobalRandom(t, 1)")
}

func encodeVectors(t *testing.T, vs []vector) []byte {
	t.Helper()
	b, err := json.MarshalIndent(vs, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

func firstDifference(got, want []byte) string {
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "now  " + g[i] + "\nfile " + w[i]
		}
	}
	return "the lengths differ"
}
