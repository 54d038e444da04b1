package node

import (
	"slices"
	"testing"

	"conclave/keys"
)

func (p *player) parts() (n int) {
	p.Node.read(func(d *directory) { n = len(d.Partings) })
	return n
}

// TestForget_WhoLeftAloneIsStillGone: somebody leaves while nobody is in reach, and
// forgets the group. A member who appears later hears of it, and nobody else does.
func TestForget_WhoLeftAloneIsStillGone(t *testing.T) {
	ann := newPlayer(t, "ann")
	bob := newPlayer(t, "bob", ann)
	gid := newGroup(t, CreateGroup{}, ann, bob)
	agree(t, gid, ann, bob)
	ok(t, ann.down())
	await(t, "an end of the connection", func() bool { return len(bob.net.Connected()) == 0 })
	_, err := bob.Leave(within(t), gid, false)
	ok(t, err)
	hash := bob.roomOf(gid).gid
	_, err = bob.Forget(within(t), gid)
	ok(t, err)
	if slices.Contains(bob.bag.Groups(), hash) {
		t.Error("keys are still there")
	}
	ok(t, bob.down())
	bob.up()

	x := newPuppet(t)
	ok(t, x.know(bob))
	s := x.open(bob, protoSync)
	ok(t, x.put(s, hello{GID: hash}))
	var w welcome
	ok(t, x.get(s, &w))
	if w.Member {
		t.Error("a stranger is answered")
	}

	ann.up(bob)
	await(t, "the news at ann", func() bool {
		g, err := ann.Group(within(t), gid)
		ok(t, err)
		return g.Members == 1
	})
	await(t, "the end of it at bob", func() bool { return bob.parts() == 0 })
}

// TestForget_NothingStaysWhereTheyKnow: the members knew before the group was
// forgotten, or know by the time that they are asked.
func TestForget_NothingStaysWhereTheyKnow(t *testing.T) {
	_, bob, gid := leftGroup(t)
	_, err := bob.Forget(within(t), gid)
	ok(t, err)
	await(t, "the end of it at bob", func() bool { return bob.parts() == 0 })
}

// TestForget_PartingEndsWithAReturn: who is let in again is no former member.
func TestForget_PartingEndsWithAReturn(t *testing.T) {
	ann, bob, gid := leftGroup(t)
	hash, err := keys.ParseHash(gid)
	ok(t, err)
	_, err = bob.Forget(within(t), gid)
	ok(t, err)
	ok(t, bob.change(func(d *directory) {
		d.Partings = map[keys.Hash]parting{hash: {Peers: map[keys.PeerID][]string{newPuppet(t).me(): nil}}}
	}))
	letIn(t, ann, bob, gid)
	if n := bob.parts(); n != 0 {
		t.Errorf("%d are left", n)
	}
}
