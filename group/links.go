package group

import (
	"slices"

	"conclave/keys"
)

// onLinkAdd makes a link, by which whoever has it may come in.
func (m *Machine) onLinkAdd(l LinkAdd) error {
	link := &InviteLink{Key: l.Key, Uses: l.Uses, Expires: l.Expires, PreApproved: l.PreApproved}
	if checkBody(link) != nil || l.Expires <= m.now {
		return ErrBody
	}
	if m.g.direct != nil {
		return ErrNotAllowed
	}
	_, err := m.write(TypeInvite, link)
	return err
}

func (m *Machine) onLinkRevoke(invite Hash) error {
	inv := m.g.byHash[short(invite)]
	if inv == nil || inv.eh != invite || inv.Type != TypeInvite {
		return ErrNoRequest
	}
	if l := m.linkInfo(inv); l.State == LinkRevoked {
		return nil
	}
	_, err := m.write(TypeInviteRevoke, &InviteRevoke{Invite: invite})
	return err
}

// onLinkUsed admits a peer by a pre-approved link, as its sponsor.
// (PROTOCOL.md, "Joining")
func (m *Machine) onLinkUsed(l LinkUsed) error {
	b, err := keys.ParseBundle(l.Bundle)
	if err != nil {
		return err
	}
	if b.Peer != l.Peer {
		return ErrBody
	}
	if m.st.banned(l.Peer) {
		return ErrBanned
	}
	if b.Seq < m.bundleSeq(l.Peer) {
		return ErrStale
	}
	if m.st.member(l.Peer) {
		m.receiveLatest(bundleRecord(b))
		return nil
	}
	if err := m.maySign(); err != nil {
		return err
	}
	if info, ok := m.Link(l.Invite); !ok || info.State != LinkOpen || !info.PreApproved {
		return ErrLink
	}
	if _, err := m.write(TypeJoin, &Join{Invite: l.Invite, Joiner: l.Peer, Proof: l.Proof}); err != nil {
		return ErrLink
	}
	m.receiveLatest(bundleRecord(b))
	m.dropRequest(l.Peer)
	m.rot.guests = true
	return nil
}

// Guests cost at most guestBurst epochs at once, and then one in each guestApart
// milliseconds, for all who came in meanwhile. (PROTOCOL.md, "Rotation")
const (
	guestBurst = 5
	guestApart = 10_000
)

// coverGuests mints for those whom this node let in by a link and whom the
// present key does not serve. Where nobody else may, that is looked at with each
// change: another member may have minted for another guest at the same time.
func (m *Machine) coverGuests(changed bool) {
	m.rot.guests = m.rot.guests || changed && m.st.settings.RotateBy != RotateByAny
	if !m.rot.guests || m.maySign() != nil || m.now < m.guestsDue() {
		return
	}
	m.rot.guests = false
	if _, waits := m.guestWaits(); !m.st.settings.E2EE || !waits || !m.mintFor(ReasonAdmitted) {
		return
	}
	m.rot.guestsPaid = max(m.rot.guestsPaid, m.now) + guestApart
}

// guestsDue is when the budget allows the next epoch for guests.
func (m *Machine) guestsDue() uint64 {
	const ahead = (guestBurst - 1) * guestApart
	return max(m.rot.guestsPaid, ahead) - ahead
}

// guestWaits returns somebody whom this node let in and who may not have the
// present key; where there is none, the best that is known.
func (m *Machine) guestWaits() (PeerID, bool) {
	cur := m.current()
	for _, u := range m.st.guests(m.me) {
		if cur == nil || m.st.mayHold(cur, u) != nil {
			return u, true
		}
	}
	return PeerID{}, false
}

// letIn follows an own ADD of p: its bundle, and a new epoch where the present
// one cannot be handed to it.
func (m *Machine) letIn(p PeerID, b keys.Bundle) {
	m.receiveLatest(bundleRecord(b))
	m.dropRequest(p)
	if !m.st.settings.E2EE {
		return
	}
	if cur := m.current(); cur == nil || m.st.mayHold(cur, p) != nil {
		m.mint(ReasonAdmitted) // where this node may not, the group stays marked
	}
}

// LinkState says whether a link still admits people.
type LinkState int

// The states of a link, the first that holds.
const (
	LinkOpen    LinkState = iota
	LinkRevoked           // by INVITE_REVOKE, or its INVITE does not count
	LinkUsedUp
	LinkRetired // somebody was removed since
	LinkExpired
)

func (s LinkState) String() string {
	return [...]string{"open", "revoked", "used up", "retired", "expired"}[s]
}

// LinkInfo is a link as this node knows it.
type LinkInfo struct {
	Invite  Hash // the INVITE's hash
	Author  PeerID
	Key     [32]byte
	Uses    uint64
	Used    uint64
	Expires uint64 // Unix milliseconds
	State   LinkState

	PreApproved bool
}

