package group

import "slices"

// dead reports whether incarnation j is dead in this view: its admission is
// void, or a valid KICK or BAN of the person is not in its past, or its person
// left. j need not lie in the view.
func (s *State) dead(j *entry) bool {
	if s.isVoid(j) {
		return true
	}
	for _, p := range s.g.subjects(j) {
		for _, k := range s.removals[p] {
			if !s.isVoid(k) && s.kills(k, j) {
				return true
			}
		}
	}
	return slices.ContainsFunc(s.leaves[j.eh], func(l *entry) bool { return !s.isVoid(l) })
}

// kills reports whether the KICK or BAN k ends incarnation j. What came after a
// BAN needs an UNBAN in between.
func (s *State) kills(k, j *entry) bool {
	if !j.past.has(k.idx) {
		return true
	}
	return k.Type == TypeBan && !slices.ContainsFunc(s.g.order, func(u *entry) bool {
		return u.Type == TypeUnban && u.subject() == j.subject() && u.role != roleNone &&
			u.past.has(k.idx) && j.past.has(u.idx) && !s.isVoid(u)
	})
}

// alive returns the live incarnations of p in this view, oldest first.
func (s *State) alive(p PeerID) []*entry {
	var out []*entry
	for _, j := range s.admits[p] {
		if !s.dead(j) {
			out = append(out, j)
		}
	}
	return out
}

// incarnation returns p's newest live admission, nil where p is no member.
func (s *State) incarnation(p PeerID) *entry {
	if js := s.alive(p); len(js) > 0 {
		return js[len(js)-1]
	}
	return nil
}

// member reports whether p is a member in this view.
func (s *State) member(p PeerID) bool { return s.incarnation(p) != nil }

// removed reports whether the view holds a non-void admission of p and none
// that is alive.
func (s *State) removed(p PeerID) bool {
	admitted := slices.ContainsFunc(s.admits[p], func(j *entry) bool { return !s.isVoid(j) })
	return admitted && !s.member(p)
}

// banned reports whether an admission of p that had seen all of this view would
// be dead.
func (s *State) banned(p PeerID) bool {
	return slices.ContainsFunc(s.removals[p], func(k *entry) bool {
		return k.Type == TypeBan && !s.isVoid(k) && !slices.ContainsFunc(s.unbans[p], func(u *entry) bool {
			return u.past.has(k.idx) && !s.isVoid(u)
		})
	})
}

// members returns everyone who is a member, in the order of first admission.
func (s *State) members() []PeerID {
	var out []PeerID
	for _, p := range s.people {
		if s.member(p) {
			out = append(out, p)
		}
	}
	return out
}

// grant returns the GRANT that makes p a deputy in this view, nil if none.
func (s *State) grant(p PeerID) *entry {
	for _, g := range slices.Backward(s.grants[p]) {
		if !s.dead(g) && !s.revoked(g) {
			return g
		}
	}
	return nil
}

func (s *State) revoked(g *entry) bool {
	return slices.ContainsFunc(s.cutters[g.eh], func(k *entry) bool {
		return k.Type == TypeRevoke && !s.isVoid(k)
	})
}

// deputies returns the deputies in grant order.
func (s *State) deputies() []PeerID {
	var gs []*entry
	for p := range s.grants {
		if g := s.grant(p); g != nil {
			gs = append(gs, g)
		}
	}
	slices.SortFunc(gs, compareEntries)
	out := make([]PeerID, len(gs))
	for i, g := range gs {
		out[i] = g.subject()
	}
	return out
}

// caps returns what p may do as a deputy; 0 for everyone else.
func (s *State) caps(p PeerID) Caps {
	if g := s.grant(p); g != nil {
		return g.body.(*Grant).Caps
	}
	return 0
}

// rank is 0 for the owner, 1 and up for deputies in grant order, and the same
// greatest number for all others. (S5: choice of key)
func (s *State) rank(p PeerID) int {
	if o, _ := s.owner(); o == p || s.g.direct != nil {
		return 0
	}
	if i := slices.Index(s.deputies(), p); i >= 0 {
		return 1 + i
	}
	return 1 << 20
}
