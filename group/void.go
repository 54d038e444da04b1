package group

import "slices"

// isVoid reports whether e has no effect, judged by the authority and the cuts
// of this view, whether or not e lies in it. The recursion goes to what e rests
// on, and from members to deputies to the owner, so it ends.
func (s *State) isVoid(e *entry) bool {
	if v, ok := s.void[e.idx]; ok {
		return v
	}
	v := s.judge(e)
	s.void[e.idx] = v
	return v
}

// judge is isVoid for an entry that need not be applied: nothing is remembered.
func (s *State) judge(e *entry) bool {
	switch e.role {
	case roleOwner:
		return s.afterTransfer(e)
	case roleDeputy:
		return s.isVoid(e.rests) || s.beyond(e.rests, e) || s.againstGrant(e)
	case roleMember:
		return s.isVoid(e.rests) || s.beyond(e.rests, e) || s.onVoidLink(e)
	}
	return true
}

// onVoidLink reports whether e is a JOIN by a link whose INVITE is void.
func (s *State) onVoidLink(e *entry) bool {
	b, ok := e.body.(*Join)
	return ok && s.isVoid(s.g.byHash[short(b.Invite)])
}

// afterTransfer reports whether e is an owner's entry of a term that is another's
// in this view, or that the end of its term does not have in its past.
func (s *State) afterTransfer(e *entry) bool {
	if e.Term == 0 || e.Term > uint64(len(s.terms)) {
		return false
	}
	t := s.terms[e.Term-1]
	return t.owner != e.Author || t.end != nil && e != t.end && !t.end.past.has(e.idx)
}

// againstGrant reports whether e is a deputy's removal of someone whom the
// owner made a deputy, or the next owner, at the same time.
func (s *State) againstGrant(e *entry) bool {
	b, ok := e.body.(*Removal)
	if !ok || s.againstTransfer(e, b.Peer) {
		return ok
	}
	return slices.ContainsFunc(s.grants[b.Peer], func(g *entry) bool {
		return !e.past.has(g.idx) && !g.past.has(e.idx) && !s.isVoid(g)
	})
}

func (s *State) againstTransfer(e *entry, p PeerID) bool {
	return slices.ContainsFunc(s.terms, func(t term) bool {
		return t.end != nil && t.end.body.(*Transfer).To == p && !e.past.has(t.end.idx) && !t.end.past.has(e.idx)
	})
}

// beyond reports whether e, which rests on incarnation or GRANT j, lies beyond
// every valid cut of j. Without a cut nothing is beyond.
func (s *State) beyond(j, e *entry) bool {
	cut := false
	for _, k := range s.cutsOf(j, e.role == roleDeputy, e.Type == TypeLeave) {
		if s.g.within(cutsIn(k), e) {
			return false
		}
		cut = true
	}
	return cut
}

// cutsOf returns the valid entries that cut incarnation or GRANT j, but for those
// whose author knew of another: what that one voided they do not bring back.
func (s *State) cutsOf(j *entry, deputy, leave bool) []*entry {
	all := s.allCutsOf(j, deputy, leave)
	var out []*entry
	for _, k := range all {
		if !slices.ContainsFunc(all, func(before *entry) bool { return k.past.has(before.idx) }) {
			out = append(out, k)
		}
	}
	return out
}

// allCutsOf lists them all. A REVOKE binds what was done as a deputy; a deputy's
// removal does not, so that no two deputies can cut each other's removals away. A
// LEAVE is not cut by a LEAVE, and cuts where nothing else does.
func (s *State) allCutsOf(j *entry, deputy, leave bool) []*entry {
	var out []*entry
	for _, k := range s.cutters[j.eh] {
		if b, ok := k.body.(*Removal); ok {
			if !slices.Contains(s.g.subjects(j), b.Peer) || k.role == roleDeputy && deputy {
				continue
			}
		} else if !deputy {
			continue
		}
		if !s.isVoid(k) {
			out = append(out, k)
		}
	}
	if leave || len(out) > 0 { // nobody reaches beyond others' cuts by leaving
		return out
	}
	for _, l := range s.leaves[j.eh] {
		if !s.isVoid(l) {
			out = append(out, l)
		}
	}
	return out
}

func cutsIn(k *entry) []Cut {
	switch b := k.body.(type) {
	case *Removal:
		return b.Cuts
	case *Revoke:
		return b.Cuts
	case *Leave:
		return b.Cuts
	}
	return nil
}

// within reports whether control entry e is at or before a record that cuts
// name, along prev.
func (g *graph) within(cuts []Cut, e *entry) bool {
	return slices.ContainsFunc(cuts, func(c Cut) bool {
		if c.Log != ControlLog || c.Lane != e.Lane || e.Seq > c.Seq {
			return false
		}
		if e.Seq == c.Seq {
			return e.eh == c.Hash
		}
		named := g.byHash[short(c.Hash)]
		if named == nil || !g.forked[chain{e.Author, e.Lane}] {
			return true
		}
		for named != nil && named.Lane == e.Lane && named.Seq > e.Seq {
			named = g.byHash[short(named.Prev)]
		}
		return named == e
	})
}
