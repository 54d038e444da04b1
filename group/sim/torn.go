package sim

import (
	"maps"

	"conclave/group"
	"conclave/keys"
)

// tornEvery is how many schedules there are to one whose founder signs twice.
const tornEvery = 16

// ownersChain is what a node holds of the founder's chain in a world where the
// founder signs twice: "from the moment a node sees it, nothing more of that term
// takes effect there".
type ownersChain struct {
	taken   map[number]bool
	frozen  bool
	stopped map[keys.Hash]bool
}

func newOwnersChain() ownersChain {
	return ownersChain{taken: map[number]bool{}, stopped: map[keys.Hash]bool{}}
}

func (c ownersChain) copy() ownersChain {
	c.taken, c.stopped = maps.Clone(c.taken), maps.Clone(c.stopped)
	return c
}

// noteOwners follows what n applies of the founder's chain, in order.
func (n *member) noteOwners(e group.StoredEntry) {
	w := n.w
	if !w.torn || e.Author != w.all[0].me {
		return
	}
	v, err := w.decode(e.Payload)
	if err != nil {
		w.fail("S4", "%s applied what Decode refuses: %v", n.name, err)
	}
	c := &n.disk.owner
	at := number{group.KindEntry, e.Author, e.Lane, e.Seq}
	c.frozen = c.frozen || c.taken[at]
	c.taken[at] = true
	if c.frozen && v.Entry().Term == 1 {
		c.stopped[e.Hash] = true
	}
}

// ownerForks lets the owner tell some one thing, and others another under the same
// number; and then go on, over either.
func (w *world) ownerForks(did func()) error {
	alice := w.all[0]
	if !alice.able() || len(w.all) < 3 {
		return errNothing
	}
	w.turn(alice)
	one, two := w.ownersAct(alice), w.ownersAct(alice)
	a, b := w.halves(alice)
	w.book.twice[alice.me] = true
	if w.chance(0.5) {
		a = append(a, alice)
	}
	first, err := w.tellEntry(alice, one, a...)
	if err != nil {
		return err
	}
	if _, err := w.tellEntry(alice, two, b...); err != nil {
		return err
	}
	w.later(w.between(500, 10_000), func() {
		if alice.able() {
			next := w.ownersAct(alice)
			next.Seq, next.Prev, next.Lane = one.Seq+1, first.Hash, one.Lane
			w.tellEntry(alice, next, a...)
		}
	})
	did()
	return nil
}

// ownersAct is something that only the owner may do.
func (w *world) ownersAct(n *member) *group.Entry {
	p := w.somebody(n)
	switch w.rng.IntN(6) {
	case 0:
		return n.draft(group.TypeSet, 1, &group.Set{Settings: w.someSettings(n.m.Settings())})
	case 1:
		return n.draft(group.TypeKick, 1, w.removal(n, p, w.chance(0.7)))
	case 2:
		return n.draft(group.TypeBan, 1, w.removal(n, p, w.chance(0.7)))
	case 3:
		return n.draft(group.TypeGrant, 1, &group.Grant{Peer: p.me, Caps: group.Caps(w.between(1, 15))})
	case 4:
		return n.draft(group.TypeRevoke, 1, &group.Revoke{Grant: w.someGrant()})
	}
	return n.draft(group.TypeAdd, 1, &group.Peer{Peer: p.me})
}

// checkAlarms: whoever holds two entries that one person signed under one number
// has raised an alarm, which is stored.
func (w *world) checkAlarms() {
	for _, n := range w.in() {
		held := map[number]keys.Hash{}
		for _, f := range w.oracle.facts {
			if _, ok := n.disk.entries[f.eh]; !ok {
				continue
			}
			at := number{group.KindEntry, f.Author, f.Lane, f.Seq}
			if _, twice := held[at]; twice && !n.disk.alarms[f.Author] {
				w.fail("alarm", "%s holds two entries %d of %s and says nothing", n.name, f.Seq, w.by[f.Author].name)
			}
			held[at] = f.eh
		}
	}
}
