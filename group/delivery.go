package group

import (
	"cmp"
	"slices"
)

// Holds tells which of this node's own messages a member holds: the heads of
// their logs, as that member named them when heights were compared. It is for
// people to see; no rule reads it. (PROTOCOL.md, "Catch-up")
type Holds struct {
	_    struct{} `cbor:",toarray"`
	Peer PeerID
	Logs []LogHead
}

func (Holds) event() {}

// maxHolds bounds the heads kept of one member: a run for each lane and hole.
const maxHolds = 64

// onHolds remembers what a member has now said, in place of what it said before.
func (m *Machine) onHolds(h Holds) {
	if h.Peer == m.me || !m.st.member(h.Peer) {
		return
	}
	own := m.ownHeads(h.Logs)
	if slices.Equal(own, m.holds[h.Peer]) {
		return
	}
	m.holds[h.Peer] = own
	m.r.Batch.Holds = append(m.r.Batch.Holds, Holds{Peer: h.Peer, Logs: own})
	m.show(ShowDelivered, Hash{}, h.Peer, 0)
}

// ownHeads picks the heads of logs of this node that name a record held here.
func (m *Machine) ownHeads(logs []LogHead) []LogHead {
	var own []LogHead
	for _, l := range logs {
		if r := m.msgs[l.Hash]; l.Author == m.me && r != nil && r.author == m.me && r.lane == l.Lane && r.seq == l.Seq && l.Base < l.Seq && len(own) < maxHolds {
			own = append(own, l)
		}
	}
	slices.SortFunc(own, func(a, b LogHead) int { return cmp.Or(cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Seq, b.Seq)) })
	return own
}

// noteCited learns from a message that its author holds the records of this node
// that it names.
func (m *Machine) noteCited(rec *message) {
	for _, d := range rec.deps {
		if d.author != m.me || rec.author == m.me || m.holdsOf(rec.author, d) {
			continue
		}
		own := slices.DeleteFunc(slices.Clone(m.holds[rec.author]), func(o LogHead) bool { return o.Lane == d.lane && o.Seq < d.seq })
		if len(own) < maxHolds {
			m.holds[rec.author] = append(own, LogHead{Author: m.me, Lane: d.lane, Seq: d.seq, Hash: short(d.hash)})
			m.show(ShowDelivered, Hash{}, rec.author, 0)
		}
	}
}

// holdsOf reports whether p is known to hold r, a record of this node.
func (m *Machine) holdsOf(p PeerID, r *message) bool {
	return slices.ContainsFunc(m.holds[p], func(h LogHead) bool {
		return h.Lane == r.lane && h.Base < r.seq && r.seq <= h.Seq
	})
}

// Delivery lists, for a message of this node, the other members that are known
// to hold it, and those that it is for as well and who are not: it is for whoever
// may read it. own is false where it is not this node's, or not held.
func (m *Machine) Delivery(h Hash) (have, lack []PeerID, own bool) {
	r := m.msgs[short(h)]
	if r == nil || r.author != m.me {
		return nil, nil, false
	}
	for _, p := range m.st.members() {
		switch {
		case p == m.me || !m.isFor(r, p):
		case m.holdsOf(p, r):
			have = append(have, p)
		default:
			lack = append(lack, p)
		}
	}
	return have, lack, true
}

// NewestOwn names this node's newest message, if it has one.
func (m *Machine) NewestOwn() (MessageRef, bool) {
	top := m.ownTop()
	if top == nil {
		return MessageRef{}, false
	}
	return refsOf([]*message{top})[0], true
}

// isFor reports whether member p may read r.
func (m *Machine) isFor(r *message, p PeerID) bool {
	if r.epoch == nil {
		return m.mayGivePlain(r, p)
	}
	return m.st.mayHold(r.epoch, p) == nil
}
