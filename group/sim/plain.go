package sim

import (
	"slices"

	"conclave/group"
	"conclave/keys"
)

// citedBy is the control view that a message record cites, with all that its
// author cited before in that log. It reports false where a record before it was
// never seen by anybody.
func (w *world) citedBy(h keys.Hash) (bits, bool) {
	var set bits
	cite := func(f *fact) {
		if f != nil {
			set.addAll(f.past)
			set.add(f.i)
		}
	}
	for h != (keys.Hash{}) {
		x := w.book.messages[h]
		if x == nil {
			return nil, false
		}
		cite(w.oracle.by[x.JID])
		if len(x.EID) > 0 {
			cite(w.oracle.by[keys.Hash(x.EID)])
		}
		if x.Ctrl != nil {
			for _, s := range x.Ctrl.Seen {
				cite(w.oracle.heads[s.Hash])
			}
			for _, a := range x.Ctrl.Acks {
				cite(w.oracle.by[a])
			}
		}
		h = x.Prev
	}
	return set, true
}

// mayGetPlain: "sync serves a plaintext message only if its author's cited view
// holds u's present incarnation, or the history setting in that view is all and u
// is not removed in it." The present incarnation is that in the giver's state.
func (w *world) mayGetPlain(u, giver *member, h keys.Hash) bool {
	set, ok := w.citedBy(h)
	if !ok || w.book.messages[h].Author == u.me {
		return true
	}
	if slices.ContainsFunc(w.oracle.of(giver).alive(u.me), set.has) {
		return true
	}
	v := w.oracle.view(set)
	s, _ := v.settings()
	return s.History == group.HistoryAll && !v.removed(u.me)
}

// checkPlainGiven holds catch-up to mayGetPlain. (S10)
func (w *world) checkPlainGiven(u, giver *member, v group.Verified) {
	if len(v.Msg().EID) == 0 && !w.mayGetPlain(u, giver, v.Hash) {
		w.fail("S10", "%s gives %s plaintext %d of %s", giver.name, u.name, v.Msg().Seq, w.by[v.Author()].name)
	}
}
