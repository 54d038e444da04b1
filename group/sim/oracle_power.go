package sim

import (
	"cmp"
	"slices"

	"conclave/group"
	"conclave/keys"
)

// powerOf is the authority that f's author had in f's own causal past; it fills
// f.rests. ("Authority")
func (o *oracle) powerOf(f *fact) power {
	if !f.judged {
		f.judged = true
		f.power, f.rests = o.judgePower(f)
	}
	return f.power
}

func (o *oracle) judgePower(f *fact) (power, []*fact) {
	if f.Type == group.TypeGenesis {
		return ownerPower, nil
	}
	if o.as.stopped[f.eh] {
		return noPower, nil
	}
	v := o.before(f)
	if o.talk != nil {
		b, epoch := f.body.(*group.Epoch)
		if !slices.Contains(o.talk[:], f.Author) || !epoch && f.Type != group.TypeProfile || epoch && !v.sound(f, b) {
			return noPower, nil
		}
		return memberPower, []*fact{o.by[o.gid]}
	}
	if f.Term > 0 {
		if v.owner() == f.Author && uint64(len(v.terms)) == f.Term && v.ownerMay(f) {
			return ownerPower, nil
		}
		return noPower, nil
	}
	if g := v.grant(f.Author); g != nil && v.deputyMay(f, g.body.(*group.Grant).Caps) {
		return deputyPower, []*fact{g}
	}
	if rests := v.memberMay(f); rests != nil {
		return memberPower, rests
	}
	return noPower, nil
}

func (v *view) ownerMay(f *fact) bool {
	required := v.o.by[v.o.gid].body.(*group.Genesis).RequireE2EE
	switch b := f.body.(type) {
	case *group.Set:
		return b.Settings.E2EE || !required
	case *group.Removal:
		return b.Peer != f.Author
	case *group.Grant:
		return b.Peer != f.Author && v.member(b.Peer)
	case *group.Transfer:
		acc := v.o.by[b.Accept]
		if acc == nil || !f.past.has(acc) || acc.Author != b.To || b.To == f.Author || !v.member(b.To) || v.void(acc) {
			return false
		}
		a, ok := acc.body.(*group.Accept)
		return ok && a.Term == f.Term
	case *group.Epoch:
		return v.member(f.Author) && v.sound(f, b)
	}
	return slices.Contains([]group.Type{group.TypeAdd, group.TypeDecline, group.TypeUnban, group.TypeInvite, group.TypeInviteRevoke, group.TypeRevoke}, f.Type)
}

// deputyMay: "never settings or roles, never against owner or deputies".
func (v *view) deputyMay(f *fact, caps group.Caps) bool {
	s, _ := v.settings()
	switch b := f.body.(type) {
	case *group.Peer:
		return f.Type != group.TypeUnban && caps&group.CapApprove != 0
	case *group.Removal:
		return caps&group.CapKick != 0 && b.Peer != v.owner() && b.Peer != f.Author && v.grant(b.Peer) == nil
	case *group.InviteLink, *group.InviteRevoke:
		return caps&group.CapInvite != 0
	case *group.Epoch:
		return caps&group.CapRotate != 0 && s.RotateBy != group.RotateByOwner && v.sound(f, b)
	}
	return false
}

func (v *view) memberMay(f *fact) []*fact {
	js := v.alive(f.Author)
	if len(js) == 0 {
		return nil
	}
	j := js[len(js)-1]
	s, _ := v.settings()
	switch b := f.body.(type) {
	case *group.Leave:
		if v.owner() == f.Author && !b.Abandon && len(v.members()) > 1 {
			return nil
		}
		for _, j := range js {
			if j.eh == b.JID {
				return []*fact{j}
			}
		}
		return nil
	case *group.Join:
		if inv := v.soundJoin(f, b); inv != nil {
			return []*fact{j, inv}
		}
		return nil
	case *group.Epoch:
		if !v.sound(f, b) || !(s.RotateBy == group.RotateByAny && v.soundReason(f, b) || v.forGuest(f, b)) {
			return nil
		}
	case *group.Profile, *group.Accept, *group.Equiv:
	default:
		return nil
	}
	return []*fact{j}
}

// soundJoin: "in its own causal past the sponsor is a member, the invite stands,
// its signed time is before the expiry (+ 10 min), the joiner is not banned, and
// no KICK or BAN lies between the INVITE and the JOIN".
func (v *view) soundJoin(f *fact, b *group.Join) *fact {
	inv := v.o.by[b.Invite]
	if inv == nil || !f.past.has(inv) || v.void(inv) {
		return nil
	}
	link, ok := inv.body.(*group.InviteLink)
	if !ok || !link.PreApproved || f.Time > link.Expires+600_000 || v.banned(b.Joiner) {
		return nil
	}
	used := uint64(0)
	for _, o := range v.in {
		if v.void(o) {
			continue
		}
		switch x := o.body.(type) {
		case *group.Removal:
			if !inv.past.has(o) {
				return nil
			}
		case *group.InviteRevoke:
			if x.Invite == b.Invite {
				return nil
			}
		case *group.Join:
			if x.Invite == b.Invite {
				used++
			}
		}
	}
	rec := keys.Record{Body: keys.Marshal([]any{v.o.gid, b.Invite, b.Joiner}), Sig: b.Proof}
	if used >= link.Uses || rec.Verify(keys.LabelProof, v.o.gid, keys.PeerID(link.Key)) != nil {
		return nil
	}
	return inv
}

