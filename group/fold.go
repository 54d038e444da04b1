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
	renames  []*entry // the SETs that changed the name, in order

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
		if next.Name != s.settings.Name {
			s.renames = append(s.renames, e)
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
