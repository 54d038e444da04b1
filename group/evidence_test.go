package group

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"testing"

	"conclave/keys"
)

// forks makes one pair of each kind, of two people.
func forks(t testing.TB) (w *world, all []Fork) {
	t.Helper()
	w = newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob := w.all[0], w.all[1]
	epoch, _ := alice.epochBody(ReasonRequest)
	minted := w.signEntry(alice, alice.next(TypeEpoch, epoch, 1))
	for _, pair := range [][2]Verified{
		{w.signEntry(alice, alice.next(TypeAdd, &Peer{Peer: bob.me}, 1)), w.signEntry(alice, alice.next(TypeSet, &Set{Settings: settingsFor("other")}, 1))},
		{w.signMsg(bob, bob.nextMsg(bob.current(), w.item("one"))), w.signMsg(bob, bob.nextMsg(nil, w.item("two")))},
		{minted, w.signChunk(alice, minted, w.otherKey(minted))},
		{w.signChunk(alice, minted, epoch.KC), w.signChunk(alice, minted, w.otherKey(minted))},
	} {
		f, err := VerifyFork(w.gid, [][]byte{pair[0].Payload}, [][]byte{pair[1].Payload})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return w, all
}

// otherKey is a commitment to another key than that of an EPOCH.
func (w *world) otherKey(epoch Verified) Hash {
	return keys.Commitment(w.entropy(), epoch.Entry().body.(*Epoch).Salt, w.gid)
}

// signChunk signs envelopes for an EPOCH of p, under the commitment kc.
func (w *world) signChunk(p *peer, epoch Verified, kc Hash) Verified {
	w.t.Helper()
	e := epoch.Entry()
	c := Chunk{GID: w.gid, Minter: p.me, Lane: e.Lane, Seq: e.Seq, KC: kc, Envelopes: []Envelope{{Data: make([]byte, keys.EnvelopeSize)}}}
	return w.decode(payloadOf(KindChunk, p.id.Sign(keys.LabelChunk, w.gid, keys.Marshal(&c))))
}

func encoded(t testing.TB, w *world, all ...Fork) []byte {
	t.Helper()
	text, err := EncodeEvidence(w.gid, all)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestEvidenceIsTheSameEverywhere(t *testing.T) {
	w, all := forks(t)
	text := encoded(t, w, all...)
	swapped := slices.Clone(all)
	slices.Reverse(swapped)
	for i := range swapped {
		swapped[i].A, swapped[i].B = swapped[i].B, swapped[i].A
	}
	if again := encoded(t, w, append(swapped, all[0])...); !bytes.Equal(again, text) {
		t.Error("the same forks in another order give another file")
	}
	gid, got, err := ParseEvidence(text)
	if err != nil || gid != w.gid || len(got) != len(all) {
		t.Fatalf("%d of %d pairs of %s: %v", len(got), len(all), gid.Short(), err)
	}
	if _, _, err := ParseEvidence(bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))); err != nil {
		t.Errorf("line ends of two characters: %v", err)
	}
	alice, bob := w.all[0].me, w.all[1].me
	var says []string
	for _, f := range got {
		who := map[PeerID]string{alice: "alice", bob: "bob"}[f.Author]
		says = append(says, fmt.Sprintf("%s %c %d.%d", who, f.Kind, f.Lane, f.Seq))
		if f.A.Hash.Compare(f.B.Hash) >= 0 {
			t.Error("the records stand out of order")
		}
	}
	for _, want := range []string{"alice E 0.", "bob M 0.1", "alice C 0."} {
		if !slices.ContainsFunc(says, func(s string) bool { return len(s) >= len(want) && s[:len(want)] == want }) {
			t.Errorf("%q is not in %q", want, says)
		}
	}
}