func (v *view) banned(p keys.PeerID) bool {
	for _, k := range v.in {
		if k.Type != group.TypeBan || v.o.subjects(k)[0] != p || v.void(k) {
			continue
		}
		lifted := slices.ContainsFunc(v.in, func(u *fact) bool {
			return u.Type == group.TypeUnban && v.o.subjects(u)[0] == p && u.past.has(k) && !v.void(u)
		})
		if !lifted {
			return true
		}
	}
	return false
}

// sound is what every EPOCH must hold: gen, kc, salt, hist, n, parents.
func (v *view) sound(f *fact, b *group.Epoch) bool {
	gen := uint64(0)
	for _, h := range b.Parents {
		gen = max(gen, v.o.by[h].body.(*group.Epoch).Gen)
	}
	for _, o := range v.in {
		if x, ok := o.body.(*group.Epoch); ok && (x.KC == b.KC || x.Salt == b.Salt || x.KC == b.Salt || x.Salt == b.KC) {
			return false
		}
	}
	s, _ := v.settings()
	first := len(b.Parents) > 0 || v.owner() == f.Author || v.o.talk != nil
	return b.Gen == gen+1 && b.History == s.History && b.N <= uint64(len(v.members())) && first
}

// soundReason: the one reason of a member's EPOCH. ("Who may mint")
func (v *view) soundReason(f *fact, b *group.Epoch) bool {
	some := func(ok func(p *fact) bool) bool {
		return slices.ContainsFunc(b.Parents, func(h keys.Hash) bool { return ok(v.o.by[h]) })
	}
	s, forcing := v.settings()
	switch b.Reason {
	case group.ReasonRemoved: // a removal that at least one parent does not acknowledge
		return some(func(p *fact) bool { return !v.acknowledgedBy(p) })
	case group.ReasonAdmitted: // an admission that at least one parent does not COVER
		return some(func(p *fact) bool {
			return slices.ContainsFunc(v.members(), func(u keys.PeerID) bool { return !v.mayHold(p, u) })
		})
	case group.ReasonEncryptionOn:
		return forcing != nil && some(func(p *fact) bool { return !p.past.has(forcing) })
	case group.ReasonAge:
		return s.MaxAge > 0 && !some(func(p *fact) bool { return f.Time < p.Time+s.MaxAge })
	case group.ReasonMessages, group.ReasonRequest, group.ReasonRescue:
		return !some(func(p *fact) bool { return p.Author == f.Author })
	}
	return false
}

// forGuest: "the sponsor mints at once (reason admitted), whatever rotate_by
// says": where no parent serves one of those whom he let in.
func (v *view) forGuest(f *fact, b *group.Epoch) bool {
	for _, u := range v.members() {
		js := v.alive(u)
		j := js[len(js)-1]
		if j.Type != group.TypeJoin || j.Author != f.Author || b.Reason != group.ReasonAdmitted {
			continue
		}
		if !slices.ContainsFunc(b.Parents, func(h keys.Hash) bool { return v.mayHold(v.o.by[h], u) }) {
			return true
		}
	}
	return false
}

// acknowledgedBy: every incarnation dead in v is dead in view(E).
func (v *view) acknowledgedBy(e *fact) bool {
	seen := v.o.before(e)
	return !slices.ContainsFunc(v.in, func(j *fact) bool { return admits(j) && v.dead(j) && !seen.dead(j) })
}

// mayHold is SERVE but for the server's own part.
func (v *view) mayHold(e *fact, u keys.PeerID) bool {
	seen := v.o.before(e)
	if seen.removed(u) {
		return false
	}
	return slices.ContainsFunc(v.alive(u), func(j *fact) bool {
		return !seen.dead(j) && (e.body.(*group.Epoch).History == group.HistoryAll || e.past.has(j))
	})
}

// eligible is ELIGIBLE.
func (v *view) eligible(e *fact) bool {
	_, forcing := v.settings()
	if v.void(e) || forcing != nil && !e.past.has(forcing) {
		return false
	}
	return v.o.before(e).member(e.Author) && v.acknowledgedBy(e)
}

// chosen lists the eligible epochs in the order of CHOOSE.
func (v *view) chosen() []keys.Hash {
	var es []*fact
	for _, f := range v.in {
		if f.Type == group.TypeEpoch && v.eligible(f) {
			es = append(es, f)
		}
	}
	gen := func(f *fact) uint64 { return f.body.(*group.Epoch).Gen }
	slices.SortFunc(es, func(a, b *fact) int {
		return cmp.Or(cmp.Compare(gen(b), gen(a)), cmp.Compare(v.o.rank(a), v.o.rank(b)), a.eh.Compare(b.eh))
	})
	out := []keys.Hash{}
	for _, f := range es {
		out = append(out, f.eh)
	}
	return out
}

// rank: owner < deputies in grant order < members, of an epoch's author in view(E).
func (o *oracle) rank(e *fact) int {
	v := o.before(e)
	if v.owner() == e.Author || o.talk != nil {
		return 0
	}
	var grants []*fact
	for _, p := range v.people() {
		if g := v.grant(p); g != nil {
			grants = append(grants, g)
		}
	}
	slices.SortFunc(grants, func(a, b *fact) int { return cmp.Or(cmp.Compare(a.ord, b.ord), a.eh.Compare(b.eh)) })
	for i, g := range grants {
		if o.subjects(g)[0] == e.Author {
			return 1 + i
		}
	}
	return 1000
}
