package group

import (
	"cmp"
	"slices"
)

// view returns what an EPOCH was minted in: the fold of its causal past, which
// is its author's own chain before it, what its heads and acks name, and its
// parents' views. It never changes.
func (e *entry) view(g *graph) *State { return g.fold(e.past) }

// soundEpoch checks what every EPOCH must hold, whoever minted it, in view(E).
func (s *State) soundEpoch(e *entry, b *Epoch) bool {
	gen := uint64(0)
	for _, h := range b.Parents {
		gen = max(gen, s.g.byHash[short(h)].body.(*Epoch).Gen)
	}
	fresh := func(h Hash) bool {
		return !slices.ContainsFunc(s.g.keyUses[h], func(o *entry) bool { return e.past.has(o.idx) })
	}
	return b.Gen == gen+1 && fresh(b.KC) && fresh(b.Salt) && b.History == s.settings.History &&
		b.N <= uint64(len(s.members())) && (len(b.Parents) > 0 || s.firstEpoch(e))
}

// firstEpoch: an epoch without parents is the owner's, or either one's in a
// conversation.
func (s *State) firstEpoch(e *entry) bool {
	o, _ := s.owner()
	return o == e.Author || s.g.direct != nil
}

// soundReason checks the one reason of a member's EPOCH against its parents'
// views. (PROTOCOL.md, "Who may mint")
func (s *State) soundReason(e *entry, b *Epoch) bool {
	parents := make([]*entry, len(b.Parents))
	for i, h := range b.Parents {
		parents[i] = s.g.byHash[short(h)]
	}
	some := func(ok func(p *entry, view *State) bool) bool {
		return slices.ContainsFunc(parents, func(p *entry) bool { return ok(p, p.view(s.g)) })
	}
	switch b.Reason {
	case ReasonRemoved:
		return some(func(_ *entry, v *State) bool { return s.removedBeyond(v) })
	case ReasonAdmitted:
		return some(func(p *entry, _ *State) bool { return len(s.uncovered(p)) > 0 })
	case ReasonEncryptionOn:
		return s.forcing != nil && some(func(p *entry, _ *State) bool { return !p.past.has(s.forcing.idx) })
	case ReasonAge:
		return s.settings.MaxAge > 0 && !some(func(p *entry, _ *State) bool { return !aged(p, e.Time, s.settings.MaxAge) })
	case ReasonMessages, ReasonRequest, ReasonRescue:
		return !some(func(p *entry, _ *State) bool { return p.Author == e.Author })
	}
	return false
}

// aged reports whether maxAge has passed at now since EPOCH p, by its claim.
func aged(p *entry, now, maxAge uint64) bool { return now >= p.Time && now-p.Time >= maxAge }

// removedBeyond reports whether an incarnation that is dead in s is not dead in
// the older view.
func (s *State) removedBeyond(older *State) bool {
	return slices.ContainsFunc(s.g.admits, func(j *entry) bool {
		return s.view.has(j.idx) && s.dead(j) && !older.dead(j)
	})
}

// uncovered returns the members of s whom EPOCH p does not serve.
func (s *State) uncovered(p *entry) []PeerID {
	var out []PeerID
	for _, u := range s.members() {
		if s.mayHold(p, u) != nil {
			out = append(out, u)
		}
	}
	return out
}

// Refusal says why a key is not handed over.
type Refusal uint64

// The refusal codes of the key stream.
const (
	RefusedNone      Refusal = iota
	RefusedNotHeld           // this node does not hold the key itself
	RefusedNotMember         // the asker is no member here
	RefusedDead              // removed in the epoch's view
	RefusedHistory           // sealed before the asker joined
	RefusedErased            // erased by retention
)

func (r Refusal) Error() string {
	switch r {
	case RefusedNotHeld:
		return "does not hold the key"
	case RefusedNotMember:
		return "asker is no member"
	case RefusedDead:
		return "asker was removed before this key was made"
	case RefusedHistory:
		return "asker joined after this key was made"
	case RefusedErased:
		return "key was erased"
	}
	return "refused"
}

// mayHold is the rule SERVE without the server's own part: whether, in state s,
// member u may be handed the key of EPOCH p. It returns nil or a Refusal.
// (PROTOCOL.md, "SERVE")
func (s *State) mayHold(p *entry, u PeerID) error {
	view := p.view(s.g)
	var refused Refusal = RefusedNotMember
	for _, j := range s.alive(u) {
		switch {
		case view.dead(j), view.removed(u):
			refused = RefusedDead
		case p.body.(*Epoch).History == HistoryNone && !p.past.has(j.idx):
			refused = RefusedHistory
		default:
			return nil
		}
	}
	return refused
}

// eligible is the rule ELIGIBLE: whether a message may be encrypted under EPOCH
// p by someone whose state is s. (PROTOCOL.md, "ELIGIBLE")
func (s *State) eligible(p *entry) bool {
	if s.isVoid(p) || s.forcing != nil && !p.past.has(s.forcing.idx) {
		return false
	}
	view := p.view(s.g)
	if !view.member(p.Author) {
		return false
	}
	return !slices.ContainsFunc(s.g.admits, func(j *entry) bool {
		return s.view.has(j.idx) && s.dead(j) && !view.dead(j)
	})
}

// compareEpochs puts the preferred epoch first: greatest generation, then the
// highest rank of its author in its own view, then the lowest hash.
// (PROTOCOL.md, "CHOOSE")
func (g *graph) compareEpochs(a, b *entry) int {
	x, y := a.body.(*Epoch), b.body.(*Epoch)
	return cmp.Or(
		cmp.Compare(y.Gen, x.Gen),
		cmp.Compare(a.view(g).rank(a.Author), b.view(g).rank(b.Author)),
		a.eh.Compare(b.eh),
	)
}

// scanEpochs bounds how many epochs, best first, are asked for eligibility. An
// epoch so old that this many better ones stand before it is not used again.
const scanEpochs = 64

// eligibleEpochs returns those of all applied epochs that are eligible in this
// state, which is that of everything applied, preferred first.
func (s *State) eligibleEpochs() []*entry {
	var cands []*entry
	for _, p := range s.g.epochs {
		if p.role != roleNone {
			cands = append(cands, p)
		}
	}
	slices.SortFunc(cands, func(a, b *entry) int {
		return cmp.Compare(b.body.(*Epoch).Gen, a.body.(*Epoch).Gen)
	})
	cands = cutGenerations(cands)
	slices.SortFunc(cands, s.g.compareEpochs)
	return slices.DeleteFunc(cands, func(p *entry) bool { return !s.eligible(p) })
}

// cutGenerations keeps the first scanEpochs and all that share a generation with
// the last of them, so that the cut is the same at every node.
func cutGenerations(cands []*entry) []*entry {
	if len(cands) <= scanEpochs {
		return cands
	}
	n := scanEpochs
	for n < len(cands) && cands[n].body.(*Epoch).Gen == cands[n-1].body.(*Epoch).Gen {
		n++
	}
	return cands[:n]
}
