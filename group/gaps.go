package group

import (
	"cmp"
	"slices"
)

// Held lists the outbox, oldest first.
func (m *Machine) Held() []OutItem { return slices.Clone(m.out) }

// Visible reports whether a held message record is shown.
func (m *Machine) Visible(h Hash) bool {
	r := m.msgs[short(h)]
	return r != nil && m.visible(r)
}

// MessagesUnder lists the message records sealed under an epoch, in display order.
func (m *Machine) MessagesUnder(eid Hash) []MessageRef {
	var recs []*message
	for _, r := range m.msgs {
		if r.epoch != nil && r.epoch.eh == eid {
			recs = append(recs, r)
		}
	}
	return refsOf(recs)
}

// MayRead says why the message's text cannot be read here, nil if it can.
func (m *Machine) MayRead(h Hash) error {
	r := m.msgs[short(h)]
	switch {
	case r == nil:
		return ErrDependency
	case r.epoch == nil:
		return nil
	}
	if _, ok := m.held[r.epoch.eh]; ok {
		return nil
	}
	if m.erased[r.epoch.eh] {
		return RefusedErased
	}
	if err := m.st.mayHold(r.epoch, m.me); err != nil {
		return err
	}
	return RefusedNotHeld
}

// Gap is a run of message records that others cite and this node lacks.
type Gap struct {
	Author   PeerID
	Lane     uint64
	From, To uint64
}

// Gaps lists what is known to be missing.
func (m *Machine) Gaps() []Gap {
	first := map[chain]uint64{}
	for _, vs := range m.pend.waiting {
		for _, v := range vs {
			if x := v.Msg(); x != nil && (!m.beyondCut(v) || m.pend.cited(v, m.beyondCut)) {
				c := chain{x.Author, x.Lane}
				if at, ok := first[c]; !ok || x.Seq < at {
					first[c] = x.Seq
				}
			}
		}
	}
	var out []Gap
	for c, at := range first {
		h := m.logs[c].heldBelow(at)
		for _, b := range m.offers[c] {
			if b.Base < at {
				h = max(h, b.Base)
			}
		}
		if at > h+1 {
			out = append(out, Gap{Author: c.author, Lane: c.lane, From: h + 1, To: at - 1})
		}
	}
	slices.SortFunc(out, func(a, b Gap) int { return cmp.Or(a.Author.Compare(b.Author), cmp.Compare(a.Lane, b.Lane)) })
	return out
}

// NeedsPlainContext reports whether a plaintext message cites control entries
// that are not applied here: it is kept, but not relayed.
func (m *Machine) NeedsPlainContext(x *Msg) bool {
	need, err := m.missingFor(x)
	return err != nil || len(need) > 0
}
