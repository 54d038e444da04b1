package group

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"conclave/keys"
)

func TestAbuse_MM01_MintingWithoutReason(t *testing.T) {
	s := settingsFor("team")
	w := newTeam(t, s, "alice", "bob", "carol")
	alice, bob := w.all[0], w.all[1]
	before, _ := alice.Current()
	for r := ReasonCreate; r <= ReasonCover; r++ {
		if r == ReasonMessages || r == ReasonRequest || r == ReasonRescue {
			continue // these hold over others' epochs
		}
		body, key := bob.epochBody(r)
		v := w.signEntry(bob, bob.next(TypeEpoch, body, 0))
		w.give(v, alice)
		w.step(alice, KeyReceived{Commit: body.KC, Key: key})
		if now, _ := alice.Current(); alice.counts(v) || now.EID != before.EID {
			t.Errorf("an EPOCH with the reason %s, which does not hold, counts", r)
		}
		if x := w.say(alice, "x").Sent; len(x) != 1 || x[0].EID != before.EID {
			t.Errorf("a line left under it")
		}
	}
	owners := map[Type]any{TypeSet: &Set{Settings: encryptionOff()}, TypeAdd: &Peer{Peer: w.outsider(9).me}, TypeKick: &Removal{Peer: w.all[2].me}}
	for typ, body := range owners {
		for _, term := range []uint64{0, 1} {
			v := w.signEntry(bob, bob.next(typ, body, term))
			w.give(v, alice)
			if alice.counts(v) {
				t.Errorf("a member's %s counts", typ)
			}
		}
	}
}

func TestAbuse_MM02_SendingAsAnother(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	x := bob.nextMsg(bob.current(), w.item("as carol"))
	x.Author, x.JID = carol.me, alice.st.incarnation(carol.me).eh
	w.refused("bob's signature under carol's name", w.rawMsg(bob, x), keys.ErrSignature)
	// In his own name, sealed with carol's sender key: nobody opens it.
	key := bob.held[bob.current().eh]
	y := bob.nextMsg(bob.current(), w.item("as carol"))
	salt := Hash{1}
	commit, ct := keys.SealMessage(keys.SenderKey(key, carol.me), salt, y.headerHash(), keys.Marshal([]Item{w.item("as carol")}))
	y.Salt, y.Commit, y.Data = salt[:], commit[:], ct
	if _, err := w.signMsg(bob, y).Msg().Items(key); !errors.Is(err, keys.ErrCommitment) {
		t.Errorf("sealed as carol, signed as bob: %v", err)
	}
}

func TestAbuse_MM03_Replays(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	said := w.decode(w.say(bob, "once").Publish[0])
	replay := func(when string) {
		t.Helper()
		if r := w.must(alice, Received{Record: said}); len(r.Show)+len(r.Batch.Messages) != 0 {
			t.Errorf("%s: a replay is shown", when)
		}
	}
	replay("in the same epoch")
	w.must(alice, Rotate{})
	replay("in a later epoch")
	w.restart(alice)
	replay("after a restart")
	other := newWorld(t, settingsFor("other"), "alice")
	other.refused("in another group", said.Payload, ErrGroup)
	if got := fmt.Sprint(w.reads(alice)); got != "[once]" {
		t.Errorf("alice reads %s", got)
	}
}

func TestAbuse_MM05_TwoMessagesOneNumber(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "mallory")
	alice, bob, mallory := w.all[0], w.all[1], w.all[2]
	one := w.signMsg(mallory, mallory.nextMsg(mallory.current(), w.item("for alice")))
	two := w.signMsg(mallory, mallory.nextMsg(mallory.current(), w.item("for bob")))
	w.give(one, alice)
	w.give(two, bob)
	w.meet(alice, bob)
	for _, p := range []*peer{alice, bob} {
		if len(p.alarms) != 1 {
			t.Fatalf("%d alarms", len(p.alarms))
		}
		a := p.alarms[0]
		if f, err := VerifyFork(w.gid, [][]byte{p.messages[a.Held].Payload}, [][]byte{a.Record}); err != nil || f.Author != mallory.me {
			t.Errorf("the evidence shows %v, %v", f.Author, err)
		}
		if got := len(w.reads(p)); got != 2 {
			t.Errorf("%d of both lines are shown", got)
		}
	}
	if a, b := fmt.Sprint(w.reads(alice)), fmt.Sprint(w.reads(bob)); a != b {
		t.Errorf("alice reads %s, bob %s", a, b)
	}
}

