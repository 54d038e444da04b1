package group

import (
	"slices"

	"conclave/keys"
)

// mint makes one epoch for one reason.
func (m *Machine) mint(reason Reason) error {
	if !m.mintFor(reason) {
		return ErrNotAllowed
	}
	return nil
}

// mintFor makes an epoch with the first reason that holds. Where none holds but
// this node needs no reason, it writes the last one.
func (m *Machine) mintFor(reasons ...Reason) bool {
	if m.maySign() != nil {
		return false
	}
	key := keys.Secret(m.fresh("room key"))
	for i, reason := range reasons {
		e := m.draftEpoch(reason, key)
		if e == nil || m.st.judge(e) {
			continue
		}
		b := e.body.(*Epoch)
		if i == len(reasons)-1 || len(b.Parents) == 0 || e.view(m.g).soundReason(e, b) {
			m.takeEpoch(e, b, key)
			return true
		}
	}
	return false
}

// takeEpoch applies and publishes an own epoch and has its key sealed.
func (m *Machine) takeEpoch(e *entry, b *Epoch, key keys.Secret) {
	m.publishEntry(e)
	m.holdKey(e, key)
	m.r.Epoch = e.eh
	m.rot.hardSince, m.rot.heldSince, m.rot.softSince, m.rot.asked, m.rot.request = 0, 0, 0, 0, Hash{}
	m.rot.deferred = false
	if to := m.recipients(); b.N > 0 && len(to) > 0 {
		m.r.Seal = append(m.r.Seal, SealJob{
			EID: e.eh, Ectx: keys.EnvelopeContext(m.g.gid, m.me, e.Lane, e.Seq, b.KC), KC: b.KC,
			Minter: m.me, Lane: e.Lane, Seq: e.Seq, Key: key, To: to,
		})
	}
}

// draftEpoch drafts an EPOCH over the newest epochs known, nil where this node
// may not.
func (m *Machine) draftEpoch(reason Reason, key keys.Secret) *entry {
	alone := !m.mayRotate()
	switch reason {
	case ReasonMessages, ReasonRequest, ReasonRescue:
	default:
		alone = false
	}
	parents := m.newestEpochs(alone)
	if guest, waits := m.guestWaits(); waits && reason == ReasonAdmitted && m.st.settings.RotateBy != RotateByAny && !m.mayRotate() {
		parents = slices.DeleteFunc(parents, func(p *entry) bool { return m.st.mayHold(p, guest) == nil })
	}
	to := len(m.recipients())
	salt := Hash(m.fresh("salt"))
	b := &Epoch{
		Gen: 1, Acks: m.acksBeyond(parents), KC: keys.Commitment(key, salt, m.g.gid), Salt: salt, Suite: Suite,
		History: m.st.settings.History, Reason: reason, N: uint64(to), Chunks: uint64((to + perChunk - 1) / perChunk),
	}
	for _, p := range parents {
		b.Parents = append(b.Parents, p.eh)
		b.Gen = max(b.Gen, p.body.(*Epoch).Gen+1)
	}
	sortHashes(b.Parents)
	return m.draftAs(TypeEpoch, b)
}

const perChunk = chunkBytes / envelopeMax

// newestEpochs returns the epochs that no other descends from along parents, best
// first, at most MaxParents; with others set, none of this node's own. What an
// epoch has in its past otherwise it need not go on from: its author chose its
// parents, and so how low its gen is.
func (m *Machine) newestEpochs(others bool) []*entry {
	var out []*entry
	parents := map[Hash]bool{} // of what is taken, and theirs
	for _, p := range slices.Backward(m.g.epochs) {
		taken := p.role != roleNone && !(others && p.Author == m.me)
		if taken && !parents[p.eh] {
			out = append(out, p)
		}
		if taken || parents[p.eh] {
			for _, h := range p.body.(*Epoch).Parents {
				parents[h] = true
			}
		}
	}
	slices.SortFunc(out, m.g.compareEpochs)
	return out[:min(len(out), MaxParents)]
}

