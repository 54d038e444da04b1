package group

import (
	"slices"

	"conclave/keys"
)

// draft is an own entry that is signed and judged, but not yet applied.
func (m *Machine) draft(t Type, body any, term uint64) *entry {
	e := &Entry{
		GID: m.g.gid, Type: t, Author: m.me, Lane: m.lane, Seq: 1, Time: m.now, Term: term,
		Seen: m.seen(), Body: keys.Marshal(body), body: body,
	}
	if b, is := body.(*Transfer); is {
		e.Seen = m.g.seeing(e.Seen, m.g.byHash[short(b.Accept)])
	}
	if tip := m.ownTip(); tip != nil {
		e.Prev = tip.eh
		if tip.Lane == m.lane {
			e.Seq = tip.Seq + 1
		}
	}
	if j := m.st.incarnation(m.me); j != nil && term == 0 && !m.g.cites(e, j) {
		e.Seen = m.g.seeing(e.Seen[:min(len(e.Seen), MaxSeen-1)], j)
	}
	for _, d := range m.g.cited(e) {
		e.Ord = max(e.Ord, d.ord)
	}
	e.Ord++
	rec := m.self.Sign(keys.LabelEntry, m.g.gid, keys.Marshal(e))
	return m.g.prepare(Verified{Payload: append([]byte{byte(KindEntry)}, rec.Encode()...), Hash: rec.Hash(), v: e})
}

// seen names what an own entry cites besides its prev: the heads of others, and of
// this node's own chains those branches and lanes that prev does not lead to.
func (m *Machine) seen() []Head {
	tip := m.ownTip()
	return slices.DeleteFunc(m.g.heads(PeerID{}), func(h Head) bool {
		d := m.g.byHash[h.Hash]
		return h.Author == m.me && tip != nil && (d == tip || tip.past.has(d.idx))
	})
}

// cites reports whether e has d in its causal past.
func (g *graph) cites(e *Entry, d *entry) bool {
	return slices.ContainsFunc(g.cited(e), func(c *entry) bool { return c == d || c.past.has(d.idx) })
}

// ownTip returns this node's newest entry: of the present lane, else of the
// lane before it.
func (m *Machine) ownTip() *entry {
	var best *entry
	for c, tips := range m.g.tips {
		if c.author == m.me && len(tips) > 0 && c.lane <= m.lane &&
			(best == nil || c.lane > best.Lane) {
			best = tips[0]
		}
	}
	return best
}

// write signs, applies and publishes an own entry. ErrNotAllowed, and nothing
// changed, where this node may not write it.
func (m *Machine) write(t Type, body any) (*entry, error) {
	if err := m.maySign(); err != nil {
		return nil, err
	}
	e := m.draftAs(t, body)
	if e == nil || m.st.judge(e) {
		if owner, term := m.st.owner(); owner == m.me && slices.Contains(m.local.Frozen, term) {
			return nil, ErrFrozen
		}
		return nil, ErrNotAllowed
	}
	m.publishEntry(e)
	return e, nil
}

// maySign refuses to sign for a group that this node has left.
func (m *Machine) maySign() error {
	if m.local.Left || m.local.Hidden {
		return ErrClosed
	}
	if m.st.removed(m.me) {
		return ErrRemoved
	}
	if !m.isMember() {
		return ErrNotMember
	}
	if m.careful {
		return ErrCareful
	}
	return nil
}

// draftAs drafts an entry with whatever authority of this node allows it, nil
// if none does.
func (m *Machine) draftAs(t Type, body any) *entry {
	owner, term := m.st.owner()
	if owner == m.me && m.g.direct == nil {
		if e := m.draft(t, body, term); e.role != roleNone && !slices.Contains(m.local.Frozen, term) {
			return e
		}
	}
	if e := m.draft(t, body, 0); e.role != roleNone {
		return e
	}
	return nil
}

func (m *Machine) publishEntry(e *entry) {
	m.apply(e)
	m.r.Publish = append(m.r.Publish, e.payload)
}

// CreateID makes the first entry of a new group: the group's ID and the GENESIS
// to give to a Machine of that ID in a Create. Entropy is 32 fresh bytes.
func CreateID(self *keys.Identity, s Settings, requireE2EE bool, now uint64, entropy keys.Secret) (Hash, Verified, error) {
	return createID(self, s, requireE2EE, nil, now, entropy)
}

// ForkID is CreateID for a group that goes on where another one, its parent,
// cannot.
func ForkID(self *keys.Identity, s Settings, requireE2EE bool, parent Hash, now uint64, entropy keys.Secret) (Hash, Verified, error) {
	return createID(self, s, requireE2EE, parent[:], now, entropy)
}

func createID(self *keys.Identity, s Settings, requireE2EE bool, parent []byte, now uint64, entropy keys.Secret) (Hash, Verified, error) {
	if !s.valid() || requireE2EE && !s.E2EE {
		return Hash{}, Verified{}, ErrBody
	}
	body := &Genesis{Settings: s, RequireE2EE: requireE2EE, Salt: keys.Derive(entropy, "genesis", 0), Parent: parent}
	e := &Entry{Type: TypeGenesis, Author: self.PeerID(), Seq: 1, Ord: 1, Time: now, Term: 1, Body: keys.Marshal(body), body: body}
	rec := self.Sign(keys.LabelEntry, Hash{}, keys.Marshal(e))
	return rec.Hash(), Verified{Payload: append([]byte{byte(KindEntry)}, rec.Encode()...), Hash: rec.Hash(), v: e}, nil
}

