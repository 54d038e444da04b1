package group

import (
	"cmp"
	"slices"
)

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

// msgLog is this node's copy of one lane of one author's messages. A copy may
// have holes, where its person may not read: recs is what follows the last of
// them without a gap, and below is what is held before it.
type msgLog struct {
	base    uint64     // the seq before recs[0]
	baseOrd uint64     // the greatest ord at or below the base
	recs    []*message // recs[i] has seq base+1+i: the branch that came first
	below   []*message // by seq, all at or below base
	fork    []*message // records of other branches
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

// at returns the record held at seq of the branch that came first.
func (l *msgLog) at(seq uint64) *message {
	switch {
	case l == nil || seq > l.height():
		return nil
	case seq > l.base:
		return l.recs[seq-l.base-1]
	}
	i, ok := l.findBelow(seq)
	if !ok {
		return nil
	}
	return l.below[i]
}

func (l *msgLog) findBelow(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(l.below, seq, func(r *message, seq uint64) int { return cmp.Compare(r.seq, seq) })
}

// run is a part of a copy without a hole.
type run []*message

// runs returns the parts of this copy, oldest first.
func (l *msgLog) runs() []run {
	var out []run
	for low := l.below; len(low) > 0; {
		n := 1
		for n < len(low) && low[n].prev == low[n-1] {
			n++
		}
		out = append(out, low[:n])
		low = low[n:]
	}
	return append(out, l.recs)
}

// missingFor returns what a message cites and this node lacks, in the order in
// which it is best asked for.
func (m *Machine) missingFor(x *Msg) ([]Short, error) {
	need, err := m.missingControl(x)
	if err != nil {
		return nil, err
	}
	more, err := m.missingMessages(x)
	return append(need, more...), err
}

func (m *Machine) missingControl(x *Msg) ([]Short, error) {
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
	return need, nil
}

func (m *Machine) missingMessages(x *Msg) ([]Short, error) {
	var need []Short
	if x.Prev != (Hash{}) && !m.beginsCopy(x) {
		if p := m.msgs[short(x.Prev)]; p == nil {
			need = append(need, short(x.Prev))
		} else if r := (message{author: x.Author, lane: x.Lane, seq: x.Seq, before: x.Prev}); !r.follows(p) {
			return nil, ErrDependency
		}
	}
	for _, d := range x.Deps {
		o := m.msgs[d.Hash]
		switch {
		case o == nil && !m.isBelow(d):
			need = append(need, d.Hash)
		case o != nil && (o.author != d.Author || o.lane != d.Lane || o.seq != d.Seq):
			return nil, ErrDependency
		}
	}
	return need, nil
}

// beginsCopy reports whether x may follow a hole in this copy of its log: where a
// peer has said that what lies before x is not to be had, or right above the
// present base. It takes a
// record that its author signed to move a base, not a peer's word.
func (m *Machine) beginsCopy(x *Msg) bool {
	c := chain{x.Author, x.Lane}
	if m.msgs[short(x.Prev)] != nil {
		return false
	}
	log := m.logs[c]
	return log != nil && log.base > 0 && x.Seq == log.base+1 ||
		slices.ContainsFunc(m.offers[c], func(b Based) bool { return x.Seq-1 <= b.Base })
}

// isBelow reports whether the record that d names lies where this copy of its
// log does not reach, or where a peer says that it does not.
func (m *Machine) isBelow(d Head) bool {
	c := chain{d.Author, d.Lane}
	log := m.logs[c]
	return log != nil && d.Seq <= log.base || slices.ContainsFunc(m.offers[c], func(b Based) bool { return d.Seq <= b.Base })
}

// boundBelow is the greatest ord that the records which x cites and which are not
// held can have.
func (m *Machine) boundBelow(x *Msg) uint64 {
	bound := uint64(0)
	from := func(c chain, seq uint64) {
		if log := m.logs[c]; log != nil && seq <= log.base && seq > 0 {
			bound = max(bound, log.baseOrd)
		}
		for _, b := range m.offers[c] {
			if seq <= b.Base {
				bound = max(bound, b.Ord)
			}
		}
	}
	if x.Prev != (Hash{}) && m.msgs[short(x.Prev)] == nil {
		from(chain{x.Author, x.Lane}, x.Seq-1)
	}
	for _, d := range x.Deps {
		if m.msgs[d.Hash] == nil {
			from(chain{d.Author, d.Lane}, d.Seq)
		}
	}
	return bound
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
		m.alarm(Alarm{Author: rec.author, Lane: rec.lane, Seq: rec.seq, Held: held.hash, Record: v.Payload})
	}
	m.r.Batch.Messages = append(m.r.Batch.Messages, StoredMessage{
		Author: rec.author, Lane: rec.lane, Seq: rec.seq, Hash: rec.hash, Ord: rec.ord, Payload: v.Payload, SigSkipped: v.skipped,
	})
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
	rec := &message{author: x.Author, lane: x.Lane, seq: x.Seq, hash: v.Hash, before: x.Prev, jid: m.g.byHash[short(x.JID)]}
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

// add puts a record in its place: on top, above a new hole, into one, or on
// another branch, where it returns the record that stands there instead.
func (l *msgLog) add(rec *message) (other *message) {
	switch {
	case rec.seq == l.height()+1 && (l.top() == nil || rec.prev == l.top()):
		l.recs = append(l.recs, rec)
	case rec.seq > l.height()+1 && rec.prev == nil:
		l.below = append(l.below, l.recs...)
		l.base, l.baseOrd, l.recs = rec.seq-1, rec.ord-1, []*message{rec}
	case rec.seq <= l.base && l.at(rec.seq) == nil:
		i, _ := l.findBelow(rec.seq)
		l.below = slices.Insert(l.below, i, rec)
		l.join()
	default:
		l.fork = append(l.fork, rec)
		return l.at(rec.seq)
	}
	return nil
}

// join lets the copy go on further down, where the last hole is closed.
func (l *msgLog) join() {
	for n := len(l.below); n > 0 && len(l.recs) > 0 && l.recs[0].prev == l.below[n-1]; n-- {
		low := l.below[n-1]
		l.recs = slices.Insert(l.recs, 0, low)
		l.base, l.baseOrd = low.seq-1, low.ord-1
		l.below = l.below[:n-1]
	}
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

// keeper tells which records are handed on: those that are shown, and those
// that such a record rests on. What else lies beyond a cut is forgotten.
type keeper struct {
	m    *Machine
	memo map[*message]bool
}

func (m *Machine) keeper() keeper { return keeper{m, map[*message]bool{}} }

func (k keeper) keeps(r *message) bool {
	if kept, ok := k.memo[r]; ok {
		return kept
	}
	next := k.m.logs[chain{r.author, r.lane}].at(r.seq + 1)
	kept := k.m.visible(r) || next != nil && next.prev == r && k.keeps(next) || slices.ContainsFunc(r.citers, k.keeps)
	k.memo[r] = kept
	return kept
}

// cut returns what of a run is handed on.
func (k keeper) cut(r run) run {
	for len(r) > 0 && !k.keeps(r[len(r)-1]) {
		r = r[:len(r)-1]
	}
	return r
}

// heads names every record of a log that is handed on with nothing after it, and
// where what leads to it without a hole begins.
func (k keeper) heads(c chain, log *msgLog) []LogHead {
	var ends []*message
	for _, r := range log.runs() {
		if r = k.cut(r); len(r) > 0 {
			ends = append(ends, r[len(r)-1])
		}
	}
	if len(log.fork) > 0 {
		ends = k.leaves(log)
	}
	var out []LogHead
	for _, r := range ends {
		h := LogHead{Author: c.author, Lane: c.lane, Base: log.base, Seq: r.seq, Hash: short(r.hash)}
		if len(log.fork) > 0 || r.seq <= log.base {
			h.Base = r.begins()
		}
		out = append(out, h)
	}
	return out
}

// leaves returns the records of all branches that are handed on with nothing
// after them.
func (k keeper) leaves(log *msgLog) []*message {
	all := slices.DeleteFunc(slices.Concat(log.below, log.recs, log.fork), func(r *message) bool { return !k.keeps(r) })
	inner := map[*message]bool{}
	for _, r := range all {
		inner[r.prev] = true
	}
	return slices.DeleteFunc(all, func(r *message) bool { return inner[r] })
}

// begins is the seq before the first record that leads to r without a hole.
func (r *message) begins() uint64 {
	for r.prev != nil && r.prev.lane == r.lane {
		r = r.prev
	}
	return r.seq - 1
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
		at := m.msgs[short(c.Hash)]
		for at != nil && at.seq > rec.seq {
			at = at.prev
		}
		return at == nil || at == rec // across a hole nothing tells of another path
	})
}
