package group

import (
	"slices"
)

// message is what the core keeps of an accepted message record. The record
// itself lies in the shell's store and its text is opened on reading.
type message struct {
	author PeerID
	lane   uint64
	seq    uint64
	hash   Hash
	prev   *message // nil at the start or at the base
	ord    uint64   // exact
	jid    *entry
	epoch  *entry // nil: plaintext
	view   set    // causal past among control entries, as cited so far in this log
}

// msgLog is one lane of one author's messages. What lies at or below base is
// neither held nor missing: retention erased it, or this copy begins above it.
type msgLog struct {
	base uint64
	recs []*message // recs[i] has seq base+1+i: the branch that came first
	fork []*message // records of other branches
}

func (l *msgLog) top() *message {
	if l == nil || len(l.recs) == 0 {
		return nil
	}
	return l.recs[len(l.recs)-1]
}

func (l *msgLog) height() uint64 {
	if l == nil {
		return 0
	}
	return l.base + uint64(len(l.recs))
}

func (l *msgLog) at(seq uint64) *message {
	if l == nil || seq <= l.base || seq > l.height() {
		return nil
	}
	return l.recs[seq-l.base-1]
}

// missingFor returns what a message cites and this node lacks, in the order in
// which it is best asked for.
func (m *Machine) missingFor(x *Msg) ([]Short, error) {
	var need []Short
	want := func(h Short, ok func(*entry) bool) error {
		e := m.g.byHash[h]
		if e == nil {
			need = append(need, h)
		} else if !ok(e) {
			return ErrDependency
		}
		return nil
	}
	if err := want(short(x.JID), func(e *entry) bool {
		return e.eh == x.JID && e.admission() && slices.Contains(m.g.subjects(e), x.Author)
	}); err != nil {
		return nil, err
	}
	if len(x.EID) > 0 {
		if err := want(Short(x.EID[:16]), func(e *entry) bool {
			return e.Type == TypeEpoch && e.eh == Hash(x.EID)
		}); err != nil {
			return nil, err
		}
	}
	if x.Ctrl != nil {
		for _, h := range x.Ctrl.Seen {
			if err := want(h.Hash, func(e *entry) bool {
				return e.Author == h.Author && e.Lane == h.Lane && e.Seq == h.Seq
			}); err != nil {
				return nil, err
			}
		}
		for _, a := range x.Ctrl.Acks {
			if err := want(short(a), func(e *entry) bool { return e.eh == a }); err != nil {
				return nil, err
			}
		}
	}
	more, err := m.missingMessages(x)
	return append(need, more...), err
}

func (m *Machine) missingMessages(x *Msg) ([]Short, error) {
	var need []Short
	if x.Prev != (Hash{}) && !m.beginsCopy(x) {
		if p := m.msgs[short(x.Prev)]; p == nil {
			need = append(need, short(x.Prev))
		} else if p.hash != x.Prev || p.author != x.Author || !(p.lane == x.Lane && p.seq == x.Seq-1 || x.Seq == 1 && p.lane < x.Lane) {
			return nil, ErrDependency
		}
	}
	for _, d := range x.Deps {
		o := m.msgs[d.Hash]
		switch {
		case o == nil && !m.isBelow(d) && !m.below[d.Hash]:
			need = append(need, d.Hash)
		case o != nil && (o.author != d.Author || o.lane != d.Lane || o.seq != d.Seq):
			return nil, ErrDependency
		}
	}
	return need, nil
}

// beginsCopy reports whether x is the first record of this copy of its log: the
// one above the base, or above a base that a peer has offered where nothing is
// held, or where this person was away in between. It takes a record that its
// author signed to move a base, not a peer's word.
func (m *Machine) beginsCopy(x *Msg) bool {
	c := chain{x.Author, x.Lane}
	log := m.logs[c]
	if log != nil && log.base > 0 && x.Seq == log.base+1 {
		return true
	}
	mayBegin := log.top() == nil || len(m.st.admits[m.me]) > 1 && x.Seq > log.height()+1
	return mayBegin && slices.Contains(m.offers[c], x.Seq-1)
}

