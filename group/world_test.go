package group

import (
	"cmp"
	"fmt"
	"testing"

	"conclave/keys"
)

// world is a few members on a perfect network, for tests of single rules. The
// seeded simulation with faults lives in group/sim.
type world struct {
	t    testing.TB
	gid  Hash
	now  uint64
	n    uint32
	all  []*peer
	seen map[PeerID]*peer

	watch func(*peer, Ready) // sees every step's outcome, if set
}

type peer struct {
	*Machine
	w      *world
	id     *keys.Identity
	bundle keys.Bundle
	seed   keys.Secret
	*disk
	off  bool
	side int // of a partition: only the same side hears
}

func (w *world) entropy() keys.Secret {
	w.n++
	return keys.Secret{byte(w.n), byte(w.n >> 8), byte(w.n >> 16)}
}

func newWorld(t testing.TB, s Settings, names ...string) *world {
	t.Helper()
	w := &world{t: t, now: 1_700_000_000_000, seen: map[PeerID]*peer{}}
	for i := range names {
		p := w.person(byte(i + 1))
		w.all = append(w.all, p)
		w.seen[p.id.PeerID()] = p
	}
	gid, genesis, err := CreateID(w.all[0].id, s, false, w.now, w.entropy())
	if err != nil {
		t.Fatal(err)
	}
	w.gid = gid
	for _, p := range w.all {
		p.Machine = New(Config{GID: gid, Self: p.id, Bundle: p.bundle}, Stored{})
	}
	w.must(w.all[0], Create{Genesis: genesis})
	return w
}

// person makes keys for one more peer.
func (w *world) person(seed byte) *peer {
	w.t.Helper()
	p := &peer{w: w, id: keys.IdentityFromSeed(keys.Secret{seed}), disk: newDisk()}
	var err error
	if p.bundle, p.seed, err = keys.GenerateBundle(p.id, w.now); err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) must(p *peer, ev Event) Ready {
	w.t.Helper()
	r, err := w.step(p, ev)
	if err != nil {
		w.t.Fatalf("step %T: %v", ev, err)
	}
	return r
}

func (w *world) step(p *peer, ev Event) (Ready, error) {
	r, err := p.Step(Input{Now: w.now, Entropy: w.entropy(), Event: ev})
	if err != nil {
		return r, err
	}
	p.keep(w.t, w.gid, r)
	if w.watch != nil {
		w.watch(p, r)
	}
	for _, payload := range r.Publish {
		for _, q := range w.all {
			if q != p && !q.off && p.side == q.side && q.Machine != nil && p.IsMember(q.me) {
				w.deliver(q, payload)
			}
		}
	}
	for _, job := range r.Seal {
		w.must(p, Sealed{Job: job, Envelopes: w.seal(job)})
	}
	return r, nil
}

func (w *world) seal(job SealJob) []Envelope {
	var out []Envelope
	for _, b := range job.To {
		ct, err := keys.SealEnvelope(b, w.gid, job.Ectx, job.Minter, job.Key)
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, Envelope{Tag: keys.EnvelopeTag(job.Ectx, b.Peer, b.Hash()), Data: ct})
	}
	return out
}

func (w *world) deliver(q *peer, payload []byte) {
	w.t.Helper()
	v, err := Decode(w.gid, payload)
	if err != nil {
		w.t.Fatalf("decode %c: %v", payload[0], err)
	}
	if c := v.Chunk(); c != nil {
		q.r = new(Ready)
		q.receiveChunk(v) // without a Step, which would draw entropy
		q.keep(w.t, w.gid, *q.r)
		w.openChunk(q, c)
		return
	}
	w.step(q, Received{Record: v})
}

func (w *world) openChunk(q *peer, c *Chunk) {
	ectx := keys.EnvelopeContext(w.gid, c.Minter, c.Lane, c.Seq, c.KC)
	tag := keys.EnvelopeTag(ectx, q.me, q.bundle.Hash())
	for _, env := range c.Envelopes {
		if env.Tag == tag {
			info := keys.EnvelopeInfo{GID: w.gid, Ectx: ectx, Minter: c.Minter, Member: q.me, Bundle: q.bundle.Hash()}
			key, err := keys.OpenEnvelope(q.seed, info, env.Data)
			if err != nil {
				w.t.Fatal(err)
			}
			w.must(q, KeyReceived{Commit: c.KC, Key: key})
		}
	}
}

// sync brings q everything that p holds and q may have.
func (w *world) sync(p, q *peer) {
	w.t.Helper()
	miss, err := p.MissingAt(q.me, q.Heights())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, b := range miss.Bases {
		w.step(q, b)
	}
	for _, r := range miss.Records {
		w.deliver(q, r)
	}
	for _, ref := range miss.Messages {
		w.deliver(q, p.messages[ref.Hash].Payload)
	}
	for _, eid := range q.Wanted() {
		job, err := p.Serve(q.me, eid, q.bundle)
		if err != nil {
			continue
		}
		env := w.seal(job)[0]
		key, err := keys.OpenEnvelope(q.seed, keys.EnvelopeInfo{GID: w.gid, Ectx: job.Ectx, Minter: job.Minter, Member: q.me, Bundle: q.bundle.Hash()}, env.Data)
		if err != nil {
			w.t.Fatal(err)
		}
		w.must(q, KeyReceived{Commit: job.KC, Key: key})
	}
}

