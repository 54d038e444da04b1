package group

import (
	"fmt"
	"slices"
)

// Limits of a proof of removal.
const (
	MaxProof     = 64 << 20 // bytes, as text
	maxProven    = 1 << 16  // entries
	proofPart    = 4096     // entries of one part: no encoded array is longer
	proofForm    = 1
	proofText    = "CONCLAVE PROOF OF REMOVAL"
	maxProofPart = maxProven / proofPart
)

// Exclusion is what a proof of removal shows of one person: since when this
// person is out, and which room keys were made without it since. Of epochs that
// are not in the proof it shows nothing, nor of a key that a member passes on by
// hand.
type Exclusion struct {
	GID     Hash
	Peer    PeerID
	Group   string // its name
	Removal ProvenEntry
	Epochs  []ProvenEntry // exclude the person for ever; oldest first, never empty
	Apart   []ProvenEntry // made by who did not know of it; nobody who does seals anything under these
	Entries int           // that were checked
}

// ProvenEntry is one entry of a proof.
type ProvenEntry struct {
	Hash   Hash
	Type   Type
	Author PeerID
	Time   uint64 // Unix milliseconds, as claimed
	Gen    uint64 // of an EPOCH
}

func provenEntry(e *entry) ProvenEntry {
	p := ProvenEntry{Hash: e.eh, Type: e.Type, Author: e.Author, Time: e.Time}
	if b, is := e.body.(*Epoch); is {
		p.Gen = b.Gen
	}
	return p
}

// exclusion works out, in a state of everything that is held, what is known of
// p's absence. Errors: ErrNoProof.
func (s *State) exclusion(p PeerID) (Exclusion, error) {
	end := s.ended(p)
	if end == nil {
		return Exclusion{}, fmt.Errorf("%w: no removal that still holds", ErrNoProof)
	}
	x := Exclusion{GID: s.g.gid, Peer: p, Group: s.settings.Name, Removal: provenEntry(end), Entries: len(s.g.all)}
	epochs := slices.Clone(s.g.epochs)
	slices.SortFunc(epochs, compareEntries)
	for _, e := range epochs {
		switch {
		case s.isVoid(e) || end.past.has(e.idx):
		case s.excludes(e, p):
			x.Epochs = append(x.Epochs, provenEntry(e))
		default: // an incarnation lives in its view that is dead here: it is not eligible
			x.Apart = append(x.Apart, provenEntry(e))
		}
	}
	if len(x.Epochs) == 0 {
		return Exclusion{}, fmt.Errorf("%w: no key was made since the removal", ErrNoProof)
	}
	return x, nil
}

// excludes reports whether the key of EPOCH e may be handed to no incarnation of
// p that is not void in s.
func (s *State) excludes(e *entry, p PeerID) bool {
	view := e.view(s.g)
	return !slices.ContainsFunc(s.admits[p], func(j *entry) bool { return !s.isVoid(j) && !view.dead(j) })
}

// ended returns the entry since which p is out: the first KICK, BAN or LEAVE that
// ends every incarnation there is of p, none of which came later. It is nil where
// p is a member, or never was one.
func (s *State) ended(p PeerID) *entry {
	ends := slices.Clone(s.removals[p])
	for _, j := range s.admits[p] {
		ends = append(ends, s.leaves[j.eh]...)
	}
	ends = slices.DeleteFunc(ends, func(k *entry) bool { return s.isVoid(k) || !s.endsAll(k, p) })
	if !s.removed(p) || len(ends) == 0 {
		return nil
	}
	return slices.MinFunc(ends, compareEntries)
}

// endsAll reports whether no admission of p outlives the removal k.
func (s *State) endsAll(k *entry, p PeerID) bool {
	then := s.g.fold(k.past.with(k.idx))
	return !slices.ContainsFunc(s.admits[p], func(j *entry) bool { return !s.isVoid(j) && !then.dead(j) })
}

// proof is the file's content.
type proof struct {
	_     struct{} `cbor:",toarray"`
	Form  uint64
	GID   Hash
	Peer  PeerID
	Parts [][][]byte // payloads, causes first
}

