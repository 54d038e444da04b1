package sim

import (
	"math/rand/v2"

	"conclave/group"
	"conclave/keys"
)

// faults is how bad the network and the machines are in one schedule.
type faults struct {
	loss, dup float64 // of what is published, per receiver
	delay     int     // most milliseconds a payload travels
	crash     float64 // per Step
	relay     float64 // that a receiver passes a payload on
	cutOff    float64 // that a round of catch-up breaks off
	syncEvery int     // milliseconds between two rounds of a pair, about
	slow      float64 // per Step that writes: the disk takes seconds
	late      float64 // of what is published, per receiver: it arrives weeks later
	skew      int64   // most milliseconds by which a clock is wrong
}

func drawFaults(r *rand.Rand) faults {
	f := faults{
		loss: 0.6 * r.Float64() * r.Float64(), dup: 0.2 * r.Float64(), delay: 20 + r.IntN(1500),
		relay: r.Float64(), cutOff: 0.3 * r.Float64(), syncEvery: 1500 + r.IntN(6000),
	}
	if r.IntN(4) == 0 {
		f.loss = 0.3 + 0.3*r.Float64()
	}
	if r.IntN(2) == 0 {
		f.crash = 0.02 * r.Float64()
	}
	if r.IntN(3) == 0 {
		f.slow = 0.05 * r.Float64()
	}
	if r.IntN(3) == 0 {
		f.late = 0.03 * r.Float64()
	}
	if r.IntN(3) == 0 {
		f.skew = int64(r.IntN(3_600_000))
	}
	return f
}

// faultKinds are the faults that a schedule can do without.
var faultKinds = []string{"loss", "dup", "delay", "crash", "cutoff", "slow", "late", "skew"}

// leaveOut does without some kinds of faults.
func (f *faults) leaveOut(kinds []string) {
	for _, k := range kinds {
		switch k {
		case "loss":
			f.loss = 0
		case "dup":
			f.dup = 0
		case "delay":
			f.delay = 20
		case "crash":
			f.crash = 0
		case "cutoff":
			f.cutOff = 0
		case "slow":
			f.slow = 0
		case "late":
			f.late = 0
		case "skew":
			f.skew = 0
		}
	}
}

// linked reports whether two nodes are connected.
func (w *world) linked(a, b *member) bool {
	return a != b && a.up && b.up && a.side == b.side
}

// streams reports whether a can open a stream to b and is answered.
func (w *world) streams(a, b *member) bool {
	return w.linked(a, b) && !a.busy && !b.busy && !w.deaf[pair{a, b}] && !w.deaf[pair{b, a}]
}

// pair is one who does not hear the other.
type pair struct{ hears, speaks *member }

// silence lets nothing pass from one node to another, though it does the other
// way round.
func (w *world) silence() {
	a, b := w.all[w.rng.IntN(len(w.all))], w.all[w.rng.IntN(len(w.all))]
	w.deaf[pair{a, b}] = true
	w.logf("%s does not hear %s", a.name, b.name)
	w.after(uint64(w.between(5000, 60_000)), func() { delete(w.deaf, pair{a, b}) })
}

// week is in milliseconds.
const week = 7 * 24 * 3600 * 1000

// travel draws how long a payload is under way.
func (w *world) travel() uint64 {
	if !w.calm && w.chance(w.net.late) {
		w.count("fault: weeks late")
		at := uint64(w.between(week, 3*week))
		w.latest = max(w.latest, w.now+at)
		return at
	}
	return uint64(1 + w.rng.IntN(w.net.delay))
}

// publish gives a payload to the topic: to whoever is connected and on the
// publisher's roster.
func (w *world) publish(from *member, payload []byte) {
	w.book.wire = append(w.book.wire, payload)
	from.seen[keys.Sum(payload)] = true
	w.flood(from, payload, nil)
}

func (w *world) flood(from *member, payload []byte, except *member) {
	for _, q := range w.all {
		if q != except && w.linked(from, q) && from.roster[q.me] {
			w.send(from, q, payload)
		}
	}
}