// isBelow reports whether the record that d names lies where this copy of its
// log does not reach, or, where nothing is held of it, is offered to begin above.
func (m *Machine) isBelow(d Head) bool {
	c := chain{d.Author, d.Lane}
	log := m.logs[c]
	if log != nil && d.Seq <= log.base {
		return true
	}
	return log.top() == nil && slices.ContainsFunc(m.offers[c], func(base uint64) bool { return d.Seq <= base })
}

// accept takes a message whose citations are all held. It reports whether the
// message was kept.
func (m *Machine) accept(v Verified) bool {
	x := v.Msg()
	rec := m.newMessage(v)
	if len(x.EID) == 0 && m.requiresE2EE() {
		return false
	}
	if !m.visible(rec) && !m.pend.cited(short(v.Hash)) {
		m.pend.hide(v)
		return false
	}
	if held := m.hold(rec); held != nil {
		m.alarm(Alarm{Author: rec.author, Lane: rec.lane, Seq: rec.seq, Held: held.hash, Record: v.Payload})
	}
	m.r.Batch.Messages = append(m.r.Batch.Messages, StoredMessage{
		Author: rec.author, Lane: rec.lane, Seq: rec.seq, Hash: rec.hash, Ord: rec.ord, Payload: v.Payload, SigSkipped: v.skipped,
	})
	m.r.Show = append(m.r.Show, Shown{Kind: ShowMessage, Hash: rec.hash, Author: rec.author, Ord: rec.ord})
	return true
}

func (m *Machine) newMessage(v Verified) *message {
	x := v.Msg()
	rec := &message{author: x.Author, lane: x.Lane, seq: x.Seq, hash: v.Hash, jid: m.g.byHash[short(x.JID)]}
	cite := func(e *entry) {
		rec.ord = max(rec.ord, e.ord)
		rec.view = rec.view.union(e.past).with(e.idx)
	}
	if p := m.msgs[short(x.Prev)]; p != nil && x.Prev != (Hash{}) {
		rec.prev, rec.ord, rec.view = p, p.ord, p.view
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
	below := rec.prev == nil && x.Prev != (Hash{})
	for _, d := range x.Deps {
		if o := m.msgs[d.Hash]; o != nil {
			rec.ord = max(rec.ord, o.ord)
		} else {
			below = true
		}
	}
	rec.ord++
	if below { // what it cites lies below a base: its claim is all there is
		rec.ord = max(rec.ord, min(x.Ord, maxOrd))
	}
	return rec
}

// hold adds an accepted record to its log. It returns the record that is held
// under the same number, if there is one.
func (m *Machine) hold(rec *message) (other *message) {
	c := chain{rec.author, rec.lane}
	log := m.logs[c]
	if log == nil || rec.prev == nil && rec.seq > log.height()+1 {
		log = &msgLog{base: rec.seq - 1}
		m.logs[c] = log
	}
	if rec.seq == log.height()+1 && (log.top() == nil || rec.prev == log.top()) {
		log.recs = append(log.recs, rec)
	} else {
		other = log.at(rec.seq)
		log.fork = append(log.fork, rec)
	}
	m.msgs[short(rec.hash)] = rec
	if rec.epoch != nil {
		m.sealedUnder[rec.epoch.idx]++
	}
	m.clock = max(m.clock, rec.ord)
	return other
}

// visible reports whether a record is shown: its author's incarnation is not
// void, and alive here or the record lies within its cut.
func (m *Machine) visible(rec *message) bool {
	if m.st.isVoid(rec.jid) {
		return false
	}
	if !m.st.dead(rec.jid) {
		return true
	}
	for _, k := range m.st.cutsOf(rec.jid, false, false) {
		if m.withinCut(cutsIn(k), rec) {
			return true
		}
	}
	return false
}

func (m *Machine) withinCut(cuts []Cut, rec *message) bool {
	return slices.ContainsFunc(cuts, func(c Cut) bool {
		if c.Log != MessageLog || c.Lane != rec.lane || rec.seq > c.Seq {
			return false
		}
		if rec.seq == c.Seq {
			return rec.hash == c.Hash
		}
		log := m.logs[chain{rec.author, rec.lane}]
		if log == nil || len(log.fork) == 0 {
			return true
		}
		for at := m.msgs[short(c.Hash)]; at != nil && at.seq >= rec.seq; at = at.prev {
			if at == rec {
				return true
			}
		}
		return false
	})
}
