package group

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"conclave/keys"
)

// fingerprint says all that a node holds, in words that are equal at two nodes
// iff their states, choice of key and display are.
func (p *peer) fingerprint() string {
	var b strings.Builder
	m := p.Machine
	fmt.Fprintln(&b, m.Settings(), m.Owner().Short())
	for _, u := range m.Members() {
		fmt.Fprintln(&b, u.Short(), m.Role(u), m.Caps(u), m.st.incarnation(u).eh.Short())
	}
	for _, u := range m.Everyone() {
		fmt.Fprintln(&b, u.Short(), m.Removed(u), m.Banned(u))
	}
	for _, e := range m.Epochs() {
		fmt.Fprintln(&b, e.EID.Short(), e.Gen, e.Ord, e.Void)
	}
	for _, e := range m.eligible() {
		fmt.Fprintln(&b, "eligible", e.eh.Short())
	}
	for _, r := range sortedByDisplay(slices.Collect(m.heldMessages())) {
		fmt.Fprintln(&b, r.hash.Short(), r.ord, m.visible(r))
	}
	return b.String()
}

func (m *Machine) heldMessages() func(yield func(*message) bool) {
	return func(yield func(*message) bool) {
		for _, r := range m.msgs {
			if !yield(r) {
				return
			}
		}
	}
}

func TestMUST_33_SameSetSameState(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave", "erin", "frank", "fresh")
	alice, bob, carol, dave, erin, frank := w.all[0], w.all[1], w.all[2], w.all[3], w.all[4], w.all[5]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: allCaps})
	w.must(alice, DeputyAdd{Peer: carol.me, Caps: CapKick | CapApprove})
	w.say(dave, "one")
	w.apart(func() {
		w.must(bob, Remove{Peer: dave.me})
		w.say(bob, "two")
		w.must(carol, Rotate{})
		w.must(alice, Change{Settings: settingsFor("renamed")})
		w.say(dave, "beyond")
		w.must(erin, Rotate{})
		w.must(frank, Rotate{})
		add := &Peer{Peer: crowd(1)[0].PeerID()}
		w.write(alice, TypeAdd, add, 1)
		w.write(bob, TypeAdd, add, 0)
		w.write(carol, TypeAdd, add, 0)
	}, alice, bob, carol, dave, erin, frank)
	w.must(alice, DeputyRemove{Peer: bob.me})
	w.meet(alice, carol, erin, bob, frank)
	w.say(frank, "three")
	w.meet(alice, bob, carol, frank)
	w.must(alice, Remove{Peer: erin.me, Ban: true})
	w.meet(alice, bob, carol, frank)
	w.say(carol, "four")
	w.meet(alice, bob, carol, frank)

	var payloads [][]byte
	for _, e := range alice.entries {
		payloads = append(payloads, e.Payload)
	}
	for _, s := range alice.messages {
		payloads = append(payloads, s.Payload)
	}
	slices.SortFunc(payloads, slices.Compare)
	rng := rand.New(rand.NewPCG(1, 2))
	fresh := w.all[6]
	want := ""
	for try := range 40 {
		rng.Shuffle(len(payloads), func(i, j int) { payloads[i], payloads[j] = payloads[j], payloads[i] })
		fresh.disk = newDisk()
		fresh.Machine = New(Config{GID: w.gid, Self: fresh.id, Bundle: fresh.bundle}, Stored{})
		for _, p := range payloads {
			fresh.restoring = true // a stranger's records are its own here
			w.must(fresh, Received{Record: w.decode(p)})
		}
		fresh.restoring = false
		if got := fresh.fingerprint(); try == 0 {
			want = got
		} else if got != want {
			t.Fatalf("another order, another state:\n%s\nwant:\n%s", got, want)
		}
	}
	if !strings.Contains(want, "renamed") || strings.Count(want, "eligible") == 0 || len(fresh.msgs) < 3 || len(fresh.g.epochs) < 9 {
		t.Errorf("the history is too poor:\n%s", want)
	}
}

