package sim

import "conclave/group"

// rotations is what the removals of a schedule cost.
type rotations struct {
	removals int // KICKs, BANs and LEAVEs that count
	epochs   int // minted for them by honest people
	worst    int // for one of them
}

// tallyRotations is L6: "epochs minted per removal are bounded". An epoch is
// minted for a removal where its line goes on from epochs of which none knew of
// it. A person's program mints no second one for it, whatever others do: what it
// mints later goes on from the first. A home that was rolled back knows no better.
func (w *world) tallyRotations() {
	for _, r := range w.oracle.facts {
		if !w.ends(r) {
			continue
		}
		w.l6.removals++
		here, by := 0, map[*member]int{}
		for _, e := range w.oracle.facts {
			author := w.by[e.Author]
			if !w.mintedFor(e, r) || author.evil {
				continue
			}
			here++
			if by[author]++; by[author] > 1 && !author.rolled && !w.torn {
				w.fail("L6", "%s mints %d epochs for one %s of %s", author.name, by[author], r.Type, w.by[r.Author].name)
			}
		}
		w.l6.epochs += here
		w.l6.worst = max(w.l6.worst, here)
	}
}

// ends reports whether r is a removal or LEAVE that somebody had the authority for.
func (w *world) ends(r *fact) bool {
	switch r.Type {
	case group.TypeKick, group.TypeBan, group.TypeLeave:
		return w.oracle.powerOf(r) != noPower
	}
	return false
}

// mintedFor reports whether e was minted because of r, by a person's program.
func (w *world) mintedFor(e, r *fact) bool {
	b, ok := e.body.(*group.Epoch)
	if !ok || b.Reason != group.ReasonRemoved || w.book.forged[e.eh] != "" || !e.past.has(r) {
		return false
	}
	for _, p := range b.Parents {
		if w.oracle.by[p].past.has(r) {
			return false
		}
	}
	return true
}
