package sim

import (
	"slices"

	"conclave/group"
	"conclave/keys"
)

// aLink lets somebody who may make a link, and returns the INVITE. Whoever else
// is told of it learns it by catch-up.
func (w *world) aLink(by *member, uses, life uint64, approved bool) (keys.Hash, error) {
	known := len(w.oracle.facts)
	_, err := by.step(group.LinkAdd{Key: w.linkKey().PeerID(), Uses: uses, Expires: by.clock() + life, PreApproved: approved})
	if err != nil {
		return keys.Hash{}, err
	}
	for _, f := range w.oracle.facts[known:] {
		if f.Type == group.TypeInvite && f.Author == by.me {
			return f.eh, nil
		}
	}
	return keys.Hash{}, errNothing
}

// joinBody is a JOIN of p by a link, with the link's own proof.
func (w *world) joinBody(invite keys.Hash, p *member) *group.Join {
	return &group.Join{Invite: invite, Joiner: p.me, Proof: group.SignJoinProof(w.linkKey(), w.gid, invite, p.me)}
}

// use lets p come in by a link at an honest sponsor.
func (w *world) use(sponsor, p *member, invite keys.Hash) error {
	if !sponsor.able() {
		return errDown
	}
	_, err := sponsor.step(group.LinkUsed{
		Peer: p.me, Bundle: p.bundle.Raw(), Invite: invite, Proof: group.SignJoinProof(w.linkKey(), w.gid, invite, p.me),
	})
	return err
}

// overshoot lets two sides of a partition admit one each by a link of one use.
// Whoever may removes the excess when they meet. One of the sponsors may be
// malicious, and admit more.
func (w *world) overshoot(did func()) error {
	owner, others, err := w.cast(3)
	if err != nil || w.parted() {
		return errNothing
	}
	sponsor, out := others[0], others[1]
	if _, err := owner.step(group.Remove{Peer: out.me}); err != nil {
		return err
	}
	stranger, ok := w.anOutsider(owner)
	if !ok || stranger == out || stranger == sponsor {
		return errNothing
	}
	invite, err := w.aLink(owner, 1, 600_000, true)
	if err != nil {
		return err
	}
	w.meet(sponsor, owner)
	w.partBetween(owner, sponsor, out)
	stranger.side = 0
	w.tellOnline()
	evil := w.chance(0.4)
	w.later(1500, func() {
		if w.use(owner, stranger, invite) != nil || !sponsor.able() || w.ruled(sponsor) {
			return
		}
		if !evil && w.use(sponsor, out, invite) != nil {
			return
		}
		if evil {
			if _, err := w.tellEntry(w.turn(sponsor), sponsor.draft(group.TypeJoin, 0, w.joinBody(invite, out)), sponsor, others[2]); err != nil {
				return
			}
		}
		did()
	})
	w.later(w.between(4000, 10_000), w.heal)
	return nil
}

// checkTrimmed: "a partition may overshoot, and the first owner or deputy who sees
// it removes the excess, greatest (ord, eh) first". It is asked once all have met.
func (w *world) checkTrimmed() {
	if w.torn {
		return
	}
	for _, n := range w.in() {
		if n.m.Owner() != n.me || n.m.Local().Left {
			continue
		}
		v := w.oracle.of(n)
		for _, f := range v.in {
			link, ok := f.body.(*group.InviteLink)
			if !ok {
				continue
			}
			var by []*fact
			for _, j := range v.in {
				if b, is := j.body.(*group.Join); is && b.Invite == f.eh && !v.void(j) {
					by = append(by, j)
				}
			}
			for i, j := range by {
				owner := j.body.(*group.Join).Joiner == n.me // nobody removes the owner, who took the group over before this was seen
				if uint64(i) >= link.Uses && !v.dead(j) && !owner {
					w.fail("quota", "%s, the owner, lets the join %d of %s stand, by a link for %d", n.name, i+1, w.by[j.body.(*group.Join).Joiner].name, link.Uses)
				}
			}
			if uint64(len(by)) > link.Uses {
				w.count("link overshot and trimmed")
			}
		}
	}
}

// aProof is the proof of some JOIN that was signed before.
func (w *world) aProof() (*fact, bool) {
	return pick(w, slices.DeleteFunc(slices.Clone(w.oracle.facts), func(f *fact) bool {
		return f.Type != group.TypeJoin || w.book.inert[f.eh] != ""
	}))
}