func TestMUST_34_RemoveWinsOverConcurrentAdd(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	alice, bob, carol, dave := w.all[0], w.all[1], w.all[2], w.all[3]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapApprove})
	for _, typ := range []Type{TypeKick, TypeBan} {
		add := w.signEntry(bob, bob.next(TypeAdd, &Peer{Peer: carol.me}, 0))
		kick := w.write(alice, typ, &Removal{Peer: carol.me}, 1, dave)
		w.give(add, alice, bob, dave)
		w.give(kick, bob)
		for _, p := range []*peer{alice, bob, dave} {
			if p.IsMember(carol.me) || !p.counts(add) {
				t.Errorf("%s loses against a concurrent ADD", typ)
			}
		}
		if typ == TypeKick {
			again := w.write(bob, TypeAdd, &Peer{Peer: carol.me}, 0, alice, dave)
			if !dave.counts(again) || !dave.IsMember(carol.me) {
				t.Error("an ADD that has seen the KICK does not admit")
			}
		}
	}
}

func TestMUST_35_BanNeedsUnban(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	ban := w.write(alice, TypeBan, &Removal{Peer: carol.me}, 1, bob)
	w.write(alice, TypeAdd, &Peer{Peer: carol.me}, 1, bob)
	if alice.IsMember(carol.me) || bob.IsMember(carol.me) || !bob.Banned(carol.me) {
		t.Fatal("an ADD after a BAN admits")
	}
	w.write(alice, TypeUnban, &Peer{Peer: carol.me}, 1, bob)
	if bob.IsMember(carol.me) || bob.Banned(carol.me) {
		t.Error("an UNBAN brings an old admission back, or lifts nothing")
	}
	w.write(alice, TypeAdd, &Peer{Peer: carol.me}, 1, bob)
	if !bob.IsMember(carol.me) || !bob.counts(ban) {
		t.Error("an ADD after the UNBAN does not admit")
	}
	w.write(alice, TypeBan, &Removal{Peer: carol.me}, 1, bob)
	w.write(alice, TypeAdd, &Peer{Peer: carol.me}, 1, bob)
	if bob.IsMember(carol.me) {
		t.Error("an UNBAN lifts a later BAN")
	}
}

// revokedApprover returns a group whose deputy bob admitted mallory beyond the
// cut of the REVOKE that ended his GRANT.
func revokedApprover(t *testing.T, names ...string) (w *world, mallory *peer, admit, revoke Verified) {
	t.Helper()
	w = newTeam(t, settingsFor("team"), append([]string{"alice", "bob", "carol"}, names...)...)
	alice, bob := w.all[0], w.all[1]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: allCapsButRotate})
	mallory = w.outsider(9)
	admit = w.signEntry(bob, bob.next(TypeAdd, &Peer{Peer: mallory.me}, 0))
	w.apart(func() { revoke = w.decode(w.must(alice, DeputyRemove{Peer: bob.me}).Publish[0]) }, bob)
	w.give(admit, bob)
	return w, mallory, admit, revoke
}

func TestMUST_36_VoidAdmissionVoidsActs(t *testing.T) {
	w, mallory, admit, _ := revokedApprover(t)
	alice, bob := w.all[0], w.all[1]
	mallory.Machine = New(Config{GID: w.gid, Self: mallory.id, Bundle: mallory.bundle}, bob.disk.stored())
	profile := w.signEntry(mallory, mallory.next(TypeProfile, &Profile{Name: "mallory"}, 0))
	w.give(admit, alice)
	w.give(profile, alice)
	if alice.counts(admit) || alice.IsMember(mallory.me) || alice.counts(profile) {
		t.Error("an admission beyond the cut of the deputy counts, or what rests on it")
	}
	if alice.at(profile).role != roleMember {
		t.Error("the PROFILE is void for another reason than what it rests on")
	}
}