func (w *world) send(from, to *member, payload []byte) {
	copies := 1
	if w.deaf[pair{to, from}] {
		copies = 0
		w.count("fault: heard by the others only")
	} else if w.chance(w.net.loss) {
		copies = 0
		w.count("fault: lost")
	} else if w.chance(w.net.dup) {
		copies = 2
		w.count("fault: duplicated")
	}
	for range copies {
		w.after(w.travel(), func() {
			if w.linked(from, to) {
				to.hear(from, payload)
			}
		})
	}
}

// hear is the topic's validator and what follows it: as in package node, a
// payload is judged once, taken from members only, and passed on where its
// author is a member.
func (n *member) hear(from *member, payload []byte) {
	h := keys.Sum(payload)
	if n.seen[h] {
		return
	}
	n.seen[h] = true
	v, err := n.w.decode(payload)
	if err != nil {
		n.w.fail("decode", "%s published what Decode refuses: %v", from.name, err)
	}
	if !n.roster[from.me] {
		return
	}
	n.take(v)
	if n.up && n.roster[v.Author()] && n.w.chance(n.w.net.relay) {
		n.w.flood(n, payload, from)
	}
}

// take gives a record to the machine. Chunks are opened here, as in the shell.
func (n *member) take(v group.Verified) {
	if !n.up {
		return
	}
	if c := v.Chunk(); c != nil {
		n.openChunk(c)
		return
	}
	n.step(group.Received{Record: v})
}

// openChunk looks for an own envelope.
func (n *member) openChunk(c *group.Chunk) {
	ectx := keys.EnvelopeContext(n.w.gid, c.Minter, c.Lane, c.Seq, c.KC)
	if key, ok := n.openFrom(c, ectx); ok {
		n.w.count("key from the topic")
		n.step(group.KeyReceived{Commit: c.KC, Key: key})
	}
}

func (n *member) openFrom(c *group.Chunk, ectx keys.Hash) (keys.Secret, bool) {
	for h, seed := range n.seeds {
		tag := keys.EnvelopeTag(ectx, n.me, h)
		for _, env := range c.Envelopes {
			if env.Tag != tag {
				continue
			}
			info := keys.EnvelopeInfo{GID: n.w.gid, Ectx: ectx, Minter: c.Minter, Member: n.me, Bundle: h}
			if key, err := keys.OpenEnvelope(seed, info, env.Data); err == nil {
				return key, true
			}
		}
	}
	return keys.Secret{}, false
}

func (w *world) seal(job group.SealJob) []group.Envelope {
	var out []group.Envelope
	for _, b := range job.To {
		ct, err := keys.SealEnvelope(b, w.gid, job.Ectx, job.Minter, job.Key)
		if err != nil {
			w.fail("seal", "%v", err)
		}
		out = append(out, group.Envelope{Tag: keys.EnvelopeTag(job.Ectx, b.Peer, b.Hash()), Data: ct})
	}
	return out
}

// partition splits the world for a while.
func (w *world) partition() {
	w.split()
	w.after(uint64(w.between(2000, 40_000)), w.heal)
}

// split puts every node on a random side; heal joins all.
func (w *world) split() {
	w.count("fault: partition")
	sides := w.between(2, 3)
	for _, n := range w.all {
		n.side = w.rng.IntN(sides)
	}
	w.logf("partition %s", w.sides())
	w.tellOnline()
}

func (w *world) heal() {
	for _, n := range w.all {
		n.side = 0
	}
	w.logf("healed")
	w.tellOnline()
}

func (w *world) sides() string {
	s := ""
	for _, n := range w.all {
		s += string(rune('0' + n.side))
	}
	return s
}

// tellOnline brings every node's view of who is connected up to date.
func (w *world) tellOnline() {
	for _, n := range w.all {
		for _, q := range w.all {
			if now := w.linked(n, q); n.up && q != n && n.online[q.me] != now {
				n.online[q.me] = now
				n.step(group.Online{Peer: q.me, Up: now})
			}
		}
	}
}
