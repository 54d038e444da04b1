package group

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
)

// pending holds records that cite what this node does not hold yet, indexed by
// one thing that they miss, and records that lie beyond a cut until something
// cites them. It is capped in all and for each author; at the cap the record is
// dropped, and catch-up brings it again. What waits of people who were ever
// admitted is stored.
type pending struct {
	waiting map[Short][]Verified
	waits   map[Short]Short // a waiting record's own hash to what it waits for
	hidden  map[Short]Verified
	size    map[PeerID]int
	total   int
	news    bool // a record that was not missed before is missed now

	stored  map[Short]bool // what the shell's store holds of them
	touched []Verified     // what began or ceased to wait since the last Step
}

func newPending() pending {
	return pending{waiting: map[Short][]Verified{}, waits: map[Short]Short{}, hidden: map[Short]Verified{}, size: map[PeerID]int{}, stored: map[Short]bool{}}
}

// wait keeps v until the record named need is held. It reports whether there
// was room.
func (p *pending) wait(v Verified, need Short) bool {
	h := short(v.Hash)
	if _, ok := p.waits[h]; ok {
		return true
	}
	if !p.room(v) {
		return false
	}
	p.news = p.news || len(p.waiting[need]) == 0 && !p.has(need) && need != h
	p.waiting[need] = append(p.waiting[need], v)
	p.waits[h] = need
	p.touched = append(p.touched, v)
	return true
}

// settle returns what began to wait, for the shell to store, and what it holds
// that waits no longer. Only what may be stored is.
func (p *pending) settle(may func(PeerID) bool) (began []Waiting, ceased []Hash) {
	for _, v := range p.touched {
		h := short(v.Hash)
		_, waits := p.waits[h]
		switch {
		case waits && !p.stored[h] && may(v.Author()):
			p.stored[h] = true
			began = append(began, Waiting{Hash: v.Hash, Payload: v.Payload, SigSkipped: v.skipped})
		case !waits && p.stored[h]:
			delete(p.stored, h)
			ceased = append(ceased, v.Hash)
		}
	}
	p.touched = nil
	return began, ceased
}

// heads names the runs of message records that wait, at most most of them.
func (p *pending) heads(most int) (out []LogHead) {
	var ms []Verified
	for _, vs := range p.waiting {
		for _, v := range vs {
			if v.Msg() != nil {
				ms = append(ms, v)
			}
		}
	}
	slices.SortFunc(ms, func(a, b Verified) int {
		x, y := a.Msg(), b.Msg()
		return cmp.Or(x.Author.Compare(y.Author), cmp.Compare(x.Lane, y.Lane), cmp.Compare(x.Seq, y.Seq), a.Hash.Compare(b.Hash))
	})
	for i, v := range ms {
		x := v.Msg()
		if i > 0 && follows(ms[i-1], v) {
			last := &out[len(out)-1]
			last.Seq, last.Hash = x.Seq, short(v.Hash)
			continue
		}
		if len(out) == most {
			return out
		}
		out = append(out, LogHead{Author: x.Author, Lane: x.Lane, Base: x.Seq - 1, Seq: x.Seq, Hash: short(v.Hash)})
	}
	return out
}

func (p *pending) room(v Verified) bool {
	n, a := len(v.Payload), v.Author()
	if p.total+n > maxPendingAll || p.size[a]+n > maxPendingPeer {
		return false
	}
	p.total += n
	p.size[a] += n
	return true
}

func (p *pending) leave(v Verified) {
	n, a := len(v.Payload), v.Author()
	p.total -= n
	if p.size[a] -= n; p.size[a] <= 0 {
		delete(p.size, a)
	}
}

// release takes out the records that waited for h.
func (p *pending) release(h Short) []Verified {
	out := p.waiting[h]
	delete(p.waiting, h)
	for _, v := range out {
		delete(p.waits, short(v.Hash))
		p.touched = append(p.touched, v)
		p.leave(v)
	}
	return out
}

// cited reports whether a record that does not itself lie beyond a cut waits for
// v, or for one that waits for v, and so on.
func (p *pending) cited(v Verified, beyond func(Verified) bool) bool {
	for _, w := range p.waiting[short(v.Hash)] {
		if w.Hash != v.Hash && (!beyond(w) || p.cited(w, beyond)) {
			return true
		}
	}
	return false
}

// root follows what h waits for to what waits for nothing that is kept here.
func (p *pending) root(h Short) Short {
	for {
		next, ok := p.waits[h]
		if !ok || next == h { // a record below a base waits for something to lead to it
			return h
		}
		h = next
	}
}

// hide keeps a record that lies beyond a cut, in case something cites it.
func (p *pending) hide(v Verified) {
	h := short(v.Hash)
	if _, ok := p.hidden[h]; !ok && p.room(v) {
		p.hidden[h] = v
	}
}

// unhide takes a hidden record out.
func (p *pending) unhide(h Short) (Verified, bool) {
	v, ok := p.hidden[h]
	if ok {
		delete(p.hidden, h)
		p.leave(v)
	}
	return v, ok
}

// has reports whether a record is kept here.
func (p *pending) has(h Short) bool {
	_, waits := p.waits[h]
	_, hidden := p.hidden[h]
	return waits || hidden
}

// missing returns what waiting records miss and this node holds nowhere.
func (p *pending) missing() []Short {
	var out []Short
	for need := range p.waiting {
		if !p.has(need) {
			out = append(out, need)
		}
	}
	return sortShorts(out)
}

// satisfiedBy returns what the records wait for that need no longer wait once it
// is told that a log up to base is not to be had.
func (p *pending) satisfiedBy(author PeerID, lane, base uint64) []Short {
	below := func(d Head) bool { return d.Author == author && d.Lane == lane && d.Seq <= base }
	var out []Short
	for need, vs := range p.waiting {
		for _, v := range vs {
			m := v.Msg()
			if m != nil && (m.Author == author && m.Lane == lane && m.Seq-1 <= base || slices.ContainsFunc(m.Deps, below)) {
				out = append(out, need)
			}
		}
	}
	return sortShorts(out)
}

// hiddenHashes lists the hidden records.
func (p *pending) hiddenHashes() []Short {
	return sortShorts(slices.Collect(maps.Keys(p.hidden)))
}

func sortShorts(hs []Short) []Short {
	slices.SortFunc(hs, func(a, b Short) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(hs)
}