func TestMUST_37_VoidAdmissionIsDeadEverywhere(t *testing.T) {
	w, mallory, admit, _ := revokedApprover(t)
	alice, carol := w.all[0], w.all[2]
	w.must(alice, Rotate{}) // its view knows the REVOKE, not the admission
	cur, ok := carol.Current()
	if !ok {
		t.Fatal("no key before the admission arrives")
	}
	w.give(admit, carol)
	if carol.IsMember(mallory.me) {
		t.Fatal("the admission counts")
	}
	if now, ok := carol.Current(); !ok || now.EID != cur.EID {
		t.Error("an admission that is void took the key away: no one could speak")
	}
}

func TestMUST_38_AfterTheTransfer(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	late := alice.next(TypeSet, &Set{Settings: settingsFor("late")}, 1)
	late.Lane, late.Seq = 5, 1 // a lane that does not see the TRANSFER
	before := w.write(alice, TypeSet, &Set{Settings: settingsFor("before")}, 1, bob)
	w.transfer(alice, bob, 0)
	v := w.signEntry(alice, late)
	w.give(v, alice, bob)
	for _, p := range []*peer{alice, bob} {
		if p.counts(v) || !p.counts(before) || p.Settings().Name != "before" {
			t.Errorf("settings are %q after the TRANSFER", p.Settings().Name)
		}
		if p.at(v).role != roleOwner {
			t.Error("the SET is void for another reason")
		}
	}
	if set := w.write(bob, TypeSet, &Set{Settings: settingsFor("bob's")}, 2, alice); !alice.counts(set) {
		t.Error("the new owner's SET is void")
	}
}

// transfer makes to the owner, by an entry of from in this lane, which it
// returns; in a lane other than 0 it sees nothing of from's later entries.
func (w *world) transfer(from, to *peer, lane uint64) Verified {
	w.t.Helper()
	accept := w.write(to, TypeAccept, &Accept{Term: 1}, 0, from)
	e := from.next(TypeTransfer, &Transfer{To: to.me, Accept: accept.Hash}, 1)
	e.Seen = append(e.Seen, Head{Author: to.me, Lane: accept.Entry().Lane, Seq: accept.Entry().Seq, Hash: short(accept.Hash)})
	slices.SortFunc(e.Seen, compareHeads)
	if lane > 0 {
		e.Lane, e.Seq = lane, 1
	}
	v := w.signEntry(from, e)
	w.give(v, from, to)
	return v
}

func TestMUST_39_LowestTransferCounts(t *testing.T) {
	for _, lowFirst := range []bool{true, false} {
		w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
		alice, bob, carol := w.all[0], w.all[1], w.all[2]
		var low, high Verified
		accept := func(p *peer) Verified { return w.write(p, TypeAccept, &Accept{Term: 1}, 0, alice, bob, carol) }
		b, c := accept(bob), accept(carol)
		make := func(to *peer, acc Verified, lane uint64) Verified {
			e := alice.next(TypeTransfer, &Transfer{To: to.me, Accept: acc.Hash}, 1)
			e.Seen = []Head{{Author: to.me, Lane: 0, Seq: acc.Entry().Seq, Hash: short(acc.Hash)}}
			if e.Lane = lane; lane > 0 {
				e.Seq = 1
			}
			return w.signEntry(alice, e)
		}
		low, high = make(bob, b, 3), make(carol, c, 8)
		if lowFirst {
			w.give(low, carol)
			w.give(high, carol)
		} else {
			w.give(high, carol)
			w.give(low, carol)
		}
		if carol.Owner() != bob.me || carol.counts(high) {
			t.Errorf("the TRANSFER in the higher lane counts (low first: %v)", lowFirst)
		}
		// carol acts as owner of term 2 by the TRANSFER that lost.
		lost := w.outsider(9)
		lost.Machine = New(Config{GID: w.gid, Self: carol.id, Bundle: carol.bundle}, alice.stored())
		w.give(high, lost)
		e := lost.next(TypeSet, &Set{Settings: settingsFor("carol's")}, 2)
		set := w.signEntry(carol, e)
		w.give(set, alice)
		w.give(low, alice)
		w.give(high, alice)
		if alice.counts(set) || alice.Settings().Name != "team" {
			t.Error("what the owner by a TRANSFER that lost wrote counts")
		}
	}
}

