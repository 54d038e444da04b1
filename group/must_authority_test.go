package group

import (
	"math"
	"slices"
	"testing"

	"conclave/keys"
)

const allCapsButRotate = CapApprove | CapKick | CapInvite

func TestMUST_20_AuthorityInOwnPast(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	stranger := crowd(2)
	early := w.write(bob, TypeAdd, &Peer{Peer: stranger[0].PeerID()}, 0)
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: allCaps})
	w.give(early, carol)
	if carol.counts(early) {
		t.Error("a later GRANT gave authority to an earlier ADD")
	}
	w.give(early, alice)
	good := w.write(bob, TypeAdd, &Peer{Peer: stranger[1].PeerID()}, 0, alice)
	w.must(alice, DeputyRemove{Peer: bob.me})
	w.give(good, carol)
	if !carol.counts(good) || !carol.IsMember(stranger[1].PeerID()) {
		t.Error("a REVOKE that has seen the ADD took it back")
	}
}

func TestMUST_21_OwnersAlone(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: allCaps})
	w.must(alice, DeputyAdd{Peer: carol.me, Caps: CapKick})
	accept := w.write(carol, TypeAccept, &Accept{Term: 1}, 0, alice, bob)
	banned := crowd(1)[0].PeerID()
	w.must(alice, Remove{Peer: banned, Ban: true})
	grant := carol.st.grant(carol.me).eh
	bodies := map[Type]any{
		TypeSet:      &Set{Settings: settingsFor("mine")},
		TypeUnban:    &Peer{Peer: banned},
		TypeGrant:    &Grant{Peer: carol.me, Caps: allCaps},
		TypeRevoke:   &Revoke{Grant: grant},
		TypeTransfer: &Transfer{To: carol.me, Accept: accept.Hash},
	}
	for typ, body := range bodies {
		for _, term := range []uint64{0, 1, 2} {
			if v := w.write(bob, typ, body, term, alice); alice.counts(v) {
				t.Errorf("%s of a deputy with term %d counts", typ, term)
			}
		}
	}
	for typ, body := range bodies {
		for _, term := range []uint64{0, 2} {
			if v := w.write(alice, typ, body, term); alice.counts(v) {
				t.Errorf("%s of the owner with term %d counts", typ, term)
			}
		}
	}
	for _, typ := range []Type{TypeSet, TypeUnban, TypeGrant, TypeRevoke, TypeTransfer} {
		if v := w.write(alice, typ, bodies[typ], 1); !alice.counts(v) {
			t.Errorf("%s of the owner is void", typ)
		}
	}
}

func TestMUST_22_DeputiesWithinCaps(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	alice, bob, carol, dave := w.all[0], w.all[1], w.all[2], w.all[3]
	w.must(alice, DeputyAdd{Peer: carol.me, Caps: CapApprove})
	acts := map[Caps]map[Type]any{
		CapApprove: {TypeAdd: &Peer{Peer: crowd(1)[0].PeerID()}, TypeDecline: &Peer{Peer: crowd(1)[0].PeerID()}},
		CapKick:    {TypeKick: &Removal{Peer: dave.me}, TypeBan: &Removal{Peer: dave.me}},
		CapInvite:  {TypeInvite: &InviteLink{Uses: 1}, TypeInviteRevoke: &InviteRevoke{}},
	}
	for _, granted := range []Caps{CapApprove, CapKick, CapInvite, CapRotate} {
		w.must(alice, DeputyAdd{Peer: bob.me, Caps: granted})
		for need, bodies := range acts {
			for typ, body := range bodies {
				v := w.write(bob, typ, body, 0, alice)
				if got := alice.counts(v); got != (need == granted) {
					t.Errorf("%s with caps %d counts: %v", typ, granted, got)
				}
			}
		}
		w.must(alice, DeputyRemove{Peer: bob.me})
	}
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: allCaps})
	for name, p := range map[string]PeerID{"the owner": alice.me, "a deputy": carol.me, "himself": bob.me} {
		for _, typ := range []Type{TypeKick, TypeBan} {
			if v := w.write(bob, typ, &Removal{Peer: p}, 0, alice); alice.counts(v) {
				t.Errorf("a deputy's %s of %s counts", typ, name)
			}
		}
	}
}

