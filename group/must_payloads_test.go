package group

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"conclave/keys"
)

// refused checks that Decode answers with the error.
func (w *world) refused(what string, payload []byte, want error) {
	w.t.Helper()
	if _, err := Decode(w.gid, payload); !errors.Is(err, want) {
		w.t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func TestMUST_01_PayloadSize(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice")
	alice := w.all[0]
	fill := func(n int) []byte {
		return w.rawMsg(alice, alice.nextMsg(nil, w.item(strings.Repeat("x", MaxItemText)), w.item(strings.Repeat("x", n))))
	}
	over := len(fill(MaxItemText)) - MaxPayload
	if over >= 0 {
		t.Fatal("two items do not reach the limit from below")
	}
	big := alice.nextMsg(nil, w.item(strings.Repeat("x", MaxItemText)), w.item(strings.Repeat("x", MaxItemText)), w.item(strings.Repeat("x", 1-over)))
	if got := len(w.rawMsg(alice, big)); got <= MaxPayload {
		t.Fatalf("%d bytes are not too many", got)
	}
	w.refused("too large", w.rawMsg(alice, big), ErrSize)
	w.decode(fill(MaxItemText))
}

// stretched returns b with the one-byte integer at i written in two bytes.
func stretched(b []byte, i int) []byte {
	return slices.Concat(b[:i], []byte{0x18}, b[i:])
}

func TestMUST_02_CanonicalForm(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice")
	alice := w.all[0]
	sign := func(body []byte) []byte { return payloadOf(KindEntry, alice.id.Sign(keys.LabelEntry, w.gid, body)) }
	e := alice.next(TypeProfile, &Profile{Name: "al"}, 0)
	body := keys.Marshal(&e)
	w.decode(sign(body))

	rec := sign(body)
	if rec[2] != 0x58 && rec[2] != 0x59 {
		t.Fatalf("the body's length begins with %x", rec[2])
	}
	long := slices.Concat(rec[:2], []byte{0x5a, 0, 0}, rec[3:])
	if rec[2] == 0x58 {
		long = slices.Concat(rec[:2], []byte{0x59, 0}, rec[3:])
	}
	w.refused("record with a long length", long, ErrEncoding)
	w.refused("record with a byte more", append(slices.Clone(rec), 0), ErrEncoding)
	w.refused("body with a long integer", sign(stretched(body, 35)), ErrEncoding)
	w.refused("body with a byte more", sign(append(slices.Clone(body), 0)), ErrEncoding)

	inner := e
	inner.Body = append([]byte{0x98, 0x01}, e.Body[1:]...) // the array's length in two bytes
	w.refused("inner body with a long length", w.rawEntry(alice, inner), ErrEncoding)
	inner.Body = []byte{0x81, 0x58, 0x02, 'a', 'l'} // a byte string for a text
	w.refused("inner body of another type", w.rawEntry(alice, inner), ErrEncoding)

	items := append([]byte{0x98, 0x01}, keys.Marshal([]Item{w.item("x")})[1:]...)
	x := alice.nextMsg(nil, w.item("x"))
	x.Data = items
	w.refused("items with a long length", w.rawMsg(alice, x), ErrEncoding)
}

func TestMUST_03_OtherGroup(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice")
	alice := w.all[0]
	other := Hash{1, 2, 3}
	e := alice.next(TypeProfile, &Profile{Name: "al"}, 0)
	e.GID = other
	w.refused("entry", payloadOf(KindEntry, alice.id.Sign(keys.LabelEntry, w.gid, keys.Marshal(&e))), ErrGroup)
	x := alice.nextMsg(nil, w.item("x"))
	x.GID = other
	w.refused("message", payloadOf(KindMessage, alice.id.Sign(keys.LabelMessage, w.gid, keys.Marshal(&x))), ErrGroup)
	r := Report{GID: other, Author: alice.me}
	w.refused("report", payloadOf(KindReport, alice.id.Sign(keys.LabelReport, w.gid, keys.Marshal(&r))), ErrGroup)
	c := someChunk(alice)
	c.GID = other
	w.refused("chunk", payloadOf(KindChunk, alice.id.Sign(keys.LabelChunk, w.gid, keys.Marshal(&c))), ErrGroup)
	_, genesis, err := CreateID(alice.id, settingsFor("twin"), false, w.now, w.entropy())
	if err != nil {
		t.Fatal(err)
	}
	w.refused("GENESIS", genesis.Payload, ErrGroup)
}

// someChunk is a chunk with one envelope that nobody can open.
func someChunk(p *peer) Chunk {
	return Chunk{GID: p.w.gid, Minter: p.me, Envelopes: []Envelope{{Data: make([]byte, keys.EnvelopeSize)}}}
}

func TestMUST_04_Signature(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	e := alice.next(TypeProfile, &Profile{Name: "al"}, 0)
	x := alice.nextMsg(nil, w.item("x"))
	r := Report{GID: w.gid, Author: alice.me}
	c := someChunk(alice)
	for _, k := range []struct {
		kind  Kind
		label keys.Label
		body  []byte
	}{
		{KindEntry, keys.LabelEntry, keys.Marshal(&e)},
		{KindMessage, keys.LabelMessage, keys.Marshal(&x)},
		{KindReport, keys.LabelReport, keys.Marshal(&r)},
		{KindSummary, keys.LabelSummary, keys.Marshal(&Summary{GID: w.gid, Author: alice.me, Seq: 1})},
		{KindChunk, keys.LabelChunk, keys.Marshal(&c)},
	} {
		good := alice.id.Sign(k.label, w.gid, k.body)
		w.decode(payloadOf(k.kind, good))
		for name, rec := range map[string]keys.Record{
			"signed by another":        bob.id.Sign(k.label, w.gid, k.body),
			"signed for another kind":  alice.id.Sign(keys.LabelProof, w.gid, k.body),
			"signed for another group": alice.id.Sign(k.label, Hash{1}, k.body),
			"with a flipped bit":       {Body: k.body, Sig: append([]byte{good.Sig[0] ^ 1}, good.Sig[1:]...)},
		} {
			w.refused(fmt.Sprintf("%c %s", k.kind, name), payloadOf(k.kind, rec), keys.ErrSignature)
		}
	}
}

func TestMUST_05_Points(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice")
	alice := w.all[0]
	identity := PeerID{1} // of order 1: everything "verifies" under it
	sig := make([]byte, 64)
	sig[0] = 1
	x := alice.nextMsg(nil, w.item("x"))
	x.Author = identity
	w.refused("author of small order", payloadOf(KindMessage, keys.Record{Body: keys.Marshal(&x), Sig: sig}), ErrBody)
	e := alice.next(TypeProfile, &Profile{Name: "al"}, 0)
	e.Author = identity
	w.refused("author of small order", payloadOf(KindEntry, keys.Record{Body: keys.Marshal(&e), Sig: sig}), ErrBody)
	notReduced := PeerID(bytes.Repeat([]byte{0xff}, 32))
	for _, p := range []PeerID{identity, {}, notReduced} {
		for _, e := range []Entry{
			alice.next(TypeAdd, &Peer{Peer: p}, 1),
			alice.next(TypeKick, &Removal{Peer: p}, 1),
			alice.next(TypeGrant, &Grant{Peer: p, Caps: CapKick}, 1),
			alice.next(TypeTransfer, &Transfer{To: p}, 1),
			alice.next(TypeJoin, &Join{Joiner: p, Proof: make([]byte, 64)}, 0),
		} {
			w.refused(e.Type.String()+" of no point", w.rawEntry(alice, e), ErrBody)
		}
	}
}

func TestMUST_06_Unknown(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice")
	alice := w.all[0]
	e := alice.next(TypeProfile, &Profile{Name: "al"}, 0)
	rec := alice.id.Sign(keys.LabelEntry, w.gid, keys.Marshal(&e))
	w.refused("kind Z", payloadOf('Z', rec), ErrUnknown)
	for _, n := range []Type{0, 19, 20, 21, 22, 23, 24, math.MaxUint64} {
		e.Type = n
		w.refused(fmt.Sprint("type ", uint64(n)), w.rawEntry(alice, e), ErrUnknown)
	}
	if _, err := Decode(w.gid, []byte("E garbage")); errors.Is(err, ErrUnknown) || !errors.Is(err, ErrEncoding) {
		t.Errorf("garbage: %v", err)
	}
}

// hashes returns n hashes in ascending order.
func hashes(n int) []Hash {
	out := make([]Hash, n)
	for i := range out {
		out[i] = Hash{byte(i >> 8), byte(i), 1}
	}
	return out
}

// badVectors returns versions of v that no vector may have: out of order, with a
// repetition, and too long.
func badVectors[T any](v []T, most int) map[string][]T {
	return map[string][]T{
		"out of order": {v[1], v[0]},
		"repeated":     {v[0], v[0]},
		"too long":     v[:most+1],
	}
}

func TestMUST_07_Vectors(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice")
	alice := w.all[0]
	var heads []Head
	var cuts []Cut
	var envs []Envelope
	for i, h := range hashes(MaxAcks + 1) {
		heads = append(heads, Head{Author: alice.me, Seq: uint64(i + 1), Hash: short(h)})
		cuts = append(cuts, Cut{Seq: uint64(i + 1), Hash: h})
		envs = append(envs, Envelope{Tag: [8]byte(h[:8]), Data: make([]byte, keys.EnvelopeSize)})
	}
	entry := func(what string, t Type, body any) {
		w.t.Helper()
		w.refused(what, w.rawEntry(alice, alice.next(t, body, 1)), ErrBody)
	}
	message := func(what string, change func(x *Msg)) {
		w.t.Helper()
		x := alice.nextMsg(nil, w.item("x"))
		change(&x)
		w.refused(what, w.rawMsg(alice, x), ErrBody)
	}
	for how, v := range badVectors(heads, MaxSeen) {
		e := alice.next(TypeProfile, &Profile{Name: "al"}, 0)
		e.Seen = v
		w.refused("seen "+how, w.rawEntry(alice, e), ErrBody)
		message("ctrl.seen "+how, func(x *Msg) { x.Ctrl = &Ctrl{Seen: v} })
	}
	for how, v := range badVectors(heads, MaxDeps) {
		message("deps "+how, func(x *Msg) { x.Deps = v })
	}
	for how, v := range badVectors(cuts, MaxCuts) {
		entry("cuts of LEAVE "+how, TypeLeave, &Leave{Cuts: v})
		entry("cuts of KICK "+how, TypeKick, &Removal{Peer: alice.me, Cuts: v})
		entry("cuts of REVOKE "+how, TypeRevoke, &Revoke{Cuts: v})
	}
	epoch, _ := alice.epochBody(ReasonRequest)
	for how, v := range badVectors(hashes(MaxAcks+1), MaxAcks) {
		b := *epoch
		b.Acks = v
		entry("acks "+how, TypeEpoch, &b)
		message("ctrl.acks "+how, func(x *Msg) { x.Ctrl = &Ctrl{Acks: v} })
	}
	for how, v := range badVectors(hashes(MaxParents+1), MaxParents) {
		b := *epoch
		b.Parents = v
		entry("parents "+how, TypeEpoch, &b)
	}
	for how, v := range badVectors(hashes(MaxCuts+1), MaxCuts) {
		entry("jids "+how, TypeBan, &Removal{Peer: alice.me, JIDs: v})
	}
	for how, v := range badVectors(envs, 2) {
		if how != "too long" { // the payload's size is the limit
			c := someChunk(alice)
			c.Envelopes = v
			w.refused("envelopes "+how, payloadOf(KindChunk, alice.id.Sign(keys.LabelChunk, w.gid, keys.Marshal(&c))), ErrBody)
		}
	}
	r := Report{GID: w.gid, Author: alice.me, Epochs: hashes(MaxSeen + 1)}
	w.refused("epochs too long", payloadOf(KindReport, alice.id.Sign(keys.LabelReport, w.gid, keys.Marshal(&r))), ErrBody)
}

func TestMUST_08_Names(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice")
	alice := w.all[0]
	good := []string{"a", "team", "Grüße an alle", "日本", "a-b", strings.Repeat("n", MaxNameBytes)}
	bad := []string{
		"", "-a", " a", "a ", "a/b", "a\x00b", "a\nb", "\x1b[31mred", "a\u0085b", "a\u202eb", "a\u200bb", "a\u2066b",
		"\ufeffa", "a\u061cb", strings.Repeat("n", MaxNameBytes+1),
	}
	for _, name := range good {
		w.decode(w.rawEntry(alice, alice.next(TypeProfile, &Profile{Name: name}, 0)))
	}
	for _, name := range bad {
		w.refused(fmt.Sprintf("profile %q", name), w.rawEntry(alice, alice.next(TypeProfile, &Profile{Name: name}, 0)), ErrBody)
		w.refused(fmt.Sprintf("group %q", name), w.rawEntry(alice, alice.next(TypeSet, &Set{Settings: settingsFor(name)}, 1)), ErrBody)
		if _, _, err := CreateID(alice.id, settingsFor(name), false, 0, keys.Secret{}); !errors.Is(err, ErrBody) {
			t.Errorf("a group %q: %v", name, err)
		}
	}
}

// bundleOf makes a bundle of p with this number.
func (w *world) bundleOf(p *peer, seq uint64) (keys.Bundle, Verified) {
	w.t.Helper()
	b, _, err := keys.GenerateBundle(p.id, seq)
	if err != nil {
		w.t.Fatal(err)
	}
	return b, w.decode(append([]byte{byte(KindBundle)}, b.Raw()...))
}

func TestMUST_09_NewestBundle(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	newest, v3 := w.bundleOf(bob, w.now+3)
	_, v1 := w.bundleOf(bob, w.now+1)
	_, v2 := w.bundleOf(bob, w.now+2)
	for _, v := range []Verified{v1, v3, v2, v1} {
		w.give(v, alice)
	}
	if b, _ := alice.Bundle(bob.me); b.Hash() != newest.Hash() {
		t.Errorf("bundle %d counts, want %d", b.Seq, newest.Seq)
	}
	w.restart(alice)
	if b, _ := alice.Bundle(bob.me); b.Hash() != newest.Hash() {
		t.Errorf("bundle %d counts after a restart", b.Seq)
	}
}

func TestMUST_10_BundleKeys(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice")
	alice := w.all[0]
	type body struct {
		_    struct{} `cbor:",toarray"`
		GID  Hash
		Peer PeerID
		KEM  uint64
		Key  []byte
		Seq  uint64
	}
	good := body{Peer: alice.me, KEM: 1, Key: alice.bundle.Key, Seq: 1}
	smallOrder := slices.Concat(good.Key[:1184], make([]byte, 32))
	notReduced := slices.Concat(bytes.Repeat([]byte{0xff}, 1184), good.Key[1184:])
	for name, b := range map[string]body{
		"kem 2":                  {Peer: alice.me, KEM: 2, Key: good.Key},
		"kem 0":                  {Peer: alice.me, Key: good.Key},
		"no key":                 {Peer: alice.me, KEM: 1},
		"a short key":            {Peer: alice.me, KEM: 1, Key: good.Key[:1215]},
		"a point of small order": {Peer: alice.me, KEM: 1, Key: smallOrder},
		"coefficients too large": {Peer: alice.me, KEM: 1, Key: notReduced},
	} {
		w.refused(name, payloadOf(KindBundle, alice.id.Sign(keys.LabelBundle, Hash{}, keys.Marshal(&b))), keys.ErrKEM)
	}
	w.decode(payloadOf(KindBundle, alice.id.Sign(keys.LabelBundle, Hash{}, keys.Marshal(&good))))
}