func TestMUST_40_OrderOfSettings(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}} {
		w := newTeam(t, settingsFor("team"), "alice", "bob")
		alice, bob := w.all[0], w.all[1]
		var sets []Verified
		for i, lane := range []uint64{9, 4, 6} {
			e := alice.next(TypeSet, &Set{Settings: settingsFor(fmt.Sprint("lane ", lane))}, 1)
			e.Lane, e.Seq = lane, 1
			e.Ord += uint64(10 * i)
			sets = append(sets, w.signEntry(alice, e))
		}
		for _, i := range order {
			w.give(sets[i], bob)
		}
		if got := bob.Settings().Name; got != "lane 9" {
			t.Errorf("in order %v the name is %q", order, got)
		}
		if v := w.write(alice, TypeSet, &Set{Settings: settingsFor("lane 0")}, 1, bob); !bob.counts(v) || bob.Settings().Name != "lane 9" {
			t.Errorf("a lower lane's SET names the group %q", bob.Settings().Name)
		}
	}
}

func TestMUST_41_GrantsEndWithMembership(t *testing.T) {
	for _, how := range []string{"LEAVE", "KICK", "BAN"} {
		w := newTeam(t, settingsFor("team"), "alice", "bob")
		alice, bob := w.all[0], w.all[1]
		w.must(alice, DeputyAdd{Peer: bob.me, Caps: allCaps})
		switch how {
		case "LEAVE":
			w.must(bob, Quit{})
		case "KICK":
			w.must(alice, Remove{Peer: bob.me})
		case "BAN":
			w.must(alice, Remove{Peer: bob.me, Ban: true})
			w.must(alice, Unban{Peer: bob.me})
		}
		w.admit(alice, bob)
		if got := alice.Role(bob.me); got != "member" {
			t.Errorf("after %s and a new ADD bob is %s", how, got)
		}
		if v := w.write(bob, TypeAdd, &Peer{Peer: crowd(1)[0].PeerID()}, 0, alice); alice.counts(v) {
			t.Errorf("after %s and a new ADD bob approves", how)
		}
	}
}

// outsider makes one more person whom the group does not know.
func (w *world) outsider(seed byte) *peer {
	w.t.Helper()
	p := w.person(seed)
	p.Machine = New(Config{GID: w.gid, Self: p.id, Bundle: p.bundle}, Stored{})
	return p
}

func TestMUST_42_CutsFollowThePath(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapApprove})
	grant := alice.st.grant(bob.me).eh
	ids := crowd(4)
	branch := func(from Entry, name int) (first, second Verified) {
		from.Type, from.Body = TypeAdd, keys.Marshal(&Peer{Peer: ids[name].PeerID()})
		first = w.signEntry(bob, from)
		next := from
		next.Seq, next.Prev = from.Seq+1, first.Hash
		next.Body = keys.Marshal(&Peer{Peer: ids[name+1].PeerID()})
		return first, w.signEntry(bob, next)
	}
	at := bob.next(TypeAdd, &Peer{}, 0)
	one, two := branch(at, 0)
	other, another := branch(at, 2)
	cut := []Cut{{Log: ControlLog, Seq: two.Entry().Seq, Hash: two.Hash}}
	revoke := w.signEntry(alice, alice.next(TypeRevoke, &Revoke{Grant: grant, Cuts: cut}, 1))
	for _, v := range []Verified{other, revoke, another, one, two} {
		w.give(v, carol)
	}
	if !carol.counts(one) || !carol.counts(two) {
		t.Error("what lies on the path is cut")
	}
	if carol.counts(other) || carol.counts(another) {
		t.Error("another branch lies within the cut by its number")
	}
}