// replayProof lets a sponsor use the proof of one join for somebody else, or for
// another link, or for the same person after a removal.
func (w *world) replayProof(did func()) error {
	owner, others, err := w.cast(2)
	if err != nil {
		return err
	}
	n := others[0]
	old, ok := w.aProof()
	if !ok { // somebody comes in by a link first
		invite, err := w.aLink(owner, 3, 600_000, true)
		if p, is := w.anOutsider(owner); err == nil && is {
			w.use(owner, p, invite)
		}
		return errNothing
	}
	b := *old.body.(*group.Join)
	if !n.knows(b.Invite) {
		return errNothing
	}
	w.turn(n)
	why := "the proof of a join was used again for another"
	switch w.rng.IntN(3) {
	case 0:
		p := w.somebody(n)
		if p.me == b.Joiner {
			return errNothing
		}
		b.Joiner = p.me
	case 1:
		invite, err := w.aLink(owner, 3, 600_000, true)
		if err != nil {
			return err
		}
		if w.meet(n, owner); !n.able() || !n.knows(invite) {
			return errNothing
		}
		b.Invite, why = invite, "the proof of a join was used again for another link"
	default:
		if p := w.by[b.Joiner]; p == owner || p == n || !owner.m.IsMember(p.me) {
			return errNothing
		}
		if _, err := owner.step(group.Remove{Peer: b.Joiner}); err != nil {
			return err
		}
		if w.meet(n, owner); !n.able() || !n.m.Removed(b.Joiner) { // it may have missed the JOIN, and the removal with it
			return errNothing
		}
		why = "the proof of a join was used again after a removal"
	}
	if err := w.neverCounts(n, n.draft(group.TypeJoin, 0, &b), why); err != nil {
		return err
	}
	did()
	return nil
}

// knows reports whether n has applied an entry.
func (n *member) knows(h keys.Hash) bool {
	_, ok := n.m.Entry(h)
	return ok
}

// linkOfTheRemoved uses a deputy's link when that deputy has been removed.
func (w *world) linkOfTheRemoved(did func()) error {
	owner, others, err := w.cast(3)
	if err != nil {
		return err
	}
	d, n := others[0], others[1]
	if err := w.deputize(owner, d, group.CapInvite); err != nil {
		return err
	}
	invite, err := w.aLink(d, 3, 600_000, true)
	if err != nil {
		return err
	}
	if w.meet(owner, d); !owner.able() || !owner.knows(invite) {
		return errNothing
	}
	if _, err := owner.step(group.Remove{Peer: d.me}); err != nil {
		return err
	}
	w.meet(n, owner)
	return w.joinRefused(n, invite, "a link of somebody who was removed", did)
}

// joinRefused lets n sponsor somebody by a link that does not admit any more.
// n's own program refuses it, and so does everybody's.
func (w *world) joinRefused(n *member, invite keys.Hash, why string, did func()) error {
	p, ok := w.anOutsider(n)
	if !n.able() || !ok || !n.knows(invite) {
		return errNothing
	}
	if l, _ := n.m.Link(invite); l.PreApproved && (l.State == group.LinkOpen || l.State == group.LinkExpired) {
		return errNothing // n does not know it yet; by its clock the link may be old
	}
	if w.use(n, p, invite) == nil {
		w.fail("link", "%s lets %s in: %s", n.name, p.name, why)
	}
	if !n.able() {
		return errNothing
	}
	if err := w.neverCounts(w.turn(n), n.draft(group.TypeJoin, 0, w.joinBody(invite, p)), why); err != nil {
		return err
	}
	did()
	return nil
}

// expiredLink uses a link after its time: by a clock that runs ahead, or honestly
// late. Who turns the clock back is believed, everywhere alike: no rule reads
// another clock than the one that the entry claims.
func (w *world) expiredLink(did func()) error {
	owner, others, err := w.cast(2)
	if err != nil {
		return err
	}
	n := others[0]
	p, ok := w.anOutsider(n)
	if !ok {
		return errNothing
	}
	invite, err := w.aLink(owner, 3, 1000, true)
	if err != nil {
		return err
	}
	if w.meet(n, owner); !n.able() || !n.knows(invite) {
		return errNothing
	}
	w.turn(n)
	l, _ := n.m.Link(invite)
	late := n.draft(group.TypeJoin, 0, w.joinBody(invite, p))
	if late.Time = l.Expires + 600_001 + uint64(w.between(0, 1_000_000)); w.chance(0.7) {
		if err := w.neverCounts(n, late, "a link that had expired"); err != nil {
			return err
		}
	} else {
		w.later(3000, func() {
			if n.able() && n.knows(invite) {
				back := n.draft(group.TypeJoin, 0, w.joinBody(invite, p))
				back.Time = l.Expires + 599_000 - uint64(w.between(0, 1_000_000))
				w.tellEntry(n, back, w.all...)
			}
		})
	}
	did()
	return nil
}

// unapprovedLink sponsors somebody by a link that only lets people ask.
func (w *world) unapprovedLink(did func()) error {
	owner, others, err := w.cast(1)
	if err != nil {
		return err
	}
	invite, err := w.aLink(owner, 3, 600_000, false)
	if err != nil {
		return err
	}
	w.meet(others[0], owner)
	return w.joinRefused(others[0], invite, "a link that needs an approval", did)
}

// retiredLink sponsors somebody by a link that a removal ended, knowing of that.
func (w *world) retiredLink(did func()) error {
	owner, others, err := w.cast(2)
	if err != nil {
		return err
	}
	invite, err := w.aLink(owner, 3, 600_000, true)
	if err != nil {
		return err
	}
	if _, err := owner.step(group.Remove{Peer: others[1].me, Ban: w.chance(0.3)}); err != nil {
		return err
	}
	w.meet(others[0], owner)
	return w.joinRefused(others[0], invite, "a link from before a removal", did)
}
