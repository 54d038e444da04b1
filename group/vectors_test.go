package group

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"testing"
	"testing/cryptotest"

	"conclave/keys"
)

var updateVectors = flag.Bool("update", false, "write testdata/vectors anew")

const vectorFile = "testdata/vectors/records.json"

// vector is one record as it travels, frozen. A second implementation decodes
// it, checks its signature and finds the same hash.
type vector struct {
	Name    string `json:"name"` // kind, and type of entry
	GID     string `json:"gid"`  // of the group it is checked for
	Author  string `json:"author"`
	Payload string `json:"payload"`        // kind byte and record; a join request is the record alone
	Hash    string `json:"hash"`           // SHA-256 of the body
	Key     string `json:"key,omitempty"`  // room key, of a sealed message and a chunk
	Seed    string `json:"seed,omitempty"` // private half of the bundle that a chunk's envelope is for
	Text    string `json:"text,omitempty"` // of a message's only item
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }

// makeVectors writes one record of each kind and type, from fixed seeds.
func makeVectors(t *testing.T) []vector {
	cryptotest.SetGlobalRandom(t, 1)
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	var out []vector
	add := func(v Verified, gid Hash) *vector {
		name, author := string(v.Kind()), v.Author()
		if e := v.Entry(); e != nil {
			name += " " + e.Type.String()
		}
		out = append(out, vector{Name: name, GID: gid.String(), Author: hexOf(author[:]), Payload: hexOf(v.Payload), Hash: v.Hash.String()})
		return &out[len(out)-1]
	}
	link := keys.IdentityFromSeed(keys.Secret{77})
	inv := w.signEntry(alice, alice.next(TypeInvite, &InviteLink{Key: link.PeerID(), Uses: 3, Expires: w.now + 1000, PreApproved: true}, 1))
	add(alice.verifiedGenesis(), w.gid)
	epoch, key := alice.epochBody(ReasonRequest)
	epoch.N, epoch.Chunks = 1, 1
	cuts := []Cut{{Log: ControlLog, Seq: 4, Hash: Hash{5}}, {Log: MessageLog, Lane: 1_700_000_000, Seq: 9, Hash: Hash{6}}}
	fork := []Verified{w.signEntry(bob, bob.next(TypeProfile, &Profile{Name: "one"}, 0)), w.signEntry(bob, bob.next(TypeProfile, &Profile{Name: "two"}, 0))}
	for _, e := range []Entry{
		alice.next(TypeSet, &Set{Settings: Settings{Name: "Grüße", History: HistoryAll, MaxAge: 1, MaxMessages: 2, RotateBy: RotateByOwner}}, 1),
		alice.next(TypeAdd, &Peer{Peer: bob.me}, 1),
		alice.next(TypeDecline, &Peer{Peer: bob.me}, 1),
		*inv.Entry(),
		alice.next(TypeInviteRevoke, &InviteRevoke{Invite: inv.Hash}, 1),
		alice.next(TypeJoin, w.joinBody(inv.Hash, link, bob.me), 0),
		alice.next(TypeLeave, &Leave{JID: w.gid, Abandon: true, Cuts: cuts}, 0),
		alice.next(TypeKick, &Removal{Peer: bob.me, JIDs: hashes(2), Cuts: cuts}, 1),
		alice.next(TypeBan, &Removal{Peer: bob.me}, 1),
		alice.next(TypeUnban, &Peer{Peer: bob.me}, 1),
		alice.next(TypeEpoch, epoch, 1),
		alice.next(TypeGrant, &Grant{Peer: bob.me, Caps: CapApprove | CapRotate}, 1),
		alice.next(TypeRevoke, &Revoke{Grant: Hash{9}, Cuts: cuts}, 1),
		alice.next(TypeTransfer, &Transfer{To: bob.me, Accept: Hash{8}}, 1),
		alice.next(TypeAccept, &Accept{Term: 1}, 0),
		alice.next(TypeProfile, &Profile{Name: "alice"}, 0),
		alice.next(TypeEquiv, &Equiv{A: fork[0].Payload, B: fork[1].Payload}, 0),
	} {
		add(w.signEntry(alice, e), w.gid)
	}
	w.say(bob, "a line to cite")
	text := w.item("hello, world")
	plain := w.signMsg(alice, alice.nextMsg(nil, text))
	*add(plain, w.gid) = vectorWith(out[len(out)-1], "M plain", "", "", text.Text)
	sealed := w.signMsg(alice, alice.nextMsg(alice.current(), text))
	room := alice.held[alice.current().eh]
	*add(sealed, w.gid) = vectorWith(out[len(out)-1], "M sealed", hexOf(room[:]), "", text.Text)
	add(bundleRecord(bob.bundle), w.gid)
	ectx := keys.EnvelopeContext(w.gid, alice.me, 0, 9, epoch.KC)
	ct, err := keys.SealEnvelope(bob.bundle, w.gid, ectx, alice.me, key)
	if err != nil {
		t.Fatal(err)
	}
	chunk := Chunk{GID: w.gid, Minter: alice.me, Seq: 9, KC: epoch.KC, Envelopes: []Envelope{{Tag: keys.EnvelopeTag(ectx, bob.me, bob.bundle.Hash()), Data: ct}}}
	c := w.decode(payloadOf(KindChunk, alice.id.Sign(keys.LabelChunk, w.gid, keys.Marshal(&chunk))))
	*add(c, w.gid) = vectorWith(out[len(out)-1], "C", hexOf(key[:]), hexOf(bob.seed[:]), "")
	add(w.decode(payloadOf(KindReport, alice.id.Sign(keys.LabelReport, w.gid, keys.Marshal(&Report{GID: w.gid, Author: alice.me, Seq: 3, Epochs: hashes(2)})))), w.gid)
	add(w.decode(SignSummary(alice.id, w.gid, 4, Hash{5})), w.gid)
	req := SignJoinRequest(bob.id, JoinRequest{Approver: alice.me, Group: w.gid[:], Name: "team", Nonce: Hash{4}, Bundle: bob.bundle.Raw(), Note: "it's me, bob", Called: "Bob"})
	rec := mustRecord(t, req)
	out = append(out, vector{Name: "join request", GID: Hash{}.String(), Author: hexOf(bob.me[:]), Payload: hexOf(req), Hash: rec.Hash().String()})
	return out
}