func TestMUST_112_EvidenceProvesOrIsRefused(t *testing.T) {
	w, all := forks(t)
	text := encoded(t, w, all[1])
	for i := range text {
		for _, bit := range []byte{1, 2, 32, 128} {
			flipped := bytes.Clone(text)
			flipped[i] ^= bit
			if _, _, err := ParseEvidence(flipped); err == nil {
				t.Fatalf("byte %d flipped by %d: taken", i, bit)
			}
		}
	}
	alone := func(c Claim) [][]byte { return [][]byte{c.Payload} }
	a, b := alone(all[1].A), alone(all[1].B)
	again := [][]byte{w.signMsg(w.all[1], *w.decode(a[0]).Msg()).Payload}
	for name, pairs := range map[string][]evidencePair{
		"a record twice":              {{A: a, B: a}},
		"one record signed twice":     {{A: a, B: again}},
		"records of two people":       {{A: a, B: alone(all[0].A)}},
		"the greater hash first":      {{A: b, B: a}},
		"a pair twice":                {{A: a, B: b}, {A: a, B: b}},
		"no pair":                     nil,
		"a record of none":            {{A: a}},
		"two keys that are the same":  {{A: alone(all[3].A), B: alone(all[3].A)}},
		"too many pairs":              make([]evidencePair, MaxForks+1),
		"an entry and another record": {{A: alone(all[0].A), B: a}},
	} {
		file := evidence{Form: evidenceForm, GID: w.gid, Pairs: pairs}
		if _, _, err := ParseEvidence(armour(evidenceText, file)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	other := evidence{Form: evidenceForm, GID: Hash{1}, Pairs: []evidencePair{{A: a, B: b}}}
	if _, _, err := ParseEvidence(armour(evidenceText, other)); err == nil {
		t.Error("the records of one group prove something in another")
	}
	for name, bad := range map[string][]byte{
		"nothing":           nil,
		"another file":      pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}),
		"text before it":    append([]byte("look\n"), text...),
		"text after it":     append(bytes.Clone(text), '\n'),
		"with a header":     pem.EncodeToMemory(&pem.Block{Type: evidenceText, Headers: map[string]string{"A": "b"}, Bytes: keys.Marshal(evidence{})}),
		"not even an array": armour(evidenceText, "x"),
	} {
		if _, _, err := ParseEvidence(bad); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, _, err := ParseEvidence(make([]byte, MaxEvidence+1)); !errors.Is(err, ErrSize) {
		t.Errorf("too much: %v", err)
	}
	newer := evidence{Form: evidenceForm + 1, GID: w.gid, Pairs: []evidencePair{{A: a, B: b}}}
	if _, _, err := ParseEvidence(armour(evidenceText, newer)); !errors.Is(err, ErrUnknown) {
		t.Errorf("a newer form: %v", err)
	}
	if _, err := EncodeEvidence(w.gid, nil); err == nil {
		t.Error("an empty file is written")
	}
	if _, err := EncodeEvidence(w.gid, []Fork{{A: all[0].A, B: all[1].B}}); err == nil {
		t.Error("what proves nothing is written")
	}
}

// A record whose own signature was spoilt on its way is proved by those after it in
// its log, up to one whose signature is good: no fewer, and no more.
func TestEvidenceByARange(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	bob := w.all[1]
	var log [][]byte
	w.watch = func(_ *peer, r Ready) { log = append(log, r.Publish...) }
	for _, text := range []string{"one", "two", "three", "four"} {
		w.say(bob, text)
	}
	m := *w.decode(log[0]).Msg()
	m.Time++
	other := [][]byte{w.signMsg(bob, m).Payload}
	spoilt := func(payload []byte) []byte {
		out := bytes.Clone(payload)
		out[len(out)-1] ^= 1
		return out
	}
	run := [][]byte{spoilt(log[0]), spoilt(log[1]), log[2], log[3]}
	f, err := VerifyFork(w.gid, other, run[:3])
	if err != nil || f.Author != bob.me || f.Seq != 1 || len(f.A.Cover)+len(f.B.Cover) != 2 {
		t.Fatalf("%+v, %v", f, err)
	}
	_, got, err := ParseEvidence(encoded(t, w, f))
	if err != nil || len(got) != 1 || got[0].compare(f) != 0 || len(got[0].A.Cover) != len(f.A.Cover) {
		t.Errorf("read back as %+v, %v", got, err)
	}
	for what, bad := range map[string][][]byte{
		"alone":                          run[:1],
		"that no signature ends":         run[:2],
		"with more than it takes":        run,
		"with one left out":              {run[0], run[2]},
		"with a good signature and more": {log[0], log[1]},
		"of nothing":                     {},
	} {
		if _, err := VerifyFork(w.gid, other, bad); err == nil {
			t.Errorf("a record %s proves it", what)
		}
	}
}

// Two honest records never look like a fork: the EPOCH and its own envelopes do
// not, nor what stands under one number in another lane or log.
func TestHonestRecordsProveNothing(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice := w.all[0]
	var payloads [][]byte
	w.watch = func(_ *peer, r Ready) { payloads = append(payloads, r.Publish...) }
	w.say(alice, "one")
	w.must(alice, Rotate{})
	w.must(alice, Rotate{})
	w.say(alice, "two")
	chunks := 0
	for _, a := range payloads {
		for _, b := range payloads {
			if _, err := VerifyFork(w.gid, [][]byte{a}, [][]byte{b}); !errors.Is(err, ErrNoProof) {
				t.Fatalf("%c and %c: %v", a[0], b[0], err)
			}
		}
		if Kind(a[0]) == KindChunk {
			chunks++
		}
	}
	if chunks < 2 || len(payloads) < 6 {
		t.Fatalf("%d payloads, %d chunks", len(payloads), chunks)
	}
	for _, p := range w.all {
		if len(p.alarms) > 0 {
			t.Errorf("alarms: %+v", p.alarms)
		}
	}
}

// A minter who signs two commitments to the key of one epoch is found out,
// whichever of the records comes first.
func TestMUST_113_TwoKeysOfOneEpoch(t *testing.T) {
	for name, order := range map[string][]int{"epoch first": {0, 1}, "chunk first": {1, 0}, "chunks alone": {1, 2}} {
		w := newTeam(t, settingsFor("team"), "alice", "mallory")
		alice, mallory := w.all[0], w.all[1]
		body, _ := mallory.epochBody(ReasonRequest)
		epoch := w.signEntry(mallory, mallory.next(TypeEpoch, body, 0))
		records := []Verified{epoch, w.signChunk(mallory, epoch, w.otherKey(epoch)), w.signChunk(mallory, epoch, body.KC)}
		for _, i := range order {
			w.give(records[i], alice)
			w.give(records[i], alice) // nothing is said twice
		}
		if len(alice.alarms) != 1 {
			t.Fatalf("%s: %d alarms", name, len(alice.alarms))
		}
		a := alice.alarms[0]
		f, err := VerifyFork(w.gid, [][]byte{a.First}, [][]byte{a.Record})
		if err != nil || f.Author != mallory.me || f.Kind != KindChunk || f.Seq != epoch.Entry().Seq || f.A.KC == f.B.KC {
			t.Errorf("%s: the proof shows %+v, %v", name, f, err)
		}
		w.restart(alice)
		w.give(records[1], alice)
		if len(alice.alarms) != 1 {
			t.Errorf("%s: said again after a restart", name)
		}
	}
}

// Chunks that come before their EPOCH are kept of members alone, and few.
func TestEarlyChunksAreBounded(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "mallory")
	alice, mallory := w.all[0], w.all[1]
	body, _ := mallory.epochBody(ReasonRequest)
	for _, p := range []*peer{mallory, w.person(77)} {
		for i := range 20 {
			c := Chunk{GID: w.gid, Minter: p.id.PeerID(), Seq: uint64(100 + i), KC: body.KC, Envelopes: []Envelope{{Data: make([]byte, keys.EnvelopeSize)}}}
			w.must(alice, Received{Record: w.decode(payloadOf(KindChunk, p.id.Sign(keys.LabelChunk, w.gid, keys.Marshal(&c))))})
		}
	}
	if n := len(alice.chunks); n != maxEarlyOf {
		t.Errorf("%d chunks are kept, want %d", n, maxEarlyOf)
	}
}

