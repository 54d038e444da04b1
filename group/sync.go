package group

import (
	"bytes"
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
	keep := m.keeper()
	for c, log := range m.logs {
		head := LogHead{Author: c.author, Lane: c.lane, Base: log.base, Seq: keep.top(log)}
		if top := log.at(head.Seq); top != nil {
			head.Hash = short(top.hash)
		}
		h.Logs = append(h.Logs, head)
		for _, r := range keep.branches(log) {
			h.Logs = append(h.Logs, LogHead{Author: c.author, Lane: c.lane, Base: log.base, Seq: r.seq, Hash: short(r.hash)})
		}
	}
	slices.SortFunc(h.Logs, func(a, b LogHead) int {
		return cmp.Or(a.Author.Compare(b.Author), cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Seq, b.Seq), bytes.Compare(a.Hash[:], b.Hash[:]))
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
		if h.Hash == (Short{}) && h.Seq > log.height() {
			return true
		}
		if h.Hash != (Short{}) && (log == nil || h.Seq > log.base) && m.msgs[h.Hash] == nil && !m.pend.has(h.Hash) {
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
	logs := map[chain][]LogHead{}
	for _, h := range theirs.Logs {
		c := chain{h.Author, h.Lane}
		logs[c] = append(logs[c], h)
	}
	keep := m.keeper()
	var recs []*message
	for c := range m.logs {
		rs, base := m.messagesBeyond(keep, peer, c, logs[c])
		if base != nil {
			out.Bases = append(out.Bases, *base)
		}
		recs = append(recs, rs...)
	}
	out.Messages = refsOf(recs)
	slices.SortFunc(out.Bases, compareBases)
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

// messagesBeyond returns the records of a log that the peer lacks and may have,
// and where its copy begins if that is not where it began before.
func (m *Machine) messagesBeyond(keep keeper, peer PeerID, c chain, theirs []LogHead) ([]*message, *Based) {
	log := m.logs[c]
	top := keep.top(log)
	begins, has, forked := heldBy(log, theirs)
	base := m.baseFor(peer, log, max(has, log.base))
	out := log.between(base, top)
	if forked || len(log.fork) > 0 {
		base = m.baseFor(peer, log, max(min(begins, top), log.base))
		out = m.branchesBeyond(keep, log, base, theirs)
	}
	switch low := m.baseFor(peer, log, log.base); {
	case base > has && base > begins:
		return out, &Based{Author: c.author, Lane: c.lane, Base: base, Ord: log.ordAt(base)}
	case low < min(begins, top): // the peer's copy could begin lower
		out = append(out, log.between(low, min(begins, top))...)
		return out, &Based{Author: c.author, Lane: c.lane, Base: low, Ord: log.ordAt(low)}
	}
	return out, nil
}

// heldBy tells where a peer's copy of a log begins, up to where it holds this
// node's branch, and whether it holds another. It may claim any height.
func heldBy(log *msgLog, theirs []LogHead) (begins, has uint64, forked bool) {
	for _, h := range theirs {
		begins = h.Base
		if r := log.at(h.Seq); r == nil || h.Hash == (Short{}) || short(r.hash) == h.Hash {
			has = max(has, min(h.Seq, log.height()))
		} else {
			forked = true
		}
	}
	return begins, has, forked
}

// branchesBeyond returns the records of every branch above base but for those
// that lead to a record that the peer names.
func (m *Machine) branchesBeyond(keep keeper, log *msgLog, base uint64, theirs []LogHead) []*message {
	held := map[*message]bool{}
	for _, h := range theirs {
		for r := m.msgs[h.Hash]; r != nil && !held[r]; r = r.prev {
			held[r] = true
		}
	}
	return slices.DeleteFunc(slices.Concat(log.recs, log.fork), func(r *message) bool {
		return held[r] || r.seq <= base || !keep.keeps(r)
	})
}

// between returns the records above from, up to to.
func (l *msgLog) between(from, to uint64) (out []*message) {
	for seq := from + 1; seq <= to; seq++ {
		out = append(out, l.at(seq))
	}
	return out
}

// ordAt is the ord of the record at seq, or the greatest at or below the base.
func (l *msgLog) ordAt(seq uint64) uint64 {
	if r := l.at(seq); r != nil {
		return r.ord
	}
	return l.baseOrd
}

func compareBases(a, b Based) int {
	return cmp.Or(a.Author.Compare(b.Author), cmp.Compare(a.Lane, b.Lane))
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
	return !r.part && view.settings.History == HistoryAll && !view.removed(peer)
}
