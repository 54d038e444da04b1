package group

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"conclave/keys"
)

// The names are the IDs of abuse cases: what an adversary does, and what must
// happen. Here stand those that the core decides alone.

// outsiderOf is somebody with a group of its own, who was never admitted.
func outsiderOf(w *world) *peer {
	p := w.outsider(200)
	for _, e := range w.all[0].entries { // it may have overheard everything
		w.give(e, p)
	}
	return p
}

func TestAbuse_NM07_MessageFromAMember(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	mallory := outsiderOf(w)
	x := bob.nextMsg(bob.current(), w.item("forged"))
	w.refused("a message in bob's name", payloadOf(KindMessage, mallory.id.Sign(keys.LabelMessage, w.gid, keys.Marshal(&x))), keys.ErrSignature)
	if len(w.reads(alice)) != 0 {
		t.Error("it is shown")
	}
}

func TestAbuse_NM08_OwnersEntryAndChunk(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	mallory := outsiderOf(w)
	before := bob.fingerprint()
	e := alice.next(TypeSet, &Set{Settings: settingsFor("mine")}, 1)
	w.refused("an entry in alice's name", payloadOf(KindEntry, mallory.id.Sign(keys.LabelEntry, w.gid, keys.Marshal(&e))), keys.ErrSignature)
	c := someChunk(alice)
	w.refused("a chunk in alice's name", payloadOf(KindChunk, mallory.id.Sign(keys.LabelChunk, w.gid, keys.Marshal(&c))), keys.ErrSignature)
	for _, v := range []Verified{
		w.signEntry(mallory, mallory.next(TypeSet, &Set{Settings: settingsFor("mine")}, 1)),
		w.signEntry(mallory, mallory.next(TypeAdd, &Peer{Peer: mallory.me}, 1)),
		w.signEntry(mallory, mallory.next(TypeGrant, &Grant{Peer: mallory.me, Caps: allCaps}, 0)),
	} {
		w.give(v, bob)
	}
	if bob.fingerprint() != before {
		t.Error("entries in the outsider's own name changed the state")
	}
}

func TestAbuse_NM09_PlantedKey(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	bob := w.all[1]
	mallory := outsiderOf(w)
	before, _ := bob.Current()
	body, key := mallory.epochBody(ReasonRequest)
	epoch := w.signEntry(mallory, mallory.next(TypeEpoch, body, 0))
	w.give(epoch, bob)
	w.step(bob, KeyReceived{Commit: body.KC, Key: key}) // a valid envelope in a valid chunk of his own
	if now, _ := bob.Current(); now.EID != before.EID || bob.counts(epoch) {
		t.Error("a planted epoch is used")
	}
	_, kc, _, _ := bob.EnvelopeFor(before.EID)
	if _, err := w.step(bob, KeyReceived{Commit: kc, Key: keys.Secret{1}}); !errors.Is(err, keys.ErrCommitment) {
		t.Errorf("a planted key for a real epoch: %v", err)
	}
	for i := range 3 * MaxHeldKeys {
		w.step(bob, KeyReceived{Commit: Hash{9, byte(i)}, Key: keys.Secret{1}})
	}
	if len(bob.early) > MaxHeldKeys {
		t.Errorf("%d keys of unknown epochs are held", len(bob.early))
	}
	r := w.must(w.all[0], Rotate{})
	if _, ok := bob.Key(r.Epoch); !ok {
		t.Error("planted keys keep out a real one")
	}
}

func TestAbuse_NM11_JoinRequests(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice := w.all[0]
	mallory := w.outsider(200)
	before := fmt.Sprint(alice.Local(), len(alice.bundles))
	older, _ := w.bundleOf(w.all[1], 1)
	unsigned := bytes.Clone(mallory.bundle.Raw())
	unsigned[len(unsigned)-1] ^= 1
	for name, c := range map[string]struct {
		r    Request
		want error
	}{
		"someone else's bundle": {Request{Peer: mallory.me, Bundle: w.all[1].bundle.Raw()}, ErrBody},
		"no bundle":             {Request{Peer: mallory.me}, keys.ErrNotCanonical},
		"an unsigned bundle":    {Request{Peer: mallory.me, Bundle: unsigned}, keys.ErrSignature},
		"a name that is none":   {Request{Peer: mallory.me, Bundle: mallory.bundle.Raw(), Called: "al\nice"}, ErrBody},
		"a lower seq":           {Request{Peer: w.all[1].me, Bundle: older.Raw()}, ErrStale},
	} {
		if _, err := w.step(alice, JoinAsked{Request: c.r}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	forAlice := SignJoinRequest(mallory.id, JoinRequest{Approver: alice.me, Group: w.gid[:], Bundle: mallory.bundle.Raw()})
	if _, err := ParseJoinRequest(forAlice, mallory.me, w.all[1].me); !errors.Is(err, ErrBody) {
		t.Errorf("a request for another approver: %v", err)
	}
	if r, err := ParseJoinRequest(forAlice, mallory.me, alice.me); err != nil || Hash(r.Group) != w.gid {
		t.Errorf("the group that was signed for: %v", err)
	}
	if after := fmt.Sprint(alice.Local(), len(alice.bundles)); after != before {
		t.Errorf("something was stored: %s, before %s", after, before)
	}
}

func TestAbuse_NM14_ClaimedGroupID(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice")
	mallory := w.outsider(200)
	_, genesis, err := CreateID(mallory.id, settingsFor("team"), false, w.now, w.entropy())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(w.gid, genesis.Payload); !errors.Is(err, ErrGroup) {
		t.Errorf("a GENESIS under another group's ID: %v", err)
	}
	if _, err := w.step(mallory, Create{Genesis: w.all[0].verifiedGenesis()}); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("a group made of another's GENESIS: %v", err)
	}
}
