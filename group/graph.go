package group

import (
	"cmp"
	"slices"
)

// role is the authority that an entry's author had in its own causal past.
type role int

const (
	roleNone role = iota // none: the entry is void for ever
	roleOwner
	roleDeputy
	roleMember
)

// entry is a control entry that has been applied: all it cites is held.
type entry struct {
	*Entry
	eh      Hash
	payload []byte
	idx     int    // in graph.all
	ord     uint64 // exact
	past    set    // indexes of its causal past, itself excluded
	role    role
	rests   *entry // the GRANT or admission that the authority rests on; nil for an owner
	stopped bool   // of a forked owner's chain: void here whatever its past
}

// admission reports whether e, if not void, makes its subject a member.
func (e *entry) admission() bool {
	switch e.Type {
	case TypeGenesis, TypeAdd, TypeJoin, TypeGrant:
		return true
	}
	return false
}

// subject is the person that an admission, removal, UNBAN, GRANT or DECLINE is about.
func (e *entry) subject() PeerID {
	switch b := e.body.(type) {
	case *Peer:
		return b.Peer
	case *Join:
		return b.Joiner
	case *Grant:
		return b.Peer
	case *Transfer:
		return b.To
	case *Removal:
		return b.Peer
	}
	return e.Author
}

// structural reports whether e can change who is a member or what is set.
func (e *entry) structural() bool {
	switch e.Type {
	case TypeEpoch, TypeProfile, TypeDecline, TypeEquiv:
		return false
	}
	return true
}

// chain is one lane of one author's log.
type chain struct {
	author PeerID
	lane   uint64
}

// graph holds every applied entry and answers questions about causes. Entries
// are only ever added.
type graph struct {
	gid         Hash
	direct      *[2]PeerID // the two people of a conversation, nil in a group
	all         []*entry
	byHash      map[Short]*entry
	tips        map[chain][]*entry // newest entry of each branch; more than one after a fork
	forked      map[chain]bool
	order       []*entry // structural entries by (ord, eh)
	structure   set      // the indexes of order
	admits      []*entry // admissions, in the order applied
	epochs      []*entry // EPOCHs, in the order applied
	keyUses     map[Hash][]*entry
	folds       map[string]*State
	authorities map[PeerID]bool
	profiles    map[PeerID][]*entry // PROFILEs by (lane, seq, eh)
	cutOff      map[PeerID]bool     // whose chains some cut names
	cutAt       map[Hash]bool       // the records that cuts name
}

func newGraph(gid Hash) *graph {
	return &graph{
		gid: gid, byHash: map[Short]*entry{}, tips: map[chain][]*entry{},
		forked: map[chain]bool{}, keyUses: map[Hash][]*entry{}, folds: map[string]*State{}, authorities: map[PeerID]bool{}, profiles: map[PeerID][]*entry{}, cutOff: map[PeerID]bool{}, cutAt: map[Hash]bool{},
	}
}

// missing returns what e cites and the graph lacks. It errs where e contradicts
// what it cites, which no later record can mend.
func (g *graph) missing(e *Entry) ([]Short, error) {
	var need []Short
	want := func(h Short, ok func(*entry) bool) error {
		d := g.byHash[h]
		if d == nil {
			need = append(need, h)
			return nil
		}
		if !ok(d) {
			return ErrDependency
		}
		return nil
	}
	if e.Prev != (Hash{}) {
		if err := want(short(e.Prev), func(d *entry) bool {
			return d.eh == e.Prev && d.Author == e.Author && (d.Lane == e.Lane && d.Seq == e.Seq-1 || e.Seq == 1 && d.Lane < e.Lane)
		}); err != nil {
			return nil, err
		}
	}
	for _, h := range e.Seen {
		if err := want(h.Hash, func(d *entry) bool {
			return d.Author == h.Author && d.Lane == h.Lane && d.Seq == h.Seq
		}); err != nil {
			return nil, err
		}
	}
	if b, ok := e.body.(*Epoch); ok {
		for _, p := range b.Parents {
			if err := want(short(p), func(d *entry) bool { return d.Type == TypeEpoch && d.eh == p }); err != nil {
				return nil, err
			}
		}
		for _, a := range b.Acks {
			if err := want(short(a), func(d *entry) bool {
				return (d.Type == TypeJoin || d.Type == TypeLeave) && d.eh == a
			}); err != nil {
				return nil, err
			}
		}
	}
	if e.Type != TypeGenesis && len(g.all) == 0 {
		need = append(need, short(g.gid))
	}
	return need, nil
}

