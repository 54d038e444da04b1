package group

import "slices"

// message is what the core keeps of an accepted message record. The record
// itself lies in the shell's store and its text is opened on reading.
type message struct {
	author PeerID
	lane   uint64
	seq    uint64
	hash   Hash
	before Hash     // what it names as the one before
	prev   *message // that record; nil at the start, and where it is not held
	ord    uint64   // exact
	size   uint32   // bytes of the payload
	jid    *entry
	epoch  *entry     // nil: plaintext
	view   set        // causal past among control entries, as cited so far in this log
	part   bool       // what was cited before in this log is not held: view may be larger
	deps   []*message // records of others that it names, where held
	lacks  []Head     // and where not
	citers []*message // records that name it so
}

// follows reports whether p is the record of the same author that r names as the
// one before.
func (r *message) follows(p *message) bool {
	return r.before == p.hash && r.author == p.author && (p.lane == r.lane && p.seq == r.seq-1 || r.seq == 1 && p.lane < r.lane)
}

// accept takes a message whose citations are all held. It reports whether the
// message was kept.
func (m *Machine) accept(v Verified) bool {
	x := v.Msg()
	rec := m.newMessage(v)
	if len(x.EID) == 0 && m.requiresE2EE() {
		return false
	}
	if !m.visible(rec) && !m.pend.cited(v, m.beyondCut) && !m.leadsTo(rec) {
		m.pend.hide(v)
		return false
	}
	if held := m.hold(rec); held != nil {
		m.alarmMessage(rec, held, v.Payload)
	}
	m.r.Batch.Messages = append(m.r.Batch.Messages, v.stored(rec.ord))
	m.r.Show = append(m.r.Show, Shown{Kind: ShowMessage, Hash: rec.hash, Author: rec.author, Ord: rec.ord})
	return true
}

// leadsTo reports whether something that is held names rec.
func (m *Machine) leadsTo(rec *message) bool {
	next := m.logs[chain{rec.author, rec.lane}].at(rec.seq + 1)
	return next != nil && next.before == rec.hash || len(m.lacked[short(rec.hash)]) > 0
}

// beyondCut reports whether a record that waits would not be held if it came in:
// not shown, nor the one before one that is held. Of what cites an admission that
// is not held, nobody can tell.
func (m *Machine) beyondCut(v Verified) bool {
	x := v.Msg()
	if x == nil {
		return false
	}
	j := m.g.byHash[short(x.JID)]
	rec := &message{author: x.Author, lane: x.Lane, seq: x.Seq, hash: v.Hash, jid: j}
	return j != nil && !m.visible(rec) && !m.leadsTo(rec)
}

func (m *Machine) newMessage(v Verified) *message {
	x := v.Msg()
	rec := &message{author: x.Author, lane: x.Lane, seq: x.Seq, hash: v.Hash, before: x.Prev, size: uint32(len(v.Payload)), jid: m.g.byHash[short(x.JID)]}
	cite := func(e *entry) {
		rec.ord = max(rec.ord, e.ord)
		rec.view = rec.view.union(e.past).with(e.idx)
	}
	if p := m.msgs[short(x.Prev)]; p != nil && rec.follows(p) {
		rec.prev, rec.ord, rec.view, rec.part = p, p.ord, p.view, p.part
	}
	if rec.prev == nil && x.Prev != (Hash{}) {
		rec.part = true
	}
	cite(rec.jid)
	if len(x.EID) > 0 {
		rec.epoch = m.g.byHash[Short(x.EID[:16])]
		cite(rec.epoch)
	}
	if x.Ctrl != nil {
		for _, h := range x.Ctrl.Seen {
			cite(m.g.byHash[h.Hash])
		}
		for _, a := range x.Ctrl.Acks {
			cite(m.g.byHash[short(a)])
		}
	}
	for _, h := range x.rests() {
		if o := m.msgs[h.Hash]; o != nil {
			rec.ord = max(rec.ord, o.ord)
			rec.deps = append(rec.deps, o)
		} else {
			rec.lacks = append(rec.lacks, h)
		}
	}
	// Where a citation lies below a base, the claim is all there is.
	rec.ord = max(rec.ord, min(max(x.Ord, 1)-1, m.boundBelow(x))) + 1
	return rec
}

// rests names the records of other logs that x rests on. The number of one in an
// older lane of its author is not known: it stands before number 1 of this lane.
func (x *Msg) rests() []Head {
	if x.Seq == 1 && x.Prev != (Hash{}) {
		return append(slices.Clone(x.Deps), Head{Author: x.Author, Lane: x.Lane, Hash: short(x.Prev)})
	}
	return x.Deps
}

// hold adds an accepted record to its log. It returns the record that is held
// under the same number, if there is one.
func (m *Machine) hold(rec *message) (other *message) {
	c := chain{rec.author, rec.lane}
	if m.logs[c] == nil {
		m.logs[c] = &msgLog{base: rec.seq - 1, baseOrd: rec.ord - 1}
	}
	m.adopt(rec)
	other = m.logs[c].add(rec)
	m.msgs[short(rec.hash)] = rec
	if rec.epoch != nil {
		m.sealedUnder[rec.epoch.idx]++
	}
	m.clock = max(m.clock, rec.ord)
	for _, d := range rec.deps {
		d.citers = append(d.citers, rec)
	}
	m.noteCited(rec)
	for _, h := range rec.lacks {
		m.lacked[h.Hash] = append(m.lacked[h.Hash], rec)
	}
	rec.citers = m.lacked[short(rec.hash)]
	delete(m.lacked, short(rec.hash))
	return other
}

// adopt links rec to the records, of whatever branch, that name it as the one
// before and came first. What they and those after them cite includes what rec
// cites.
func (m *Machine) adopt(rec *message) {
	if rec.prev == nil && rec.before != (Hash{}) {
		m.orphans[short(rec.before)] = append(m.orphans[short(rec.before)], rec)
	}
	below := slices.DeleteFunc(m.orphans[short(rec.hash)], func(r *message) bool { return !r.follows(rec) })
	delete(m.orphans, short(rec.hash))
	for _, r := range below {
		r.prev = rec
	}
	for len(below) > 0 {
		r := below[0]
		r.view, r.part = r.view.union(r.prev.view), r.prev.part
		below = append(below[1:], m.after(r)...)
	}
}

// after returns the records that are held and follow r, on every branch.
func (m *Machine) after(r *message) []*message {
	log := m.logs[chain{r.author, r.lane}]
	var out []*message
	if next := log.at(r.seq + 1); next != nil && next.prev == r {
		out = append(out, next)
	}
	for _, o := range slices.Concat(log.fork, r.citers) {
		if o.prev == r && !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	return out
}
