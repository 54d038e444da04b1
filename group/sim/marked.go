package sim

import (
	"slices"

	"conclave/group"
	"conclave/keys"
)

// planMarked is the plan of a world where people speak in a marked group while
// the owner is off: some have come in, the owner is gone, somebody leaves or is
// removed, and the rest speak.
func (w *world) planMarked() {
	alice := w.all[0]
	for _, n := range w.all[1:w.people] {
		w.planned(uint64(w.rng.IntN(4000)), func() { w.askToJoin(n) })
		w.planned(uint64(9000+w.rng.IntN(3000)), func() {
			if n.up {
				w.askAgain(n)
			}
		})
	}
	if w.chance(0.5) {
		w.planned(15_000, func() {
			if _, others, err := w.cast(1); err == nil {
				w.deputize(alice, others[0], 15)
			}
		})
	}
	w.planned(uint64(w.between(20_000, 23_000)), func() { w.goesOff(alice) })
	for range w.between(1, 2) {
		w.planned(uint64(w.between(24_000, 34_000)), w.endsSomebody)
	}
	for range w.between(6, 12) {
		w.planned(uint64(w.between(24_000, 50_000)), w.somebodySpeaks)
	}
	if w.chance(0.5) {
		w.planned(uint64(w.between(10_000, 40_000)), w.partition)
	}
}

// goesOff switches a node off until the faults stop.
func (w *world) goesOff(n *member) {
	w.off = n
	w.logf("%s is off", n.name)
	if n.up {
		n.up, n.m, n.twin, n.online, n.busy, n.waiting = false, nil, nil, nil, false, nil
		w.tellOnline()
	}
}

// endsSomebody lets a deputy remove somebody, or a member leave.
func (w *world) endsSomebody() {
	for _, n := range w.all {
		if n.able() && n.m.Caps(n.me)&group.CapKick != 0 && w.remove(n, false) == nil {
			return
		}
	}
	some := slices.DeleteFunc(slices.Clone(w.all), func(n *member) bool { return !n.able() || n == w.off })
	if n, ok := pick(w, some); ok && len(some) > 1 {
		if _, err := n.step(group.Quit{}); err == nil {
			w.logf("%s leaves", n.name)
		}
	}
}

func (w *world) somebodySpeaks() {
	n, ok := pick(w, slices.DeleteFunc(slices.Clone(w.all), func(n *member) bool { return !n.able() }))
	if ok && w.say(n) == nil {
		w.logf("%s: say", n.name)
	}
}

// oldKeys are the epochs that are out of use at n, where the group is hard-marked
// there; nil where it is not.
func (n *member) oldKeys() map[keys.Hash]bool {
	if n.m.Marked(n.clock()) != group.HardMark {
		return nil
	}
	fresh := n.m.Eligible()
	old := map[keys.Hash]bool{}
	for _, e := range n.m.Epochs() {
		if !slices.Contains(fresh, e.EID) {
			old[e.EID] = true
		}
	}
	return old
}

// checkQueued: what is said in a hard-marked group waits, or leaves at once under
// an epoch that was minted for it.
func (w *world) checkQueued(n *member, items []group.Item, old map[keys.Hash]bool, r group.Ready) {
	w.count("spoke in a marked group")
	if w.off != nil && !w.calm {
		w.count("spoke in a marked group, the owner off")
	}
	for _, it := range items {
		if w.cfg.Only == "marked" { // elsewhere the removal may turn out void, and the epoch come back
			w.book.items[it.ID].old = old
		}
		for _, s := range r.Sent {
			if s.ID == it.ID && s.EID != r.Epoch {
				w.fail("RM-05", "%s says %q in a marked group, and it leaves under epoch %s", n.name, it.Text, s.EID.Short())
			}
		}
		held := !n.up || n.busy || slices.ContainsFunc(n.m.Held(), func(o group.OutItem) bool { return o.ID == it.ID })
		sent := slices.ContainsFunc(r.Sent, func(s group.SentItem) bool { return s.ID == it.ID })
		if !held && !sent {
			w.fail("RM-05", "%s says %q in a marked group, and it neither waits nor left", n.name, it.Text)
		}
	}
}
