package group

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"conclave/keys"
)

func TestMUST_101_MembersOnly(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice := w.all[0]
	w.say(alice, "x")
	w.must(w.all[1], Quit{})
	w.must(alice, Remove{Peer: w.all[2].me})
	for name, p := range map[string]PeerID{"a stranger": crowd(1)[0].PeerID(), "who left": w.all[1].me, "who was removed": w.all[2].me} {
		miss, err := alice.MissingAt(p, Heights{})
		if !errors.Is(err, ErrNotMember) || len(miss.Records)+len(miss.Messages) != 0 {
			t.Errorf("%s is given %d records: %v", name, len(miss.Records), err)
		}
	}
}

// rangeOf is alice's message log as payloads.
func rangeOf(w *world, p *peer, n int) [][]byte {
	var out [][]byte
	for i := range n {
		out = append(out, w.say(p, fmt.Sprint(i)).Publish[0])
	}
	return out
}

func TestMUST_102_Ranges(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	r := rangeOf(w, alice, 4)
	other := rangeOf(w, bob, 2)
	good, err := DecodeRange(w.gid, r)
	if err != nil || len(good) != 4 {
		t.Fatalf("%d records, %v", len(good), err)
	}
	unsigned := func(p []byte) []byte {
		rec, err := keys.DecodeRecord(p[1:])
		if err != nil {
			t.Fatal(err)
		}
		rec.Sig = make([]byte, 64)
		return payloadOf(KindMessage, rec)
	}
	if _, err := DecodeRange(w.gid, [][]byte{unsigned(r[0]), unsigned(r[1]), r[2]}); err != nil {
		t.Errorf("a range that its last signature covers: %v", err)
	}
	for name, c := range map[string]struct {
		r    [][]byte
		want error
	}{
		"with a gap":                  {[][]byte{r[0], r[2]}, ErrDependency},
		"out of order":                {[][]byte{r[1], r[0]}, ErrDependency},
		"repeated":                    {[][]byte{r[0], r[0]}, ErrDependency},
		"of two authors":              {[][]byte{r[0], other[1]}, ErrDependency},
		"whose last is unsigned":      {[][]byte{r[0], unsigned(r[1])}, keys.ErrSignature},
		"with garbage in it":          {[][]byte{r[0], {'M', 1}, r[1]}, ErrEncoding},
		"of records that have no log": {[][]byte{payloadOf(KindBundle, mustRecord(t, alice.bundle.Raw())), payloadOf(KindBundle, mustRecord(t, alice.bundle.Raw()))}, ErrDependency},
	} {
		if got, err := DecodeRange(w.gid, c.r); !errors.Is(err, c.want) || got != nil {
			t.Errorf("a range %s: %v", name, err)
		}
	}
	changed := alice.nextMsg(nil, w.item("planted")) // names the right author and number
	planted := w.decode(r[1]).Msg()
	changed.Seq, changed.Prev, changed.Ctrl = planted.Seq, planted.Prev, nil
	forged := payloadOf(KindMessage, keys.Record{Body: keys.Marshal(&changed), Sig: make([]byte, 64)})
	if _, err := DecodeRange(w.gid, [][]byte{r[0], forged, r[2]}); !errors.Is(err, ErrDependency) {
		t.Errorf("a range with a planted record: %v", err)
	}
}