// Of one person so many alarms are kept, one of each place, and a branch that
// goes on is no further one.
func TestMUST_114_AlarmsAreBounded(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "mallory")
	alice, mallory := w.all[0], w.all[2]
	start := mallory.Machine
	branch := func(name string, n int) (out []Verified) {
		x := mallory.nextMsg(mallory.current(), w.item(name))
		for i := range n {
			v := w.signMsg(mallory, x)
			out = append(out, v)
			x = mallory.nextMsg(mallory.current(), w.item(fmt.Sprint(name, i)))
			x.Seq, x.Prev, x.Ord, x.Ctrl = uint64(i+2), v.Hash, v.Msg().Ord+1, nil
			x = mallory.seal(x, start.held[mallory.current().eh], []Item{w.item(fmt.Sprint(name, i))})
		}
		return out
	}
	one, two := branch("one", 20), branch("two", 20)
	for _, v := range append(one, two...) {
		w.give(v, alice)
	}
	if len(alice.alarms) != 1 || len(w.reads(alice)) != 40 {
		t.Fatalf("%d alarms of one fork, %d lines of 40", len(alice.alarms), len(w.reads(alice)))
	}
	for i := range 20 {
		x := *one[i].Msg()
		x.Time++
		w.give(w.signMsg(mallory, x), alice)
	}
	if len(alice.alarms) != maxAlarms {
		t.Errorf("%d alarms, want %d", len(alice.alarms), maxAlarms)
	}
	w.restart(alice)
	x := *one[15].Msg()
	x.Time += 2
	w.give(w.signMsg(mallory, x), alice)
	if len(alice.alarms) != maxAlarms {
		t.Errorf("%d alarms after a restart, want %d", len(alice.alarms), maxAlarms)
	}
}

func FuzzParseEvidence(f *testing.F) {
	w, all := forks(f)
	f.Add(encoded(f, w, all[1]))
	f.Add(encoded(f, w, all...))
	f.Add([]byte("-----BEGIN CONCLAVE EVIDENCE-----\n-----END CONCLAVE EVIDENCE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		checkEvidence(t, text)
		checkEvidence(t, pem.EncodeToMemory(&pem.Block{Type: evidenceText, Bytes: text})) // what lies behind the armour
	})
}

// checkEvidence holds what is taken to what it must be: its own only spelling,
// and a proof.
func checkEvidence(t *testing.T, text []byte) {
	gid, got, err := ParseEvidence(text)
	if err != nil {
		if got != nil {
			t.Fatal("something was taken of a file that is refused")
		}
		return
	}
	again, err := EncodeEvidence(gid, got)
	if err != nil || !bytes.Equal(again, bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))) {
		t.Fatalf("writes differently: %v", err)
	}
}