// cited returns the entries that e names, all of which are held.
func (g *graph) cited(e *Entry) []*entry {
	var out []*entry
	if e.Type != TypeGenesis {
		out = append(out, g.byHash[short(g.gid)])
	}
	if d := g.byHash[short(e.Prev)]; d != nil && e.Prev != (Hash{}) {
		out = append(out, d)
	}
	for _, h := range e.Seen {
		out = append(out, g.byHash[h.Hash])
	}
	if b, ok := e.body.(*Epoch); ok {
		for _, h := range b.Parents {
			out = append(out, g.byHash[short(h)])
		}
		for _, h := range b.Acks {
			out = append(out, g.byHash[short(h)])
		}
	}
	return out
}

// prepare works out ord, past and authority of an entry whose citations are all
// held. Nothing is added yet.
func (g *graph) prepare(v Verified) *entry {
	e := &entry{Entry: v.v.(*Entry), eh: v.Hash, payload: v.Payload, idx: len(g.all)}
	for _, d := range g.cited(e.Entry) {
		e.ord = max(e.ord, d.ord)
		e.past = e.past.union(d.past).with(d.idx)
	}
	e.ord++
	g.authorize(e)
	return e
}

// insert adds a prepared entry.
func (g *graph) insert(e *entry) {
	g.all = append(g.all, e)
	g.byHash[short(e.eh)] = e
	c := chain{e.Author, e.Lane}
	was := g.forked[c]
	if len(e.payload) > 0 { // the implied GENESIS of a conversation is in nobody's chain
		g.extend(e)
	}
	if e.admission() {
		g.admits = append(g.admits, e)
	}
	if b, ok := e.body.(*Epoch); ok {
		g.epochs = append(g.epochs, e)
		g.keyUses[b.KC] = append(g.keyUses[b.KC], e)
		g.keyUses[b.Salt] = append(g.keyUses[b.Salt], e)
	}
	if e.Type == TypeProfile {
		of := g.profiles[e.Author]
		i, _ := slices.BinarySearchFunc(of, e, compareNumbers)
		g.profiles[e.Author] = slices.Insert(of, i, e)
	}
	g.noteAuthority(e)
	if e.structural() {
		g.structure = g.structure.with(e.idx)
		i, _ := slices.BinarySearchFunc(g.order, e, compareEntries)
		g.order = slices.Insert(g.order, i, e)
	}
	g.noteCuts(e)
	if g.forked[c] && (!was && g.cutOff[e.Author] || g.cutAt[e.eh]) {
		g.rejudge()
	}
}

// noteCuts remembers whose chain e cuts, and where.
func (g *graph) noteCuts(e *entry) {
	for _, c := range cutsIn(e) {
		g.cutAt[c.Hash] = true
	}
	switch b := e.body.(type) {
	case *Removal:
		g.cutOff[b.Peer] = true
	case *Leave:
		g.cutOff[e.Author] = true
	case *Revoke:
		if grant := g.byHash[short(b.Grant)]; grant != nil {
			g.cutOff[grant.subject()] = true
		}
	}
}

// rejudge judges all entries again: which of two branches a cut binds shows only
// when the record that the cut names is held, and the fork is.
func (g *graph) rejudge() {
	clear(g.folds)
	for _, e := range g.all {
		e.role, e.rests = roleNone, nil
		if !e.stopped {
			g.authorize(e)
		}
		g.noteAuthority(e)
	}
	clear(g.folds)
}

