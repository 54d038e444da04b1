package group

import (
	"cmp"
	"maps"
	"slices"

	"conclave/keys"
)

// Heights says what a node holds of a group: the newest record of every chain
// and log, and the sequence numbers of bundles and reports. Equal heights mean
// equal contents. (PROTOCOL.md, "Catch-up")
type Heights struct {
	_       struct{} `cbor:",toarray"`
	Control []Head
	Logs    []LogHead
	Latest  []LatestHead
}

// LogHead is the newest record of one branch of one message log, and where this
// copy of the log begins.
type LogHead struct {
	_      struct{} `cbor:",toarray"`
	Author PeerID
	Lane   uint64
	Base   uint64
	Seq    uint64
	Hash   Short
}

// LatestHead is the sequence number of a member's bundle or report.
type LatestHead struct {
	_    struct{} `cbor:",toarray"`
	Kind uint64
	Peer PeerID
	Seq  uint64
}

// Heights returns what this node holds.
func (m *Machine) Heights() Heights {
	var h Heights
	for _, tips := range m.g.tips {
		for _, t := range tips {
			h.Control = append(h.Control, Head{Author: t.Author, Lane: t.Lane, Seq: t.Seq, Hash: short(t.eh)})
		}
	}
	slices.SortFunc(h.Control, compareHeads)
	for c, log := range m.logs {
		head := LogHead{Author: c.author, Lane: c.lane, Base: log.base, Seq: log.height()}
		if top := log.top(); top != nil {
			head.Hash = short(top.hash)
		}
		h.Logs = append(h.Logs, head)
	}
	slices.SortFunc(h.Logs, func(a, b LogHead) int {
		return cmp.Or(a.Author.Compare(b.Author), cmp.Compare(a.Lane, b.Lane))
	})
	for k, v := range m.latest {
		h.Latest = append(h.Latest, LatestHead{Kind: uint64(k.kind), Peer: k.peer, Seq: latestSeq(v)})
	}
	slices.SortFunc(h.Latest, func(a, b LatestHead) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), a.Peer.Compare(b.Peer))
	})
	return h
}

func compareLatest(a, b latestKey) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), a.peer.Compare(b.peer))
}

func latestSeq(v Verified) uint64 {
	switch r := v.v.(type) {
	case keys.Bundle:
		return r.Seq
	case *Report:
		return r.Seq
	}
	return 0
}

// Behind reports whether the holder of theirs has anything that this node lacks.
func (m *Machine) Behind(theirs Heights) bool {
	for _, h := range theirs.Control {
		if m.g.byHash[h.Hash] == nil {
			return true
		}
	}
	for _, h := range theirs.Logs {
		log := m.logs[chain{h.Author, h.Lane}]
		if h.Seq > log.height() || h.Seq > 0 && log != nil && h.Seq > log.base && h.Hash != (Short{}) && m.msgs[h.Hash] == nil && !m.pend.has(h.Hash) {
			return true
		}
	}
	return slices.ContainsFunc(theirs.Latest, func(l LatestHead) bool {
		k := latestKey{Kind(l.Kind), l.Peer}
		return l.Peer != m.me && latestSeq(m.latest[k]) < l.Seq
	})
}

// ByClaimedOrd orders messages so that each comes after what it most likely
// rests on.
func ByClaimedOrd(a, b Verified) int {
	return compareOrd(a.Msg().Ord, b.Msg().Ord, a.Hash, b.Hash)
}

// MessageRef names a message record in the shell's store.
type MessageRef struct {
	Author    PeerID
	Lane, Seq uint64
	Hash      Hash
}

// Missing is what a peer lacks: control entries and latest records whole, causes
// first; where its copies of logs begin; and the messages to read from the
// store, in display order.
type Missing struct {
	Records  [][]byte
	Bases    []Based
	Messages []MessageRef
}

// Farewell lists the control entries that tell a former member how its
// membership ended: the removal or LEAVE and all that it rests on, which lies
// before the end of that membership. Nil for whoever is a member or never was.
func (m *Machine) Farewell(peer PeerID) [][]byte {
	if !m.st.removed(peer) {
		return nil
	}
	var past set
	end := func(e *entry) {
		if !m.st.isVoid(e) {
			past = past.union(e.past).with(e.idx)
		}
	}
	for _, k := range m.st.removals[peer] {
		end(k)
	}
	for _, j := range m.st.admits[peer] {
		for _, l := range m.st.leaves[j.eh] {
			end(l)
		}
	}
	return m.payloads(func(e *entry) bool { return past.has(e.idx) })
}

