package group

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// shows checks that holder can prove p's removal, and returns the file and what it
// shows to somebody who knows nothing.
func shows(t testing.TB, holder, p *peer) ([]byte, Exclusion) {
	t.Helper()
	text, err := holder.ProveRemoval(p.me)
	if err != nil {
		t.Fatal(err)
	}
	x, err := ParseProof(text)
	if err != nil || x.Peer != p.me || x.GID != holder.GID() {
		t.Fatalf("read as %+v, %v", x, err)
	}
	own, err := holder.st.exclusion(p.me)
	if err != nil || own.Removal != x.Removal || !slices.Equal(own.Epochs, x.Epochs) || !slices.Equal(own.Apart, x.Apart) {
		t.Fatalf("a node knows %+v, a reader %+v", own, x)
	}
	return text, x
}

func provesNothing(t *testing.T, holder, p *peer, why string) {
	t.Helper()
	if text, err := holder.ProveRemoval(p.me); !errors.Is(err, ErrNoProof) || text != nil {
		t.Errorf("%s: %v", why, err)
	}
}

func gens(es []ProvenEntry) (out []uint64) {
	for _, e := range es {
		out = append(out, e.Gen)
	}
	return out
}

func TestProofOfRemoval(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	alice, bob, carol, dave := w.all[0], w.all[1], w.all[2], w.all[3]
	provesNothing(t, bob, dave, "a member")
	provesNothing(t, bob, w.person(99).as(w), "a stranger")
	banned := w.person(98).as(w)
	w.must(alice, Remove{Peer: banned.me, Ban: true})
	w.must(alice, Rotate{})
	provesNothing(t, alice, banned, "a stranger who is banned")
	before, _ := alice.Current()
	var apart Hash
	w.apart(func() { apart = w.must(carol, Rotate{}).Epoch }, alice, bob)
	r := w.must(alice, Remove{Peer: dave.me})
	w.must(bob, Rotate{})
	w.meet(alice, bob, carol)
	text, x := shows(t, bob, dave)
	if x.Removal.Type != TypeKick || x.Removal.Author != alice.me || x.Group != "team" {
		t.Errorf("the removal is %+v", x.Removal)
	}
	if len(x.Epochs) < 2 || x.Epochs[0].Hash != r.Epoch || slices.ContainsFunc(x.Epochs, func(e ProvenEntry) bool { return e.Hash == before.EID || e.Hash == apart }) {
		t.Errorf("keys without dave: %v", gens(x.Epochs))
	}
	if len(x.Apart) != 1 || x.Apart[0].Hash != apart {
		t.Errorf("keys of who did not know: %v", gens(x.Apart))
	}
	for _, p := range []*peer{alice, carol} {
		if same, _ := shows(t, p, dave); !bytes.Equal(same, text) {
			t.Error("members who hold the same have different proofs")
		}
	}
	w.must(bob, SetName{Name: "robert"})
	if same, _ := shows(t, bob, dave); !bytes.Equal(same, text) {
		t.Error("a name that nothing cites is in the proof")
	}
	w.must(bob, Rotate{})
	if _, more := shows(t, bob, dave); len(more.Epochs) != len(x.Epochs)+1 {
		t.Errorf("%d keys after one more, %d before", len(more.Epochs), len(x.Epochs))
	}
	w.admit(alice, dave)
	provesNothing(t, alice, dave, "admitted again")
	w.must(alice, Remove{Peer: dave.me, Ban: true})
	_, x = shows(t, alice, dave)
	if x.Removal.Type != TypeBan || len(x.Epochs) != 1 {
		t.Errorf("after the second removal: %+v, %v", x.Removal, gens(x.Epochs))
	}
}

// as gives somebody a machine that knows nothing.
func (p *peer) as(w *world) *peer {
	p.Machine = New(Config{GID: w.gid, Self: p.id, Bundle: p.bundle}, Stored{})
	return p
}

func TestProofOfALeave(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(carol, Quit{})
	provesNothing(t, bob, carol, "no key since")
	w.now += 1000
	w.must(alice, Tick{})
	_, x := shows(t, bob, carol)
	if x.Removal.Type != TypeLeave || x.Removal.Author != carol.me || len(x.Epochs) != 1 || len(x.Apart) != 0 {
		t.Errorf("%+v, %v, %v", x.Removal, gens(x.Epochs), gens(x.Apart))
	}
}

