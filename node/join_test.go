package node

import (
	"context"
	"testing"
	"time"

	"conclave/group"
	"conclave/node/mesh"
)

// TestStoppingNodeGivesNoAnswer: a node that is on its way down does not tell a
// joiner that there is no such group, which would end the request.
func TestStoppingNodeGivesNoAnswer(t *testing.T) {
	ann := newPlayer(t, "ann")
	newGroup(t, CreateGroup{}, ann)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, status, err := ann.groupAskedFor(ctx, group.JoinRequest{Name: "team"}); err == nil {
		t.Errorf("the answer is %d", status)
	}
}

// TestConversationOpensAtOnce: the two are connected, so the first comparison of
// heights need not wait for its deadline.
func TestConversationOpensAtOnce(t *testing.T) {
	ann := newPlayer(t, "ann")
	bob := newPlayer(t, "bob", ann)
	await(t, "a connection", func() bool { return len(ann.net.Connected()) == 1 })
	began := time.Now()
	_, err := ann.DM(within(t), bob.id(), "")
	ok(t, err)
	if took := time.Since(began); took > compareWait/2 {
		t.Errorf("a conversation with somebody connected took %s", took)
	}
}

// TestMembersAddressesAreKept: whoever became a member over a connection that
// was there before is found again after a restart.
func TestMembersAddressesAreKept(t *testing.T) {
	ann := newPlayer(t, "ann")
	bob := newPlayer(t, "bob", ann)
	newGroup(t, CreateGroup{}, ann, bob)
	await(t, "the address", func() bool {
		ann.book.mu.Lock()
		defer ann.book.mu.Unlock()
		return len(ann.book.addrs[bob.me]) > 0
	})
	ok(t, ann.down())
	ann.up()
	await(t, "bob, who is not told where ann is now", func() bool { return len(ann.net.Connected()) == 1 })
}

// TestGroupThatIsBeingMadeIsWaitedFor: a node that runs in order to make a group is
// found, and asked, before the group is there.
func TestGroupThatIsBeingMadeIsWaitedFor(t *testing.T) {
	ann := newPlayer(t, "ann")
	ok(t, ann.down())
	ann.cfg.Creates = "team"
	ann.up()
	bob := newPlayer(t, "bob", ann)
	await(t, "a connection", func() bool { return len(ann.net.Connected()) == 1 })
	answer := make(chan error, 1)
	go func() {
		_, err := bob.Join(within(t), ann.id(), "team", "", false)
		answer <- err
	}()
	await(t, "the request at ann", func() bool { return ann.quotas.of(bob.me).streams[protoJoin].Tokens() < 9.5 })
	_, err := ann.CreateGroup(within(t), CreateGroup{Name: "team"})
	ok(t, err)
	ok(t, <-answer)
	if _, err := bob.Join(within(t), ann.id(), "other", "", false); KindOf(err) != NotFound {
		t.Errorf("a group that is not to be made: %v", err)
	}
}

// TestOneRequestDoesNotWaitForAnother: a peer that takes a request and never
// answers holds up nobody else's answer.
func TestOneRequestDoesNotWaitForAnother(t *testing.T) {
	ann := newPlayer(t, "ann")
	bob := newPlayer(t, "bob", ann)
	gid := newGroup(t, CreateGroup{}, ann)
	x := newPuppet(t)
	asked, ended := make(chan struct{}, 64), make(chan struct{}, 64)
	x.net.Handle(protoJoin, func(ctx context.Context, s *mesh.Stream) {
		asked <- struct{}{}
		for {
			if _, err := s.ReadFrame(maxFrame); err != nil {
				break
			}
		}
		ended <- struct{}{}
	})
	ok(t, x.know(bob))
	ok(t, bob.change(func(d *directory) {
		d.Joins = append(d.Joins, joinRef{Peer: x.me(), Group: "chess", State: stateRequested})
	}))
	bob.wakeAskers()
	take(t, "a request that is not answered", asked)
	_, err := bob.Join(within(t), ann.id(), gid, "", false)
	ok(t, err)
	_, err = ann.Approve(within(t), gid, bob.id())
	ok(t, err)
	await(t, "the group at bob", func() bool { return bob.isIn(gid) })
	if len(ended) > 0 {
		t.Error("it came when the other had been given up")
	}
}

// TestTwoRequestsToOnePeer: the one that nobody has decided about does not take the
// place of the other.
func TestTwoRequestsToOnePeer(t *testing.T) {
	ann := newPlayer(t, "ann")
	bob := newPlayer(t, "bob", ann)
	newGroup(t, CreateGroup{Name: "chess"}, ann)
	gid := newGroup(t, CreateGroup{Name: "go"}, ann)
	for _, name := range []string{"chess", "go"} {
		_, err := bob.Join(within(t), ann.id(), name, "", false)
		ok(t, err)
	}
	_, err := ann.Approve(within(t), gid, bob.id())
	ok(t, err)
	await(t, "the group at bob", func() bool { return bob.isIn(gid) })
}