// MissingAt works out what the holder of theirs lacks and may have. ErrNotMember
// where the peer is no member here.
func (m *Machine) MissingAt(peer PeerID, theirs Heights) (Missing, error) {
	if !m.st.member(peer) {
		return Missing{}, ErrNotMember
	}
	out := Missing{Records: m.entriesBeyond(theirs)}
	has := map[latestKey]uint64{}
	for _, l := range theirs.Latest {
		has[latestKey{Kind(l.Kind), l.Peer}] = l.Seq
	}
	for _, k := range slices.SortedFunc(maps.Keys(m.latest), compareLatest) {
		if v := m.latest[k]; k.peer != peer && latestSeq(v) > has[k] {
			out.Records = append(out.Records, v.Payload)
		}
	}
	logs := map[chain]LogHead{}
	for _, h := range theirs.Logs {
		logs[chain{h.Author, h.Lane}] = h
	}
	var recs []*message
	for c, log := range m.logs {
		rs, base := m.messagesBeyond(peer, log, logs[c])
		if base > 0 {
			out.Bases = append(out.Bases, Based{Author: c.author, Lane: c.lane, Base: base})
		}
		recs = append(recs, rs...)
	}
	out.Messages = refsOf(recs)
	slices.SortFunc(out.Bases, func(a, b Based) int {
		return cmp.Or(a.Author.Compare(b.Author), cmp.Compare(a.Lane, b.Lane))
	})
	return out, nil
}

// refsOf names records, causes first.
func refsOf(recs []*message) []MessageRef {
	slices.SortFunc(recs, func(a, b *message) int { return compareOrd(a.ord, b.ord, a.hash, b.hash) })
	var out []MessageRef
	for _, r := range recs {
		out = append(out, MessageRef{Author: r.author, Lane: r.lane, Seq: r.seq, Hash: r.hash})
	}
	return out
}

// entriesBeyond returns the control entries outside what the heights name,
// causes first.
func (m *Machine) entriesBeyond(theirs Heights) [][]byte {
	var past set
	for _, h := range theirs.Control {
		if e := m.g.byHash[h.Hash]; e != nil {
			past = past.union(e.past).with(e.idx)
		}
	}
	return m.payloads(func(e *entry) bool { return !past.has(e.idx) })
}

// payloads returns the control entries that are wanted, causes first.
func (m *Machine) payloads(wanted func(*entry) bool) [][]byte {
	var es []*entry
	for _, e := range m.g.all {
		if len(e.payload) > 0 && wanted(e) {
			es = append(es, e)
		}
	}
	slices.SortFunc(es, compareEntries)
	out := make([][]byte, len(es))
	for i, e := range es {
		out[i] = e.payload
	}
	return out
}

// messagesBeyond returns the records of a log above what the peer holds, and
// the base from which it may read where that lies higher.
func (m *Machine) messagesBeyond(peer PeerID, log *msgLog, theirs LogHead) ([]*message, uint64) {
	from := max(min(theirs.Seq, log.height()), log.base) // a peer may claim any height
	if theirs.Seq > 0 && theirs.Hash != (Short{}) && theirs.Seq <= log.height() && theirs.Seq > log.base &&
		short(log.at(theirs.Seq).hash) != theirs.Hash {
		from = max(min(theirs.Base, log.height()), log.base) // forked somewhere below: give both
	}
	base := m.baseFor(peer, log, from)
	var out []*message
	for seq := max(from, base) + 1; seq <= log.height(); seq++ {
		out = append(out, log.at(seq))
	}
	for _, r := range log.fork {
		if r.seq > base {
			out = append(out, r)
		}
	}
	if base <= theirs.Seq {
		base = 0
	}
	return out, base
}

// baseFor is the greatest seq at or below which peer may not read: what was said
// before the first record under a key it may hold, and plaintext that it may not
// be given. (PROTOCOL.md, "Where a newcomer's copy begins")
func (m *Machine) baseFor(peer PeerID, log *msgLog, from uint64) uint64 {
	base, readable := from, false
	for seq := from + 1; seq <= log.height(); seq++ {
		r := log.at(seq)
		switch {
		case r.epoch == nil && !m.mayGivePlain(r, peer):
			base, readable = seq, false
		case !readable && r.epoch != nil && m.st.mayHold(r.epoch, peer) != nil:
			base = seq
		default:
			readable = true
		}
	}
	return base
}

// mayGivePlain: a plaintext message goes to whoever its author's cited view
// holds by the present incarnation, or, where all history is open in that view,
// to whoever is not removed in it.
func (m *Machine) mayGivePlain(r *message, peer PeerID) bool {
	if r.author == peer {
		return true
	}
	for _, j := range m.st.alive(peer) {
		if r.view.has(j.idx) {
			return true
		}
	}
	view := m.g.fold(r.view)
	return view.settings.History == HistoryAll && !view.removed(peer)
}
