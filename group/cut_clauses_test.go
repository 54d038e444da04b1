package group

import "testing"

// A LEAVE that lies beyond the cut of a KICK is void, and names no farther cut.
func TestVoidLeaveCutsNothing(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	alice, carol, dave := w.all[0], w.all[2], w.all[3]
	w.apart(func() { w.must(alice, Remove{Peer: carol.me}) }, carol)
	name := w.write(carol, TypeProfile, &Profile{Name: "late"}, 0, dave)
	leave := w.decode(w.must(carol, Quit{}).Publish[0])
	w.give(leave, dave)
	if dave.counts(leave) || dave.counts(name) {
		t.Errorf("beyond the cut of a KICK the LEAVE counts: %v, what came before it: %v", dave.counts(leave), dave.counts(name))
	}
}

// What someone did as a deputy is bound by the REVOKE alone: another deputy's
// KICK that names the GRANT does not bind it, also where the REVOKE, which came
// before, turns out void. Nor does a LEAVE that lies beyond the cut of that KICK.
func TestDeputysKickBindsNoDeputysActs(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	alice, bob, carol, dave := w.all[0], w.all[1], w.all[2], w.all[3]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapKick})
	w.must(alice, DeputyAdd{Peer: carol.me, Caps: CapApprove})
	grant := alice.st.grant(carol.me).eh
	add := w.write(carol, TypeAdd, &Peer{Peer: crowd(1)[0].PeerID()}, 0, alice, bob)
	accept := w.write(dave, TypeAccept, &Accept{Term: 1}, 0, alice, bob)
	transfer := alice.next(TypeTransfer, &Transfer{To: dave.me, Accept: accept.Hash}, 1) // does not know of the REVOKE
	transfer.Lane, transfer.Seq, transfer.Prev = 9, 1, alice.ownTip().eh
	transfer.Seen = []Head{{Author: dave.me, Seq: accept.Entry().Seq, Hash: short(accept.Hash)}}
	leave := w.signEntry(carol, carol.next(TypeLeave, &Leave{JID: grant}, 0))
	w.write(alice, TypeRevoke, &Revoke{Grant: grant}, 1, bob) // with no cuts: nothing is within
	kick := w.write(bob, TypeKick, &Removal{Peer: carol.me, JIDs: []Hash{grant}}, 0, alice)
	if !alice.counts(kick) || alice.IsMember(carol.me) || alice.counts(add) {
		t.Fatal("the KICK, or the REVOKE, does not count")
	}
	w.give(leave, alice)
	w.give(w.signEntry(alice, transfer), alice)
	if alice.counts(leave) {
		t.Error("a LEAVE beyond the cut of the KICK counts")
	}
	if alice.Owner() != dave.me || !alice.counts(add) {
		t.Errorf("dave is owner: %v; without the REVOKE what carol did counts: %v", alice.Owner() == dave.me, alice.counts(add))
	}
}

// A removal of one person does not cut another whose incarnation it names.
func TestRemovalCutsOnlyWhoIsRemoved(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	alice, bob, carol, dave := w.all[0], w.all[1], w.all[2], w.all[3]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapKick})
	name := w.write(carol, TypeProfile, &Profile{Name: "carol"}, 0, alice, bob)
	kick := w.write(bob, TypeKick, &Removal{Peer: dave.me, JIDs: []Hash{alice.st.incarnation(carol.me).eh}}, 0, alice)
	if !alice.counts(kick) || alice.IsMember(dave.me) || !alice.counts(name) || !alice.IsMember(carol.me) {
		t.Error("the KICK of dave binds carol")
	}
}