// admit lets q join by asking p.
func (w *world) admit(p, q *peer) {
	w.t.Helper()
	w.must(p, JoinAsked{Request: Request{Peer: q.me, Bundle: q.bundle.Raw()}})
	w.must(p, Approve{Peer: q.me})
	w.sync(p, q)
	for _, a := range w.all {
		for _, b := range w.all {
			if a != b && a.IsMember(a.me) && a.IsMember(b.me) {
				w.must(a, Online{Peer: b.me, Up: true})
			}
		}
	}
}

func (w *world) say(p *peer, text string) Ready {
	w.t.Helper()
	return w.must(p, Send{Items: []Item{{ID: w.itemID(), Text: text}}})
}

// reads lists the texts that q can read, in display order.
func (w *world) reads(q *peer) []string {
	var recs []*message
	for _, r := range q.msgs {
		recs = append(recs, r)
	}
	out := []string{}
	for _, r := range sortedByDisplay(recs) {
		if !q.visible(r) {
			continue
		}
		v, err := DecodeOwn(w.gid, q.messages[r.hash].Payload)
		if err != nil {
			w.t.Fatal(err)
		}
		var key keys.Secret
		if r.epoch != nil {
			var ok bool
			if key, ok = q.Key(r.epoch.eh); !ok {
				continue
			}
		}
		items, err := v.Msg().Items(key)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, it := range items {
			out = append(out, it.Text)
		}
	}
	return out
}

func sortedByDisplay(recs []*message) []*message {
	for i := range recs {
		for j := i; j > 0 && displayLess(recs[j], recs[j-1]); j-- {
			recs[j], recs[j-1] = recs[j-1], recs[j]
		}
	}
	return recs
}

func displayLess(a, b *message) bool {
	return cmp.Or(cmp.Compare(a.ord, b.ord), a.author.Compare(b.author), cmp.Compare(a.lane, b.lane), cmp.Compare(a.seq, b.seq), a.hash.Compare(b.hash)) < 0
}

func settingsFor(name string) Settings {
	return Settings{Name: name, E2EE: true, MaxAge: DefaultMaxAge}
}

func TestThreePeopleTalkAndOneLeaves(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.say(alice, "alone")
	w.admit(alice, bob)
	w.say(alice, "hello bob")
	w.say(bob, "hello alice")
	w.admit(alice, carol)
	w.sync(alice, carol)
	w.say(carol, "hello all")
	if got := fmt.Sprint(w.reads(alice)); got != "[alone hello bob hello alice hello all]" {
		t.Errorf("alice reads %s", got)
	}
	if got := fmt.Sprint(w.reads(bob)); got != "[hello bob hello alice hello all]" {
		t.Errorf("bob reads %s", got)
	}
	if got := fmt.Sprint(w.reads(carol)); got != "[hello all]" {
		t.Errorf("carol reads %s", got)
	}
	before, _ := bob.Current()
	w.must(carol, Quit{})
	if bob.IsMember(carol.me) || alice.IsMember(carol.me) {
		t.Fatal("carol is still a member")
	}
	if bob.Marked(w.now) != HardMark {
		t.Fatalf("bob's mark is %s after a leave", bob.Marked(w.now))
	}
	r := w.say(bob, "after")
	if len(r.Sent) != 0 {
		t.Fatal("a line left under the old key")
	}
	w.now += 1000
	w.must(alice, Tick{})
	now, ok := bob.Current()
	if !ok || now.EID == before.EID || now.Reason != ReasonRemoved {
		t.Fatalf("no new epoch at bob: %+v", now)
	}
	if got := fmt.Sprint(w.reads(alice)); got != "[alone hello bob hello alice hello all after]" {
		t.Errorf("alice reads %s", got)
	}
	if got := fmt.Sprint(w.reads(carol)); got != "[hello all]" {
		t.Errorf("carol reads %s", got)
	}
}

func (w *world) itemID() keys.ItemID {
	e := w.entropy()
	return keys.ItemID(e[:16])
}

// newTeam makes a group that the first named owns and all others joined.
func newTeam(t testing.TB, s Settings, names ...string) *world {
	t.Helper()
	w := newWorld(t, s, names...)
	for _, p := range w.all[1:] {
		w.admit(w.all[0], p)
	}
	w.meet(w.all...)
	return w
}

// meet lets each of the members catch up with every other, twice, so that what
// one learns from another reaches all.
func (w *world) meet(ps ...*peer) {
	w.t.Helper()
	for range 2 {
		for _, p := range ps {
			for _, q := range ps {
				if p != q && p.IsMember(q.me) {
					w.sync(p, q)
				}
			}
		}
	}
}
