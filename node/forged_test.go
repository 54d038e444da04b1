package node

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// forgers is a group of ann, bob and three puppets. Gossip goes from x to ann and
// from ann to bob and w: what bob or w is sent, ann has handed on. y says nothing
// by itself.
type forgers struct {
	t        *testing.T
	ann, bob *player
	x, y, w  *puppet
	gid      string
	before   string
}

func newForgers(t *testing.T) *forgers {
	t.Helper()
	f := &forgers{t: t, ann: inMemory(t, "ann"), bob: inMemory(t, "bob"), x: newPuppet(t), y: newPuppet(t), w: newPuppet(t)}
	ok(t, f.bob.net.Remember(f.ann.me, f.ann.net.Addrs()...))
	f.gid = newGroup(t, CreateGroup{}, f.ann, f.bob)
	for _, p := range []*puppet{f.y, f.w, f.x} {
		ok(t, p.know(f.ann))
		p.joins(f.ann, f.gid)
	}
	f.x.enters(f.ann)
	f.w.enters(f.ann)
	agree(t, f.gid, f.ann, f.bob)
	f.x.meshed(f.ann)
	f.w.meshed(f.ann)
	await(t, "all news at bob", func() bool {
		f.bob.roomOf(f.gid).syncer.kick()
		return f.bob.state(f.gid) == f.ann.state(f.gid)
	})
	_, err := f.y.pulls(within(t), f.ann, nil)
	ok(t, err)
	f.before = f.state()
	return f
}

// state is all that ann and bob hold of the group but for what was said.
func (f *forgers) state() (out string) {
	f.t.Helper()
	for _, p := range []*player{f.ann, f.bob} {
		out += p.state(f.gid)
	}
	return out
}

// state is what a node holds of a group's control log, keys and bundles.
func (p *player) state(gid string) (out string) {
	p.t.Helper()
	ok(p.t, p.roomOf(gid).look(within(p.t), func(m *group.Machine) {
		cur, _ := m.Current()
		key, _ := m.Key(cur.EID)
		out = fmt.Sprint(m.Heights().Control, m.Members(), m.Settings(), m.Eligible(), cur.EID, keys.Sum(key[:]), len(m.Local().Requests))
		for _, who := range m.Everyone() {
			b, _ := m.Bundle(who)
			out += fmt.Sprint(b.Hash())
		}
	}))
	return out
}

// unharmed checks that a forged payload went no further than ann, and that
// nothing is other than before; people go on talking.
func (f *forgers) unharmed(forged ...[]byte) {
	f.t.Helper()
	f.ann.say(f.gid, "ann, after it")
	f.bob.reads(f.gid, "ann, after it")
	f.bob.say(f.gid, "bob, after it")
	f.ann.reads(f.gid, "ann, after it", "bob, after it")
	await(f.t, "both lines at the witness", func() bool {
		said := 0
		for _, p := range f.w.listened() {
			if v, err := group.Decode(f.w.gid, p); err == nil && v.Msg() != nil {
				said++
			}
		}
		return said >= 2
	})
	for _, p := range f.w.listened() {
		if slices.ContainsFunc(forged, func(b []byte) bool { return bytes.Equal(b, p) }) {
			f.t.Error("ann handed it on to the witness")
		}
	}
	if d := f.bob.net.Drops(); d.Rejected+d.Ignored > 0 {
		f.t.Errorf("ann handed it on to bob: %+v", d)
	}
	if after := f.state(); after != f.before {
		f.t.Errorf("before it:\n%s\nafter it:\n%s", f.before, after)
	}
	for _, p := range []*player{f.ann, f.bob} {
		if texts := p.texts(f.gid); len(texts) != 2 {
			f.t.Errorf("%s reads %q", p.name, texts)
		}
	}
}

// bodyOf is the signed body of a payload.
func bodyOf(t testing.TB, payload []byte) []byte {
	t.Helper()
	rec, err := keys.DecodeRecord(payload[1:])
	ok(t, err)
	return rec.Body
}

// signed makes a payload of a body, with the signature of id.
func signed(k group.Kind, id *keys.Identity, gid keys.Hash, body []byte) []byte {
	label := map[group.Kind]keys.Label{group.KindEntry: keys.LabelEntry, group.KindMessage: keys.LabelMessage, group.KindChunk: keys.LabelChunk}[k]
	return append([]byte{byte(k)}, id.Sign(label, gid, body).Encode()...)
}

