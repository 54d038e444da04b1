package group

import (
	"cmp"
	"slices"
)

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

// heldBelow is height, or, where that is more, the number of the last record
// below seq that is held of another branch.
func (l *msgLog) heldBelow(seq uint64) uint64 {
	h := l.height()
	if l == nil {
		return h
	}
	for _, r := range l.fork {
		if r.seq < seq {
			h = max(h, r.seq)
		}
	}
	return h
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

// begins is the seq before the first record that leads to r without a hole.
func (r *message) begins() uint64 {
	for r.prev != nil && r.prev.lane == r.lane {
		r = r.prev
	}
	return r.seq - 1
}
