package group

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"conclave/keys"
)

// The names are the IDs of abuse cases: what an adversary does, and what must
// happen. Here stand those that the core decides alone.

// outsiderOf is somebody with a group of its own, who was never admitted.
func outsiderOf(w *world) *peer {
	p := w.outsider(200)
	for _, e := range w.all[0].entries { // it may have overheard everything
		w.give(e, p)
	}
	return p
}

func TestAbuse_NM07_MessageFromAMember(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	mallory := outsiderOf(w)
	x := bob.nextMsg(bob.current(), w.item("forged"))
	w.refused("a message in bob's name", payloadOf(KindMessage, mallory.id.Sign(keys.LabelMessage, w.gid, keys.Marshal(&x))), keys.ErrSignature)
	if len(w.reads(alice)) != 0 {
		t.Error("it is shown")
	}
}

func TestAbuse_NM08_OwnersEntryAndChunk(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	mallory := outsiderOf(w)
	before := bob.fingerprint()
	e := alice.next(TypeSet, &Set{Settings: settingsFor("mine")}, 1)
	w.refused("an entry in alice's name", payloadOf(KindEntry, mallory.id.Sign(keys.LabelEntry, w.gid, keys.Marshal(&e))), keys.ErrSignature)
	c := someChunk(alice)
	w.refused("a chunk in alice's name", payloadOf(KindChunk, mallory.id.Sign(keys.LabelChunk, w.gid, keys.Marshal(&c))), keys.ErrSignature)
	for _, v := range []Verified{
		w.signEntry(mallory, mallory.next(TypeSet, &Set{Settings: settingsFor("mine")}, 1)),
		w.signEntry(mallory, mallory.next(TypeAdd, &Peer{Peer: mallory.me}, 1)),
		w.signEntry(mallory, mallory.next(TypeGrant, &Grant{Peer: mallory.me, Caps: allCaps}, 0)),
	} {
		w.give(v, bob)
	}
	if bob.fingerprint() != before {
		t.Error("entries in the outsider's own name changed the state")
	}
}

func TestAbuse_NM09_PlantedKey(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	bob := w.all[1]
	mallory := outsiderOf(w)
	before, _ := bob.Current()
	body, key := mallory.epochBody(ReasonRequest)
	epoch := w.signEntry(mallory, mallory.next(TypeEpoch, body, 0))
	w.give(epoch, bob)
	w.step(bob, KeyReceived{Commit: body.KC, Key: key}) // a valid envelope in a valid chunk of his own
	if now, _ := bob.Current(); now.EID != before.EID || bob.counts(epoch) {
		t.Error("a planted epoch is used")
	}
	_, kc, _, _ := bob.EnvelopeFor(before.EID)
	if _, err := w.step(bob, KeyReceived{Commit: kc, Key: keys.Secret{1}}); !errors.Is(err, keys.ErrCommitment) {
		t.Errorf("a planted key for a real epoch: %v", err)
	}
	for i := range 3 * MaxHeldKeys {
		w.step(bob, KeyReceived{Commit: Hash{9, byte(i)}, Key: keys.Secret{1}})
	}
	if len(bob.early) > MaxHeldKeys {
		t.Errorf("%d keys of unknown epochs are held", len(bob.early))
	}
	r := w.must(w.all[0], Rotate{})
	if _, ok := bob.Key(r.Epoch); !ok {
		t.Error("planted keys keep out a real one")
	}
}

