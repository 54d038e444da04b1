package sim

import (
	"cmp"
	"maps"
	"slices"

	"conclave/group"
	"conclave/keys"
)

// view is the state that a set of entries adds up to.
type view struct {
	o     *oracle
	set   bits
	in    []*fact // of the set, by (ord, eh)
	terms []reign
	void_ map[*fact]bool
}

type reign struct {
	owner keys.PeerID
	end   *fact
}

func (o *oracle) view(set bits) *view {
	k := set.key()
	if v := o.views[k]; v != nil {
		return v
	}
	v := &view{o: o, set: slices.Clone(set), void_: map[*fact]bool{}}
	for _, f := range o.facts {
		if set.has(f) {
			v.in = append(v.in, f)
		}
	}
	slices.SortFunc(v.in, func(a, b *fact) int { return cmp.Or(cmp.Compare(a.ord, b.ord), a.eh.Compare(b.eh)) })
	v.reigns()
	if len(o.views) > 4096 {
		clear(o.views)
	}
	o.views[k] = v
	return v
}

// of is the view of a node's applied entries.
func (o *oracle) of(n *member) *view {
	var set bits
	if o.talk != nil {
		set.add(o.by[o.gid].i)
	}
	for h := range n.disk.entries {
		if f := o.by[h]; f != nil { // else it died when that was durable, and nobody has looked yet
			set.add(f.i)
		}
	}
	if at := (standpoint{set, n.disk.owner.stopped}); o.forks && at.key() != o.as.key() {
		o.judgeAs(standpoint{set, maps.Clone(at.stopped)})
	}
	return o.view(set)
}

// before is view(E), and what an author saw before writing f.
func (o *oracle) before(f *fact) *view { return o.view(f.past) }

func (v *view) reigns() {
	gen := v.o.by[v.o.gid]
	if gen == nil || !v.set.has(gen) {
		return
	}
	v.terms = []reign{{owner: gen.Author}}
	for {
		last := &v.terms[len(v.terms)-1]
		for _, f := range v.in {
			b, ok := f.body.(*group.Transfer)
			if !ok || b == nil || f.Term != uint64(len(v.terms)) || f.Author != last.owner || v.o.powerOf(f) != ownerPower {
				continue
			}
			if last.end == nil || cmp.Or(cmp.Compare(f.Lane, last.end.Lane), cmp.Compare(f.Seq, last.end.Seq), f.eh.Compare(last.end.eh)) < 0 {
				last.end = f
			}
		}
		if last.end == nil {
			return
		}
		v.terms = append(v.terms, reign{owner: last.end.body.(*group.Transfer).To})
	}
}

func (v *view) owner() keys.PeerID {
	if len(v.terms) == 0 {
		return keys.PeerID{}
	}
	return v.terms[len(v.terms)-1].owner
}

// void: "An entry is valid in V iff its author had the authority in its own
// causal past, every entry that this authority rests on is itself valid in V,
// and no cut in V excludes it."
func (v *view) void(f *fact) bool {
	if known, ok := v.void_[f]; ok {
		return known
	}
	out := v.judge(f)
	v.void_[f] = out
	return out
}

func (v *view) judge(f *fact) bool {
	p := v.o.powerOf(f)
	if p == noPower {
		return true
	}
	for _, r := range f.rests {
		if v.void(r) {
			return true
		}
	}
	if p == ownerPower {
		return v.outOfTerm(f)
	}
	if p == deputyPower && v.againstNewDeputy(f) {
		return true
	}
	return v.cutAway(f)
}

// outOfTerm: "Owner entries not in [the TRANSFER's] causal past are void."
func (v *view) outOfTerm(f *fact) bool {
	if f.Term == 0 || f.Term > uint64(len(v.terms)) {
		return false
	}
	t := v.terms[f.Term-1]
	return t.owner != f.Author || t.end != nil && t.end != f && !t.end.past.has(f)
}

// againstNewDeputy: "a deputy's KICK is void against a concurrent GRANT", or
// TRANSFER.
func (v *view) againstNewDeputy(f *fact) bool {
	b, ok := f.body.(*group.Removal)
	if !ok {
		return false
	}
	for _, r := range v.terms {
		if t := r.end; t != nil && t.body.(*group.Transfer).To == b.Peer && !f.past.has(t) && !t.past.has(f) {
			return true
		}
	}
	for _, g := range v.in {
		if x, is := g.body.(*group.Grant); is && x.Peer == b.Peer && !f.past.has(g) && !g.past.has(f) && !v.void(g) {
			return true
		}
	}
	return false
}

// cutAway: "A cut binds only records of what it names; ... Of several valid cuts
// of one incarnation or GRANT the farthest counts, of those that have none of the
// others in their past; that of a LEAVE counts only where there is no other."
func (v *view) cutAway(f *fact) bool {
	type cutter struct {
		by   *fact
		cuts []group.Cut
	}
	var all []cutter
	for _, k := range v.in {
		if cuts, ok := v.o.cutsFor(k, f); ok && !v.void(k) {
			all = append(all, cutter{k, cuts})
		}
	}
	left := func(c cutter) bool { return c.by.Type == group.TypeLeave }
	if others := slices.DeleteFunc(slices.Clone(all), left); len(others) > 0 {
		all = others
	}
	first := slices.DeleteFunc(slices.Clone(all), func(c cutter) bool {
		return slices.ContainsFunc(all, func(b cutter) bool { return c.by.past.has(b.by) })
	})
	return len(all) > 0 && !slices.ContainsFunc(first, func(c cutter) bool { return v.o.within(c.cuts, f) })
}

