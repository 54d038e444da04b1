package group

import "slices"

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
// present base. It takes a record that its author signed to move a base, not a
// peer's word; an own log begins where this node says.
func (m *Machine) beginsCopy(x *Msg) bool {
	c := chain{x.Author, x.Lane}
	if m.msgs[short(x.Prev)] != nil {
		return false
	}
	log := m.logs[c]
	return log != nil && log.base > 0 && x.Seq == log.base+1 ||
		x.Author != m.me && slices.ContainsFunc(m.offers[c], func(b Based) bool { return x.Seq-1 <= b.Base })
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