func TestMUST_23_RemovalAgainstConcurrentGrant(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapKick})
	grant := w.signEntry(alice, alice.next(TypeGrant, &Grant{Peer: carol.me, Caps: CapKick}, 1))
	kick := w.write(bob, TypeKick, &Removal{Peer: carol.me}, 0)
	w.give(kick, alice)
	w.give(grant, alice, bob)
	for _, p := range []*peer{alice, bob} {
		if p.counts(kick) || !p.IsMember(carol.me) || p.Role(carol.me) != "deputy" {
			t.Error("a deputy's KICK counts against a concurrent GRANT")
		}
	}
	known := w.write(alice, TypeKick, &Removal{Peer: carol.me}, 1)
	if !alice.counts(known) || alice.IsMember(carol.me) {
		t.Error("the owner's KICK of a deputy is void")
	}
}

// Whom the owner made owner while a deputy, who did not know, removed them, is owner
// and member everywhere: else those who know of both would not hear of what the new
// owner does.
func TestMUST_23_RemovalAgainstConcurrentTransfer(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapKick})
	w.must(carol, TakeOver{})
	ban := w.signEntry(bob, bob.next(TypeBan, &Removal{Peer: carol.me}, 0))
	transfer := w.decode(w.must(alice, HandOver{Peer: carol.me}).Publish[0])
	w.give(ban, alice, bob, carol)
	w.give(transfer, bob)
	for _, p := range w.all {
		if p.counts(ban) || p.Role(carol.me) != "owner" {
			t.Errorf("a deputy's BAN counts against a concurrent TRANSFER: %v; carol is %s", p.counts(ban), p.Role(carol.me))
		}
	}
}

func TestMUST_24_OwnerAndHimself(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: allCaps})
	for _, v := range []Verified{
		w.write(alice, TypeKick, &Removal{Peer: alice.me}, 1),
		w.write(alice, TypeBan, &Removal{Peer: alice.me}, 1),
		w.write(alice, TypeGrant, &Grant{Peer: alice.me, Caps: allCaps}, 1),
		w.write(bob, TypeKick, &Removal{Peer: alice.me}, 0, alice),
		w.write(bob, TypeBan, &Removal{Peer: alice.me}, 0, alice),
	} {
		if alice.counts(v) {
			t.Errorf("%s of the owner by %s counts", v.Entry().Type, v.Author().Short())
		}
	}
	if !alice.IsMember(alice.me) || alice.Role(alice.me) != "owner" {
		t.Errorf("the owner is %s", alice.Role(alice.me))
	}
}

func TestMUST_25_GrantToMembers(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(bob, Quit{})
	w.must(alice, Remove{Peer: carol.me})
	for name, p := range map[string]PeerID{"a stranger": crowd(1)[0].PeerID(), "who left": bob.me, "who was removed": carol.me} {
		if v := w.write(alice, TypeGrant, &Grant{Peer: p, Caps: allCaps}, 1); alice.counts(v) || alice.IsMember(p) {
			t.Errorf("a GRANT to %s counts", name)
		}
	}
}

func TestMUST_26_Leaves(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	carols := alice.st.incarnation(carol.me).eh
	if v := w.write(bob, TypeLeave, &Leave{JID: carols}, 0, alice); alice.counts(v) || !alice.IsMember(carol.me) {
		t.Error("a LEAVE of somebody else counts")
	}
	own := alice.st.incarnation(alice.me).eh
	if v := w.write(alice, TypeLeave, &Leave{JID: own}, 0); alice.counts(v) || !alice.IsMember(alice.me) {
		t.Error("the owner leaves others behind")
	}
	w.must(carol, Quit{})
	w.admit(alice, carol)
	if v := w.write(carol, TypeLeave, &Leave{JID: carols}, 0, alice); alice.counts(v) || !alice.IsMember(carol.me) {
		t.Error("a LEAVE of an incarnation that is over counts")
	}
	if v := w.write(alice, TypeLeave, &Leave{JID: own, Abandon: true}, 0); !alice.counts(v) || alice.IsMember(alice.me) {
		t.Error("the owner cannot abandon the group")
	}
}

func TestMUST_27_RequiredEncryption(t *testing.T) {
	w := newRequiring(t, "alice")
	alice := w.all[0]
	off := settingsFor("team")
	off.E2EE = false
	if v := w.write(alice, TypeSet, &Set{Settings: off}, 1); alice.counts(v) || !alice.Settings().E2EE {
		t.Error("encryption was switched off where it is required")
	}
}

func TestMUST_19_RequiredAndOff(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice")
	alice := w.all[0]
	s := settingsFor("team")
	s.E2EE = false
	genesis := *alice.genesis().Entry
	genesis.Body = keys.Marshal(&Genesis{Settings: s, RequireE2EE: true})
	rec := alice.id.Sign(keys.LabelEntry, Hash{}, keys.Marshal(&genesis))
	if _, err := Decode(rec.Hash(), payloadOf(KindEntry, rec)); err == nil {
		t.Error("a GENESIS that requires what it switches off is taken")
	}
	if _, _, err := CreateID(alice.id, s, true, 0, keys.Secret{}); err == nil {
		t.Error("such a group can be made")
	}
}