func TestMUST_42_MessageCutsFollowThePath(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "carol")
	alice, carol := w.all[0], w.all[1]
	x := carol.nextMsg(nil, w.item("x"))
	twin := carol.nextMsg(nil, w.item("y"))
	a, b := w.signMsg(carol, x), w.signMsg(carol, twin)
	w.give(b, alice)
	w.give(a, alice)
	jid := alice.st.incarnation(carol.me).eh
	w.write(alice, TypeKick, &Removal{Peer: carol.me, JIDs: []Hash{jid}, Cuts: []Cut{{Log: MessageLog, Seq: 1, Hash: a.Hash}}}, 1)
	if !alice.Visible(a.Hash) || alice.Visible(b.Hash) {
		t.Error("of two messages with one number the cut does not show the one it names")
	}
}

func TestMUST_43_LanesNotNamed(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapApprove})
	id := crowd(2)
	w.write(bob, TypeProfile, &Profile{Name: "bob"}, 0, alice)
	first := w.write(bob, TypeAdd, &Peer{Peer: id[0].PeerID()}, 0, alice)
	e := bob.next(TypeAdd, &Peer{Peer: id[1].PeerID()}, 0)
	e.Lane, e.Seq = 3, 1
	hidden := w.signEntry(bob, e)
	x := bob.nextMsg(nil, w.item("x"))
	x.Lane = 3
	said := w.signMsg(bob, x)
	w.must(alice, DeputyRemove{Peer: bob.me})
	jid := alice.st.incarnation(bob.me).eh
	w.write(alice, TypeKick, &Removal{Peer: bob.me, JIDs: []Hash{jid}}, 1)
	w.give(hidden, alice)
	w.give(said, alice)
	if !alice.counts(first) || alice.counts(hidden) || alice.Visible(said.Hash) {
		t.Error("a lane that the cut does not name lies within it")
	}
}

func TestMUST_44_FarthestCut(t *testing.T) {
	for _, farFirst := range []bool{false, true} {
		w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
		alice, bob, carol, dave := w.all[0], w.all[1], w.all[2], w.all[3]
		w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapKick})
		lagging, other := alice, bob
		if farFirst {
			lagging, other = bob, alice
		}
		w.say(carol, "one")
		var name Verified
		w.apart(func() {
			w.say(carol, "two")
			name = w.decode(w.must(carol, SetName{Name: "carol"}).Publish[0])
		}, lagging)
		var near, far Verified
		w.apart(func() {
			near = w.decode(w.must(lagging, Remove{Peer: carol.me}).Publish[0])
			far = w.decode(w.must(other, Remove{Peer: carol.me}).Publish[0])
		}, alice, bob, carol, dave)
		two := dave.heldBy(carol, 2)
		w.give(near, dave)
		if dave.Visible(two) || dave.counts(name) {
			t.Fatal("the near cut does not hide what lies beyond it")
		}
		w.give(far, dave)
		if !dave.Visible(two) || !dave.counts(name) {
			t.Errorf("the farther of two cuts does not count (by the deputy: %v)", !farFirst)
		}
	}
}

// heldBy returns the hash of an author's message of that number, as p holds it.
func (p *peer) heldBy(author *peer, seq uint64) Hash {
	p.w.t.Helper()
	r := p.logs[chain{author.me, 0}].at(seq)
	if r == nil {
		p.w.t.Fatalf("message %d is not held", seq)
	}
	return r.hash
}

