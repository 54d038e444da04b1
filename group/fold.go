package group

import (
	"cmp"
	"slices"
)

// State is what a set of applied entries adds up to: a pure function of the
// set. It also judges entries outside the set by the authority and the cuts
// that the set knows. (PROTOCOL.md, "State")
type State struct {
	g        *graph
	view     set    // of structural entries
	terms    []term // terms[0] is the first
	settings Settings
	forcing  *entry   // the last SET that turned encryption on or changed history
	toggles  []*entry // the SETs that switched encryption, in order

	removals map[PeerID][]*entry // KICK and BAN in the view, by person
	unbans   map[PeerID][]*entry
	leaves   map[Hash][]*entry // by incarnation
	cutters  map[Hash][]*entry // KICK, BAN and REVOKE, by incarnation or GRANT named
	grants   map[PeerID][]*entry
	admits   map[PeerID][]*entry // admissions in the view
	people   []PeerID            // keys of admits, in causal order

	void map[int]bool // memo of isVoid
}

// term is one owner's reign.
type term struct {
	owner PeerID
	end   *entry // the TRANSFER that ended it, nil in the present term
}

const maxFolds = 256

// fold returns the state of a view. What changes nothing about the state is left
// out of it first, so that epochs do not make a new state each. Views that were
// folded lately are kept.
func (g *graph) fold(view set) *State {
	view = view.intersect(g.structure)
	key := view.key()
	if s := g.folds[key]; s != nil {
		return s
	}
	if len(g.folds) >= maxFolds {
		clear(g.folds)
	}
	s := g.foldAnew(view)
	g.folds[key] = s
	return s
}

func (g *graph) foldAnew(view set) *State {
	s := &State{
		g: g, view: view, void: map[int]bool{},
		removals: map[PeerID][]*entry{}, unbans: map[PeerID][]*entry{}, leaves: map[Hash][]*entry{},
		cutters: map[Hash][]*entry{}, grants: map[PeerID][]*entry{}, admits: map[PeerID][]*entry{},
	}
	var sets []*entry
	transfers := map[uint64][]*entry{}
	for _, e := range g.order {
		if !view.has(e.idx) || e.role == roleNone {
			continue
		}
		switch b := e.body.(type) {
		case *Set:
			sets = append(sets, e)
		case *Transfer:
			transfers[e.Term] = append(transfers[e.Term], e)
		case *Leave:
			s.leaves[b.JID] = append(s.leaves[b.JID], e)
		case *Removal:
			s.removals[b.Peer] = append(s.removals[b.Peer], e)
			for _, j := range b.JIDs {
				s.cutters[j] = append(s.cutters[j], e)
			}
		case *Revoke:
			s.cutters[b.Grant] = append(s.cutters[b.Grant], e)
		case *Grant:
			s.grants[b.Peer] = append(s.grants[b.Peer], e)
		case *Peer:
			if e.Type == TypeUnban {
				s.unbans[b.Peer] = append(s.unbans[b.Peer], e)
			}
		}
		if e.admission() {
			s.admit(e)
		}
	}
	s.foldTerms(transfers)
	s.foldSettings(sets)
	return s
}

func (s *State) admit(e *entry) {
	for _, p := range s.g.subjects(e) {
		if s.admits[p] == nil {
			s.people = append(s.people, p)
		}
		s.admits[p] = append(s.admits[p], e)
	}
}

// subjects is subject, but for the implied GENESIS of a conversation, which
// admits both people.
func (g *graph) subjects(e *entry) []PeerID {
	if g.direct != nil && e.Type == TypeGenesis {
		return g.direct[:]
	}
	return []PeerID{e.subject()}
}

// foldTerms follows the TRANSFERs. Of several in one term the lowest
// (lane, seq, eh) counts.
func (s *State) foldTerms(transfers map[uint64][]*entry) {
	gen := s.g.byHash[short(s.g.gid)]
	if gen == nil || !s.view.has(gen.idx) {
		return
	}
	s.terms = append(s.terms, term{owner: gen.Author})
	for {
		last := &s.terms[len(s.terms)-1]
		of := transfers[uint64(len(s.terms))]
		of = slices.DeleteFunc(slices.Clone(of), func(e *entry) bool { return e.Author != last.owner })
		if len(of) == 0 {
			return
		}
		last.end = slices.MinFunc(of, func(a, b *entry) int {
			return cmp.Or(cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Seq, b.Seq), a.eh.Compare(b.eh))
		})
		s.terms = append(s.terms, term{owner: last.end.body.(*Transfer).To})
	}
}

// foldSettings applies GENESIS and every SET in the order (term, lane, seq).
func (s *State) foldSettings(sets []*entry) {
	gen := s.g.byHash[short(s.g.gid)]
	if gen == nil || !s.view.has(gen.idx) {
		return
	}
	s.settings = gen.body.(*Genesis).Settings
	slices.SortStableFunc(sets, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.Term, b.Term), cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Seq, b.Seq), a.eh.Compare(b.eh))
	})
	for _, e := range sets {
		if s.isVoid(e) {
			continue
		}
		next := e.body.(*Set).Settings
		if next.E2EE && !s.settings.E2EE || next.History != s.settings.History {
			s.forcing = e
		}
		if next.E2EE != s.settings.E2EE {
			s.toggles = append(s.toggles, e)
		}
		s.settings = next
	}
}

// toggle is the last SET that switched encryption, nil if none did.
func (s *State) toggle() *entry {
	if len(s.toggles) == 0 {
		return nil
	}
	return s.toggles[len(s.toggles)-1]
}

// owner returns the present owner and term of the view.
func (s *State) owner() (PeerID, uint64) {
	if len(s.terms) == 0 {
		return PeerID{}, 0
	}
	return s.terms[len(s.terms)-1].owner, uint64(len(s.terms))
}

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
// owner made a deputy at the same time.
func (s *State) againstGrant(e *entry) bool {
	b, ok := e.body.(*Removal)
	return ok && slices.ContainsFunc(s.grants[b.Peer], func(g *entry) bool {
		return !e.past.has(g.idx) && !g.past.has(e.idx) && !s.isVoid(g)
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

// cutsOf returns the valid entries that cut incarnation or GRANT j. A REVOKE
// binds what was done as a deputy; a deputy's removal does not, so that no two
// deputies can cut each other's removals away. A LEAVE is not cut by a LEAVE.
func (s *State) cutsOf(j *entry, deputy, leave bool) []*entry {
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
	if leave {
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
