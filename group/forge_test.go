package group

import (
	"maps"
	"slices"
	"testing"

	"conclave/keys"
)

// next is the entry that p's node would write next, for a test to alter. It is
// not asked whether p may.
func (p *peer) next(t Type, body any, term uint64) Entry {
	p.now = p.w.now
	e := *p.draft(TypeProfile, &Profile{Name: "x"}, 0).Entry
	e.Type, e.Body, e.Term = t, keys.Marshal(body), term
	return e
}

// signEntry signs e as p and returns it as everyone else receives it.
func (w *world) signEntry(p *peer, e Entry) Verified {
	w.t.Helper()
	return w.decode(w.rawEntry(p, e))
}

func (w *world) rawEntry(p *peer, e Entry) []byte {
	return payloadOf(KindEntry, p.id.Sign(keys.LabelEntry, w.gid, keys.Marshal(&e)))
}

// signMsg signs x as p and returns it as everyone else receives it.
func (w *world) signMsg(p *peer, x Msg) Verified {
	w.t.Helper()
	return w.decode(w.rawMsg(p, x))
}

func (w *world) rawMsg(p *peer, x Msg) []byte {
	return payloadOf(KindMessage, p.id.Sign(keys.LabelMessage, w.gid, keys.Marshal(&x)))
}

func payloadOf(k Kind, rec keys.Record) []byte {
	return append([]byte{byte(k)}, rec.Encode()...)
}

func (w *world) decode(payload []byte) Verified {
	w.t.Helper()
	v, err := Decode(w.gid, payload)
	if err != nil {
		w.t.Fatalf("decode %c: %v", payload[0], err)
	}
	return v
}

// nextMsg is the message that p's node would send next with these items, for a
// test to alter. Without an epoch it is plaintext.
func (p *peer) nextMsg(epoch *entry, items ...Item) Msg {
	m := p.Machine
	m.now = p.w.now
	x := *m.header(epoch)
	if epoch == nil {
		x.Data = keys.Marshal(items)
		return x
	}
	return p.seal(x, m.held[epoch.eh], items)
}

// seal encrypts items under the header of x and the room key.
func (p *peer) seal(x Msg, key keys.Secret, items []Item) Msg {
	salt := Hash(p.w.entropy())
	commit, ct := keys.SealMessage(keys.SenderKey(key, p.me), salt, x.headerHash(), keys.Marshal(items))
	x.Salt, x.Commit, x.Data = salt[:], commit[:], ct
	return x
}

// item is a line with a fresh ID.
func (w *world) item(text string) Item { return Item{ID: w.itemID(), Text: text} }

// restart makes p's machine anew from what its batches left behind.
func (w *world) restart(p *peer) {
	w.t.Helper()
	p.Machine = New(Config{GID: w.gid, Self: p.id, Direct: p.g.direct, Bundle: p.bundle}, p.disk.stored())
}

// disk keeps what a shell would have made durable.
type disk struct {
	entries  map[Hash]Verified
	messages map[Hash]StoredMessage
	keys     map[Hash]keys.Secret
	latest   map[latestKey]Verified
	holds    map[PeerID]Holds
	out      []OutItem
	local    *Local
	alarms   []Alarm
	waiting  map[Hash]Waiting
}

func newDisk() *disk {
	return &disk{entries: map[Hash]Verified{}, messages: map[Hash]StoredMessage{}, keys: map[Hash]keys.Secret{}, latest: map[latestKey]Verified{}, holds: map[PeerID]Holds{}, waiting: map[Hash]Waiting{}}
}

// copy is what a backup made now would hold.
func (d *disk) copy() *disk {
	c := *d
	c.entries, c.messages, c.keys, c.latest = maps.Clone(d.entries), maps.Clone(d.messages), maps.Clone(d.keys), maps.Clone(d.latest)
	c.out, c.waiting = slices.Clone(d.out), maps.Clone(d.waiting)
	return &c
}