func TestAbuse_MM07_EveryBitOfARecord(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	good := w.rawMsg(bob, bob.nextMsg(bob.current(), w.item("x")))
	for i := range good {
		for bit := range 8 {
			bad := append([]byte{}, good...)
			bad[i] ^= 1 << bit
			if _, err := Decode(w.gid, bad); err == nil {
				t.Fatalf("bit %d of byte %d of %d may be flipped", bit, i, len(good))
			}
		}
	}
	// The author moves the ciphertext to another epoch, group and place.
	x := w.decode(good).Msg()
	key := bob.held[bob.current().eh]
	w.must(alice, Rotate{})
	moved := *x
	moved.EID = append([]byte{}, bob.current().eh[:]...)
	if err := w.opens(bob, moved, bob.held[bob.current().eh]); err == nil {
		t.Error("a ciphertext opens in another epoch")
	}
	moved = *x
	moved.Time++
	if err := w.opens(bob, moved, key); err == nil {
		t.Error("a ciphertext opens under another header")
	}
}

func TestAbuse_MM08_Truncations(t *testing.T) {
	for _, v := range readVectors(t) {
		gid, payload := Hash(unhex(t, v.GID)), unhex(t, v.Payload)
		for n := range payload {
			if _, err := Decode(gid, payload[:n]); err == nil {
				t.Errorf("%s cut to %d of %d bytes is taken", v.Name, n, len(payload))
			}
			DecodeOwn(gid, payload[:n])
		}
	}
	// Every field cut short, and signed again by its author.
	w := newTeam(t, settingsFor("team"), "alice")
	alice := w.all[0]
	good := alice.nextMsg(alice.current(), w.item("x"))
	for name, change := range map[string]func(x *Msg, n int){
		"eid":    func(x *Msg, n int) { x.EID = x.EID[:n] },
		"salt":   func(x *Msg, n int) { x.Salt = x.Salt[:n] },
		"commit": func(x *Msg, n int) { x.Commit = x.Commit[:n] },
		"data":   func(x *Msg, n int) { x.Data = x.Data[:n] },
	} {
		for n := range 32 {
			x := good
			change(&x, n)
			if _, err := Decode(w.gid, w.rawMsg(alice, x)); err == nil {
				t.Errorf("%s cut to %d bytes is taken", name, n)
			}
		}
	}
}

func TestAbuse_MM09_Extremes(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "mallory")
	alice, bob, mallory := w.all[0], w.all[1], w.all[2]
	w.say(alice, "before")
	x := mallory.nextMsg(mallory.current(), w.item("x"))
	x.Ord, x.Time = math.MaxUint64, math.MaxUint64
	x = mallory.seal(x, mallory.held[mallory.current().eh], []Item{w.item("extreme")})
	w.give(w.signMsg(mallory, x), alice, bob, mallory)
	e := mallory.next(TypeProfile, &Profile{Name: "m"}, 0)
	e.Ord, e.Time = math.MaxUint64, math.MaxUint64
	w.give(w.signEntry(mallory, e), alice, bob, mallory)
	body, key := mallory.epochBody(ReasonRequest)
	body.Gen = math.MaxUint64
	v := w.signEntry(mallory, mallory.next(TypeEpoch, body, 0))
	w.give(v, alice, bob)
	w.step(alice, KeyReceived{Commit: body.KC, Key: key})
	far := mallory.nextMsg(nil, w.item("far"))
	far.Seq, far.Prev = math.MaxUint64, Hash{1}
	w.give(w.signMsg(mallory, far), alice, bob)
	r := w.say(bob, "after")
	if m := w.decode(r.Publish[0]).Msg(); m.Ord > 100 {
		t.Errorf("the next message has ord %d", m.Ord)
	}
	w.say(alice, "last")
	for _, p := range []*peer{alice, bob} {
		if got := fmt.Sprint(w.reads(p)); got != "[before extreme after last]" {
			t.Errorf("reads %s", got)
		}
		if now, _ := p.Current(); now.Gen > 10 {
			t.Errorf("generation %d is used", now.Gen)
		}
	}
}

func TestAbuse_MM11_OldBundle(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	newest, v := w.bundleOf(bob, w.now+1)
	w.give(v, alice)
	w.give(bundleRecord(bob.bundle), alice)
	w.step(alice, JoinAsked{Request: Request{Peer: bob.me, Bundle: bob.bundle.Raw()}})
	r := w.must(alice, Rotate{})
	if len(r.Seal) != 1 || r.Seal[0].To[0].Hash() != newest.Hash() {
		t.Error("a key is sealed to an old bundle")
	}
}