// Of two branches of a message log the cut shows the one that leads to the
// record it names; another lane lies beyond it.
func TestMessageCutsFollowPathAndLane(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "carol")
	alice, carol := w.all[0], w.all[1]
	one := w.signMsg(carol, carol.nextMsg(nil, w.item("one")))
	twin := w.signMsg(carol, carol.nextMsg(nil, w.item("twin")))
	next := carol.nextMsg(nil, w.item("two"))
	next.Seq, next.Prev = 2, one.Hash
	two := w.signMsg(carol, next)
	lane := carol.nextMsg(nil, w.item("lane"))
	lane.Lane = 3
	other := w.signMsg(carol, lane)
	for _, v := range []Verified{one, two, twin, other} {
		w.give(v, alice)
	}
	jid := alice.st.incarnation(carol.me).eh
	w.write(alice, TypeKick, &Removal{Peer: carol.me, JIDs: []Hash{jid}, Cuts: []Cut{{Log: MessageLog, Seq: 2, Hash: two.Hash}}}, 1)
	if !alice.Visible(one.Hash) || !alice.Visible(two.Hash) {
		t.Error("what lies on the path is hidden")
	}
	if alice.Visible(twin.Hash) {
		t.Error("another branch is shown by its number")
	}
	if alice.Visible(other.Hash) {
		t.Error("a lane that the cut does not name is shown")
	}
}

// Where a copy has a hole on the path from the record that a cut names, what lies
// below the hole is within it.
func TestMessageCutAcrossAHole(t *testing.T) {
	w := newTeam(t, openHistory(), "alice", "bob", "carol")
	alice, carol := w.all[0], w.all[2]
	say := func(seq uint64, prev Verified, text string) Verified {
		x := carol.nextMsg(nil, w.item(text))
		x.Seq, x.Prev = seq, prev.Hash
		return w.signMsg(carol, x)
	}
	one := w.signMsg(carol, carol.nextMsg(nil, w.item("one")))
	two := say(2, one, "two")
	three, twin := say(3, two, "three"), say(3, two, "twin")
	jid := alice.st.incarnation(carol.me).eh
	cuts := []Cut{{Log: MessageLog, Seq: 3, Hash: three.Hash}}
	w.write(alice, TypeKick, &Removal{Peer: carol.me, JIDs: []Hash{jid}, Cuts: cuts}, 1)
	dave := w.outsider(9)
	for _, e := range alice.disk.stored().Entries {
		w.must(dave, Received{Record: e})
	}
	w.must(dave, Based{Author: carol.me, Base: 2, Ord: 20})
	for _, v := range []Verified{one, three, twin} {
		w.must(dave, Received{Record: v})
	}
	if !dave.Visible(one.Hash) || !dave.Visible(three.Hash) {
		t.Errorf("below the hole %v, the record named %v; want both shown", dave.Visible(one.Hash), dave.Visible(three.Hash))
	}
	if dave.Visible(twin.Hash) {
		t.Error("what lies beyond the cut is shown")
	}
	w.must(dave, Received{Record: two})
	if !dave.Visible(one.Hash) || !dave.Visible(two.Hash) || dave.Visible(twin.Hash) {
		t.Error("with the hole closed the path does not count")
	}
}

// What someone said whose admission turned out void is hidden, though a KICK
// that names the incarnation has it within its cut.
func TestVoidlyAdmittedIsHiddenWithinACut(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	alice, bob, carol, dave := w.all[0], w.all[1], w.all[2], w.all[3]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapApprove})
	w.must(alice, DeputyAdd{Peer: carol.me, Caps: CapKick})
	mallory := w.outsider(9)
	var revoke Verified
	w.apart(func() { revoke = w.decode(w.must(alice, DeputyRemove{Peer: bob.me}).Publish[0]) }, bob, carol, dave)
	w.write(bob, TypeAdd, &Peer{Peer: mallory.me}, 0, carol, dave)
	mallory.Machine = New(Config{GID: w.gid, Self: mallory.id, Bundle: mallory.bundle}, bob.disk.stored())
	said := w.signMsg(mallory, mallory.nextMsg(nil, w.item("hello")))
	w.give(said, carol, dave)
	w.must(carol, Remove{Peer: mallory.me})
	if !dave.Visible(said.Hash) {
		t.Fatal("what lies within the cut of the KICK is hidden")
	}
	w.give(revoke, dave)
	if dave.Visible(said.Hash) {
		t.Error("what was said on a void admission is shown")
	}
}

