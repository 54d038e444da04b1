package sim

import (
	"fmt"

	"conclave/group"
	"conclave/keys"
)

// floodEpochs mints many epochs for no reason: whoever gets them mints none in
// return.
func (w *world) floodEpochs(did func()) error {
	owner, others, err := w.cast(1)
	if err != nil {
		return err
	}
	n := others[0]
	before := owner.m.Marked(owner.clock())
	if before != group.Unmarked {
		return errNothing // who would mint now anyway
	}
	w.turn(n)
	for range 8 {
		e, _, ok := w.anEpoch(n, group.Reason(w.between(1, 9)))
		if !ok || !n.able() {
			return errNothing
		}
		v, err := w.tellEntry(n, e, w.others(owner)...)
		if err != nil {
			return err
		}
		if r, err := owner.step(group.Received{Record: v}); err == nil && r.Epoch != (keys.Hash{}) {
			w.fail("L6", "%s mints in return for an epoch of %s", owner.name, n.name)
		}
		if !owner.up {
			return errNothing
		}
	}
	did()
	return nil
}

// floodWishes asks for one rotation after another: one who may rotate mints at
// most once for all of them.
func (w *world) floodWishes(did func()) error {
	owner, others, err := w.cast(1)
	if err != nil {
		return err
	}
	n := w.turn(others[0])
	minted := 0
	for range 60 {
		mark := owner.m.Marked(owner.clock())
		r, err := owner.step(group.Wished{From: n.me})
		if err != nil || !owner.up || owner.busy {
			return errNothing
		}
		if r.Epoch != (keys.Hash{}) && mark != group.HardMark {
			minted++
		}
	}
	if minted > 1 {
		w.fail("L6", "%s mints %d epochs for the wishes of a moment", owner.name, minted)
	}
	did()
	return nil
}

// floodRequests asks to be let in under many names from some addresses. What is
// kept of it is bounded, and somebody else's request stays.
func (w *world) floodRequests(did func()) error {
	owner, _, err := w.cast(0)
	if err != nil {
		return err
	}
	p, ok := w.anOutsider(owner)
	if !ok {
		return errNothing
	}
	if _, err := owner.step(group.JoinAsked{Request: group.Request{Peer: p.me, Bundle: p.bundle.Raw(), From: p.name}}); err != nil {
		return err
	}
	for i := range 48 {
		id := keys.IdentityFromSeed(w.entropy())
		b, _, err := keys.GenerateBundle(id, owner.clock())
		if err != nil {
			w.fail("bundle", "%v", err)
		}
		asked := group.JoinAsked{Request: group.Request{Peer: id.PeerID(), Bundle: b.Raw(), From: fmt.Sprint("address ", i%12)}}
		if _, err := owner.step(asked); err != nil || !owner.up || owner.busy {
			return errNothing
		}
	}
	kept, from := false, map[string]int{}
	for _, r := range owner.m.Local().Requests {
		kept = kept || r.Peer == p.me
		from[r.From]++
	}
	if n := len(owner.m.Local().Requests); n > group.MaxRequests {
		w.fail("S13", "%s keeps %d requests", owner.name, n)
	}
	for at, n := range from {
		if n > 4 {
			w.fail("S13", "%s keeps %d requests from %s", owner.name, n, at)
		}
	}
	if !kept && !owner.m.IsMember(p.me) {
		w.fail("L4", "the request of %s is gone from %s, where others flood", p.name, owner.name)
	}
	did()
	return nil
}

// floodJoins sponsors one person after another by a link of one use.
func (w *world) floodJoins(did func()) error {
	owner, others, err := w.cast(2)
	if err != nil {
		return err
	}
	n := others[0]
	invite, err := w.aLink(owner, 1, 600_000, true)
	if err != nil {
		return err
	}
	if w.meet(n, owner); !n.able() || !n.knows(invite) {
		return errNothing
	}
	w.turn(n)
	first, err := w.tellEntry(n, n.draft(group.TypeJoin, 0, w.joinBody(invite, w.somebody(n))), w.all...)
	if err != nil || !n.able() {
		return errNothing
	}
	if info, _ := n.m.Entry(first.Hash); info.Void {
		return errNothing // of somebody who is banned, say
	}
	for range 5 {
		if !n.able() {
			return errNothing
		}
		join := n.draft(group.TypeJoin, 0, w.joinBody(invite, w.somebody(n)))
		if err := w.neverCounts(n, join, "more joins than a link has uses"); err != nil {
			return err
		}
	}
	did()
	return nil
}
