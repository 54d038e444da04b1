package group

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"conclave/keys"
)

func TestMUST_91_JoinRequest(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	good := JoinRequest{Approver: alice.me, Group: w.gid[:], Nonce: Hash{1}, Bundle: bob.bundle.Raw(), Note: "hi"}
	if r, err := ParseJoinRequest(SignJoinRequest(bob.id, good), bob.me, alice.me); err != nil || r.Note != "hi" || Hash(r.Group) != w.gid {
		t.Fatalf("a sound request: %+v, %v", r, err)
	}
	sign := func(change func(r *JoinRequest)) []byte {
		r := good
		change(&r)
		return SignJoinRequest(bob.id, r)
	}
	forged := good
	forged.Peer = bob.me
	for name, c := range map[string]struct {
		b    []byte
		from PeerID
		want error
	}{
		"from another peer":         {sign(func(*JoinRequest) {}), carol.me, ErrBody},
		"for another approver":      {sign(func(r *JoinRequest) { r.Approver = carol.me }), bob.me, ErrBody},
		"with another's bundle":     {sign(func(r *JoinRequest) { r.Bundle = carol.bundle.Raw() }), bob.me, ErrBody},
		"without a bundle":          {sign(func(r *JoinRequest) { r.Bundle = nil }), bob.me, keys.ErrNotCanonical},
		"with a long note":          {sign(func(r *JoinRequest) { r.Note = string(make([]byte, MaxNoteBytes+1)) }), bob.me, ErrBody},
		"with half a group":         {sign(func(r *JoinRequest) { r.Group = w.gid[:16] }), bob.me, ErrBody},
		"with a name that is none":  {sign(func(r *JoinRequest) { r.Name = "a/b" }), bob.me, ErrBody},
		"signed by another":         {carol.id.Sign(keys.LabelJoin, Hash{}, keys.Marshal(&forged)).Encode(), bob.me, keys.ErrSignature},
		"signed as something else":  {bob.id.Sign(keys.LabelEntry, Hash{}, keys.Marshal(&forged)).Encode(), bob.me, keys.ErrSignature},
		"signed for a group":        {bob.id.Sign(keys.LabelJoin, w.gid, keys.Marshal(&forged)).Encode(), bob.me, keys.ErrSignature},
		"that is no record":         {[]byte("hello"), bob.me, ErrEncoding},
		"that is larger than all":   {make([]byte, MaxPayload+1), bob.me, ErrSize},
		"with a byte at its end":    {append(sign(func(*JoinRequest) {}), 0), bob.me, ErrEncoding},
		"naming a group in its gid": {bob.id.Sign(keys.LabelJoin, Hash{}, keys.Marshal(&JoinRequest{GID: w.gid, Peer: bob.me, Approver: alice.me, Bundle: good.Bundle})).Encode(), bob.me, ErrBody},
	} {
		if _, err := ParseJoinRequest(c.b, c.from, alice.me); !errors.Is(err, c.want) {
			t.Errorf("a request %s: %v, want %v", name, err, c.want)
		}
	}
}

func TestMUST_92_BannedOrStale(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	newer, _ := w.bundleOf(bob, w.now+5)
	ask := func(b keys.Bundle) error {
		_, err := w.step(alice, JoinAsked{Request: Request{Peer: bob.me, Bundle: b.Raw()}})
		return err
	}
	if err := ask(newer); err != nil {
		t.Fatal(err)
	}
	if err := ask(bob.bundle); !errors.Is(err, ErrStale) {
		t.Errorf("an older bundle than the pending one: %v", err)
	}
	w.must(alice, Approve{Peer: bob.me})
	w.must(alice, Remove{Peer: bob.me})
	if err := ask(bob.bundle); !errors.Is(err, ErrStale) {
		t.Errorf("an older bundle than a known one: %v", err)
	}
	if b, _ := alice.Bundle(bob.me); b.Hash() != newer.Hash() {
		t.Error("the older bundle replaced the newer")
	}
	if err := ask(newer); err != nil {
		t.Errorf("the same bundle again: %v", err)
	}
	w.must(alice, Remove{Peer: bob.me, Ban: true})
	if err := ask(newer); !errors.Is(err, ErrBanned) {
		t.Errorf("someone banned: %v", err)
	}
}

