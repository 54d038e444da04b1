package group

import (
	"fmt"
	"testing"
	"time"
)

// A message of someone whose admission turned out void is not shown, but what
// answers it is.
func TestAnswerToSomeoneWhoseAdmissionIsVoid(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob", "carol", "dave", "mallory")
	alice, bob, carol, dave, mallory := w.all[0], w.all[1], w.all[2], w.all[3], w.all[4]
	for _, p := range []*peer{bob, carol, dave} {
		w.admit(alice, p)
	}
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapApprove | CapRotate})
	alice.off, dave.off = true, true
	w.must(bob, JoinAsked{Request: Request{Peer: mallory.me, Bundle: mallory.bundle.Raw()}})
	w.must(bob, Approve{Peer: mallory.me})
	w.sync(bob, mallory)
	w.sync(bob, carol)
	bob.off, carol.off, mallory.off = true, true, true
	w.must(alice, DeputyRemove{Peer: bob.me}) // has not seen the admission
	bob.off, carol.off, mallory.off = false, false, false
	w.say(mallory, "hello")
	w.say(carol, "who are you?")
	w.sync(alice, dave)
	w.sync(carol, dave)
	if dave.IsMember(mallory.me) {
		t.Fatal("the admission beyond the cut counts")
	}
	if got := fmt.Sprint(w.reads(dave)); got != "[who are you?]" {
		t.Errorf("dave reads %s", got)
	}
	w.restart(dave)
	if got := fmt.Sprint(w.reads(dave)); got != "[who are you?]" {
		t.Errorf("dave reads %s after a restart", got)
	}
}

// However many branches and lanes a deputy makes, everyone's entries still cite
// the owner.
func TestForksOfADeputyDoNotCrowdOutTheOwner(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.admit(alice, bob)
	w.admit(alice, carol)
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapKick})
	for i := range 2 * MaxSeen {
		e := bob.next(TypeProfile, &Profile{Name: fmt.Sprint("bob", i)}, 0)
		e.Lane = uint64(i % 2 * i)
		v := w.signEntry(bob, e)
		w.must(carol, Received{Record: v})
	}
	cited := map[PeerID]bool{}
	for _, h := range carol.next(TypeProfile, &Profile{Name: "carol"}, 0).Seen {
		cited[h.Author] = true
	}
	if !cited[alice.me] || !cited[bob.me] {
		t.Errorf("cited: alice %v, bob %v", cited[alice.me], cited[bob.me])
	}
}

// What a removed person with a forked chain goes on writing costs no more than
// other entries, now and at the next start.
func TestForkedAndRemovedIsNotJudgedForEver(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	for _, id := range crowd(200) {
		w.write(alice, TypeAdd, &Peer{Peer: id.PeerID()}, 1, bob)
	}
	one := w.signEntry(bob, bob.next(TypeProfile, &Profile{Name: "one"}, 0))
	two := w.signEntry(bob, bob.next(TypeProfile, &Profile{Name: "two"}, 0))
	w.give(one, alice, bob)
	w.give(two, alice)
	w.must(alice, Remove{Peer: bob.me})
	start := time.Now()
	for i := range 200 {
		w.give(w.write(bob, TypeProfile, &Profile{Name: fmt.Sprint(i)}, 0), alice)
	}
	w.restart(alice)
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("200 entries and a restart took %v", took)
	}
}

// Whoever was admitted by an entry that turned out void is off the topic, is
// told so, and knows it then.
func TestVoidAdmissionIsOffTheTopic(t *testing.T) {
	w, mallory, admit, revoke := revokedApprover(t)
	bob, carol := w.all[1], w.all[2]
	w.restart(carol)
	late := w.outsider(8) // knows the admission first
	for _, e := range bob.entries {
		w.give(e, late, mallory)
	}
	w.must(mallory, Received{Record: admit})
	if !late.IsMember(mallory.me) || !mallory.IsMember(mallory.me) {
		t.Fatal("the admission does not count where no REVOKE is known")
	}
	r := w.must(late, Received{Record: revoke})
	if len(r.Drop) != 1 || r.Drop[0] != mallory.me || len(r.Members) != 3 {
		t.Errorf("after the REVOKE: drop %v, %d members", r.Drop, len(r.Members))
	}
	news := late.Farewell(mallory.me)
	if len(news) == 0 {
		t.Fatal("who was admitted by nobody is not told")
	}
	for _, p := range news {
		r = w.must(mallory, Received{Record: w.decode(p)})
	}
	if mallory.IsMember(mallory.me) || r.Members == nil || len(r.Members) != 0 {
		t.Errorf("told, mallory is a member: %v, with %d on the topic", mallory.IsMember(mallory.me), len(r.Members))
	}
	if late.Farewell(w.outsider(7).me) != nil || late.Farewell(carol.me) != nil {
		t.Error("a stranger or a member gets a farewell")
	}
}