func TestMUST_28_TransferNeedsAccept(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	bobs := w.write(bob, TypeAccept, &Accept{Term: 1}, 0, alice)
	next := w.write(bob, TypeAccept, &Accept{Term: 2}, 0, alice)
	unseen := w.write(bob, TypeAccept, &Accept{Term: 1}, 0, alice) // held, but not cited
	profile := w.write(carol, TypeProfile, &Profile{Name: "carol"}, 0, alice)
	transfer := func(b *Transfer, cites ...Verified) Verified {
		e := alice.next(TypeTransfer, b, 1)
		for _, c := range cites {
			e.Seen = append(e.Seen, Head{Author: c.Author(), Lane: c.Entry().Lane, Seq: c.Entry().Seq, Hash: short(c.Hash)})
		}
		slices.SortFunc(e.Seen, compareHeads)
		v := w.signEntry(alice, e)
		w.give(v, alice)
		return v
	}
	for name, b := range map[string]*Transfer{
		"without an ACCEPT":              {To: bob.me},
		"with an ACCEPT of another term": {To: bob.me, Accept: next.Hash},
		"with an ACCEPT not in its past": {To: bob.me, Accept: unseen.Hash},
		"with another's ACCEPT":          {To: carol.me, Accept: bobs.Hash},
		"with something else":            {To: bob.me, Accept: profile.Hash},
	} {
		if v := transfer(b, bobs, next, profile); alice.counts(v) || alice.Owner() != alice.me {
			t.Errorf("a TRANSFER %s counts", name)
		}
	}
	carols := w.write(carol, TypeAccept, &Accept{Term: 1}, 0, alice)
	w.must(alice, Remove{Peer: carol.me})
	if v := transfer(&Transfer{To: carol.me, Accept: carols.Hash}, carols); alice.counts(v) {
		t.Error("a TRANSFER to someone who is no member counts")
	}
	if v := transfer(&Transfer{To: bob.me, Accept: bobs.Hash}, bobs); !alice.counts(v) || alice.Owner() != bob.me {
		t.Error("a TRANSFER with all it needs is void")
	}
}

// linkTo makes an INVITE of alice that bob holds too, and the link's key.
func (w *world) linkTo(change func(l *InviteLink), ps ...*peer) (Verified, *keys.Identity) {
	w.t.Helper()
	key := keys.IdentityFromSeed(w.entropy())
	l := &InviteLink{Key: key.PeerID(), Uses: 2, Expires: w.now + 1000, PreApproved: true}
	if change != nil {
		change(l)
	}
	return w.write(w.all[0], TypeInvite, l, 1, ps...), key
}

func (w *world) joinBody(invite Hash, key *keys.Identity, joiner PeerID) *Join {
	proof := key.Sign(keys.LabelProof, w.gid, keys.Marshal(joinProof{GID: w.gid, Invite: invite, Joiner: joiner}))
	return &Join{Invite: invite, Joiner: joiner, Proof: proof.Sig}
}

func TestMUST_29_JoinByLink(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	inv, key := w.linkTo(nil, bob)
	manual, manualKey := w.linkTo(func(l *InviteLink) { l.PreApproved = false }, bob)
	unseen, unseenKey := w.linkTo(nil)
	joiner, other := crowd(2)[0].PeerID(), crowd(2)[1].PeerID()
	forged := w.joinBody(inv.Hash, key, other)
	forged.Joiner = joiner
	moved := w.joinBody(manual.Hash, key, joiner)
	moved.Invite = inv.Hash
	for name, b := range map[string]*Join{
		"a proof by another key":        w.joinBody(inv.Hash, manualKey, joiner),
		"a proof for somebody else":     forged,
		"a proof for another link":      moved,
		"a link that wants an approval": w.joinBody(manual.Hash, manualKey, joiner),
		"a link that it has not seen":   w.joinBody(unseen.Hash, unseenKey, joiner),
		"what is no link":               w.joinBody(w.gid, key, joiner),
	} {
		if v := w.write(bob, TypeJoin, b, 0, alice); alice.counts(v) || alice.IsMember(joiner) {
			t.Errorf("a JOIN with %s counts", name)
		}
	}
	if v := w.write(bob, TypeJoin, w.joinBody(inv.Hash, key, joiner), 0, alice); !alice.counts(v) || !alice.IsMember(joiner) {
		t.Fatal("a JOIN with all it needs is void")
	}
	w.give(unseen, bob)
	w.write(alice, TypeInviteRevoke, &InviteRevoke{Invite: inv.Hash}, 1, bob)
	if v := w.write(bob, TypeJoin, w.joinBody(inv.Hash, key, other), 0, alice); alice.counts(v) {
		t.Error("a JOIN by a revoked link counts")
	}
}

