package group

import (
	"errors"
	"fmt"
	"testing"

	"conclave/keys"
)

// outdated returns a group in which alice has handed over to carol, and an entry
// of alice's old term that the TRANSFER has not seen: it is void wherever the
// TRANSFER is known. Only dave, who wrote nothing, holds neither.
func outdated(t *testing.T, typ Type, body func(w *world) any) (w *world, late, transfer Verified) {
	t.Helper()
	w = newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	alice, carol := w.all[0], w.all[2]
	w.must(alice, DeputyAdd{Peer: w.all[1].me, Caps: allCaps})
	e := alice.next(typ, body(w), 1)
	e.Lane, e.Seq = 5, 1
	late = w.signEntry(alice, e)
	w.apart(func() { transfer = w.transfer(alice, carol, 0) }, w.all...)
	return w, late, transfer
}

// A BAN of somebody is not lifted by the UNBAN of somebody else that has seen it.
func TestUnbanIsOfOnePerson(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	alice, bob, carol, dave := w.all[0], w.all[1], w.all[2], w.all[3]
	for _, p := range []*peer{carol, dave} {
		w.write(alice, TypeBan, &Removal{Peer: p.me}, 1, bob)
	}
	w.write(alice, TypeUnban, &Peer{Peer: dave.me}, 1, bob)
	w.write(alice, TypeAdd, &Peer{Peer: carol.me}, 1, bob)
	if alice.IsMember(carol.me) || bob.IsMember(carol.me) {
		t.Error("another's UNBAN lifts carol's BAN")
	}
}

// A void UNBAN lifts nothing.
func TestVoidUnban(t *testing.T) {
	banned := crowd(1)[0].PeerID()
	w, unban, transfer := outdated(t, TypeUnban, func(w *world) any {
		w.must(w.all[0], Remove{Peer: banned, Ban: true})
		return &Peer{Peer: banned}
	})
	bob := w.all[1]
	w.give(unban, bob)
	add := w.write(bob, TypeAdd, &Peer{Peer: banned}, 0)
	if !bob.counts(unban) || !bob.IsMember(banned) {
		t.Fatal("the UNBAN does not count where no TRANSFER is known")
	}
	w.give(w.accepted(transfer), bob)
	w.give(transfer, bob)
	if bob.counts(unban) || !bob.counts(add) {
		t.Fatal("the UNBAN counts, or the ADD does not")
	}
	if bob.IsMember(banned) {
		t.Error("who was let in after a void UNBAN is a member")
	}
}

// accepted returns the ACCEPT that a TRANSFER names.
func (w *world) accepted(transfer Verified) Verified {
	return w.all[2].entries[transfer.Entry().body.(*Transfer).Accept]
}

// Whom a void entry admitted was never a member, so is not removed; whom a void
// entry banned is not banned; and an UNBAN does not lift what it has not seen.
func TestNeitherRemovedNorBanned(t *testing.T) {
	w, mallory, admit, _ := revokedApprover(t)
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	ban := w.write(bob, TypeBan, &Removal{Peer: crowd(1)[0].PeerID()}, 0, carol)
	w.give(admit, alice)
	w.give(ban, alice)
	if alice.counts(admit) || alice.counts(ban) {
		t.Fatal("what lies beyond the cut counts")
	}
	if alice.Removed(mallory.me) {
		t.Error("who was never a member is removed")
	}
	if alice.Banned(crowd(1)[0].PeerID()) {
		t.Error("a void BAN bans")
	}
	w.must(alice, Remove{Peer: carol.me, Ban: true})
	w.must(alice, Unban{Peer: carol.me})
	w.must(alice, Remove{Peer: carol.me, Ban: true})
	if !alice.Banned(carol.me) {
		t.Error("an UNBAN lifts a later BAN")
	}
}

// What a deputy did on the strength of a GRANT that turned out void is void.
func TestVoidGrantVoidsActs(t *testing.T) {
	w, grant, transfer := outdated(t, TypeGrant, func(w *world) any { return &Grant{Peer: w.all[3].me, Caps: allCaps} })
	dave := w.all[3]
	w.give(grant, dave)
	add := w.write(dave, TypeAdd, &Peer{Peer: crowd(1)[0].PeerID()}, 0)
	if !dave.counts(add) {
		t.Fatal("the ADD does not count where no TRANSFER is known")
	}
	w.give(w.accepted(transfer), dave)
	w.give(transfer, dave)
	if dave.counts(grant) || dave.counts(add) || !dave.IsMember(dave.me) {
		t.Error("what rests on a void GRANT counts, or ended a membership")
	}
}

// A void REVOKE ends no GRANT.
func TestVoidRevoke(t *testing.T) {
	w, revoke, transfer := outdated(t, TypeRevoke, func(w *world) any { return &Revoke{Grant: w.all[0].st.grant(w.all[1].me).eh} })
	bob, dave := w.all[1], w.all[3]
	w.give(revoke, dave)
	if dave.Role(bob.me) != "member" {
		t.Fatal("the REVOKE does not count where no TRANSFER is known")
	}
	w.give(w.accepted(transfer), dave)
	w.give(transfer, dave)
	if dave.counts(revoke) || dave.Role(bob.me) != "deputy" {
		t.Errorf("after a void REVOKE bob is %s", dave.Role(bob.me))
	}
}