// A removal by who may not, or that is void, is none.
func TestVoidRemovalProvesNothing(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "mallory")
	alice, bob, mallory := w.all[0], w.all[1], w.all[2]
	kick := &Removal{Peer: bob.me, JIDs: []Hash{bob.st.incarnation(bob.me).eh}}
	w.write(mallory, TypeKick, kick, 0, alice)
	w.must(alice, Rotate{})
	provesNothing(t, alice, bob, "a KICK by a member")
}

// Of two who remove somebody at once, each with a key of its own, both keys count.
func TestProofOfTwoRemovalsAtOnce(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: allCaps})
	w.apart(func() { w.must(bob, Remove{Peer: carol.me}) }, alice)
	w.apart(func() { w.must(alice, Remove{Peer: carol.me}) }, bob)
	w.meet(alice, bob)
	for _, p := range []*peer{alice, bob} {
		if _, x := shows(t, p, carol); len(x.Epochs) != 2 || len(x.Apart) != 0 {
			t.Errorf("keys without carol: %v, apart %v", gens(x.Epochs), gens(x.Apart))
		}
	}
}

// A LEAVE does not end an admission that it does not know.
func TestProofOfALeaveBesideAGrant(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.apart(func() { w.must(alice, DeputyAdd{Peer: carol.me, Caps: allCaps}) }, bob, carol)
	leave := w.write(carol, TypeLeave, &Leave{JID: carol.st.incarnation(carol.me).eh}, 0, bob)
	w.must(bob, Rotate{})
	shows(t, bob, carol)
	w.sync(bob, alice)
	if !alice.IsMember(carol.me) {
		t.Fatal("the GRANT does not outlive the LEAVE")
	}
	provesNothing(t, alice, carol, "a member by the GRANT")
	with := w.must(alice, Rotate{}).Epoch
	w.must(alice, Remove{Peer: carol.me})
	_, x := shows(t, alice, carol)
	if x.Removal.Type != TypeKick || x.Removal.Hash == leave.Hash || slices.ContainsFunc(x.Epochs, func(e ProvenEntry) bool { return e.Hash == with }) {
		t.Errorf("since %+v, keys %v", x.Removal, gens(x.Epochs))
	}
}

// Of two incarnations the first LEAVE ends one.
func TestProofOfTwoLeaves(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, carol := w.all[0], w.all[2]
	first := carol.st.incarnation(carol.me).eh
	w.must(alice, DeputyAdd{Peer: carol.me, Caps: CapKick})
	second := carol.st.incarnation(carol.me).eh
	w.write(carol, TypeLeave, &Leave{JID: first}, 0, alice)
	if !alice.IsMember(carol.me) || first == second {
		t.Fatal("carol has one incarnation")
	}
	end := w.write(carol, TypeLeave, &Leave{JID: second}, 0, alice)
	w.must(alice, Rotate{})
	if _, x := shows(t, alice, carol); x.Removal.Hash != end.Hash {
		t.Errorf("since %+v", x.Removal)
	}
}

// A KICK that a cut makes void is no removal.
func TestProofBesideAVoidKick(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapKick})
	grant := alice.st.grant(bob.me).eh
	w.write(bob, TypeKick, &Removal{Peer: carol.me, JIDs: []Hash{alice.st.incarnation(carol.me).eh}}, 0, alice)
	w.write(alice, TypeRevoke, &Revoke{Grant: grant}, 1)
	w.must(alice, Rotate{})
	provesNothing(t, alice, carol, "the KICK is beyond the cut")
	own := w.must(alice, Remove{Peer: carol.me})
	if _, x := shows(t, alice, carol); x.Removal.Author != alice.me || len(x.Epochs) != 1 || x.Epochs[0].Hash != own.Epoch {
		t.Errorf("since %+v, keys %v", x.Removal, gens(x.Epochs))
	}
}

