package group

import "slices"

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