// A deputy's KICK that the GRANT has seen is not against it: it stays what it was.
func TestKickBeforeAGrant(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapKick})
	kick := w.write(bob, TypeKick, &Removal{Peer: carol.me}, 0, alice)
	w.write(alice, TypeAdd, &Peer{Peer: carol.me}, 1, bob)
	w.write(alice, TypeGrant, &Grant{Peer: carol.me, Caps: CapKick}, 1, bob)
	if !alice.counts(kick) || !bob.counts(kick) {
		t.Error("a later GRANT voids the KICK")
	}
}

// An EPOCH that its author might make stays good under later settings, whichever
// arrive first.
func TestLaterSettingsUnmakeNoEpoch(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	var epoch Verified
	w.apart(func() { epoch = w.decode(w.must(bob, Rotate{}).Publish[0]) }, alice, carol)
	s := settingsFor("team")
	s.RotateBy = RotateByOwner
	w.write(alice, TypeSet, &Set{Settings: s}, 1, carol)
	for _, p := range []*peer{alice, carol} {
		w.give(epoch, p)
		if !p.counts(epoch) {
			t.Error("a SET that the EPOCH has not seen unmakes it")
		}
	}
}

// Settings follow the lanes even where the causes run the other way.
func TestSettingsFollowLanesNotCauses(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: allCaps})
	var sets []Verified
	for _, lane := range []uint64{9, 4} {
		e := alice.next(TypeSet, &Set{Settings: settingsFor(fmt.Sprint("lane ", lane))}, 1)
		e.Lane, e.Seq = lane, 1
		sets = append(sets, w.signEntry(alice, e))
		for range 3 { // what is written next has these in its past
			w.write(bob, TypeProfile, &Profile{Name: "bob"}, 0, alice, carol)
		}
	}
	for _, v := range sets {
		w.give(v, carol)
	}
	if carol.at(sets[0]).ord >= carol.at(sets[1]).ord {
		t.Fatal("the SET in lane 4 does not come later")
	}
	if got := carol.Settings().Name; got != "lane 9" {
		t.Errorf("the name is %q", got)
	}
}

// A KICK that is void cuts nothing.
func TestVoidKickCutsNothing(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	alice, bob, carol, dave := w.all[0], w.all[1], w.all[2], w.all[3]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapKick})
	w.apart(func() { w.must(alice, DeputyRemove{Peer: bob.me}) }, bob)
	jid := alice.st.incarnation(carol.me).eh
	kick := w.write(bob, TypeKick, &Removal{Peer: carol.me, JIDs: []Hash{jid}}, 0, dave)
	name := w.write(carol, TypeProfile, &Profile{Name: "carol"}, 0, dave)
	if dave.counts(kick) || !dave.IsMember(carol.me) {
		t.Fatal("the KICK beyond the deputy's cut counts")
	}
	if !dave.counts(name) {
		t.Error("a void KICK cuts")
	}
}

// A JOIN by an INVITE that is void in the JOIN's own past stays void, though a
// farther cut brings the INVITE back.
func TestInviteVoidInThePast(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapInvite})
	grant := alice.st.grant(bob.me).eh
	key := keys.IdentityFromSeed(w.entropy())
	link := &InviteLink{Key: key.PeerID(), Uses: 2, Expires: w.now + 1000, PreApproved: true}
	inv := w.write(bob, TypeInvite, link, 0, alice, carol)
	cuts := []Cut{{Log: ControlLog, Seq: inv.Entry().Seq, Hash: inv.Hash}}
	far := alice.next(TypeRevoke, &Revoke{Grant: grant, Cuts: cuts}, 1) // in a lane that does not know of the near one
	far.Lane, far.Seq, far.Prev = 9, 1, alice.ownTip().eh
	w.write(alice, TypeRevoke, &Revoke{Grant: grant}, 1, carol)
	joiner := crowd(1)[0].PeerID()
	join := w.write(carol, TypeJoin, w.joinBody(inv.Hash, key, joiner), 0, alice)
	w.give(w.signEntry(alice, far), carol)
	if !carol.counts(inv) {
		t.Fatal("the farther cut does not bring the INVITE back")
	}
	if carol.counts(join) || carol.IsMember(joiner) {
		t.Error("a JOIN by an INVITE that did not stand counts")
	}
}

// TestDeputyAgain: what a deputy may is what was given last, the same again is no
// entry, and nothing that was given before comes back when it is taken.
func TestDeputyAgain(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: allCaps})
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapKick})
	if r := w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapKick}); len(r.Publish) > 0 {
		t.Error("the same grant again is an entry")
	}
	if got := bob.Caps(bob.me); got != CapKick {
		t.Errorf("bob may %b", got)
	}
	w.must(alice, DeputyRemove{Peer: bob.me})
	for _, p := range w.all {
		if p.Role(bob.me) != "member" || p.Caps(bob.me) != 0 {
			t.Errorf("at %v bob is %s and may %b", p.me.Short(), p.Role(bob.me), p.Caps(bob.me))
		}
	}
	if _, err := w.step(alice, DeputyAdd{Peer: w.outsider(7).me, Caps: CapKick}); !errors.Is(err, ErrNotMember) {
		t.Errorf("a stranger as deputy: %v", err)
	}
}
