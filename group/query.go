package group

import (
	"cmp"
	"slices"

	"conclave/keys"
)

// What follows only reads.

// GID returns the group's ID.
func (m *Machine) GID() Hash { return m.g.gid }

// Me returns this node's person.
func (m *Machine) Me() PeerID { return m.me }

// Known reports whether the first entry is held.
func (m *Machine) Known() bool { return m.genesis() != nil }

// Direct returns the two people of a conversation, nil for a group.
func (m *Machine) Direct() *[2]PeerID { return m.g.direct }

// Settings returns the settings in force.
func (m *Machine) Settings() Settings { return m.st.settings }

// RequiresE2EE reports whether plaintext is invalid here.
func (m *Machine) RequiresE2EE() bool { return m.requiresE2EE() }

// Owner returns the present owner.
func (m *Machine) Owner() PeerID { p, _ := m.st.owner(); return p }

// Members returns the members in the order of first admission.
func (m *Machine) Members() []PeerID { return m.st.members() }

// IsMember reports whether p is a member.
func (m *Machine) IsMember(p PeerID) bool { return m.st.member(p) }

// Known authors include former members.
func (m *Machine) Admitted(p PeerID) bool { return len(m.st.admits[p]) > 0 }

// Everyone lists the members and former members.
func (m *Machine) Everyone() []PeerID { return slices.Clone(m.st.people) }

// Serves reports whether peer may catch up here: a member, and in a conversation
// the other person, unless hidden.
func (m *Machine) Serves(peer PeerID) bool { return m.st.member(peer) && !m.local.Hidden }

// Removed reports whether p was a member and is none.
func (m *Machine) Removed(p PeerID) bool { return m.st.removed(p) }

// Banned reports whether p is banned.
func (m *Machine) Banned(p PeerID) bool { return m.st.banned(p) }

// Local returns what this node alone decided.
func (m *Machine) Local() Local { return m.local }

// Role returns owner, deputy, member or none.
func (m *Machine) Role(p PeerID) string {
	owner, _ := m.st.owner()
	switch {
	case !m.st.member(p):
		return "none"
	case m.g.direct != nil:
		return "member"
	case p == owner:
		return "owner"
	case m.st.grant(p) != nil:
		return "deputy"
	}
	return "member"
}

// Caps returns what p may do as a deputy.
func (m *Machine) Caps(p PeerID) Caps { return m.st.caps(p) }

// MayApprove reports whether this node may admit people.
func (m *Machine) MayApprove() bool { return m.mayApprove() }

// Marked derives the group's mark at a moment, in Unix milliseconds.
func (m *Machine) Marked(now uint64) Mark { return m.marked(now) }

// PlainAccepted reports whether this person need not be asked again before a
// line goes out in plaintext while encryption is off.
func (m *Machine) PlainAccepted() bool {
	return m.st.toggle() == nil || m.st.settings.E2EE || m.local.Accepted == m.st.toggle().eh
}

// Name returns the profile name that p stated last, "" if none.
func (m *Machine) Name(p PeerID) string {
	var best *entry
	for c, tips := range m.g.tips {
		if c.author != p {
			continue
		}
		for at := tips[0]; at != nil; at = m.g.byHash[short(at.Prev)] {
			if at.Type == TypeProfile && at.role != roleNone && (best == nil || at.Lane > best.Lane) {
				best = at
				break
			}
			if at.Prev == (Hash{}) {
				break
			}
		}
	}
	if best == nil {
		return ""
	}
	return best.body.(*Profile).Name
}

// Bundle returns the newest bundle of p.
func (m *Machine) Bundle(p PeerID) (keys.Bundle, bool) {
	b, ok := m.bundles[p]
	return b, ok
}

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
		if !held && !m.erased[e.eh] && e.role != roleNone && m.st.mayHold(e, m.me) == nil {
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
		h := m.logs[c].height()
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

// Cuts returns a description of an entry for people: type, author, subject.
func (m *Machine) Entry(h Hash) (EntryInfo, bool) {
	e := m.g.byHash[short(h)]
	if e == nil {
		return EntryInfo{}, false
	}
	info := EntryInfo{Type: e.Type, Author: e.Author, Subject: e.subject(), Time: e.Time, Ord: e.ord, Seq: e.Seq, Lane: e.Lane, Void: m.st.isVoid(e)}
	switch b := e.body.(type) {
	case *Epoch:
		info.Gen, info.Reason = b.Gen, b.Reason
	case *Set:
		info.Settings, info.Switched = b.Settings, slices.Contains(m.st.toggles, e)
	case *Genesis:
		info.Settings = b.Settings
	case *Profile:
		info.Name = b.Name
	}
	return info, true
}

// EntryInfo is a control entry as people see it.
type EntryInfo struct {
	Type      Type
	Author    PeerID
	Subject   PeerID
	Time, Ord uint64
	Lane, Seq uint64
	Void      bool
	Gen       uint64 // EPOCH
	Reason    Reason // EPOCH
	Settings  Settings
	Switched  bool   // a SET that switched encryption
	Name      string // PROFILE
}