func TestMUST_93_RequestsWait(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	ask := func(p PeerID, b keys.Bundle, from string) {
		w.now++
		w.must(alice, JoinAsked{Request: Request{Peer: p, Bundle: b.Raw(), From: from}})
	}
	count := func(from string) (n int) {
		for _, r := range alice.Local().Requests {
			if r.From == from {
				n++
			}
		}
		return n
	}
	ask(bob.me, bob.bundle, "198.51.100.1")
	for i, id := range crowd(200) {
		b, _, err := keys.GenerateBundle(id, w.now)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case i < 20:
			ask(id.PeerID(), b, "203.0.113.7")
		case i < 60:
			ask(id.PeerID(), b, fmt.Sprint("192.0.2.", i))
		default:
			ask(id.PeerID(), b, "") // loopback: no limit of its own
		}
		if n := len(alice.Local().Requests); n > MaxRequests {
			t.Fatalf("%d requests wait", n)
		}
		if n := count("203.0.113.7"); n > maxPerAddress {
			t.Fatalf("%d requests of one address wait", n)
		}
	}
	if count("") == 0 || count("") == MaxRequests {
		t.Errorf("%d of %d requests are the flood's", count(""), len(alice.Local().Requests))
	}
	if len(alice.bundles) > 1 {
		t.Errorf("%d bundles of people who only asked are held", len(alice.bundles)-1)
	}
}

func TestMUST_94_ApprovalMints(t *testing.T) {
	for history, mints := range map[History]bool{HistoryNone: true, HistoryAll: false} {
		s := settingsFor("team")
		s.History = history
		w := newWorld(t, s, "alice", "bob")
		alice, bob := w.all[0], w.all[1]
		w.must(alice, JoinAsked{Request: Request{Peer: bob.me, Bundle: bob.bundle.Raw()}})
		r := w.must(alice, Approve{Peer: bob.me})
		if !alice.IsMember(bob.me) || (r.Epoch != Hash{}) != mints {
			t.Errorf("history %d: member %v, new epoch %v", history, alice.IsMember(bob.me), r.Epoch != Hash{})
		}
		cur, ok := alice.Current()
		if err := alice.Covers(bob.me, cur.EID); !ok || err != nil {
			t.Errorf("history %d: the present key may not be handed to bob: %v", history, err)
		}
		if mints && cur.Reason != ReasonAdmitted {
			t.Errorf("reason %s", cur.Reason)
		}
	}
}

func TestMUST_95_HardMarkHolds(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.apart(func() { w.must(carol, Quit{}) }, alice)
	if bob.Marked(w.now) != HardMark {
		t.Fatalf("mark %s after a LEAVE", bob.Marked(w.now))
	}
	r := w.say(bob, "held")
	if len(r.Sent)+len(r.Publish) != 0 || len(r.Batch.OutPut) != 1 || len(bob.Held()) != 1 {
		t.Fatalf("a line in a hard-marked group: sent %d, published %d, stored %d", len(r.Sent), len(r.Publish), len(r.Batch.OutPut))
	}
	if twin := New(Config{GID: w.gid, Self: bob.id, Bundle: bob.bundle}, bob.stored()); len(twin.Held()) != 1 {
		t.Fatal("the held line would be lost in a restart")
	}
	w.sync(bob, alice)
	r = w.must(alice, Rotate{})
	if cur, ok := bob.Current(); !ok || cur.EID != r.Epoch {
		t.Fatal("bob has no new key")
	}
	if len(bob.Held()) != 0 {
		t.Error("the line did not leave with the new key")
	}
	if got := fmt.Sprint(w.reads(alice)); got != "[held]" {
		t.Errorf("alice reads %s", got)
	}
	if x := bob.logs[chain{bob.me, 0}].top(); x.epoch.eh != r.Epoch {
		t.Error("the line left under another epoch")
	}
}