func TestMUST_118_ProofIsFolded(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.apart(func() { w.must(bob, Rotate{}) }, alice)
	w.must(alice, Remove{Peer: carol.me})
	w.meet(alice, bob)
	text, _ := shows(t, bob, carol)
	for i := 0; i < len(text); i += 3 {
		flipped := bytes.Clone(text)
		flipped[i] ^= 1 << (i % 7)
		if _, err := ParseProof(flipped); err == nil {
			t.Fatalf("byte %d flipped: taken", i)
		}
	}
	if _, err := ParseProof(bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))); err != nil {
		t.Errorf("line ends of two characters: %v", err)
	}
	var file proof
	if err := unarmour(proofText, proofForm, text, &file); err != nil {
		t.Fatal(err)
	}
	entries := file.Parts[0]
	parse := func(change func(p *proof)) error {
		p := proof{Form: proofForm, GID: file.GID, Peer: file.Peer, Parts: [][][]byte{slices.Clone(entries)}}
		change(&p)
		_, err := ParseProof(armour(proofText, p))
		return err
	}
	if err := parse(func(*proof) {}); err != nil {
		t.Fatal(err)
	}
	for i := range entries[:len(entries)-1] {
		cited := slices.ContainsFunc(bob.g.all, func(e *entry) bool { return e.past.has(bob.at(w.decode(entries[i])).idx) })
		if err := parse(func(p *proof) { p.Parts[0] = slices.Delete(p.Parts[0], i, i+1) }); cited && !errors.Is(err, ErrDependency) && !errors.Is(err, ErrNoProof) {
			t.Errorf("without entry %d: %v", i, err)
		}
	}
	for i := range entries[1:] {
		if err := parse(func(p *proof) { p.Parts[0][i], p.Parts[0][i+1] = entries[i+1], entries[i] }); err == nil {
			t.Errorf("entries %d and %d the other way round: taken", i, i+1)
		}
	}
	last := len(entries) - 1
	stranger := w.person(99)
	forged := *w.decode(entries[last]).Entry()
	forged.Author = stranger.id.PeerID()
	for name, change := range map[string]func(*proof){
		"another group":          func(p *proof) { p.GID[0] ^= 1 },
		"somebody who is in":     func(p *proof) { p.Peer = bob.me },
		"a stranger":             func(p *proof) { p.Peer = stranger.id.PeerID() },
		"no peer ID":             func(p *proof) { p.Peer = PeerID{} },
		"another form":           func(p *proof) { p.Form++ },
		"no entries":             func(p *proof) { p.Parts = nil },
		"an empty part":          func(p *proof) { p.Parts = append(p.Parts, nil) },
		"a short part":           func(p *proof) { p.Parts = [][][]byte{entries[:2], entries[2:]} },
		"too many parts":         func(p *proof) { p.Parts = make([][][]byte, maxProofPart+1) },
		"an entry twice":         func(p *proof) { p.Parts[0] = append(p.Parts[0], entries[last]) },
		"another order":          func(p *proof) { p.Parts[0][last], p.Parts[0][last-1] = entries[last-1], entries[last] },
		"no key since":           func(p *proof) { p.Parts[0] = p.Parts[0][:last] },
		"an entry of a stranger": func(p *proof) { p.Parts[0][last] = w.rawEntry(stranger, forged) },
		"one signed by another":  func(p *proof) { p.Parts[0][last] = w.rawEntry(bob, *w.decode(entries[last]).Entry()) },
		"what is no entry":       func(p *proof) { p.Parts[0] = append(p.Parts[0], bundleRecord(bob.bundle).Payload) },
	} {
		if err := parse(change); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := ParseProof(make([]byte, MaxProof+1)); !errors.Is(err, ErrSize) {
		t.Errorf("too much: %v", err)
	}
}

// Where the owner's log is forked, what counts differs from node to node.
func TestForkedOwnerProvesNothing(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	twin := alice.next(TypeSet, &Set{Settings: settingsFor("twin")}, 1)
	w.must(alice, Remove{Peer: carol.me})
	w.meet(alice, bob)
	shows(t, bob, carol)
	v := w.signEntry(alice, twin)
	w.give(v, bob)
	if text, err := bob.ProveRemoval(carol.me); !errors.Is(err, ErrFrozen) || text != nil {
		t.Errorf("after the fork: %v", err)
	}
	p := proof{Form: proofForm, GID: w.gid, Peer: carol.me, Parts: [][][]byte{bob.g.deciding()}}
	if _, err := ParseProof(armour(proofText, p)); !errors.Is(err, ErrFrozen) {
		t.Errorf("both branches in one file: %v", err)
	}
}

func TestNoProofInAConversation(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	gid, pair := DirectID(alice.me, bob.me)
	m := New(Config{GID: gid, Self: alice.id, Direct: &pair, Bundle: alice.bundle}, Stored{})
	if _, err := m.ProveRemoval(bob.me); !errors.Is(err, ErrNoProof) {
		t.Errorf("in a conversation: %v", err)
	}
}

func FuzzParseProof(f *testing.F) {
	w := newTeam(f, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.must(alice, Remove{Peer: bob.me})
	text, _ := shows(f, alice, bob)
	f.Add(text)
	f.Add([]byte("-----BEGIN CONCLAVE PROOF OF REMOVAL-----\n-----END CONCLAVE PROOF OF REMOVAL-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if x, err := ParseProof(text); err == nil && (x.GID != w.gid || len(x.Epochs) == 0 || x.Removal.Hash == (Hash{})) {
			t.Fatalf("it shows %+v", x)
		}
	})
}