// ProveRemoval writes a file by which anyone can check that p was removed and
// which keys were made without p since: every entry that decides that, of those
// held here. Errors: ErrNoProof where that is not so, ErrFrozen where the owner's
// log is forked. (PROTOCOL.md, "Proof of removal")
func (m *Machine) ProveRemoval(p PeerID) ([]byte, error) {
	if len(m.local.Frozen) > 0 {
		return nil, ErrFrozen
	}
	if _, err := m.st.exclusion(p); err != nil {
		return nil, err
	}
	file := proof{Form: proofForm, GID: m.g.gid, Peer: p}
	for part := range slices.Chunk(m.g.deciding(), proofPart) {
		file.Parts = append(file.Parts, part)
	}
	return armour(proofText, file), nil
}

// deciding returns the payloads of all entries that the state and the epochs rest
// on, causes first. Names, declined requests and evidence are left out where
// nothing cites them.
func (g *graph) deciding() [][]byte {
	var need set
	for _, e := range g.all {
		if e.structural() || e.Type == TypeEpoch {
			need = need.union(e.past).with(e.idx)
		}
	}
	return g.payloads(func(e *entry) bool { return need.has(e.idx) })
}

// ParseProof checks a file that ProveRemoval wrote, and says what it shows: every
// signature, that nothing is missing that an entry cites, and, with the same code
// by which a node works out its state, what follows from the entries. It needs
// to know nothing of the group. Errors: ErrSize, ErrEncoding, ErrUnknown for a
// newer form, those of Decode, ErrDependency, ErrFrozen, ErrNoProof.
// (PROTOCOL.md, "Proof of removal")
func ParseProof(text []byte) (Exclusion, error) {
	if len(text) > MaxProof {
		return Exclusion{}, ErrSize
	}
	var file proof
	if err := unarmour(proofText, proofForm, text, &file); err != nil {
		return Exclusion{}, err
	}
	if len(file.Parts) == 0 || len(file.Parts) > maxProofPart {
		return Exclusion{}, ErrSize
	}
	if err := file.Peer.Check(); err != nil {
		return Exclusion{}, err
	}
	g := newGraph(file.GID)
	for i, part := range file.Parts {
		if len(part) == 0 || len(part) > proofPart || i < len(file.Parts)-1 && len(part) != proofPart {
			return Exclusion{}, fmt.Errorf("%w: parts", ErrEncoding)
		}
		for _, payload := range part {
			if err := g.replay(payload); err != nil {
				return Exclusion{}, fmt.Errorf("entry %d: %w", len(g.all)+1, err)
			}
		}
	}
	s := g.fold(g.everything())
	for _, t := range s.terms {
		if g.hasFork(t.owner) {
			return Exclusion{}, ErrFrozen // what counts differs from node to node
		}
	}
	return s.exclusion(file.Peer)
}

// replay adds an entry of a proof, after all that it cites.
func (g *graph) replay(payload []byte) error {
	v, err := Decode(g.gid, payload)
	if err != nil {
		return err
	}
	if v.Entry() == nil {
		return ErrEncoding
	}
	need, err := g.missing(v.Entry())
	if err != nil {
		return err
	}
	if len(need) > 0 {
		return fmt.Errorf("%w: not all of it is there", ErrDependency)
	}
	e := g.prepare(v)
	if n := len(g.all); n > 0 && compareEntries(g.all[n-1], e) >= 0 {
		return fmt.Errorf("%w: out of order", ErrEncoding)
	}
	g.insert(e)
	return nil
}

func (g *graph) hasFork(p PeerID) bool {
	for c, forked := range g.forked {
		if forked && c.author == p {
			return true
		}
	}
	return false
}

// Readers returns for whom the key of an EPOCH was made, the members in its view,
// and who came later, is out since or not, and could be handed it because the
// EPOCH shows its history. (PROTOCOL.md, "SERVE")
func (m *Machine) Readers(eid Hash) (made, later []PeerID) {
	e := m.g.byHash[short(eid)]
	if e == nil || e.Type != TypeEpoch {
		return nil, nil
	}
	view := e.view(m.g)
	made = view.members()
	if e.body.(*Epoch).History != HistoryAll {
		return made, nil
	}
	for _, p := range m.st.people {
		in := slices.ContainsFunc(m.st.admits[p], func(j *entry) bool { return !m.st.isVoid(j) && !view.dead(j) })
		if in && !view.removed(p) && !slices.Contains(made, p) {
			later = append(later, p)
		}
	}
	return made, later
}