func TestMUST_96_RemovalMints(t *testing.T) {
	for _, ban := range []bool{false, true} {
		w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
		alice, bob, carol := w.all[0], w.all[1], w.all[2]
		w.apart(func() { w.must(bob, Quit{}) }, alice, carol)
		before, _ := alice.Current()
		r := w.must(alice, Remove{Peer: carol.me, Ban: ban})
		if len(r.Batch.Entries) != 2 || r.Epoch == (Hash{}) || len(r.Keys) != 1 {
			t.Fatalf("%d entries, epoch %v in the step of the removal", len(r.Batch.Entries), r.Epoch != Hash{})
		}
		if cur, _ := alice.Current(); cur.EID == before.EID || cur.EID != r.Epoch {
			t.Error("the old key is still used")
		}
		for _, job := range r.Seal {
			for _, b := range job.To {
				if b.Peer == carol.me {
					t.Error("the new key is sealed to who was removed")
				}
			}
		}
		if err := alice.Covers(carol.me, r.Epoch); err == nil {
			t.Error("the new key may be handed to who was removed")
		}
	}
}

func TestMUST_97_SwitchMints(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	for _, s := range []Settings{openHistory(), settingsFor("team")} {
		before, _ := alice.Current()
		if r := w.must(alice, Change{Settings: s}); r.Epoch == (Hash{}) {
			t.Errorf("history %d: no new epoch", s.History)
		}
		r := w.say(bob, "x")
		if len(r.Sent) != 1 || r.Sent[0].EID == before.EID {
			t.Errorf("history %d: a line left under the epoch before", s.History)
		}
	}
	before, _ := alice.Current()
	w.must(alice, Change{Settings: encryptionOff()})
	r := w.must(alice, Change{Settings: settingsFor("team")})
	if cur, _ := alice.Current(); r.Epoch == (Hash{}) || cur.EID == before.EID || cur.Reason != ReasonEncryptionOn {
		t.Errorf("after off and on the key is %+v", cur)
	}
	same := settingsFor("another name")
	if r := w.must(alice, Change{Settings: same}); r.Epoch != (Hash{}) {
		t.Error("a new name made a new epoch")
	}
}

// minted counts the epochs that a sequence of steps made.
func (w *world) minted(p *peer, ev Event, times int, apart uint64) (n int) {
	w.t.Helper()
	for range times {
		if r := w.must(p, ev); r.Epoch != (Hash{}) {
			n++
		}
		w.now += apart
	}
	return n
}