func vectorWith(v vector, name, key, seed, text string) vector {
	v.Name, v.Key, v.Seed, v.Text = name, key, seed, text
	return v
}

func (p *peer) verifiedGenesis() Verified {
	e := p.genesis()
	return Verified{Payload: e.payload, Hash: e.eh, v: e.Entry}
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	b, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var out []vector
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// The bytes of every kind and type of record are frozen.
func TestVectorsAreWhatWeWrite(t *testing.T) {
	made := makeVectors(t)
	if *updateVectors {
		b, err := json.MarshalIndent(made, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorFile, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	frozen := readVectors(t)
	if len(frozen) != len(made) {
		t.Fatalf("%d vectors made, %d frozen", len(made), len(frozen))
	}
	for i, v := range frozen {
		if v != made[i] {
			t.Errorf("%s is written otherwise now: the wire format changed", v.Name)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every frozen record is read and verified, and holds what it is said to hold.
func TestVectorsAreReadAndVerified(t *testing.T) {
	kinds := map[string]bool{}
	for _, v := range readVectors(t) {
		kinds[v.Name] = true
		gid, payload := Hash(unhex(t, v.GID)), unhex(t, v.Payload)
		author := PeerID(unhex(t, v.Author))
		if v.Name == "join request" {
			approver := JoinRequest{}
			if err := keys.Unmarshal(mustRecord(t, payload).Body, &approver); err != nil {
				t.Fatal(err)
			}
			if _, err := ParseJoinRequest(payload, author, approver.Approver); err != nil {
				t.Errorf("join request: %v", err)
			}
			continue
		}
		rec, err := Decode(gid, payload)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if rec.Hash.String() != v.Hash || rec.Author() != author {
			t.Errorf("%s: hash %s by %s", v.Name, rec.Hash, rec.Author())
		}
		payload[len(payload)-1] ^= 1
		if _, err := Decode(gid, payload); err == nil {
			t.Errorf("%s verifies with a bit flipped", v.Name)
		}
		v.open(t, gid, rec)
	}
	for typ := TypeGenesis; typ <= TypeEquiv; typ++ {
		if !kinds["E "+typ.String()] {
			t.Errorf("no vector of %s", typ)
		}
	}
	for _, k := range []string{"M plain", "M sealed", "B", "C", "R", "join request"} {
		if !kinds[k] {
			t.Errorf("no vector of %s", k)
		}
	}
}

// open checks what is sealed in a vector.
func (v vector) open(t *testing.T, gid Hash, rec Verified) {
	t.Helper()
	if x := rec.Msg(); x != nil {
		var key keys.Secret
		copy(key[:], unhex(t, v.Key))
		items, err := x.Items(key)
		if err != nil || len(items) != 1 || items[0].Text != v.Text {
			t.Errorf("%s holds %+v, %v", v.Name, items, err)
		}
	}
	if c := rec.Chunk(); c != nil {
		at := slices.IndexFunc(readVectors(t), func(o vector) bool { return o.Name == "B" })
		b, err := Decode(gid, unhex(t, readVectors(t)[at].Payload))
		if err != nil {
			t.Fatal(err)
		}
		ectx := keys.EnvelopeContext(gid, c.Minter, c.Lane, c.Seq, c.KC)
		info := keys.EnvelopeInfo{GID: gid, Ectx: ectx, Minter: c.Minter, Member: b.Author(), Bundle: b.Hash}
		if c.Envelopes[0].Tag != keys.EnvelopeTag(ectx, info.Member, info.Bundle) {
			t.Error("the envelope's tag is not the member's")
		}
		key, err := keys.OpenEnvelope(keys.Secret(unhex(t, v.Seed)), info, c.Envelopes[0].Data)
		if err != nil || hexOf(key[:]) != v.Key {
			t.Errorf("the envelope holds another key: %v", err)
		}
	}
}
