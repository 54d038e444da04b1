package group

import (
	"fmt"
	"testing"
)

// What a person did is in the view that its messages cite: a plaintext line that
// the owner says after an approval is given to the newcomer.
func TestPlaintextAfterOnesOwnApprovalReachesTheNewcomer(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.admit(alice, bob)
	bob.off = true
	w.must(alice, Send{Items: []Item{{ID: w.itemID(), Text: "in plain"}}, Plain: true})
	w.sync(alice, bob)
	if got := fmt.Sprint(w.reads(bob)); got != "[in plain]" {
		t.Errorf("bob reads %s", got)
	}
}

// The last one in a group may leave it, also before anything cites the others'
// leaving.
func TestTheLastOneLeaves(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.admit(alice, bob)
	w.must(bob, Quit{})
	w.must(alice, Quit{})
	if alice.IsMember(alice.me) {
		t.Error("alice is still a member")
	}
}

// What came in since its last message is cited by the next one, also where a
// restart lies in between.
func TestCitesAfterARestart(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.say(bob, "one")
	w.must(alice, SetName{Name: "alice"})
	w.restart(bob)
	x := bob.nextMsg(bob.current(), w.item("two"))
	if x.Ctrl == nil {
		t.Error("the next message says that nothing has changed")
	}
	w.say(bob, "two")
	w.restart(bob)
	if x = bob.nextMsg(bob.current(), w.item("three")); x.Ctrl != nil {
		t.Error("a message cites again what the one before cited")
	}
}

// What a person wrote on another branch of the own chain, or in another lane, is in
// the view of what is written next: a key is sealed to whom that view admits.
func TestOwnBranchesAreCited(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob := w.all[0], w.all[1]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapApprove})
	dave := w.outsider(9)
	w.all = append(w.all, dave)
	twin := w.signEntry(bob, bob.next(TypeAdd, &Peer{Peer: dave.me}, 0))
	w.must(bob, SetName{Name: "bob"})
	w.give(twin, alice, bob)
	eid := w.must(bob, Rotate{}).Epoch
	w.sync(bob, dave)
	for _, p := range []*peer{alice, bob} {
		if !p.IsMember(dave.me) {
			t.Fatal("the other branch does not count")
		}
		if _, err := p.Serve(dave.me, eid, dave.bundle); err != nil {
			t.Errorf("the key of the next epoch is not for whom the other branch admits: %v", err)
		}
	}
}