func TestAbuse_MM12_BundleForAnother(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "mallory")
	bob, mallory := w.all[1], w.all[2]
	type body struct {
		_    struct{} `cbor:",toarray"`
		GID  Hash
		Peer PeerID
		KEM  uint64
		Key  []byte
		Seq  uint64
	}
	b := body{Peer: bob.me, KEM: 1, Key: mallory.bundle.Key, Seq: math.MaxUint64}
	w.refused("mallory's key in bob's name", payloadOf(KindBundle, mallory.id.Sign(keys.LabelBundle, Hash{}, keys.Marshal(&b))), keys.ErrSignature)
}

func TestAbuse_MM15_PlaintextThatLooksSealed(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "mallory")
	alice, mallory := w.all[0], w.all[1]
	cur := mallory.current()
	v := w.signMsg(mallory, mallory.nextMsg(nil, w.item("[encrypted] trust me")))
	w.give(v, alice)
	if alice.msgs[short(v.Hash)].epoch != nil {
		t.Error("plaintext counts as sealed")
	}
	x := mallory.nextMsg(nil, w.item("x"))
	x.EID = cur.eh[:] // the mark of encryption over plaintext items
	w.refused("an eid over plaintext", w.rawMsg(mallory, x), ErrBody)
	sealed := mallory.nextMsg(cur, w.item("x"))
	sealed.Data = append(keys.Marshal([]Item{w.item("x")}), make([]byte, 144)...)[:144]
	if err := w.opens(mallory, sealed, mallory.held[cur.eh]); err == nil {
		t.Error("items that are not encrypted open as if they were")
	}
}

func TestAbuse_MM16_UnknownDependencies(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "mallory")
	alice, mallory := w.all[0], w.all[1]
	big := w.item(string(make([]byte, MaxItemText)))
	asked := false
	for i := range 300 {
		x := mallory.nextMsg(nil, big)
		x.Deps = []Head{{Author: alice.me, Lane: 9, Seq: uint64(i + 1), Hash: Short{1, byte(i), byte(i >> 8)}}}
		x.Ctrl = &Ctrl{Seen: []Head{{Author: alice.me, Lane: 8, Seq: 1, Hash: Short{2, byte(i), byte(i >> 8)}}}}
		asked = w.must(alice, Received{Record: w.signMsg(mallory, x)}).Want || asked
		if n := alice.pend.size[mallory.me]; n > maxPendingPeer {
			t.Fatalf("%d bytes wait", n)
		}
	}
	if len(alice.pend.missing()) == 0 || !asked {
		t.Error("what is missing is not asked for")
	}
	w.say(alice, "others are not held up")
	if got := fmt.Sprint(w.reads(mallory)); got != "[others are not held up]" {
		t.Errorf("mallory reads %s", got)
	}
}

func TestAbuse_MM17_LeakedRoomKey(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	mallory := outsiderOf(w)
	key := bob.held[bob.current().eh]
	x := bob.nextMsg(bob.current(), w.item("x"))
	for name, jid := range map[string]Hash{"bob's": x.JID, "no": {7}} {
		y := x
		y.Author, y.JID = mallory.me, jid
		y = mallory.seal(y, key, []Item{w.item("with the leaked key")})
		r, _ := w.step(alice, Received{Record: w.signMsg(mallory, y)})
		if len(r.Show)+len(r.Batch.Messages) != 0 || len(w.reads(alice)) != 0 {
			t.Errorf("an outsider's message under %s admission is shown", name)
		}
	}
}

func TestAbuse_MM18_KeyForABundleOfSomeoneElse(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	cur, _ := alice.Current()
	mallory, _, err := keys.GenerateBundle(crowd(1)[0], w.now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Serve(bob.me, cur.EID, mallory); !errors.Is(err, RefusedNotMember) {
		t.Errorf("a bundle of somebody else: %v", err)
	}
	if _, err := alice.Serve(mallory.Peer, cur.EID, mallory); !errors.Is(err, RefusedNotMember) {
		t.Errorf("somebody else: %v", err)
	}
	if _, err := alice.Serve(bob.me, cur.EID, bob.bundle); err != nil {
		t.Errorf("bob's own bundle: %v", err)
	}
}