// Link describes the link of an INVITE.
func (m *Machine) Link(invite Hash) (LinkInfo, bool) {
	e := m.g.byHash[short(invite)]
	if e == nil || e.eh != invite || e.Type != TypeInvite {
		return LinkInfo{}, false
	}
	return m.linkInfo(e), true
}

// Links lists the links that were ever made, in order.
func (m *Machine) Links() (out []LinkInfo) {
	for _, e := range m.g.order {
		if e.Type == TypeInvite && e.role != roleNone {
			out = append(out, m.linkInfo(e))
		}
	}
	return out
}

func (m *Machine) linkInfo(inv *entry) LinkInfo {
	link := inv.body.(*InviteLink)
	l := LinkInfo{Invite: inv.eh, Author: inv.Author, Key: link.Key, Uses: link.Uses, Expires: link.Expires, PreApproved: link.PreApproved}
	l.Used = uint64(len(m.st.joinsBy(inv.eh)))
	switch {
	case m.st.isVoid(inv) || m.linkEnded(func(e *entry) bool { b, is := e.body.(*InviteRevoke); return is && b.Invite == inv.eh }):
		l.State = LinkRevoked
	case link.PreApproved && l.Used >= link.Uses:
		l.State = LinkUsedUp
	case link.PreApproved && m.linkEnded(func(e *entry) bool { _, is := e.body.(*Removal); return is && !inv.past.has(e.idx) }):
		l.State = LinkRetired
	case m.now > link.Expires:
		l.State = LinkExpired
	}
	return l
}

func (m *Machine) linkEnded(by func(e *entry) bool) bool {
	return slices.ContainsFunc(m.g.order, func(e *entry) bool { return by(e) && !m.st.isVoid(e) })
}

// joinsBy lists the JOINs by a link that count, in order.
func (s *State) joinsBy(invite Hash) (out []*entry) {
	for _, e := range s.g.order {
		if b, is := e.body.(*Join); is && b.Invite == invite && s.view.has(e.idx) && !s.isVoid(e) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, compareEntries)
	return out
}

// trimLinks removes whoever came in by a link beyond the number of its uses, which
// sponsors who did not hear of each other cannot keep. The owner, and each deputy
// who may, removes the same ones: the last in order. (PROTOCOL.md, "Joining")
func (m *Machine) trimLinks() {
	owner, _ := m.st.owner()
	if m.g.direct != nil || m.maySign() != nil || owner != m.me && m.st.caps(m.me)&CapKick == 0 {
		return
	}
	used := map[Hash]uint64{}
	for _, e := range m.g.order {
		if b, is := e.body.(*Join); is && !m.st.isVoid(e) {
			used[b.Invite]++
		}
	}
	for _, inv := range slices.Clone(m.g.order) {
		link, is := inv.body.(*InviteLink)
		if !is || used[inv.eh] <= link.Uses {
			continue
		}
		for _, j := range m.st.joinsBy(inv.eh)[link.Uses:] {
			if p := j.body.(*Join).Joiner; slices.Contains(m.st.alive(p), j) {
				m.onRemove(Remove{Peer: p}) // a deputy cannot remove one who became a deputy
			}
		}
	}
}

// overshoot reports whether a KICK removed only people whom a link had let in
// beyond its uses: what trimLinks does, told apart from a person's wish. It is
// derived, since a KICK does not cite the JOINs of members: whoever holds the
// same entries is told the same.
func (s *State) overshoot(e *entry) bool {
	b, is := e.body.(*Removal)
	if !is || e.Type != TypeKick || len(b.JIDs) == 0 {
		return false
	}
	return !slices.ContainsFunc(b.JIDs, func(jid Hash) bool {
		j := s.g.byHash[short(jid)]
		if j == nil || j.Type != TypeJoin {
			return true
		}
		by := j.body.(*Join).Invite
		uses := s.g.byHash[short(by)].body.(*InviteLink).Uses
		return uint64(slices.Index(s.joinsBy(by), j)+1) <= uses // 0: it does not count
	})
}

// SignJoinProof shows, with a link's key, that the link was given to joiner.
func SignJoinProof(key *keys.Identity, gid, invite Hash, joiner PeerID) []byte {
	return key.Sign(keys.LabelProof, gid, keys.Marshal(joinProof{GID: gid, Invite: invite, Joiner: joiner})).Sig
}

// CheckJoinProof reports whether the link's key made such a proof.
func (l LinkInfo) CheckJoinProof(gid Hash, joiner PeerID, proof []byte) bool {
	rec := keys.Record{Body: keys.Marshal(joinProof{GID: gid, Invite: l.Invite, Joiner: joiner}), Sig: proof}
	return len(proof) == 64 && rec.Verify(keys.LabelProof, gid, PeerID(l.Key)) == nil
}