func (d *disk) keep(t testing.TB, gid Hash, r Ready) {
	t.Helper()
	for _, k := range r.Keys {
		d.keys[k.EID] = k.Key
	}
	for _, e := range r.Batch.Entries {
		v, err := DecodeOwn(gid, e.Payload)
		if err != nil {
			t.Fatal(err)
		}
		d.entries[v.Hash] = v
	}
	for _, s := range r.Batch.Messages {
		d.messages[s.Hash] = s
	}
	for _, v := range r.Batch.Latest {
		d.latest[latestKey{v.Kind(), v.Author()}] = v
	}
	for _, h := range r.Batch.Holds {
		d.holds[h.Peer] = h
	}
	for _, w := range r.Batch.Wait {
		d.waiting[w.Hash] = w
	}
	for _, h := range r.Batch.Waited {
		delete(d.waiting, h)
	}
	d.keepOut(r.Batch)
	if r.Batch.Local != nil {
		d.local = r.Batch.Local
	}
	d.alarms = append(d.alarms, r.Batch.Alarms...)
}

func (d *disk) keepOut(b Batch) {
	d.out = append(d.out, b.OutPut...)
	var left []OutItem
	for _, o := range d.out {
		gone := false
		for _, n := range b.OutDel {
			gone = gone || n == o.N
		}
		if !gone {
			left = append(left, o)
		}
	}
	d.out = left
}

func (d *disk) stored() Stored {
	s := Stored{Keys: d.keys, Outbox: d.out, Local: d.local, Alarms: d.alarms}
	for _, v := range d.entries {
		s.Entries = append(s.Entries, v)
	}
	for _, v := range d.messages {
		s.Messages = append(s.Messages, v)
	}
	for _, v := range d.latest {
		s.Latest = append(s.Latest, v)
	}
	for _, h := range d.holds {
		s.Holds = append(s.Holds, h)
	}
	for _, w := range d.waiting {
		s.Waiting = append(s.Waiting, w)
	}
	return s
}

// epochBody is an EPOCH over the newest epochs that p knows, whether or not p
// may mint it, with a key of its own.
func (p *peer) epochBody(reason Reason) (*Epoch, keys.Secret) {
	key, salt := p.w.entropy(), Hash(p.w.entropy())
	b := &Epoch{
		Gen: 1, KC: keys.Commitment(key, salt, p.w.gid), Salt: salt, Suite: Suite,
		History: p.st.settings.History, Reason: reason,
	}
	for _, e := range p.newestEpochs(false) {
		b.Parents = append(b.Parents, e.eh)
		b.Gen = max(b.Gen, e.body.(*Epoch).Gen+1)
	}
	sortHashes(b.Parents)
	b.Acks = p.acksBeyond(p.newestEpochs(false))
	return b, key
}

// give hands v to each of the members. Its author takes it for one of its own.
func (w *world) give(v Verified, ps ...*peer) {
	w.t.Helper()
	for _, p := range ps {
		p.restoring = p.me == v.Author()
		w.must(p, Received{Record: v})
		p.restoring = false
	}
}

// write signs the entry that p would write next, whether or not p may, and gives
// it to p itself and to the others named.
func (w *world) write(p *peer, t Type, body any, term uint64, to ...*peer) Verified {
	w.t.Helper()
	v := w.signEntry(p, p.next(t, body, term))
	w.give(v, append([]*peer{p}, to...)...)
	return v
}

// at returns the entry as p holds it.
func (p *peer) at(v Verified) *entry {
	p.w.t.Helper()
	e := p.g.byHash[short(v.Hash)]
	if e == nil {
		p.w.t.Fatalf("%s is not held", v.Entry().Type)
	}
	return e
}

// counts reports whether the entry has effect at p.
func (p *peer) counts(v Verified) bool {
	p.w.t.Helper()
	return !p.st.isVoid(p.at(v))
}

// apart runs f while the members named hear nothing and are heard by nobody.
func (w *world) apart(f func(), ps ...*peer) {
	for _, p := range ps {
		p.off = true
	}
	f()
	for _, p := range ps {
		p.off = false
	}
}