// TestAbuse_NM07_ForgedMessage: a message in the name of a member, signed by
// another, is rejected by the first who gets it, and goes no further.
func TestAbuse_NM07_ForgedMessage(t *testing.T) {
	f := newForgers(t)
	forged := signed(group.KindMessage, f.x.id, f.x.gid, bodyOf(t, f.y.speech(1)[0]))
	if v := f.ann.roomOf(f.gid).validate(newPuppet(t).me(), forged); v != mesh.Reject {
		t.Errorf("from a stranger the verdict is %v", v)
	}
	f.x.says(forged)
	await(t, "a verdict", func() bool { return f.ann.net.Drops().Rejected == 1 })
	f.unharmed(forged)
}

// TestAbuse_NM08_ForgedEntryAndChunk: the owner's next entry, and a chunk of the
// owner's envelopes, signed by somebody else.
func TestAbuse_NM08_ForgedEntryAndChunk(t *testing.T) {
	f := newForgers(t)
	var e group.Entry
	records, err := f.y.pulls(within(t), f.ann, new(group.Heights))
	ok(t, err)
	for _, r := range records {
		v, err := group.Decode(f.y.gid, r)
		ok(t, err)
		if v.Kind() == group.KindEntry && v.Author() == f.ann.me {
			body := bodyOf(t, r)
			ok(t, keys.Unmarshal(body, &e))
			e.Seq, e.Prev, e.Ord = e.Seq+1, keys.Sum(body), e.Ord+1
		}
	}
	if e.Seq == 0 {
		t.Fatal("no entry of the owner")
	}
	entry := signed(group.KindEntry, f.x.id, f.x.gid, keys.Marshal(&e))
	chunk := f.chunkFor(f.bob, f.ann.me, keys.Hash{1}, keys.Secret{2})
	for i, payload := range [][]byte{entry, chunk} {
		f.x.says(payload)
		await(t, "a verdict", func() bool { return f.ann.net.Drops().Rejected == uint64(i+1) })
	}
	f.unharmed(entry, chunk)
}

// chunkFor is a chunk signed by x with one good envelope in it, for p.
func (f *forgers) chunkFor(p *player, minter keys.PeerID, kc keys.Hash, key keys.Secret) []byte {
	f.t.Helper()
	c := group.Chunk{GID: f.x.gid, Minter: minter, Seq: 99, KC: kc}
	ectx := keys.EnvelopeContext(c.GID, c.Minter, c.Lane, c.Seq, c.KC)
	ct, err := keys.SealEnvelope(p.ownBundle(), c.GID, ectx, minter, key)
	ok(f.t, err)
	c.Envelopes = []group.Envelope{{Tag: keys.EnvelopeTag(ectx, p.me, p.ownBundle().Hash()), Data: ct}}
	return signed(group.KindChunk, f.x.id, c.GID, keys.Marshal(&c))
}

// TestAbuse_NM09_PlantedKey: a member sends keys of its own in good envelopes,
// for an epoch that is about to come and for no epoch at all. The nodes use none
// of them, and take the real one when it comes.
func TestAbuse_NM09_PlantedKey(t *testing.T) {
	f := newForgers(t)
	f.plantForEpoch()
	f.before = f.state()
	for _, p := range []*player{f.ann, f.bob} {
		for i := range 3 * group.MaxHeldKeys {
			key := keys.Secret{byte(i), 1}
			f.plant(p, keys.Commitment(key, keys.Hash{byte(i)}, f.x.gid), key)
		}
	}
	f.unharmed()
	_, err := f.ann.Rotate(within(t), f.gid)
	ok(t, err)
	agree(t, f.gid, f.ann, f.bob)
	f.ann.say(f.gid, "under a new key")
	f.bob.reads(f.gid, "under a new key")
}

// plant gives a node a key in a good envelope.
func (f *forgers) plant(p *player, kc keys.Hash, key keys.Secret) {
	f.t.Helper()
	payload := f.chunkFor(p, f.x.me(), kc, key)
	v, err := group.Decode(f.x.gid, payload)
	ok(f.t, err)
	if _, opens := p.openChunk(f.x.gid, v.Chunk()); !opens {
		f.t.Fatal("the envelope does not open: the test proves nothing")
	}
	if verdict := p.roomOf(f.gid).validate(f.x.me(), payload); verdict != mesh.Accept {
		f.t.Fatalf("verdict %v", verdict)
	}
}

// plantForEpoch has x make an epoch, and send another key than that of it to each
// node before it comes.
func (f *forgers) plantForEpoch() {
	f.t.Helper()
	var made [][]byte
	f.x.publish = func(payload []byte) bool { made = append(made, payload); return false }
	rd, err := f.x.step(group.Rotate{})
	ok(f.t, err)
	f.x.publish = nil
	var kc keys.Hash
	var real keys.Secret
	f.x.look(func(m *group.Machine) {
		_, kc, _, _ = m.EnvelopeFor(rd.Epoch)
		real, _ = m.Key(rd.Epoch)
	})
	for _, p := range []*player{f.ann, f.bob} {
		f.plant(p, kc, keys.Secret{7})
		for _, payload := range made {
			p.roomOf(f.gid).validate(f.x.me(), payload)
			ok(f.t, p.roomOf(f.gid).look(within(f.t), func(m *group.Machine) {
				if key, held := m.Key(rd.Epoch); held && key != real {
					f.t.Errorf("%s holds the planted key", p.name)
				}
			}))
		}
		ok(f.t, p.roomOf(f.gid).look(within(f.t), func(m *group.Machine) {
			if _, held := m.Key(rd.Epoch); !held {
				f.t.Errorf("%s does not hold the real key", p.name)
			}
		}))
	}
}

