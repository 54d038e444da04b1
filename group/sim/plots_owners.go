package sim

import (
	"conclave/group"
	"conclave/keys"
)

// ready lets p say that it would follow the owner, who learns it.
func (w *world) ready(owner, p *member) error {
	if w.book.twice[p.me] || !p.able() {
		return errNothing
	}
	if _, err := p.step(group.TakeOver{}); err != nil {
		return err
	}
	for range 3 { // a round of catch-up may break off
		w.meet(owner, p)
	}
	if !owner.able() || owner.m.Owner() != owner.me {
		return errNothing
	}
	return nil
}

// latestAccept is the newest ACCEPT of p that n knows.
func (w *world) latestAccept(n, p *member) *fact {
	var last *fact
	for _, f := range w.oracle.facts {
		if f.Type == group.TypeAccept && f.Author == p.me && n.knows(f.eh) {
			last = f
		}
	}
	return last
}

// transfer drafts a TRANSFER of the owner's term, or what looks like one.
func (w *world) transfer(n *member, term uint64, to *member, accept keys.Hash) *group.Entry {
	return n.draft(group.TypeTransfer, term, &group.Transfer{To: to.me, Accept: accept})
}

// twoOffers lets two people offer to follow. An honest owner hands over to one
// and cannot to the other; a malicious one signs two TRANSFERs in a row.
func (w *world) twoOffers(did func()) error {
	owner, others, err := w.cast(2)
	if err != nil {
		return err
	}
	a, b := others[0], others[1]
	if err := w.ready(owner, a); err != nil {
		return err
	}
	if err := w.ready(owner, b); err != nil {
		return err
	}
	accept := w.latestAccept(owner, b)
	term := uint64(len(w.oracle.of(owner).terms))
	if _, err := owner.step(group.HandOver{Peer: a.me}); err != nil || accept == nil {
		return errNothing
	}
	if _, err := owner.step(group.HandOver{Peer: b.me}); err == nil {
		w.fail("S11", "%s hands the group over twice", owner.name)
	}
	if owner.able() && w.chance(0.6) {
		if err := w.neverCounts(w.turn(owner), w.transfer(owner, term, b, accept.eh), "a second TRANSFER of one term"); err != nil {
			return err
		}
	}
	did()
	return nil
}

// acceptUninvited lets somebody accept whom nobody asked, and sign the TRANSFER
// too.
func (w *world) acceptUninvited(did func()) error {
	owner, others, err := w.cast(1)
	if err != nil {
		return err
	}
	n := others[0]
	if w.book.twice[n.me] {
		return errNothing
	}
	term := uint64(len(w.oracle.of(n).terms))
	w.turn(n)
	v, err := w.tellEntry(n, n.draft(group.TypeAccept, 0, &group.Accept{Term: term}), append(w.others(n), n)...)
	if err != nil || !n.able() || !n.knows(v.Hash) || n.m.Owner() != owner.me {
		return errNothing
	}
	if err := w.neverCounts(n, w.transfer(n, term, n, v.Hash), "a TRANSFER by whom nobody asked"); err != nil {
		return err
	}
	did()
	return nil
}

func (w *world) others(n *member) (out []*member) {
	for _, q := range w.all {
		if q != n {
			out = append(out, q)
		}
	}
	return out
}

// replayAccept lets an owner hand over by an ACCEPT of an earlier term: to one who
// has not said that they would follow this one.
func (w *world) replayAccept(did func()) error {
	owner, others, err := w.cast(2)
	if err != nil {
		return err
	}
	next, b := others[0], others[1]
	if err := w.ready(owner, b); err != nil {
		return err
	}
	if err := w.ready(owner, next); err != nil {
		return err
	}
	accept := w.latestAccept(owner, b)
	if _, err := owner.step(group.HandOver{Peer: next.me}); err != nil || accept == nil {
		return errNothing
	}
	w.later(1500, func() { w.handsOnBy(accept, owner, next, b, 4, did) })
	return nil
}

// handsOnBy lets the new owner hand the group on to b by an ACCEPT of the last
// term, once the new owner knows that the term is over.
func (w *world) handsOnBy(accept *fact, owner, next, b *member, times int, did func()) {
	w.meet(next, owner)
	if next.able() && next.m.Owner() == next.me && next.knows(accept.eh) {
		term := uint64(len(w.oracle.of(next).terms))
		if accept.body.(*group.Accept).Term != term && w.neverCounts(w.turn(next), w.transfer(next, term, b, accept.eh), "an ACCEPT of another term") == nil {
			did()
		}
		return
	}
	if times > 0 {
		w.later(2500, func() { w.handsOnBy(accept, owner, next, b, times-1, did) })
	}
}

// handsOver lets the owner hand the group to somebody, and returns both.
func (w *world) handsOver() (former, next *member, err error) {
	owner, others, err := w.cast(1)
	if err != nil {
		return nil, nil, err
	}
	if err := w.ready(owner, others[0]); err != nil {
		return nil, nil, err
	}
	if _, err := owner.step(group.HandOver{Peer: others[0].me}); err != nil {
		return nil, nil, err
	}
	return owner, others[0], nil
}

// formerOwner goes on as owner when the term is over.
func (w *world) formerOwner(did func()) error {
	n, _, err := w.handsOver()
	if err != nil {
		return err
	}
	w.later(w.between(100, 5000), func() { w.goesOn(n, 4, did) })
	return nil
}

// goesOn lets a former owner sign what an owner may.
func (w *world) goesOn(n *member, times int, did func()) {
	if !n.able() {
		if times > 0 {
			w.later(3000, func() { w.goesOn(n, times-1, did) })
		}
		return
	}
	if n.m.Owner() == n.me {
		return // it came back
	}
	term := uint64(len(w.oracle.of(n).terms)) - uint64(w.rng.IntN(2))
	p := w.somebody(w.turn(n))
	var e *group.Entry
	switch w.rng.IntN(4) {
	case 0:
		e = n.draft(group.TypeSet, term, &group.Set{Settings: group.Settings{Name: "still mine", E2EE: true}})
	case 1:
		e = n.draft(group.TypeBan, term, w.removal(n, p, w.chance(0.5)))
	case 2:
		e = n.draft(group.TypeGrant, term, &group.Grant{Peer: p.me, Caps: 15})
	default:
		e = n.draft(group.TypeUnban, term, &group.Peer{Peer: p.me})
	}
	if w.neverCounts(n, e, "an owner whose term is over") == nil {
		did()
	}
}

// transferApart hands the group over on one side of a partition, while deputies
// and members go on on the other.
func (w *world) transferApart(did func()) error {
	owner, others, err := w.cast(2)
	if err != nil || w.parted() {
		return errNothing
	}
	next, d := others[0], others[1]
	if err := w.deputize(owner, d, 15); err != nil {
		return err
	}
	if err := w.ready(owner, next); err != nil {
		return err
	}
	w.partBetween(owner, d)
	next.side = 0
	w.tellOnline()
	w.later(1000, func() {
		if !owner.able() || owner.m.Owner() != owner.me {
			return
		}
		if _, err := owner.step(group.HandOver{Peer: next.me}); err != nil {
			return
		}
		w.later(1000, func() {
			w.meet(next, owner)
			if next.able() {
				w.change(next)
			}
			if d.able() {
				w.remove(d, w.chance(0.5))
			}
			did()
		})
	})
	w.later(w.between(4000, 15_000), w.heal)
	return nil
}