// onCreate takes the GENESIS and mints the first epoch.
func (m *Machine) onCreate(genesis Verified) error {
	if genesis.Author() != m.me {
		return ErrNotAllowed
	}
	if err := m.receiveEntry(genesis); err != nil {
		return err
	}
	if m.st.settings.E2EE {
		return m.mint(ReasonCreate)
	}
	return nil
}

func (m *Machine) onChange(s Settings) error {
	if !s.valid() {
		return ErrBody
	}
	if m.requiresE2EE() && !s.E2EE {
		return ErrRequired
	}
	e, err := m.write(TypeSet, &Set{Settings: s})
	if err != nil {
		return err
	}
	if m.st.toggle() == e && !s.E2EE {
		m.local.Accepted = e.eh // one's own off counts as accepted
		m.saveLocal()
	}
	if m.st.forcing == e && s.E2EE {
		m.mint(ReasonEncryptionOn) // where that fails, the group stays marked
	}
	return nil
}

func (m *Machine) onAcceptPlain() error {
	if m.st.settings.E2EE {
		return nil
	}
	if m.st.toggle() != nil {
		m.local.Accepted = m.st.toggle().eh
		m.saveLocal()
	}
	return nil
}

func (m *Machine) onSetName(name string) error {
	if !ValidName(name) {
		return ErrBody
	}
	_, err := m.write(TypeProfile, &Profile{Name: name})
	return err
}

// beginLane never signs in the present lane again. Lanes are named by Unix
// seconds; the new one is above every lane of this person that is known.
func (m *Machine) beginLane() {
	lane := max(m.now/1000, m.lane+1)
	for c := range m.g.tips {
		if c.author == m.me {
			lane = max(lane, c.lane+1)
		}
	}
	for c := range m.logs {
		if c.author == m.me {
			lane = max(lane, c.lane+1)
		}
	}
	m.lane, m.local.Lane = lane, lane
	m.cited = cited{}
	m.saveLocal()
}

func (m *Machine) onNewBundle(v Verified) {
	if b, ok := v.v.(keys.Bundle); ok && b.Peer == m.me {
		m.bundles[m.me] = b
		m.latest[latestKey{KindBundle, m.me}] = v
		m.r.Publish = append(m.r.Publish, v.Payload)
	}
}

func (m *Machine) onDeputyAdd(d DeputyAdd) error {
	if !m.st.member(d.Peer) {
		return ErrNotMember
	}
	if g := m.st.grant(d.Peer); g != nil && g.body.(*Grant).Caps == d.Caps {
		return nil // so it is
	}
	_, err := m.write(TypeGrant, &Grant{Peer: d.Peer, Caps: d.Caps})
	return err
}

func (m *Machine) onDeputyRemove(p PeerID) error {
	if m.st.grant(p) == nil {
		return ErrNotMember
	}
	for g := m.st.grant(p); g != nil; g = m.st.grant(p) { // a later one does not end an earlier one
		if _, err := m.write(TypeRevoke, &Revoke{Grant: g.eh, Cuts: m.cuts(p)}); err != nil {
			return err
		}
	}
	return nil
}

// onTakeOver says that this person would be the group's owner, after the term
// that is.
func (m *Machine) onTakeOver() error {
	owner, term := m.st.owner()
	if owner == m.me || m.g.direct != nil {
		return ErrNotAllowed
	}
	if m.accepted(m.me, term) != nil {
		return nil
	}
	_, err := m.write(TypeAccept, &Accept{Term: term})
	return err
}

// onHandOver makes another member the owner, who has said so.
// (PROTOCOL.md, "Authority")
func (m *Machine) onHandOver(to PeerID) error {
	owner, term := m.st.owner()
	switch {
	case owner != m.me || m.g.direct != nil || to == m.me:
		return ErrNotAllowed
	case !m.st.member(to):
		return ErrNotMember
	}
	acc := m.accepted(to, term)
	if acc == nil {
		return ErrNoRequest
	}
	_, err := m.write(TypeTransfer, &Transfer{To: to, Accept: acc.eh})
	return err
}

// seeing adds an entry to heads that do not reach it.
func (g *graph) seeing(heads []Head, e *entry) []Head {
	if e == nil || slices.ContainsFunc(heads, func(h Head) bool {
		d := g.byHash[h.Hash]
		return d == e || d.past.has(e.idx)
	}) {
		return heads
	}
	heads = append(slices.Clone(heads), Head{Author: e.Author, Lane: e.Lane, Seq: e.Seq, Hash: short(e.eh)})
	slices.SortFunc(heads, compareHeads)
	return heads
}

// accepted is the entry by which p would follow the owner of a term, nil if none.
func (m *Machine) accepted(p PeerID, term uint64) *entry {
	for _, e := range slices.Backward(m.g.order) {
		if b, is := e.body.(*Accept); is && e.Author == p && b.Term == term && !m.st.isVoid(e) {
			return e
		}
	}
	return nil
}
