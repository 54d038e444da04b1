package sim

import (
	"conclave/group"
	"conclave/keys"
)

// deputysAct is one thing that a deputy with all caps may do.
func (w *world) deputysAct(d *member) *group.Entry {
	p := w.somebody(d)
	switch w.rng.IntN(3) {
	case 0:
		return d.draft(group.TypeAdd, 0, &group.Peer{Peer: p.me})
	case 1:
		return d.draft(group.TypeBan, 0, w.removal(d, p, w.chance(0.5)))
	}
	return d.draft(group.TypeInvite, 0, &group.InviteLink{Key: w.linkKey().PeerID(), Uses: 2, Expires: w.now + 60_000, PreApproved: true})
}

// revokedApart takes a deputy's authority while it is on the other side of a
// partition, where it goes on: what the owner had seen stands, and what came after
// is void once people meet.
func (w *world) revokedApart(did func()) error {
	owner, others, err := w.cast(2)
	if err != nil || w.parted() {
		return errNothing
	}
	d, friend := others[0], others[1]
	if err := w.deputize(owner, d, 15); err != nil {
		return err
	}
	w.turn(d)
	if _, err := w.tellEntry(d, w.deputysAct(d), d, owner, friend); err != nil {
		return err
	}
	w.later(2500, func() { w.partBetween(owner, d, friend) })
	w.later(3000, func() {
		if d.able() && !w.ruled(d) {
			w.tellEntry(d, w.deputysAct(d), d, friend)
		}
		if revoke := w.revokes(owner, d); revoke != (keys.Hash{}) {
			w.later(w.between(500, 4000), func() { w.actRevoked(d, revoke, did, d, friend) })
		}
	})
	w.later(w.between(8000, 20_000), w.heal)
	return nil
}

// parted reports whether there is a partition.
func (w *world) parted() bool {
	for _, n := range w.all {
		if n.side != 0 {
			return true
		}
	}
	return false
}

// partBetween puts d, its friend and about half of the others on a side away from
// the owner.
func (w *world) partBetween(owner *member, away ...*member) {
	w.count("fault: partition")
	for _, n := range w.all {
		n.side = w.rng.IntN(2)
	}
	owner.side = 0
	for _, n := range away {
		n.side = 1
	}
	w.logf("partition %s", w.sides())
	w.tellOnline()
}

// revokes lets the owner take d's GRANT, and returns the REVOKE.
func (w *world) revokes(owner, d *member) keys.Hash {
	if !owner.able() || owner.m.Role(d.me) != "deputy" {
		return keys.Hash{}
	}
	known := len(w.oracle.facts)
	if _, err := owner.step(group.DeputyRemove{Peer: d.me}); err != nil {
		return keys.Hash{}
	}
	for _, f := range w.oracle.facts[known:] {
		if f.Type == group.TypeRevoke && f.Author == owner.me {
			return f.eh
		}
	}
	return keys.Hash{}
}

// actRevoked lets d act on a GRANT that a REVOKE ended, where it does not know, or
// as if it did not.
func (w *world) actRevoked(d *member, revoke keys.Hash, did func(), to ...*member) {
	if !d.able() || w.ruled(d) {
		return
	}
	e := w.deputysAct(d)
	e.Seen = w.seenBefore(e.Seen, revoke)
	v, err := w.tellEntry(d, e, to...)
	if err != nil {
		return
	}
	grant := w.oracle.by[revoke].body.(*group.Revoke).Grant
	if f := w.oracle.by[v.Hash]; f != nil && w.oracle.powerOf(f) == deputyPower && f.rests[0].eh == grant {
		w.book.revoked[v.Hash] = revoke
		did()
	}
}

// seenBefore leaves the owner's chain out of heads from a REVOKE on, as if its
// author had not heard of that.
func (w *world) seenBefore(heads []group.Head, revoke keys.Hash) []group.Head {
	r := w.oracle.by[revoke]
	out := []group.Head{}
	for _, h := range heads {
		f := w.oracle.heads[h.Hash]
		switch {
		case f == nil || f != r && !f.past.has(r):
			out = append(out, h)
		case f.Author == r.Author && f.Lane == r.Lane && r.Prev != (keys.Hash{}) && r.Seq > 1:
			out = append(out, group.Head{Author: r.Author, Lane: r.Lane, Seq: r.Seq - 1, Hash: group.Short(r.Prev[:16])})
		}
	}
	return out
}

// deputyBackdates lets a deputy who knows of the REVOKE act as if it had not come
// yet.
func (w *world) deputyBackdates(did func()) error {
	owner, others, err := w.cast(1)
	if err != nil {
		return err
	}
	d := others[0]
	if err := w.deputize(owner, d, 15); err != nil {
		return err
	}
	w.turn(d)
	revoke := w.revokes(owner, d)
	if revoke == (keys.Hash{}) {
		return errNothing
	}
	w.later(w.between(500, 6000), func() {
		w.meet(d, owner)
		w.actRevoked(d, revoke, did, w.all...)
	})
	if w.chance(0.5) { // and then it is removed, by people who know of all that
		w.later(w.between(8000, 15_000), func() {
			if owner.able() {
				w.meet(owner, d)
				owner.step(group.Remove{Peer: d.me})
			}
		})
	}
	return nil
}

// deputyAgainstOwner lets a deputy remove the owner, or do what an owner does.
func (w *world) deputyAgainstOwner(did func()) error {
	owner, others, err := w.cast(1)
	if err != nil {
		return err
	}
	d := others[0]
	if err := w.deputize(owner, d, 15); err != nil {
		return err
	}
	if d.m.Owner() != owner.me {
		return errNothing
	}
	w.turn(d)
	var e *group.Entry
	switch w.rng.IntN(4) {
	case 0:
		e = d.draft(group.TypeBan, 0, w.removal(d, owner, true))
	case 1:
		e = d.draft(group.TypeGrant, 0, &group.Grant{Peer: w.somebody(d).me, Caps: 15})
	case 2:
		e = d.draft(group.TypeSet, 1, &group.Set{Settings: group.Settings{Name: "mine"}})
	default:
		e = d.draft(group.TypeKick, 0, w.removal(d, owner, false))
	}
	if err := w.neverCounts(d, e, "a deputy against the owner"); err != nil {
		return err
	}
	did()
	return nil
}

// deputyAgainstDeputy lets one deputy remove another.
func (w *world) deputyAgainstDeputy(did func()) error {
	owner, others, err := w.cast(2)
	if err != nil {
		return err
	}
	d, other := others[0], others[1]
	if err := w.deputize(owner, other, group.Caps(w.between(1, 15))); err != nil {
		return err
	}
	if err := w.deputize(owner, d, 15); err != nil {
		return err
	}
	if d.m.Role(other.me) != "deputy" {
		return errNothing
	}
	w.turn(d)
	kind := group.TypeKick
	if w.chance(0.5) {
		kind = group.TypeBan
	}
	if err := w.neverCounts(d, d.draft(kind, 0, w.removal(d, other, w.chance(0.5))), "a deputy against a deputy"); err != nil {
		return err
	}
	did()
	return nil
}