func TestMUST_98_SoftRotationsApart(t *testing.T) {
	s := settingsFor("team")
	s.MaxMessages = 1
	w := newTeam(t, s, "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	one := func() Event { return Send{Items: []Item{w.item("x")}} }
	w.say(alice, "fills the first epoch")
	n := 0
	for range 30 {
		n += w.minted(alice, one(), 1, 1000)
	}
	if n == 0 || n > 4 {
		t.Errorf("%d soft rotations of a speaker in 30 s", n)
	}
	w.say(bob, "x")
	w.say(bob, "x")
	n = 0
	for range 30 {
		n += w.minted(alice, Wished{From: bob.me}, 1, 1000)
		w.say(alice, "x")
	}
	if n > 4 {
		t.Errorf("%d soft rotations on wishes in 30 s", n)
	}
}

func TestMUST_99_AskBeforeRescue(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob := w.all[0], w.all[1]
	var epoch, kick []byte
	w.apart(func() {
		r := w.must(alice, Remove{Peer: w.all[2].me})
		kick, epoch = r.Publish[0], r.Publish[1]
	}, bob)
	w.must(bob, Received{Record: w.decode(kick)})
	w.must(bob, Received{Record: w.decode(epoch)}) // its key got lost
	if len(bob.eligible()) != 1 || bob.Marked(w.now) != HardMark || len(bob.Wanted()) == 0 {
		t.Fatal("bob does not know of the key that he lacks")
	}
	w.say(bob, "held")
	start := w.now
	for w.now < start+askWait-1 {
		w.now += 999
		w.now = min(w.now, start+askWait-1)
		if r := w.must(bob, Tick{}); r.Epoch != (Hash{}) {
			t.Fatalf("bob minted after %d ms", w.now-start)
		}
	}
	w.now = start + askWait
	r := w.must(bob, Tick{})
	if cur, ok := bob.Current(); r.Epoch == (Hash{}) || !ok || cur.Reason != ReasonRescue || len(bob.Held()) != 0 {
		t.Errorf("after 10 s: minted %v, %+v", r.Epoch != Hash{}, cur)
	}
}

func TestMUST_100_RanksGoFirst(t *testing.T) {
	for name, c := range map[string]struct {
		speaker int
		online  []int
		wait    uint64
	}{
		"the owner":                       {0, []int{1, 2, 3, 4}, 0},
		"the first deputy":                {1, []int{0, 2, 3, 4}, 2000},
		"the second deputy":               {2, []int{0, 1, 3, 4}, 4000},
		"a member with deputies online":   {3, []int{0, 1, 2, 4}, 6000},
		"a member with one of them":       {3, []int{1, 4}, 4000},
		"a member with members online":    {3, []int{4}, 2000},
		"a member alone":                  {3, nil, 0},
		"the second deputy, alone online": {2, nil, 0},
	} {
		w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave", "erin", "frank")
		alice := w.all[0]
		w.must(alice, DeputyAdd{Peer: w.all[1].me, Caps: CapRotate})
		w.must(alice, DeputyAdd{Peer: w.all[2].me, Caps: CapRotate})
		speaker := w.all[c.speaker]
		for _, p := range w.all {
			w.must(speaker, Online{Peer: p.me, Up: false})
		}
		for _, i := range c.online {
			w.must(speaker, Online{Peer: w.all[i].me, Up: true})
		}
		var others []*peer
		for _, p := range w.all {
			if p != speaker {
				others = append(others, p)
			}
		}
		leave := w.must(w.all[5], Quit{}).Publish[0]
		w.must(speaker, Received{Record: w.decode(leave)})
		w.apart(func() {
			r := w.say(speaker, "held")
			for waited := uint64(0); ; waited += 500 {
				if minted := r.Epoch != (Hash{}); minted != (waited >= c.wait) {
					t.Errorf("%s minted after %d ms: %v, want after %d", name, waited, minted, c.wait)
				}
				if waited >= c.wait {
					return
				}
				if r.Wake != w.now+c.wait-waited {
					t.Errorf("%s wakes in %d ms, want %d", name, int64(r.Wake-w.now), c.wait-waited)
				}
				w.now += 500
				r = w.must(speaker, Tick{})
			}
		}, others...)
	}
}

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

// snapshot is what a later step could store or publish: all of the machine's
// state that shows.
func (p *peer) snapshot() string {
	return fmt.Sprintf("%s\n%+v\n%v\n%+v\n%d\n%v", p.fingerprint(), p.Local(), p.Held(), p.Heights(), p.clock, p.Wanted())
}

func TestMUST_108_AllOrNothing(t *testing.T) {
	s := settingsFor("team")
	s.RotateBy = RotateByOwner
	w := newTeam(t, s, "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(alice, DeputyAdd{Peer: carol.me, Caps: CapApprove})
	stranger := w.outsider(9)
	long := string(make([]byte, MaxItemText+1))
	older, _ := w.bundleOf(carol, 1)
	contradiction := bob.next(TypeProfile, &Profile{Name: "b"}, 0)
	contradiction.Seen[0].Seq++
	bad := []Event{
		Approve{Peer: stranger.me}, Decline{Peer: stranger.me}, Invite{Peer: bob.me}, Unban{Peer: bob.me},
		Remove{Peer: stranger.me}, Remove{Peer: alice.me}, Rotate{}, Change{}, Change{Settings: settingsFor("x")},
		SetName{Name: "a/b"}, DeputyAdd{Peer: stranger.me, Caps: allCaps}, DeputyRemove{Peer: stranger.me}, Quit{},
		Send{}, Send{Items: []Item{{Text: long}}}, JoinAsked{Request: Request{Peer: stranger.me}},
		JoinAsked{Request: Request{Peer: stranger.me, Bundle: bob.bundle.Raw()}},
		JoinAsked{Request: Request{Peer: carol.me, Bundle: older.Raw()}},
		Received{Record: w.signEntry(bob, contradiction)}, KeyReceived{Commit: alice.current().body.(*Epoch).KC},
	}
	failed := 0
	for _, p := range []*peer{alice, bob, carol, stranger} {
		for _, ev := range bad {
			if _, quits := ev.(Quit); quits && p != alice {
				continue
			}
			before := p.snapshot()
			r, err := p.Step(Input{Now: w.now, Entropy: w.entropy(), Event: ev})
			if err == nil {
				p.keep(t, w.gid, r)
				continue
			}
			failed++
			if after := p.snapshot(); after != before {
				t.Errorf("%T failed with %v and changed\n%s\nto\n%s", ev, err, before, after)
			}
			if !r.Batch.Empty() || len(r.Publish)+len(r.Keys)+len(r.Show)+len(r.Seal) != 0 {
				t.Errorf("%T failed with %v and asks for %+v", ev, err, r)
			}
		}
	}
	if failed < 30 {
		t.Errorf("only %d steps failed", failed)
	}
}

func TestMUST_109_Restart(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	check := func() {
		t.Helper()
		for _, p := range w.all {
			before := p.snapshot()
			w.restart(p)
			if after := p.snapshot(); after != before {
				t.Fatalf("before a restart\n%s\nafter\n%s", before, after)
			}
		}
	}
	w.say(alice, "one")
	w.say(bob, "two")
	check()
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: allCaps})
	w.must(alice, Invite{Peer: w.outsider(9).me})
	w.must(alice, JoinAsked{Request: Request{Peer: w.outsider(8).me, Bundle: w.outsider(8).bundle.Raw()}})
	check()
	w.must(bob, Online{Peer: alice.me, Up: true})
	w.apart(func() { w.must(carol, Quit{}) }, alice)
	w.say(bob, "held")
	if len(bob.Held()) != 1 {
		t.Fatal("the line was not held")
	}
	check()
	w.must(alice, Change{Settings: encryptionOff()})
	w.must(bob, AcceptPlain{})
	w.must(bob, Send{Items: []Item{w.item("plain")}, Plain: true})
	check()
}

func TestMUST_110_SameInputsSameBytes(t *testing.T) {
	run := func() [][]byte {
		w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
		alice, bob := w.all[0], w.all[1]
		var out [][]byte
		add := func(r Ready) { out = append(out, r.Publish...) }
		add(w.say(alice, "one"))
		add(w.must(alice, DeputyAdd{Peer: bob.me, Caps: allCaps}))
		add(w.must(bob, Remove{Peer: w.all[3].me}))
		add(w.say(w.all[2], "two"))
		add(w.must(alice, Remove{Peer: w.all[2].me, Ban: true}))
		add(w.must(alice, Rotate{}))
		return out
	}
	first := run()
	for range 5 {
		again := run()
		for i := range first {
			if first[i][0] == byte(KindChunk) { // sealed with HPKE's own randomness
				continue
			}
			if string(first[i]) != string(again[i]) {
				t.Fatalf("record %d, a %c, has other bytes", i, first[i][0])
			}
		}
	}
}
