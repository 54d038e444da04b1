package sim

import (
	"slices"

	"conclave/group"
	"conclave/keys"
)

// oracle knows every control entry that any node ever applied, and judges
// states from the sentences of PROTOCOL.md ("Authority", "State", "SERVE",
// "ELIGIBLE", "CHOOSE") by plain recursion over sets. It shares no code with the
// core that it is compared with.
type oracle struct {
	gid   keys.Hash
	talk  *[2]keys.PeerID
	facts []*fact
	by    map[keys.Hash]*fact
	heads map[group.Short]*fact
	views map[string]*view
	forks bool       // somebody has signed two entries under one number
	as    standpoint // where there are forks
	taken map[number]bool
}

// standpoint is what judgements depend on where somebody has signed twice: what a
// node holds, and which owner's entries it has stopped.
type standpoint struct {
	held    bits
	stopped map[keys.Hash]bool
}

func (s standpoint) key() string {
	k := s.held.key()
	for _, h := range sortedKeys(s.stopped) {
		k += string(h[:8])
	}
	return k
}

// fact is one control entry.
type fact struct {
	*group.Entry
	eh     keys.Hash
	i      int
	body   any
	past   bits
	ord    uint64
	judged bool
	power  power
	rests  []*fact // GRANT or admission, and the INVITE of a JOIN
}

type power int

const (
	noPower power = iota
	ownerPower
	deputyPower
	memberPower
)

// bits is a set of facts by number.
type bits []uint64

func (b bits) has(f *fact) bool { return f.i>>6 < len(b) && b[f.i>>6]>>(f.i&63)&1 == 1 }

func (b *bits) add(i int) {
	for len(*b) <= i>>6 {
		*b = append(*b, 0)
	}
	(*b)[i>>6] |= 1 << (i & 63)
}

func (b *bits) addAll(o bits) {
	for len(*b) < len(o) {
		*b = append(*b, 0)
	}
	for i, x := range o {
		(*b)[i] |= x
	}
}

func (b bits) key() string {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	s := make([]byte, 0, 8*len(b))
	for _, x := range b {
		for k := range 8 {
			s = append(s, byte(x>>(8*k)))
		}
	}
	return string(s)
}

func newOracle(gid keys.Hash, talk *[2]keys.PeerID) *oracle {
	o := &oracle{gid: gid, talk: talk, by: map[keys.Hash]*fact{}, heads: map[group.Short]*fact{}, views: map[string]*view{}, taken: map[number]bool{}}
	if talk != nil {
		settings := group.Settings{E2EE: true, MaxAge: group.DefaultMaxAge}
		o.put(&fact{
			Entry: &group.Entry{Type: group.TypeGenesis, Author: talk[0], Seq: 1, Term: 1}, eh: gid,
			body: &group.Genesis{Settings: settings}, judged: true, power: ownerPower,
		})
	}
	return o
}

func (o *oracle) put(f *fact) {
	f.i = len(o.facts)
	f.ord++
	o.facts = append(o.facts, f)
	o.by[f.eh] = f
	o.heads[group.Short(f.eh[:16])] = f
}

// learn takes an entry that some node applied, so that all it cites is known.
func (o *oracle) learn(v group.Verified) {
	if o.by[v.Hash] != nil {
		return
	}
	f := &fact{Entry: v.Entry(), eh: v.Hash}
	f.body = bodyOf(f.Entry)
	cite := func(d *fact) {
		if d != nil {
			f.past.addAll(d.past)
			f.past.add(d.i)
			f.ord = max(f.ord, d.ord)
		}
	}
	if f.Type != group.TypeGenesis {
		cite(o.by[o.gid])
	}
	cite(o.by[f.Prev])
	for _, h := range f.Seen {
		cite(o.heads[h.Hash])
	}
	if b, ok := f.body.(*group.Epoch); ok {
		for _, h := range slices.Concat(b.Parents, b.Acks) {
			cite(o.by[h])
		}
	}
	o.put(f)
	at := number{group.KindEntry, f.Author, f.Lane, f.Seq}
	o.forks = o.forks || o.taken[at]
	o.taken[at] = true
	if o.forks {
		o.judgeAs(standpoint{})
	}
}

// judgeAs forgets all judgements. Which of two branches a cut binds depends on
// whether the record that the cut names is held, and what counts of a forked
// owner's chain on what came first: with forks about, states are those of one node.
func (o *oracle) judgeAs(s standpoint) {
	o.as = s
	clear(o.views)
	for _, f := range o.facts {
		if f.Type != group.TypeGenesis || o.talk == nil {
			f.judged = false
		}
	}
}

func bodyOf(e *group.Entry) any {
	bodies := map[group.Type]any{
		group.TypeGenesis: new(group.Genesis), group.TypeSet: new(group.Set), group.TypeAdd: new(group.Peer),
		group.TypeDecline: new(group.Peer), group.TypeInvite: new(group.InviteLink), group.TypeInviteRevoke: new(group.InviteRevoke),
		group.TypeJoin: new(group.Join), group.TypeLeave: new(group.Leave), group.TypeKick: new(group.Removal),
		group.TypeBan: new(group.Removal), group.TypeUnban: new(group.Peer), group.TypeEpoch: new(group.Epoch),
		group.TypeGrant: new(group.Grant), group.TypeRevoke: new(group.Revoke), group.TypeTransfer: new(group.Transfer),
		group.TypeAccept: new(group.Accept), group.TypeProfile: new(group.Profile), group.TypeEquiv: new(group.Equiv),
	}
	b := bodies[e.Type]
	if err := keys.Unmarshal(e.Body, b); err != nil {
		panic(err) // Decode has let it through
	}
	return b
}

// subjects are the people that an entry is about.
func (o *oracle) subjects(f *fact) []keys.PeerID {
	switch b := f.body.(type) {
	case *group.Genesis:
		if o.talk != nil {
			return o.talk[:]
		}
		return []keys.PeerID{f.Author}
	case *group.Peer:
		return []keys.PeerID{b.Peer}
	case *group.Join:
		return []keys.PeerID{b.Joiner}
	case *group.Grant:
		return []keys.PeerID{b.Peer}
	case *group.Removal:
		return []keys.PeerID{b.Peer}
	}
	return nil
}

func admits(f *fact) bool {
	return slices.Contains([]group.Type{group.TypeGenesis, group.TypeAdd, group.TypeJoin, group.TypeGrant}, f.Type)
}
