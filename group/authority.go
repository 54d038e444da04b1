package group

import (
	"slices"

	"conclave/keys"
)

// clockSlack is how far apart two clocks may be where an expiry is judged, in
// milliseconds.
const clockSlack = 10 * 60 * 1000

// authorize sets the authority that e's author had in e's own causal past. It
// never changes again. (PROTOCOL.md, "Authority")
func (g *graph) authorize(e *entry) {
	if e.Type == TypeGenesis {
		e.role = roleOwner
		return
	}
	past := g.fold(e.past)
	if g.direct != nil {
		g.authorizeDirect(e, past)
		return
	}
	owner, term := past.owner()
	if e.Term > 0 {
		if owner == e.Author && term == e.Term && past.ownerMay(e) {
			e.role = roleOwner
		}
		return
	}
	if grant := past.grant(e.Author); grant != nil && past.deputyMay(e, grant.body.(*Grant).Caps) {
		e.role, e.rests = roleDeputy, grant
		return
	}
	if j := past.memberMay(e); j != nil {
		e.role, e.rests = roleMember, j
	}
}

// authorizeDirect: in a conversation both people are equal, nothing but EPOCH
// and PROFILE exists, and no reason is checked.
func (g *graph) authorizeDirect(e *entry, past *State) {
	switch b := e.body.(type) {
	case *Epoch:
		if past.soundEpoch(e, b) && slices.Contains(g.direct[:], e.Author) {
			e.role, e.rests = roleMember, g.byHash[short(g.gid)]
		}
	case *Profile:
		if slices.Contains(g.direct[:], e.Author) {
			e.role, e.rests = roleMember, g.byHash[short(g.gid)]
		}
	}
}

// ownerMay reports whether the owner may write e, in the state before it.
func (s *State) ownerMay(e *entry) bool {
	gen := s.g.byHash[short(s.g.gid)].body.(*Genesis)
	switch b := e.body.(type) {
	case *Set:
		return b.Settings.E2EE || !gen.RequireE2EE
	case *Removal:
		return b.Peer != e.Author
	case *Grant:
		return b.Peer != e.Author && s.member(b.Peer)
	case *Revoke:
		return true
	case *Transfer:
		return s.soundTransfer(e, b)
	case *Epoch:
		return s.member(e.Author) && s.soundEpoch(e, b)
	case *Peer, *InviteLink, *InviteRevoke:
		return true
	}
	return false // LEAVE, JOIN, PROFILE, ACCEPT, EQUIV are a member's
}

// deputyMay reports whether a deputy with these caps may write e as a deputy.
func (s *State) deputyMay(e *entry, caps Caps) bool {
	owner, _ := s.owner()
	switch b := e.body.(type) {
	case *Peer:
		return e.Type != TypeUnban && caps&CapApprove != 0
	case *Removal:
		return caps&CapKick != 0 && b.Peer != owner && b.Peer != e.Author && s.grant(b.Peer) == nil
	case *InviteLink, *InviteRevoke:
		return caps&CapInvite != 0
	case *Epoch:
		return caps&CapRotate != 0 && s.settings.RotateBy <= RotateByDeputies && s.soundEpoch(e, b)
	}
	return false
}

// memberMay returns the incarnation by which a member may write e, nil if none.
func (s *State) memberMay(e *entry) *entry {
	j := s.incarnation(e.Author)
	if j == nil {
		return nil
	}
	ok := false
	switch b := e.body.(type) {
	case *Leave:
		j = s.mayLeave(e, b)
		ok = j != nil
	case *Join:
		ok = s.soundJoin(e, b)
	case *Epoch:
		ok = s.settings.RotateBy == RotateByAny && s.soundEpoch(e, b) && s.soundReason(e, b) || s.soundEpoch(e, b) && s.forGuest(e, b)
	case *Profile, *Accept, *Equiv:
		ok = true
	}
	if !ok {
		return nil
	}
	return j
}

// forGuest reports whether EPOCH e is for somebody whom its author let in by a
// link and whom none of its parents serves: then it is its author's to make,
// whatever rotate_by says. It serves all who came in by that author before, so
// that there is at most one for each JOIN.
func (s *State) forGuest(e *entry, b *Epoch) bool {
	return b.Reason == ReasonAdmitted && slices.ContainsFunc(s.guests(e.Author), func(u PeerID) bool {
		return !slices.ContainsFunc(b.Parents, func(p Hash) bool { return s.mayHold(s.g.byHash[short(p)], u) == nil })
	})
}

// guests lists the members whom sponsor let in by a link.
func (s *State) guests(sponsor PeerID) []PeerID {
	return slices.DeleteFunc(slices.Clone(s.members()), func(u PeerID) bool {
		j := s.incarnation(u)
		return !(j.Type == TypeJoin && j.Author == sponsor)
	})
}

// mayLeave returns the live incarnation that a LEAVE names. The owner cannot
// leave others behind, unless by abandoning the group.
func (s *State) mayLeave(e *entry, b *Leave) *entry {
	if o, _ := s.owner(); o == e.Author && !b.Abandon && len(s.members()) > 1 {
		return nil
	}
	for _, j := range s.alive(e.Author) {
		if j.eh == b.JID {
			return j
		}
	}
	return nil
}

// soundJoin checks a join by link in its own causal past: a removal between the
// INVITE and the JOIN retires the link.
func (s *State) soundJoin(e *entry, b *Join) bool {
	inv := s.g.byHash[short(b.Invite)]
	if inv == nil || inv.eh != b.Invite || inv.Type != TypeInvite || !e.past.has(inv.idx) || s.isVoid(inv) || s.banned(b.Joiner) {
		return false
	}
	link := inv.body.(*InviteLink)
	if !link.PreApproved || expired(link, e.Time) {
		return false
	}
	uses := uint64(0)
	for _, o := range s.g.order {
		if !e.past.has(o.idx) || s.isVoid(o) {
			continue
		}
		switch x := o.body.(type) {
		case *Removal:
			if !inv.past.has(o.idx) {
				return false
			}
		case *InviteRevoke:
			if x.Invite == b.Invite {
				return false
			}
		case *Join:
			if x.Invite == b.Invite {
				uses++
			}
		}
	}
	proof := keys.Record{Body: keys.Marshal(joinProof{GID: s.g.gid, Invite: b.Invite, Joiner: b.Joiner}), Sig: b.Proof}
	return uses < link.Uses && proof.Verify(keys.LabelProof, s.g.gid, PeerID(link.Key)) == nil
}

// expired judges a link by the time that the sponsor claims.
func expired(link *InviteLink, claimed uint64) bool {
	return claimed > link.Expires && claimed-link.Expires > clockSlack
}

// joinProof is what the link's key signs for a joiner.
type joinProof struct {
	_           struct{} `cbor:",toarray"`
	GID, Invite Hash
	Joiner      PeerID
}

// soundTransfer: the new owner is a member and has accepted this term's end.
func (s *State) soundTransfer(e *entry, b *Transfer) bool {
	acc := s.g.byHash[short(b.Accept)]
	if acc == nil || acc.eh != b.Accept || !e.past.has(acc.idx) || acc.Author != b.To || b.To == e.Author || !s.member(b.To) {
		return false
	}
	a, ok := acc.body.(*Accept)
	return ok && a.Term == e.Term && !s.isVoid(acc)
}