// acksBeyond lists the LEAVE and JOIN entries that heads and parents do not
// bring into the view.
func (m *Machine) acksBeyond(parents []*entry) []Hash {
	var past set
	cite := func(e *entry) { past = past.union(e.past).with(e.idx) }
	for _, p := range parents {
		cite(p)
	}
	for _, h := range m.seen() {
		cite(m.g.byHash[h.Hash])
	}
	if tip := m.ownTip(); tip != nil {
		cite(tip)
	}
	return m.acks(past)
}

// acks lists the applied LEAVE and JOIN entries outside past, but for those that
// nobody had the authority to write.
func (m *Machine) acks(past set) []Hash {
	var out []Hash
	for _, e := range m.g.order {
		if (e.Type == TypeLeave || e.Type == TypeJoin) && e.role != roleNone && !past.has(e.idx) {
			out = append(out, e.eh)
		}
	}
	return sortHashes(out[:min(len(out), MaxAcks)])
}

// recipients lists the bundles of the other members, none where all their
// envelopes would exceed the budget: then keys spread on request.
func (m *Machine) recipients() []keys.Bundle {
	var out []keys.Bundle
	for _, p := range m.st.members() {
		if b, ok := m.bundles[p]; ok && p != m.me {
			out = append(out, b)
		}
	}
	if len(out)*envelopeMax > pushBudget {
		return nil
	}
	return out
}

// onSealed signs the envelopes of a rotation in chunks and publishes them.
func (m *Machine) onSealed(s Sealed) {
	envs := slices.Clone(s.Envelopes)
	slices.SortFunc(envs, func(a, b Envelope) int { return slices.Compare(a.Tag[:], b.Tag[:]) })
	index := uint64(0)
	for part := range slices.Chunk(envs, perChunk) {
		c := &Chunk{GID: m.g.gid, Minter: m.me, Lane: s.Job.Lane, Seq: s.Job.Seq, KC: s.Job.KC, Index: index, Envelopes: part}
		m.r.Publish = append(m.r.Publish, m.sign(KindChunk, keys.LabelChunk, c))
		index++
	}
}

func (m *Machine) sign(kind Kind, label keys.Label, body any) []byte {
	return append([]byte{byte(kind)}, m.self.Sign(label, m.g.gid, keys.Marshal(body)).Encode()...)
}

// settleReport tells the group when this node holds another key: as soon as it
// may sign, where it may not yet.
func (m *Machine) settleReport() {
	m.owesReport = m.owesReport || len(m.r.Keys) > 0
	if !m.owesReport || m.maySign() != nil {
		return
	}
	m.owesReport = false
	r := &Report{GID: m.g.gid, Author: m.me, Seq: m.now, Epochs: m.reportable()}
	if old := m.reports[m.me]; old != nil {
		r.Seq = max(r.Seq, old.Seq+1)
	}
	payload := m.sign(KindReport, keys.LabelReport, r)
	v := Verified{Payload: payload, Hash: keys.Sum(payload), v: r}
	m.receiveLatest(v)
	m.r.Publish = append(m.r.Publish, payload)
}

// reportable lists the epochs whose key this node holds, best first, as many as a
// report names.
func (m *Machine) reportable() (out []Hash) {
	var held []*entry
	for _, e := range m.g.epochs {
		if _, ok := m.held[e.eh]; ok {
			held = append(held, e)
		}
	}
	slices.SortFunc(held, m.g.compareEpochs)
	for _, e := range held[:min(len(held), MaxSeen)] {
		out = append(out, e.eh)
	}
	return out
}

// unreported reports whether this node holds a key that its last report lacks.
func (m *Machine) unreported() bool {
	var told []Hash
	if r := m.reports[m.me]; r != nil {
		told = r.Epochs
	}
	return slices.ContainsFunc(m.reportable(), func(eid Hash) bool { return !slices.Contains(told, eid) })
}
