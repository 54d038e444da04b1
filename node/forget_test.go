package node

import (
	"slices"
	"testing"

	"conclave/keys"
	"conclave/node/store"
)

// leftGroup returns a group of ann's that bob has left, and what bob's home has
// of it.
func leftGroup(t *testing.T) (ann, bob *player, gid string) {
	t.Helper()
	ann = newPlayer(t, "ann")
	bob = newPlayer(t, "bob", ann)
	gid = newGroup(t, CreateGroup{}, ann, bob)
	bob.say(gid, "before")
	ann.reads(gid, "before")
	_, err := bob.Leave(within(t), gid, false)
	ok(t, err)
	await(t, "the news at ann", func() bool {
		g, err := ann.Group(within(t), gid)
		ok(t, err)
		return g.Members == 1
	})
	return ann, bob, gid
}

func (p *player) keysOnDisk(gid keys.Hash) (n int) {
	p.t.Helper()
	d, err := p.openDisk(gid)
	ok(p.t, err)
	for _, err := range d.space.Scan(store.Query{KeysOnly: true}) {
		ok(p.t, err)
		n++
	}
	return n
}

// TestForget_GoesOn: a node that ends in the middle of erasing a group goes on
// with it at its next start, and a group is never there by half.
func TestForget_GoesOn(t *testing.T) {
	_, bob, gid := leftGroup(t)
	r := bob.roomOf(gid)
	ok(t, bob.takeOut(r, parting{})) // and no further
	if slices.Contains(bob.allRooms(), r) {
		t.Error("the group is found while it is erased")
	}
	ok(t, bob.down())
	bob.up()
	if slices.Contains(bob.bag.Groups(), r.gid) {
		t.Error("the keys are still there")
	}
	if n := bob.keysOnDisk(r.gid); n > 0 {
		t.Errorf("%d records are still there", n)
	}
}

// TestForget_NothingIsSignedTwice: who comes back to a forgotten group writes in a
// lane of its own, whether or not anybody could tell it what it wrote before.
func TestForget_NothingIsSignedTwice(t *testing.T) {
	ann, bob, gid := leftGroup(t)
	_, err := bob.Forget(within(t), gid)
	ok(t, err)
	if peers := bob.book.everyone(); len(peers) > 0 {
		t.Errorf("addresses are still known: %v", peers)
	}
	letIn(t, ann, bob, gid)
	bob.say(gid, "after")
	ann.reads(gid, "before", "after")
	agreeOnAlarms(t, ann, gid)
	ok(t, bob.down())
	bob.up(ann)
	bob.say(gid, "and after a start")
	ann.reads(gid, "before", "after", "and after a start")
	agreeOnAlarms(t, ann, gid)
}

// agreeOnAlarms fails where p saw somebody sign twice under one number.
func agreeOnAlarms(t *testing.T, p *player, gid string) {
	t.Helper()
	for _, err := range p.roomOf(gid).disk.space.Scan(store.Query{Prefix: "/x", KeysOnly: true}) {
		ok(t, err)
		t.Error("somebody signed two records under one number")
	}
}

// TestForget_AloneNothingIsSignedTwice: nor where nobody is there to tell.
func TestForget_AloneNothingIsSignedTwice(t *testing.T) {
	ann := newPlayer(t, "ann")
	bob := newPlayer(t, "bob", ann)
	gid := newGroup(t, CreateGroup{}, ann, bob)
	ann.reads(gid)
	sent, err := bob.DM(within(t), ann.id(), "one")
	ok(t, err)
	talk := sent.GroupID
	await(t, "the conversation at ann", func() bool { return ann.has(talk) })
	ann.reads(talk, "one")
	ok(t, ann.down())
	_, err = bob.Leave(within(t), talk, false)
	ok(t, err)
	_, err = bob.Forget(within(t), talk)
	ok(t, err)
	_, err = bob.DM(within(t), ann.id(), "")
	ok(t, err)
	_, err = bob.Send(within(t), talk, []string{"two"}, true, true)
	ok(t, err)
	ann.up(bob)
	await(t, "what was said alone", func() bool { return slices.Contains(ann.texts(talk), "two") })
	agreeOnAlarms(t, ann, talk)
}