// That a branch lies beyond a cut shows when the record that the cut names comes
// in, last of all: what was judged before is judged again.
func TestJudgedAgainWhenTheNamedRecordComes(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapApprove})
	mallory := w.outsider(9)
	left := w.signEntry(bob, bob.next(TypeAdd, &Peer{Peer: mallory.me}, 0))
	right := w.signEntry(bob, bob.next(TypeProfile, &Profile{Name: "right"}, 0))
	e := bob.next(TypeProfile, &Profile{Name: "named"}, 0)
	e.Seq, e.Prev = right.Entry().Seq+1, right.Hash
	named := w.signEntry(bob, e)
	cuts := []Cut{{Log: ControlLog, Seq: e.Seq, Hash: named.Hash}}
	revoke := w.signEntry(alice, alice.next(TypeRevoke, &Revoke{Grant: alice.st.grant(bob.me).eh, Cuts: cuts}, 1))
	for _, v := range []Verified{left, right, revoke} {
		w.give(v, carol)
	}
	if !carol.IsMember(mallory.me) {
		t.Fatal("nothing tells yet that mallory's admission lies on the other branch")
	}
	w.give(named, carol)
	if carol.counts(left) || carol.IsMember(mallory.me) {
		t.Error("what lies on the branch that is cut off counts still")
	}
}

// A removal that knows of a REVOKE brings nothing back that the REVOKE voided: its
// cuts name what the person wrote last, as a member.
func TestARemovalAfterARevokeBringsNothingBack(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapKick | CapApprove})
	mallory := crowd(1)[0].PeerID()
	ban := bob.next(TypeBan, &Removal{Peer: carol.me}, 0)
	admit := bob.next(TypeAdd, &Peer{Peer: mallory}, 0)
	w.must(alice, DeputyRemove{Peer: bob.me})
	banned := w.signEntry(bob, ban)
	admit.Seq, admit.Prev = ban.Seq+1, banned.Hash
	admitted := w.signEntry(bob, admit)
	w.give(banned, alice, carol)
	w.give(admitted, alice, carol)
	inert := func(when string) {
		for _, p := range []*peer{alice, carol} {
			if p.counts(banned) || p.counts(admitted) || !p.IsMember(carol.me) || p.IsMember(mallory) {
				t.Fatalf("%s what a deputy did beyond the cut of the REVOKE counts", when)
			}
		}
	}
	inert("after the REVOKE")
	w.must(alice, Remove{Peer: bob.me})
	inert("after the KICK")
}

// A deputy who lost the GRANT does not bring back what he did beyond the cut by a
// LEAVE that names it, signed as if the REVOKE had not come.
func TestALeaveReachesBeyondNoRevoke(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapApprove})
	grant := alice.st.grant(bob.me).eh
	mallory := crowd(1)[0].PeerID()
	add := w.signEntry(bob, bob.next(TypeAdd, &Peer{Peer: mallory}, 0))
	leave := bob.next(TypeLeave, &Leave{JID: grant, Cuts: []Cut{{Log: ControlLog, Seq: add.Entry().Seq, Hash: add.Hash}}}, 0)
	leave.Seq, leave.Prev = add.Entry().Seq+1, add.Hash
	left := w.signEntry(bob, leave)
	w.must(alice, DeputyRemove{Peer: bob.me})
	w.give(add, alice, carol)
	w.give(left, alice, carol)
	for _, p := range []*peer{alice, carol} {
		if !p.counts(left) {
			t.Fatal("the LEAVE does not count")
		}
		if p.counts(add) || p.IsMember(mallory) {
			t.Error("what a deputy did beyond the cut of the REVOKE counts by his LEAVE")
		}
	}
}