// TestAbuse_MM17_OutsiderWithTheKey: somebody who is no member, and yet has the
// key, speaks through a member who hands it on in good faith. It is neither
// handed on nor shown, and that member is blamed for nothing.
func TestAbuse_MM17_OutsiderWithTheKey(t *testing.T) {
	f := newForgers(t)
	z := newPuppet(t)
	var x group.Msg
	ok(t, keys.Unmarshal(bodyOf(t, f.y.speech(1)[0]), &x))
	x.Author = z.me()
	payload := signed(group.KindMessage, z.id, f.x.gid, keys.Marshal(&x))
	for range 4 { // more than would be graylisted
		x.Time++
		payload = signed(group.KindMessage, z.id, f.x.gid, keys.Marshal(&x))
		before := f.ann.net.Drops().Ignored // summaries are ignored, too
		f.x.says(payload)
		await(t, "a verdict", func() bool { return f.ann.net.Drops().Ignored > before })
	}
	if d := f.ann.net.Drops(); d.Rejected > 0 {
		t.Errorf("whoever handed it on is blamed: %+v", d)
	}
	f.unharmed(payload)
	f.x.step(line("x, who meant no harm"))
	f.ann.reads(f.gid, "x, who meant no harm")
	f.bob.reads(f.gid, "x, who meant no harm")
}

// TestAbuse_RM08_NewIdentity: somebody who was removed asks again as somebody
// else. That is a request like any other: until it is answered it brings no
// record, no key and no place.
func TestAbuse_RM08_NewIdentity(t *testing.T) {
	f := newForgers(t)
	_, err := f.ann.Kick(within(t), f.gid, f.x.me().String())
	ok(t, err)
	again := newPuppet(t)
	again.gid = f.x.gid
	ok(t, again.know(f.ann))
	s, a, err := again.asksToJoin(f.ann, again.gid)
	ok(t, err)
	if a.Status != joinRequested {
		t.Errorf("asking again: %d", a.Status)
	}
	if b, err := s.ReadFrame(maxFrame); err == nil {
		t.Errorf("%d bytes beside the answer", len(b))
	}
	if answered, told := again.hellos(f.ann, keys.Hash{}); told > 0 {
		t.Errorf("of %d answers %d tell how it ended", answered, told)
	}
	if records, err := again.pulls(within(t), f.ann, new(group.Heights)); len(records) > 0 {
		t.Errorf("%d records, %v", len(records), err)
	}
	waiting, err := f.ann.Requests(within(t), f.gid)
	ok(t, err)
	g, err := f.ann.Group(within(t), f.gid)
	ok(t, err)
	if len(waiting) != 1 || waiting[0].PeerID != again.me().String() || g.Members != 4 {
		t.Errorf("requests %+v, %d members", waiting, g.Members)
	}
}

// TestAbuse_MO06_SwitchedOff: the owner switches encryption off. What a member
// says as before is refused until that person accepts it: nothing leaves in
// plaintext by the owner's choice alone.
func TestAbuse_MO06_SwitchedOff(t *testing.T) {
	f := newForgers(t)
	_, err := f.ann.Encryption(within(t), f.gid, "off")
	ok(t, err)
	await(t, "the news at bob", func() bool {
		g, err := f.bob.Group(within(t), f.gid)
		ok(t, err)
		return !g.E2EE
	})
	var refused *Error
	_, err = f.bob.Send(within(t), f.gid, []string{"as always"}, false, false)
	if !errors.As(err, &refused) || refused.Kind != NotAllowed {
		t.Errorf("bob's line: %v", err)
	}
	_, err = f.bob.Send(within(t), f.gid, []string{"on purpose"}, true, true)
	ok(t, err)
	f.ann.reads(f.gid, "on purpose")
	_, err = f.bob.Encryption(within(t), f.gid, "accept")
	ok(t, err)
	f.bob.say(f.gid, "accepted")
	f.ann.reads(f.gid, "on purpose", "accepted")
	for _, m := range f.ann.messages(f.gid) {
		if m.Encrypted || *m.Text == "as always" {
			t.Errorf("ann reads %q, encrypted: %v", *m.Text, m.Encrypted)
		}
	}
}