func TestMUST_29_JoinByVoidLink(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapInvite})
	key := keys.IdentityFromSeed(w.entropy())
	link := &InviteLink{Key: key.PeerID(), Uses: 2, Expires: w.now + 1000, PreApproved: true}
	var revoke Verified
	w.apart(func() { revoke = w.decode(w.must(alice, DeputyRemove{Peer: bob.me}).Publish[0]) }, bob, carol)
	inv := w.write(bob, TypeInvite, link, 0, carol) // beyond the cut
	joiner := crowd(1)[0].PeerID()
	v := w.write(carol, TypeJoin, w.joinBody(inv.Hash, key, joiner), 0)
	if !carol.counts(v) || !carol.IsMember(joiner) {
		t.Fatal("carol, who knows of no REVOKE, does not take the JOIN")
	}
	w.give(revoke, carol)
	if carol.counts(v) || carol.IsMember(joiner) {
		t.Error("a JOIN by a link that turned out void counts")
	}
}

func TestMUST_30_RemovalRetiresLinks(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	inv, key := w.linkTo(nil, bob)
	ids := crowd(2)
	before := w.signEntry(bob, bob.next(TypeJoin, w.joinBody(inv.Hash, key, ids[0].PeerID()), 0))
	w.must(alice, Remove{Peer: carol.me})
	w.give(before, alice)
	if !alice.counts(before) {
		t.Error("a JOIN that has not seen the removal is void")
	}
	after := w.write(bob, TypeJoin, w.joinBody(inv.Hash, key, ids[1].PeerID()), 0, alice)
	if alice.counts(after) || alice.IsMember(ids[1].PeerID()) {
		t.Error("a link outlived a removal")
	}
	fresh, freshKey := w.linkTo(nil, bob)
	if v := w.write(bob, TypeJoin, w.joinBody(fresh.Hash, freshKey, ids[1].PeerID()), 0, alice); !alice.counts(v) {
		t.Error("a link made after the removal is void")
	}
}

func TestMUST_31_UsesOfALink(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	inv, key := w.linkTo(nil, bob)
	for i, id := range crowd(4) {
		v := w.write(bob, TypeJoin, w.joinBody(inv.Hash, key, id.PeerID()), 0, alice)
		if got := alice.counts(v); got != (i < 2) {
			t.Errorf("use %d of 2 counts: %v", i+1, got)
		}
	}
}

func TestMUST_32_ExpiryAndBan(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	inv, key := w.linkTo(func(l *InviteLink) { l.Uses = 100 }, bob)
	expires := inv.Entry().body.(*InviteLink).Expires
	for i, at := range []uint64{0, expires, expires + clockSlack, expires + clockSlack + 1, math.MaxUint64} {
		e := bob.next(TypeJoin, w.joinBody(inv.Hash, key, crowd(5)[i].PeerID()), 0)
		e.Time = at
		v := w.signEntry(bob, e)
		w.give(v, bob, alice)
		if got := alice.counts(v); got != (at <= expires+clockSlack) {
			t.Errorf("a JOIN claimed at %d, expiry %d, counts: %v", at, expires, got)
		}
	}
	banned := crowd(6)[5].PeerID()
	w.must(alice, Remove{Peer: banned, Ban: true})
	fresh, freshKey := w.linkTo(nil, bob)
	if v := w.write(bob, TypeJoin, w.joinBody(fresh.Hash, freshKey, banned), 0, alice); alice.counts(v) {
		t.Error("a JOIN of someone banned counts")
	}
}

// newRequiring makes a group that requires encryption.
func newRequiring(t *testing.T, names ...string) *world {
	t.Helper()
	w := newWorld(t, settingsFor("unused"), names...)
	gid, genesis, err := CreateID(w.all[0].id, settingsFor("team"), true, w.now, w.entropy())
	if err != nil {
		t.Fatal(err)
	}
	w.gid = gid
	for _, p := range w.all {
		p.disk = newDisk()
		p.Machine = New(Config{GID: gid, Self: p.id, Bundle: p.bundle}, Stored{})
	}
	w.must(w.all[0], Create{Genesis: genesis})
	for _, p := range w.all[1:] {
		w.admit(w.all[0], p)
	}
	return w
}