func TestAbuse_NM11_JoinRequests(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice := w.all[0]
	mallory := w.outsider(200)
	before := fmt.Sprint(alice.Local(), len(alice.bundles))
	older, _ := w.bundleOf(w.all[1], 1)
	for name, c := range map[string]struct {
		r    Request
		want error
	}{
		"someone else's bundle": {Request{Peer: mallory.me, Bundle: w.all[1].bundle.Raw()}, ErrBody},
		"no bundle":             {Request{Peer: mallory.me}, keys.ErrNotCanonical},
		"an unsigned bundle":    {Request{Peer: mallory.me, Bundle: append(append([]byte{}, mallory.bundle.Raw()[:len(mallory.bundle.Raw())-1]...), 0)}, keys.ErrSignature},
		"a lower seq":           {Request{Peer: w.all[1].me, Bundle: older.Raw()}, ErrStale},
	} {
		if _, err := w.step(alice, JoinAsked{Request: c.r}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	forAlice := SignJoinRequest(mallory.id, JoinRequest{Approver: alice.me, Group: w.gid[:], Bundle: mallory.bundle.Raw()})
	if _, err := ParseJoinRequest(forAlice, mallory.me, w.all[1].me); !errors.Is(err, ErrBody) {
		t.Errorf("a request for another approver: %v", err)
	}
	if r, err := ParseJoinRequest(forAlice, mallory.me, alice.me); err != nil || Hash(r.Group) != w.gid {
		t.Errorf("the group that was signed for: %v", err)
	}
	if after := fmt.Sprint(alice.Local(), len(alice.bundles)); after != before {
		t.Errorf("something was stored: %s, before %s", after, before)
	}
}

func TestAbuse_NM14_ClaimedGroupID(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice")
	mallory := w.outsider(200)
	_, genesis, err := CreateID(mallory.id, settingsFor("team"), false, w.now, w.entropy())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(w.gid, genesis.Payload); !errors.Is(err, ErrGroup) {
		t.Errorf("a GENESIS under another group's ID: %v", err)
	}
	if _, err := w.step(mallory, Create{Genesis: w.all[0].verifiedGenesis()}); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("a group made of another's GENESIS: %v", err)
	}
}

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
		if who, err := VerifyFork(w.gid, p.messages[a.Held].Payload, a.Record); err != nil || who != mallory.me {
			t.Errorf("the evidence shows %v, %v", who, err)
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

func TestAbuse_RM01_NewKeyAfterRemoval(t *testing.T) {
	w := newTeam(t, openHistory(), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	r := w.must(alice, Remove{Peer: carol.me})
	for _, job := range r.Seal {
		for _, b := range job.To {
			if b.Peer == carol.me {
				t.Error("the new key is sealed to who was removed")
			}
		}
	}
	for _, p := range []*peer{alice, bob} {
		for _, e := range p.Epochs() {
			if err := w.served(p, carol, e.EID); err == nil {
				t.Errorf("generation %d is served to who was removed", e.Gen)
			}
		}
	}
	if _, ok := carol.Key(r.Epoch); ok {
		t.Error("carol holds the new key")
	}
}

func TestAbuse_RM04_PostingAfterRemoval(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.say(carol, "within")
	w.apart(func() { w.must(alice, Remove{Peer: carol.me}) }, carol)
	for range 2 { // under the old epoch, which carol still holds
		var late Verified
		w.apart(func() { late = w.decode(w.say(carol, "beyond").Publish[0]) }, alice, bob)
		for _, p := range []*peer{alice, bob} {
			if r := w.must(p, Received{Record: late}); len(r.Show)+len(r.Batch.Messages) != 0 {
				t.Error("a line of who was removed is shown")
			}
			w.restart(p)
			if got := fmt.Sprint(w.reads(p)); got != "[within]" {
				t.Errorf("reads %s", got)
			}
		}
	}
}

func TestAbuse_RM07_HidingTheRemoval(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.apart(func() { w.must(alice, Remove{Peer: carol.me}) }, bob, carol)
	w.say(carol, "bob does not know") // and bob still takes it
	if len(w.reads(bob)) != 1 {
		t.Fatal("bob, who does not know, hides the line")
	}
	w.sync(alice, bob)
	if bob.IsMember(carol.me) || len(w.reads(bob)) != 0 {
		t.Error("bob does not converge")
	}
	for _, e := range carol.entries { // the log without its end, again
		w.step(bob, Received{Record: e})
	}
	if bob.IsMember(carol.me) {
		t.Error("a shorter log took the removal back")
	}
	w.restart(bob)
	if bob.IsMember(carol.me) {
		t.Error("a restart took the removal back")
	}
}

func TestAbuse_RM09_ReAdded(t *testing.T) {
	for _, s := range []Settings{settingsFor("team"), openHistory()} {
		w := newTeam(t, s, "alice", "bob", "carol")
		alice, carol := w.all[0], w.all[2]
		w.must(alice, Remove{Peer: carol.me})
		w.say(alice, "without carol")
		w.must(alice, Rotate{})
		w.admit(alice, carol)
		for _, p := range w.all[:2] {
			w.sync(p, carol)
			for _, e := range p.Epochs() {
				view := p.g.byHash[short(e.EID)].view(p.g)
				if err := w.served(p, carol, e.EID); view.removed(carol.me) && err == nil {
					t.Errorf("history %d: generation %d is served", s.History, e.Gen)
				}
			}
		}
		for _, text := range w.reads(carol) {
			if text == "without carol" {
				t.Errorf("history %d: carol reads what was said without her", s.History)
			}
		}
		if now, ok := carol.Current(); !ok || carol.Covers(carol.me, now.EID) != nil {
			t.Error("carol cannot speak again")
		}
	}
}

func TestAbuse_RM10_TheLastLeaves(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.must(bob, Quit{})
	w.now += 1000
	w.must(alice, Tick{})
	if r := w.say(alice, "alone"); len(r.Sent) != 1 || len(r.Seal) != 0 {
		t.Errorf("alone: sent %d, sealed %d", len(r.Sent), len(r.Seal))
	}
	r := w.must(alice, Quit{})
	if len(alice.Members()) != 0 || r.Epoch != (Hash{}) || len(r.Seal) != 0 {
		t.Error("after the last LEAVE there are members, or a key")
	}
	for range 3 {
		w.now += 60_000
		if r := w.must(alice, Tick{}); len(r.Publish)+len(r.Seal) != 0 || r.Wake != 0 {
			t.Error("a closed group goes on publishing")
		}
	}
	if _, err := w.step(alice, Send{Items: []Item{w.item("x")}}); !errors.Is(err, ErrClosed) {
		t.Errorf("a line to nobody: %v", err)
	}

	w = newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob = w.all[0], w.all[1]
	if _, err := w.step(alice, Quit{}); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("the owner leaves others behind: %v", err)
	}
	w.must(alice, Quit{Abandon: true})
	if bob.IsMember(alice.me) || len(bob.Members()) != 2 {
		t.Fatal("the owner did not leave")
	}
	w.must(bob, Online{Peer: alice.me, Up: false})
	w.must(w.all[2], Online{Peer: alice.me, Up: false})
	w.say(bob, "we go on")
	w.now += rankWait
	w.must(bob, Tick{})
	if got := fmt.Sprint(w.reads(w.all[2])); got != "[we go on]" {
		t.Errorf("carol reads %s", got)
	}
}

func TestAbuse_RM11_SelfLeave(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	before, _ := alice.Current()
	r := w.must(carol, Quit{})
	if len(r.Publish) != 1 {
		t.Fatalf("a leave publishes %d records", len(r.Publish))
	}
	for _, p := range []*peer{alice, bob} {
		if p.Marked(w.now) != HardMark || p.IsMember(carol.me) {
			t.Errorf("mark %s after a LEAVE", p.Marked(w.now))
		}
		if err := w.served(p, carol, before.EID); err == nil {
			t.Error("a key is served to who left")
		}
	}
	if r := w.say(bob, "x"); len(r.Sent) != 0 {
		t.Error("a line left under the key that who left holds")
	}
	w.now += rankWait
	w.must(bob, Tick{})
	if now, ok := bob.Current(); !ok || now.EID == before.EID || now.Reason != ReasonRemoved {
		t.Errorf("the key after the rotation is %+v", now)
	}
}

func TestAbuse_MO02_TwoKeysUnderOneRecord(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	var epoch Verified
	w.apart(func() { epoch = w.decode(w.must(alice, Rotate{}).Publish[0]) }, bob, carol)
	body := epoch.Entry().body.(*Epoch)
	key, _ := alice.Key(epoch.Hash)
	w.give(epoch, bob, carol)
	w.must(carol, KeyReceived{Commit: body.KC, Key: key})
	if _, err := w.step(bob, KeyReceived{Commit: body.KC, Key: keys.Secret{1}}); !errors.Is(err, keys.ErrCommitment) {
		t.Errorf("another key under the same record: %v", err)
	}
	if _, ok := bob.Key(epoch.Hash); ok {
		t.Error("bob holds another key than carol")
	}
}

func TestAbuse_MO03_HiddenMember(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	if w.epochCounts(alice, bob, ReasonRequest, func(b *Epoch) { b.N = uint64(len(bob.Members())) + 1 }) {
		t.Error("an EPOCH with an envelope too many counts")
	}
}

func TestAbuse_MO04_RollBack(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	for range 3 {
		w.must(alice, Rotate{})
	}
	w.must(alice, Change{Settings: settingsFor("renamed")})
	before, state := bob.current().eh, bob.fingerprint()
	for _, e := range alice.entries {
		w.give(e, bob)
	}
	if bob.current().eh != before || bob.fingerprint() != state {
		t.Error("records that are held changed something")
	}
	fresh := w.outsider(200)
	var old []Verified
	for _, e := range alice.entries {
		old = append(old, e)
	}
	for _, v := range old {
		w.give(v, fresh)
	}
	if fresh.Settings().Name != "renamed" {
		t.Error("an older SET counts")
	}
}

func TestAbuse_MO05_Generations(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	cur := alice.current().body.(*Epoch)
	for name, change := range map[string]func(b *Epoch){
		"gen too great":    func(b *Epoch) { b.Gen++ },
		"gen repeated":     func(b *Epoch) { b.Gen-- },
		"gen near the end": func(b *Epoch) { b.Gen = math.MaxUint64 },
		"kc seen before":   func(b *Epoch) { b.KC = cur.KC },
		"salt seen before": func(b *Epoch) { b.Salt = cur.Salt },
	} {
		if w.epochCounts(alice, bob, ReasonRequest, change) {
			t.Errorf("an owner's EPOCH with a %s counts", name)
		}
	}
}

func TestAbuse_MO07_OldKeyAfterOffAndOn(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	old := alice.current()
	w.write(alice, TypeSet, &Set{Settings: encryptionOff()}, 1, bob)
	w.write(alice, TypeSet, &Set{Settings: settingsFor("team")}, 1, bob)
	again := func(b *Epoch) { b.KC, b.Salt = old.body.(*Epoch).KC, old.body.(*Epoch).Salt }
	if w.epochCounts(alice, bob, ReasonEncryptionOn, again) {
		t.Error("an EPOCH with the old key counts")
	}
	if _, ok := bob.Current(); ok {
		t.Error("the old EPOCH is used")
	}
}

func TestAbuse_MO08_OffWhereRequired(t *testing.T) {
	w := newRequiring(t, "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	v := w.write(alice, TypeSet, &Set{Settings: encryptionOff()}, 1, bob)
	if bob.counts(v) || !bob.Settings().E2EE {
		t.Error("encryption was switched off where it is required")
	}
	if r := w.say(bob, "x"); len(r.Sent) != 1 || r.Sent[0].EID == (Hash{}) {
		t.Error("a line left in plaintext")
	}
}

func TestAbuse_MO10_ForgedHistory(t *testing.T) {
	w := newTeam(t, openHistory(), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	r := rangeOf(w, bob, 3)
	joiner := w.person(9)
	w.all = append(w.all, joiner)
	joiner.Machine = New(Config{GID: w.gid, Self: joiner.id, Bundle: joiner.bundle}, Stored{})
	w.admit(alice, joiner)
	x := *w.decode(r[1]).Msg()
	x.Time++
	planted := payloadOf(KindMessage, keys.Record{Body: keys.Marshal(&x), Sig: make([]byte, 64)})
	signed := payloadOf(KindMessage, alice.id.Sign(keys.LabelMessage, w.gid, keys.Marshal(&x)))
	for name, b := range map[string][]byte{"unsigned": planted, "signed by the owner": signed} {
		w.refused("a line of bob's, "+name, b, keys.ErrSignature)
		if _, err := DecodeRange(w.gid, [][]byte{r[0], b, r[2]}); err == nil {
			t.Errorf("a range with a line of bob's, %s, is taken", name)
		}
	}
	w.sync(alice, joiner)
	if got := fmt.Sprint(w.reads(joiner)); got != "[0 1 2]" {
		t.Errorf("the joiner reads %s", got)
	}
}

func TestAbuse_MO11_TooMuch(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.refused("a record of 10 MB", append([]byte{'E'}, make([]byte, 10<<20)...), ErrSize)
	start := time.Now()
	bob.off = true
	var epochs []Verified
	for range 1000 {
		epochs = append(epochs, w.decode(w.must(alice, Rotate{}).Publish[0]))
	}
	bob.off = false
	for _, v := range epochs {
		w.give(v, bob)
	}
	if len(bob.g.folds) > maxFolds {
		t.Errorf("%d folds are kept", len(bob.g.folds))
	}
	r := w.say(bob, "x")
	t.Logf("1,000 rotations minted and received in %v; bob's line: sent %d", time.Since(start), len(r.Sent))
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("1,000 rotations took %v", took)
	}
	if len(bob.Wanted()) > MaxSeen {
		t.Errorf("%d keys are asked for at once", len(bob.Wanted()))
	}
}

func TestAbuse_MO11_ManyMembers(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	start := time.Now()
	e := alice.next(TypeAdd, &Peer{}, 1)
	for _, id := range crowd(1000) {
		e.Body = keys.Marshal(&Peer{Peer: id.PeerID()})
		v := w.signEntry(alice, e)
		w.must(bob, Received{Record: v})
		e.Prev, e.Seq, e.Ord = v.Hash, e.Seq+1, e.Ord+1
	}
	if n := len(bob.Members()); n != 1002 {
		t.Errorf("%d members", n)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("1,000 admissions took %v", took)
	}
	if r := w.must(bob, Rotate{}); r.Epoch == (Hash{}) {
		t.Error("no rotation among 1,000 members")
	}
}

func TestAbuse_MO12_WrongTimes(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	real := w.now
	for i, at := range []uint64{0, real * 4, 1, real} {
		w.now = at
		w.say(alice, fmt.Sprint(i))
		w.must(alice, SetName{Name: fmt.Sprint("alice", i)})
	}
	w.now = real
	for _, p := range w.all {
		if got := fmt.Sprint(w.reads(p)); got != "[0 1 2 3]" {
			t.Errorf("reads %s", got)
		}
		if p.Name(alice.me) != "alice3" {
			t.Errorf("the name is %q", p.Name(alice.me))
		}
	}
	if r := w.say(bob, "later"); len(r.Sent) != 1 {
		t.Error("bob's line is held up")
	}
}