func TestMUST_45_RevokeBindsTheDeputy(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapApprove})
	w.must(alice, DeputyRemove{Peer: bob.me})
	add := w.write(bob, TypeAdd, &Peer{Peer: crowd(1)[0].PeerID()}, 0, alice, carol)
	w.say(bob, "still a member")
	name := w.write(bob, TypeProfile, &Profile{Name: "bob"}, 0, alice, carol)
	if alice.counts(add) {
		t.Error("bob approves after the REVOKE")
	}
	if !alice.IsMember(bob.me) || !alice.counts(name) || len(w.reads(carol)) != 1 {
		t.Error("a REVOKE ends the membership, or hides messages")
	}
	leave := w.decode(w.must(bob, Quit{}).Publish[0])
	if !alice.counts(leave) || alice.IsMember(bob.me) {
		t.Error("bob cannot leave after the REVOKE")
	}
}

func TestMUST_46_BothBranchesCount(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapApprove})
	ids := crowd(2)
	one := w.signEntry(bob, bob.next(TypeAdd, &Peer{Peer: ids[0].PeerID()}, 0))
	two := w.signEntry(bob, bob.next(TypeAdd, &Peer{Peer: ids[1].PeerID()}, 0))
	w.give(one, alice)
	w.give(two, carol)
	w.sync(alice, carol)
	w.sync(carol, alice)
	for _, p := range []*peer{alice, carol} {
		if !p.counts(one) || !p.counts(two) || !p.IsMember(ids[0].PeerID()) || !p.IsMember(ids[1].PeerID()) {
			t.Error("a branch of a deputy's fork is not held, or does not count")
		}
		if len(p.alarms) != 1 {
			t.Errorf("%d alarms", len(p.alarms))
		}
	}
	cited := map[Short]bool{}
	for _, h := range carol.next(TypeProfile, &Profile{Name: "c"}, 0).Seen {
		cited[h.Hash] = true
	}
	if !cited[short(one.Hash)] || !cited[short(two.Hash)] {
		t.Error("not every branch is cited")
	}
	body := w.decode(w.must(alice, DeputyRemove{Peer: bob.me}).Publish[0]).Entry().body.(*Revoke)
	if len(body.Cuts) != 2 {
		t.Errorf("the REVOKE cuts %d branches of 2", len(body.Cuts))
	}
}

func TestMUST_117_TheLastNameCounts(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.write(bob, TypeProfile, &Profile{Name: "first"}, 0, alice, carol)
	w.write(bob, TypeProfile, &Profile{Name: "second"}, 0, alice, carol)
	for _, p := range w.all {
		if got := p.Name(bob.me); got != "second" {
			t.Errorf("%q", got)
		}
	}

	// Two branches of a forked chain: the same one at everybody.
	one := w.signEntry(bob, bob.next(TypeProfile, &Profile{Name: "one"}, 0))
	two := w.signEntry(bob, bob.next(TypeProfile, &Profile{Name: "two"}, 0))
	want := "one"
	if two.Hash.Compare(one.Hash) > 0 {
		want = "two"
	}
	w.give(one, alice)
	w.give(two, alice)
	w.give(two, carol)
	w.give(one, carol)
	if a, c := alice.Name(bob.me), carol.Name(bob.me); a != want || c != want {
		t.Errorf("a fork is %q to one and %q to another, not %q", a, c, want)
	}

	// A later lane has the last word, at whatever number.
	e := bob.next(TypeProfile, &Profile{Name: "restored"}, 0)
	e.Lane, e.Seq = 9, 1
	w.give(w.signEntry(bob, e), alice)
	if got := alice.Name(bob.me); got != "restored" {
		t.Errorf("the name of an older lane counts: %q", got)
	}

	// What was said beyond the cut of a removal names nobody.
	late := w.signEntry(carol, carol.next(TypeProfile, &Profile{Name: "late"}, 0))
	w.apart(func() { w.must(alice, Remove{Peer: carol.me}) }, carol)
	w.give(late, alice)
	if got := alice.Name(carol.me); got != "" {
		t.Errorf("a void PROFILE names its author %q", got)
	}
}
