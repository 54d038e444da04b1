package group

import (
	"slices"

	"conclave/keys"
)

// EpochInfo is one epoch as people see it.
type EpochInfo struct {
	EID     Hash
	Gen     uint64
	Author  PeerID
	Reason  Reason
	Time    uint64
	Ord     uint64
	Held    bool
	Void    bool
	Current bool
}

// Epochs lists the epochs, oldest first.
func (m *Machine) Epochs() []EpochInfo {
	cur := m.current()
	es := slices.Clone(m.g.epochs)
	slices.SortFunc(es, func(a, b *entry) int { return m.g.compareEpochs(b, a) })
	var out []EpochInfo
	for _, e := range es {
		if e.role == roleNone {
			continue
		}
		out = append(out, m.epochInfo(e, cur))
	}
	return out
}

func (m *Machine) epochInfo(e, cur *entry) EpochInfo {
	b := e.body.(*Epoch)
	_, held := m.held[e.eh]
	return EpochInfo{
		EID: e.eh, Gen: b.Gen, Author: e.Author, Reason: b.Reason, Time: e.Time, Ord: e.ord,
		Held: held, Void: m.st.isVoid(e), Current: e == cur,
	}
}

// Epoch returns one epoch.
func (m *Machine) Epoch(eid Hash) (EpochInfo, bool) {
	e := m.g.byHash[short(eid)]
	if e == nil || e.Type != TypeEpoch {
		return EpochInfo{}, false
	}
	return m.epochInfo(e, m.current()), true
}

// Current returns the epoch that the next sealed line goes out under.
func (m *Machine) Current() (EpochInfo, bool) {
	if cur := m.current(); cur != nil {
		return m.epochInfo(cur, cur), true
	}
	return EpochInfo{}, false
}

// Eligible lists the epochs that may be encrypted under now, preferred first,
// whether or not this node holds their keys. (PROTOCOL.md, "CHOOSE")
func (m *Machine) Eligible() []Hash {
	out := []Hash{}
	for _, e := range m.eligible() {
		out = append(out, e.eh)
	}
	return out
}

// Expected returns the generation that a held line waits for.
func (m *Machine) Expected() uint64 {
	gen := uint64(0)
	for _, e := range m.g.epochs {
		if e.role != roleNone {
			gen = max(gen, e.body.(*Epoch).Gen)
		}
	}
	if es := m.eligible(); len(es) > 0 {
		return es[0].body.(*Epoch).Gen
	}
	return gen + 1
}

// Key returns the room key of an epoch, if held.
func (m *Machine) Key(eid Hash) (keys.Secret, bool) {
	k, ok := m.held[eid]
	return k, ok
}

// Holds reports whether p is known to hold the key of an epoch: this node by
// itself, the minter, others by their own reports.
func (m *Machine) Holds(p PeerID, eid Hash) bool {
	if p == m.me {
		_, ok := m.held[eid]
		return ok
	}
	if e := m.g.byHash[short(eid)]; e != nil && e.Author == p {
		return true
	}
	r := m.reports[p]
	return r != nil && slices.Contains(r.Epochs, eid)
}

// Covers reports whether p may hold the key of an epoch.
func (m *Machine) Covers(p PeerID, eid Hash) error {
	e := m.g.byHash[short(eid)]
	if e == nil || e.Type != TypeEpoch {
		return RefusedNotHeld
	}
	return m.st.mayHold(e, p)
}

// Wanted lists the epochs whose key this node lacks and may have, newest first,
// at most 64.
func (m *Machine) Wanted() []Hash {
	var es []*entry
	for _, e := range m.g.epochs {
		_, held := m.held[e.eh]
		vain := e.role == roleNone && !e.stopped // nobody may ever speak under it
		if !held && !m.erased[e.eh] && !vain && m.st.mayHold(e, m.me) == nil {
			es = append(es, e)
		}
	}
	slices.SortFunc(es, m.g.compareEpochs)
	var out []Hash
	for _, e := range es[:min(len(es), MaxSeen)] {
		out = append(out, e.eh)
	}
	return out
}

// Serve answers a request for the key of an epoch by peer, whose newest bundle
// is given: a job for one envelope, or a Refusal. (PROTOCOL.md, "SERVE")
func (m *Machine) Serve(peer PeerID, eid Hash, b keys.Bundle) (SealJob, error) {
	e := m.g.byHash[short(eid)]
	if e == nil || e.Type != TypeEpoch {
		return SealJob{}, RefusedNotHeld
	}
	if b.Peer != peer {
		return SealJob{}, RefusedNotMember
	}
	if m.erased[eid] {
		return SealJob{}, RefusedErased
	}
	if err := m.st.mayHold(e, peer); err != nil {
		return SealJob{}, err
	}
	key, ok := m.held[eid]
	if !ok {
		return SealJob{}, RefusedNotHeld
	}
	kc := e.body.(*Epoch).KC
	return SealJob{
		EID: eid, Ectx: keys.EnvelopeContext(m.g.gid, e.Author, e.Lane, e.Seq, kc), KC: kc,
		Minter: e.Author, Lane: e.Lane, Seq: e.Seq, Key: key, To: []keys.Bundle{b},
	}, nil
}

// Servable lists the epochs whose key this node holds and may hand to peer,
// newest first, at most most.
func (m *Machine) Servable(peer PeerID, most int) []Hash {
	var es []*entry
	for _, e := range m.g.epochs {
		if _, held := m.held[e.eh]; held && e.role != roleNone && m.st.mayHold(e, peer) == nil {
			es = append(es, e)
		}
	}
	slices.SortFunc(es, m.g.compareEpochs)
	var out []Hash
	for _, e := range es[:min(len(es), most)] {
		out = append(out, e.eh)
	}
	return out
}

// EnvelopeFor says how an envelope for an epoch is opened by this node.
func (m *Machine) EnvelopeFor(eid Hash) (ectx, kc Hash, minter PeerID, ok bool) {
	e := m.g.byHash[short(eid)]
	if e == nil || e.Type != TypeEpoch {
		return Hash{}, Hash{}, PeerID{}, false
	}
	kc = e.body.(*Epoch).KC
	return keys.EnvelopeContext(m.g.gid, e.Author, e.Lane, e.Seq, kc), kc, e.Author, true
}