// extend makes e the newest entry of its branch, or the first of a new one.
func (g *graph) extend(e *entry) {
	c := chain{e.Author, e.Lane}
	if i := slices.IndexFunc(g.tips[c], func(t *entry) bool { return t.eh == e.Prev }); i >= 0 {
		g.tips[c][i] = e
		return
	}
	g.tips[c] = append(g.tips[c], e)
	g.forked[c] = len(g.tips[c]) > 1
}

// forks reports whether e, not yet held, would be a second entry under a number
// of its chain.
func (g *graph) forks(e *Entry) bool {
	tips := g.tips[chain{e.Author, e.Lane}]
	return len(tips) > 0 && !slices.ContainsFunc(tips, func(t *entry) bool { return t.eh == e.Prev })
}

// numbered returns the hash of an entry that is held under the number of e,
// which is another.
func (g *graph) numbered(e *entry) Hash {
	for _, t := range g.tips[chain{e.Author, e.Lane}] {
		for t != nil && t.Lane == e.Lane && t.Seq > e.Seq {
			t = g.byHash[short(t.Prev)]
		}
		if t != nil && t.Lane == e.Lane && t.Seq == e.Seq {
			return t.eh
		}
	}
	return Hash{}
}

// compareEntries is the order in which causes come before what cites them.
func compareEntries(a, b *entry) int {
	return cmp.Or(cmp.Compare(a.ord, b.ord), a.eh.Compare(b.eh))
}

// compareNumbers is the order of one author's entries in which the last word is
// the one that counts.
func compareNumbers(a, b *entry) int {
	return cmp.Or(cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Seq, b.Seq), a.eh.Compare(b.eh))
}

// everything is the set of all applied entries.
func (g *graph) everything() set {
	s := make(set, (len(g.all)+63)/64)
	for i := range g.all {
		s[i>>6] |= 1 << (i & 63)
	}
	return s
}

// tip returns the newest entry of the author's chain in that lane, nil if none.
func (g *graph) tip(author PeerID, lane uint64) *entry {
	if t := g.tips[chain{author, lane}]; len(t) > 0 {
		return t[0]
	}
	return nil
}

// heads names the newest applied entry of every chain that settles authority:
// those of every owner there ever was and of everyone who was ever a deputy, in
// every lane, but for self's own. Where they are too many, everyone's newest
// lane comes first, so that nobody's branches and lanes crowd out the others.
func (g *graph) heads(self PeerID) []Head {
	of := map[PeerID][]Head{}
	for c, tips := range g.tips {
		if c.author == self || !g.authorities[c.author] {
			continue
		}
		for _, t := range tips {
			of[c.author] = append(of[c.author], Head{Author: t.Author, Lane: t.Lane, Seq: t.Seq, Hash: short(t.eh)})
		}
	}
	var rounds [][]Head
	for _, hs := range of {
		slices.SortFunc(hs, func(a, b Head) int { return compareHeads(b, a) })
		for i, h := range hs {
			if i == len(rounds) {
				rounds = append(rounds, nil)
			}
			rounds[i] = append(rounds[i], h)
		}
	}
	var out []Head
	for _, round := range rounds {
		slices.SortFunc(round, compareHeads)
		out = append(out, round[:min(len(round), MaxSeen-len(out))]...)
	}
	slices.SortFunc(out, compareHeads)
	return out
}

// noteAuthority remembers whom e makes, or once made, an owner or a deputy.
func (g *graph) noteAuthority(e *entry) {
	if e.role == roleNone || g.direct != nil {
		return
	}
	switch b := e.body.(type) {
	case *Genesis:
		g.authorities[e.Author] = true
	case *Grant:
		g.authorities[b.Peer] = true
	case *Transfer:
		g.authorities[b.To] = true
	}
}
