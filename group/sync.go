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
		h.Logs = append(h.Logs, keep.heads(c, log)...)
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

// Waiting names the message records that are held and wait for what they cite, in
// at most most runs: beside its heights this node tells them to whoever it catches
// up from, who does not give them again then.
func (m *Machine) Waiting(most int) []LogHead { return m.pend.heads(most) }

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
		if (log == nil || h.Seq > log.base) && m.msgs[h.Hash] == nil && !m.pend.has(h.Hash) {
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
	Ord       uint64
	Size      int // bytes of the payload
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
// membership ended: the removal or LEAVE, or the cut that made the admission
// void, and all that it rests on, which lies before the end of that membership.
// Nil for whoever is a member or never was.
func (m *Machine) Farewell(peer PeerID) [][]byte {
	if m.st.member(peer) {
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
		for e := j; m.st.isVoid(j) && e.rests != nil; e = e.rests {
			for _, k := range m.st.cutsOf(e.rests, e.role == roleDeputy, false) {
				end(k)
			}
		}
	}
	if past == nil {
		return nil
	}
	return m.g.payloads(func(e *entry) bool { return past.has(e.idx) })
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
	keep, held := m.keeper(), m.peerHas(theirs.Logs)
	var recs []*message
	for _, log := range m.logs {
		rs, bases := m.messagesBeyond(keep, peer, log, held)
		out.Bases = append(out.Bases, bases...)
		recs = append(recs, rs...)
	}
	recs, bases := m.restedOn(recs, held)
	out.Bases = append(out.Bases, bases...)
	out.Messages = refsOf(recs)
	slices.SortFunc(out.Bases, compareBases)
	out.Bases = slices.Compact(out.Bases)
	return out, nil
}

// refsOf names records, causes first.
func refsOf(recs []*message) []MessageRef {
	slices.SortFunc(recs, func(a, b *message) int { return compareOrd(a.ord, b.ord, a.hash, b.hash) })
	var out []MessageRef
	for _, r := range recs {
		out = append(out, MessageRef{Author: r.author, Lane: r.lane, Seq: r.seq, Hash: r.hash, Ord: r.ord, Size: int(r.size)})
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
	return m.g.payloads(func(e *entry) bool { return !past.has(e.idx) })
}

// payloads returns the control entries that are wanted, causes first.
func (g *graph) payloads(wanted func(*entry) bool) [][]byte {
	var es []*entry
	for _, e := range g.all {
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
// and where its copy goes on after what it may not have.
// (PROTOCOL.md, "Where a newcomer's copy begins")
func (m *Machine) messagesBeyond(keep keeper, peer PeerID, log *msgLog, has func(*message) bool) (out []*message, bases []Based) {
	for _, r := range log.runs() {
		rs, bs := m.runBeyond(keep.cut(r), peer, has)
		out, bases = append(out, rs...), append(bases, bs...)
	}
	for _, r := range log.fork {
		if keep.keeps(r) && m.mayHave(r, peer, true) && !has(r) {
			out = append(out, r)
		}
	}
	return out, bases
}

// runBeyond is messagesBeyond for one run. A hole is what the peer may not be
// given, and what comes before the first record after it that the peer can read.
func (m *Machine) runBeyond(r run, peer PeerID, has func(*message) bool) (out []*message, bases []Based) {
	hole, open := len(r) > 0 && r[0].seq > 1, false
	for _, rec := range r {
		switch {
		case has(rec):
			hole, open = false, true
		case !m.mayHave(rec, peer, open):
			hole, open = true, false
		default:
			if hole {
				bases = append(bases, m.baseBefore(rec))
			}
			out = append(out, rec)
			hole, open = false, true
		}
	}
	if hole && len(r) > 0 {
		top := r[len(r)-1]
		bases = append(bases, Based{Author: top.author, Lane: top.lane, Base: top.seq, Ord: top.ord})
	}
	return out, bases
}

// mayHave reports whether a record is given to a peer: what it can read or wrote
// itself, what is sealed and follows without a hole, and plaintext that it may be
// given.
func (m *Machine) mayHave(r *message, peer PeerID, open bool) bool {
	if r.epoch == nil {
		return m.mayGivePlain(r, peer)
	}
	return open || r.author == peer || m.st.mayHold(r.epoch, peer) == nil
}

// baseBefore is what a peer is told that gets rec, but not the one before.
func (m *Machine) baseBefore(rec *message) Based {
	b := Based{Author: rec.author, Lane: rec.lane, Base: rec.seq - 1, Ord: rec.ord - 1}
	if rec.prev != nil {
		b.Ord = rec.prev.ord
	}
	return b
}

// peerHas tells which records a peer holds that named these heads. It may name
// any height.
func (m *Machine) peerHas(theirs []LogHead) func(*message) bool {
	logs := map[chain][]LogHead{}
	for _, h := range theirs {
		c := chain{h.Author, h.Lane}
		if r := m.logs[c].at(h.Seq); r == nil || short(r.hash) == h.Hash || m.msgs[h.Hash] != nil {
			logs[c] = append(logs[c], h)
		} // else forked somewhere below
	}
	return func(r *message) bool {
		c := chain{r.author, r.lane}
		return slices.ContainsFunc(logs[c], func(h LogHead) bool {
			return h.Base < r.seq && r.seq <= h.Seq && m.sameBranch(m.logs[c], r, h)
		})
	}
}

// sameBranch reports whether r is on the branch of the record that a peer names.
func (m *Machine) sameBranch(log *msgLog, r *message, h LogHead) bool {
	if len(log.fork) == 0 {
		next := log.at(r.seq + 1)
		return next == nil || next.seq > h.Seq || next.before == r.hash // else r's branch ends below a hole
	}
	at, next := m.msgs[h.Hash], (*message)(nil)
	for at != nil && at.seq > r.seq {
		at, next = at.prev, at
	}
	switch {
	case at != nil:
		return at == r
	case next != nil && next.seq == r.seq+1:
		return next.before == r.hash
	}
	return log.at(r.seq) == r // beyond a hole, or unknown
}

// restedOn drops what is not shown, where nothing that the peer holds or is given
// rests on it, and tells the bases for what the rest cites and the peer does not
// get. What rests on a record has a greater ord.
func (m *Machine) restedOn(recs []*message, has func(*message) bool) ([]*message, []Based) {
	slices.SortFunc(recs, func(a, b *message) int { return compareOrd(a.ord, b.ord, a.hash, b.hash) })
	given := map[*message]bool{}
	there := func(r *message) bool { return r != nil && (given[r] || has(r)) }
	for _, r := range slices.Backward(recs) {
		next := m.logs[chain{r.author, r.lane}].at(r.seq + 1)
		given[r] = m.visible(r) || there(next) && next.prev == r || slices.ContainsFunc(r.citers, there)
	}
	recs = slices.DeleteFunc(recs, func(r *message) bool { return !given[r] })
	var bases []Based
	for _, r := range recs {
		for _, h := range r.lacks { // not to be had here
			bases = append(bases, Based{Author: h.Author, Lane: h.Lane, Base: h.Seq, Ord: r.ord - 1})
		}
		if r.seq == 1 && r.prev != nil && !there(r.prev) {
			bases = append(bases, Based{Author: r.author, Lane: r.lane, Base: 0, Ord: r.prev.ord})
		}
	}
	return recs, bases
}

func compareBases(a, b Based) int {
	return cmp.Or(a.Author.Compare(b.Author), cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Base, b.Base))
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