func mustRecord(t *testing.T, b []byte) keys.Record {
	t.Helper()
	rec, err := keys.DecodeRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func TestMUST_103_SkippedSignatures(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	var msgs [][]byte
	w.apart(func() { msgs = rangeOf(w, alice, 3) }, bob)
	r, err := DecodeRange(w.gid, msgs)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range r {
		if v.SigSkipped() != (i < 2) {
			t.Errorf("record %d: skipped %v", i, v.SigSkipped())
		}
		out := w.must(bob, Received{Record: v})
		if len(out.Batch.Messages) != 1 || out.Batch.Messages[0].SigSkipped != (i < 2) {
			t.Errorf("record %d is stored as %+v", i, out.Batch.Messages)
		}
	}
	e := alice.next(TypeProfile, &Profile{Name: "a"}, 0)
	first := w.signEntry(alice, e)
	next := e
	next.Seq, next.Prev = e.Seq+1, first.Hash
	second := w.signEntry(alice, next)
	unsigned := payloadOf(KindEntry, keys.Record{Body: keys.Marshal(&e), Sig: make([]byte, 64)})
	es, err := DecodeRange(w.gid, [][]byte{unsigned, second.Payload})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.step(bob, Received{Record: es[0]}); !errors.Is(err, keys.ErrSignature) {
		t.Errorf("a control entry without its own signature: %v", err)
	}
	es, err = DecodeRange(w.gid, [][]byte{first.Payload, second.Payload})
	if err != nil {
		t.Fatal(err)
	}
	w.give(es[0], bob)
	w.give(es[1], bob)
	if !bob.counts(second) {
		t.Error("a range of entries with their signatures is not taken")
	}
}

func TestMUST_104_ClaimedHeights(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.say(alice, "one")
	w.say(alice, "two")
	held := short(alice.heldBy(alice, 1))
	for _, at := range []uint64{1, 2, 3, math.MaxUint64 - 1, math.MaxUint64} {
		for _, h := range []LogHead{
			{Author: alice.me, Seq: at},
			{Author: alice.me, Seq: at, Hash: held},
			{Author: alice.me, Seq: 1, Base: at, Hash: Short{1}},
			{Author: alice.me, Seq: at, Base: at, Hash: Short{1}},
			{Author: alice.me, Lane: at, Base: at, Seq: at},
		} {
			miss, err := alice.MissingAt(bob.me, Heights{Logs: []LogHead{h, h}})
			if err != nil || len(miss.Messages) > 2 {
				t.Errorf("%+v: %d messages, %v", h, len(miss.Messages), err)
			}
		}
	}
}

func TestMUST_105_PendingCaps(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice := w.all[0]
	big := w.item(string(make([]byte, MaxItemText)))
	flood := func(id *keys.Identity, n int) {
		p := &peer{id: id, w: w}
		for i := range n {
			x := Msg{GID: w.gid, Author: id.PeerID(), Seq: uint64(i + 2), Prev: Hash{1, byte(i), byte(i >> 8)}, Data: keys.Marshal([]Item{big, big})}
			v, err := DecodeOwn(w.gid, w.rawMsg(p, x))
			if err != nil {
				t.Fatal(err)
			}
			w.must(alice, Received{Record: v})
			if alice.pend.size[id.PeerID()] > maxPendingPeer || alice.pend.total > maxPendingAll {
				t.Fatalf("%d bytes of one author wait, %d in all", alice.pend.size[id.PeerID()], alice.pend.total)
			}
		}
	}
	for _, id := range crowd(20) {
		flood(id, 70)
	}
	sum := 0
	for _, n := range alice.pend.size {
		sum += n
	}
	if alice.pend.total != sum || alice.pend.total < maxPendingAll/2 {
		t.Errorf("%d bytes wait, %d counted", sum, alice.pend.total)
	}
}

func TestMUST_106_BelowTheBase(t *testing.T) { testNewcomerDoesNotWait(t) }

func TestMUST_107_WithheldFromNewcomers(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "carol")
	alice := w.all[0]
	w.say(alice, "sealed before")
	w.must(alice, Send{Items: []Item{w.item("plain before")}, Plain: true})
	bob := w.person(9)
	w.all = append(w.all, bob)
	bob.Machine = New(Config{GID: w.gid, Self: bob.id, Bundle: bob.bundle}, Stored{})
	w.admit(alice, bob)
	w.say(alice, "sealed after")
	w.must(alice, Send{Items: []Item{w.item("plain after")}, Plain: true})
	miss, err := alice.MissingAt(bob.me, Heights{})
	if err != nil {
		t.Fatal(err)
	}
	if len(miss.Messages) != 2 || miss.Messages[0].Seq != 3 || len(miss.Bases) != 1 || miss.Bases[0].Base != 2 {
		t.Errorf("a newcomer is given %+v above %+v", miss.Messages, miss.Bases)
	}
	if miss, err = alice.MissingAt(w.all[1].me, Heights{}); err != nil || len(miss.Messages) != 4 || len(miss.Bases) != 0 {
		t.Errorf("who was there is given %d messages above %+v: %v", len(miss.Messages), miss.Bases, err)
	}
}