// cutsFor are the cuts of k, where k binds f.
func (o *oracle) cutsFor(k, f *fact) ([]group.Cut, bool) {
	rest := f.rests[0]
	switch b := k.body.(type) {
	case *group.Removal:
		deputies := o.powerOf(k) == deputyPower && o.powerOf(f) == deputyPower // one acts never against another
		return b.Cuts, slices.Contains(b.JIDs, rest.eh) && slices.Contains(o.subjects(rest), b.Peer) && !deputies
	case *group.Revoke:
		return b.Cuts, b.Grant == rest.eh && o.powerOf(f) == deputyPower
	case *group.Leave:
		return b.Cuts, b.JID == rest.eh && f.Type != group.TypeLeave
	}
	return nil, false
}

// within: "within it lie the named record and what precedes it along prev".
func (o *oracle) within(cuts []group.Cut, f *fact) bool {
	for _, c := range cuts {
		if c.Log != group.ControlLog || c.Lane != f.Lane || f.Seq > c.Seq || f.Seq == c.Seq && f.eh != c.Hash {
			continue
		}
		named := o.by[c.Hash]
		if named == nil || named == f || o.as.held != nil && !o.as.held.has(named) {
			return true
		}
		for at := named; at != nil && at.Lane == f.Lane; at = o.by[at.Prev] {
			if at == f {
				return true
			}
		}
	}
	return false
}

// dead: "its admitting entry is void by the authority or cuts that V knows,
// whether or not that entry lies in V; or some valid KICK or BAN of that person
// in V is not in j's causal past; or LEAVE(j) is in V."
func (v *view) dead(j *fact) bool {
	if v.void(j) {
		return true
	}
	for _, k := range v.in {
		switch b := k.body.(type) {
		case *group.Removal:
			if slices.Contains(v.o.subjects(j), b.Peer) && !v.void(k) && (!j.past.has(k) || k.Type == group.TypeBan && !v.unbanned(k, j)) {
				return true
			}
		case *group.Leave:
			if b.JID == j.eh && !v.void(k) {
				return true
			}
		}
	}
	return false
}

// unbanned: "unless an UNBAN (owner only) that has seen the BAN is in its causal past".
func (v *view) unbanned(ban, j *fact) bool {
	for _, u := range v.o.facts {
		if u.Type == group.TypeUnban && j.past.has(u) && u.past.has(ban) && v.o.subjects(u)[0] == v.o.subjects(ban)[0] && !v.void(u) {
			return true
		}
	}
	return false
}

func (v *view) admissions(p keys.PeerID) []*fact {
	var out []*fact
	for _, j := range v.in {
		if admits(j) && slices.Contains(v.o.subjects(j), p) {
			out = append(out, j)
		}
	}
	return out
}

func (v *view) alive(p keys.PeerID) []*fact {
	return slices.DeleteFunc(v.admissions(p), v.dead)
}

func (v *view) member(p keys.PeerID) bool { return len(v.alive(p)) > 0 }

// removed: "V holds a non-void admission of u and none is alive".
func (v *view) removed(p keys.PeerID) bool {
	return slices.ContainsFunc(v.admissions(p), func(j *fact) bool { return !v.void(j) }) && !v.member(p)
}

func (v *view) people() []keys.PeerID {
	seen := map[keys.PeerID]bool{}
	for _, j := range v.in {
		if admits(j) {
			for _, p := range v.o.subjects(j) {
				seen[p] = true
			}
		}
	}
	return sortedKeys(seen)
}

func (v *view) members() []keys.PeerID {
	return slices.DeleteFunc(v.people(), func(p keys.PeerID) bool { return !v.member(p) })
}

// grant returns the GRANT by which p is a deputy.
func (v *view) grant(p keys.PeerID) *fact {
	var out *fact
	for _, g := range v.in {
		b, ok := g.body.(*group.Grant)
		if !ok || b.Peer != p || v.dead(g) {
			continue
		}
		revoked := slices.ContainsFunc(v.in, func(k *fact) bool {
			r, is := k.body.(*group.Revoke)
			return is && r.Grant == g.eh && !v.void(k)
		})
		if !revoked {
			out = g
		}
	}
	return out
}

// settings are what the last valid SET says, with the SET that forces a new
// epoch: "changing the setting forces a new epoch", "On again: always a new epoch".
func (v *view) settings() (s group.Settings, forcing *fact) {
	gen := v.o.by[v.o.gid]
	if gen == nil || !v.set.has(gen) {
		return s, nil
	}
	s = gen.body.(*group.Genesis).Settings
	var sets []*fact
	for _, f := range v.in {
		if f.Type == group.TypeSet && !v.void(f) {
			sets = append(sets, f)
		}
	}
	slices.SortStableFunc(sets, func(a, b *fact) int {
		return cmp.Or(cmp.Compare(a.Term, b.Term), cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Seq, b.Seq), a.eh.Compare(b.eh))
	})
	for _, f := range sets {
		next := f.body.(*group.Set).Settings
		if next.E2EE && !s.E2EE || next.History != s.History {
			forcing = f
		}
		s = next
	}
	return s, forcing
}
