package node

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// TestNear_NeighbourKeepsTheRequest: the owner cannot be reached, and the joiner
// knows nothing but her peer ID. A member on the local network keeps the request;
// the joiner hears of no group until it is let in, and comes in by that member.
func TestNear_NeighbourKeepsTheRequest(t *testing.T) {
	ann, bob, gid := asleep(t)
	near := func(p *player) {
		ok(t, p.down())
		p.cfg.loopbackIsNear = true
	}
	near(bob)
	bob.up()
	eve := newPlayer(t, "eve")
	near(eve)
	eve.up()
	cem := newPlayer(t, "cem")
	near(cem)
	cem.up(eve, bob)
	await(t, "the neighbours", func() bool { return len(cem.net.Connected()) == 2 })
	asked, err := cem.Join(within(t), ann.id(), "", "", false)
	ok(t, err)
	if asked.State != stateRequested || !asked.Kept || asked.GroupID != nil || asked.PeerID != ann.id() {
		t.Errorf("the answer is %+v", asked)
	}
	ann.up(bob)
	await(t, "the request at ann", func() bool { return ann.waiting(gid)[cem.id()] == bob.id() })
	_, err = ann.Approve(within(t), gid, cem.id())
	ok(t, err)
	await(t, "cem in the group", func() bool { return cem.isIn(gid) })
	await(t, "bob to tell cem", func() bool {
		bob.mu.Lock()
		defer bob.mu.Unlock()
		return bob.Node.delivered[group.OfferID(keys.Hash{}, bob.me, cem.me)]
	})
	bob.say(gid, "welcome")
	cem.reads(gid, "welcome")
	got, err := cem.seekAt(within(t), bob.me, joinRef{Peer: ann.me, State: stateRequested}, true)
	if err != nil || got.State != stateJoined || got.GID.String() != gid {
		t.Errorf("who is in asks again: %+v, %v", got, err)
	}
}

// TestNear_RefusalsDoNotCount: a neighbour was not named by anybody.
func TestNear_RefusalsDoNotCount(t *testing.T) {
	cem, x := inMemory(t, "cem"), newPuppet(t)
	ok(t, cem.down())
	cem.cfg.loopbackIsNear = true
	cem.up()
	ok(t, x.know(cem))
	x.net.Handle(protoSeek, func(_ context.Context, s *mesh.Stream) {
		if get(s, new(seek)) == nil && put(s, ack{OK: true}) == nil {
			s.ReadFrame(maxFrame)
			put(s, joinAnswer{Status: joinBanned})
		}
	})
	j := joinRef{Peer: newPuppet(t).me(), State: stateRequested}
	if got, took := cem.askNear(within(t), j, false); took || got != j {
		t.Errorf("a refusal is taken: %+v", got)
	}
	if got, err := cem.seekAt(within(t), x.me(), j, false); !errors.Is(err, errNoKeeper) || got != j {
		t.Errorf("it says %+v, %v", got, err)
	}
}

// TestNear_StrangersLearnNothing: whoever asks a neighbour without naming the
// owner of one of its groups, or with a name meant for somebody else, is told
// what a node without any group tells; and so is who is not near.
func TestNear_StrangersLearnNothing(t *testing.T) {
	ann, bob, _ := asleep(t)
	ok(t, bob.down())
	bob.cfg.loopbackIsNear = true
	bob.up()
	eve := newPlayer(t, "eve", bob)
	alone := newPlayer(t, "alone", eve)
	ok(t, eve.net.Connect(within(t), bob.me, bob.net.Addrs()...))
	ok(t, eve.net.Connect(within(t), alone.me, alone.net.Addrs()...))
	ask := func(at *player, tag keys.Hash) string {
		t.Helper()
		s, err := eve.net.Open(within(t), at.me, protoSeek)
		ok(t, err)
		defer s.Close()
		ok(t, put(s, seek{Tag: tag}))
		b, err := s.ReadFrame(maxFrame)
		ok(t, err)
		_, more := s.ReadFrame(maxFrame)
		return fmt.Sprintf("%x, then %v", b, more)
	}
	none := ask(alone, seekTag(ann.me, eve.me, alone.me))
	for what, tag := range map[string]keys.Hash{
		"with the tag of another joiner":  seekTag(ann.me, alone.me, bob.me),
		"with the tag for another node":   seekTag(ann.me, eve.me, alone.me),
		"for a member who owns no group":  seekTag(bob.me, eve.me, bob.me),
		"for somebody it does not know":   seekTag(alone.me, eve.me, bob.me),
		"with a hash of nothing":          {},
		"with the owner's peer ID itself": keys.Hash(ann.me),
	} {
		if got := ask(bob, tag); got != none {
			t.Errorf("%s: %s, in place of %s", what, got, none)
		}
	}
	h := bob.cfg
	ok(t, bob.down())
	bob.cfg = h
	bob.cfg.loopbackIsNear = false
	bob.up()
	ok(t, eve.net.Connect(within(t), bob.me, bob.net.Addrs()...))
	if got := ask(bob, seekTag(ann.me, eve.me, bob.me)); got != none {
		t.Errorf("from afar: %s, in place of %s", got, none)
	}
}

// neighbours are bob, a member near eve, who is a stranger beside him, while ann,
// the owner, sleeps.
func neighbours(t *testing.T) (ann, bob, eve *player) {
	ann, bob, _ = asleep(t)
	ok(t, bob.down())
	bob.cfg.loopbackIsNear = true
	bob.up()
	eve = newPlayer(t, "eve", bob)
	ok(t, eve.net.Connect(within(t), bob.me, bob.net.Addrs()...))
	return ann, bob, eve
}

// TestNear_NoGroupIsNamed: a neighbour that keeps a request does not say for which
// group: that is for those who are let in.
func TestNear_NoGroupIsNamed(t *testing.T) {
	ann, bob, eve := neighbours(t)
	s, err := eve.net.Open(within(t), bob.me, protoSeek)
	ok(t, err)
	defer s.Close()
	ok(t, put(s, seek{Tag: seekTag(ann.me, eve.me, bob.me)}))
	var known ack
	ok(t, get(s, &known))
	req, err := eve.newRequest(joinRef{Peer: ann.me}, false)
	ok(t, err)
	ok(t, s.WriteFrame(group.SignJoinRequest(eve.self, req)))
	var a joinAnswer
	ok(t, get(s, &a))
	if !known.OK || a.Status != joinKept || len(a.GID) != 0 {
		t.Errorf("the answer is %v, then %+v", known.OK, a)
	}
}

// TestNear_BothEndsAskRarely: a joiner asks a neighbour at most so often, and a
// neighbour answers as often.
func TestNear_BothEndsAskRarely(t *testing.T) {
	ann, bob, eve := neighbours(t)
	ok(t, eve.down())
	eve.cfg.loopbackIsNear = true
	eve.up(bob)
	ok(t, eve.net.Connect(within(t), bob.me, bob.net.Addrs()...))
	asks := 0
	for range 30 {
		if _, took := eve.askNear(within(t), joinRef{Peer: ann.me, State: stateRequested}, false); took {
			asks++
		}
	}
	if asks == 0 || asks > 3 {
		t.Errorf("a joiner asks the same neighbour %d times at once", asks)
	}
	answered := 0
	for range 30 {
		s, err := eve.net.Open(within(t), bob.me, protoSeek)
		ok(t, err)
		var a ack
		if put(s, seek{Tag: seekTag(ann.me, eve.me, bob.me)}) == nil && get(s, &a) == nil {
			answered++
		}
		s.Reset()
	}
	if answered > 20 {
		t.Errorf("30 questions at once have %d answers", answered)
	}
}

// TestNear_ForeignGroupIsNotTaken: a neighbour answers with a group that the
// named person did not make.
func TestNear_ForeignGroupIsNotTaken(t *testing.T) {
	ann := newPlayer(t, "ann")
	mal := newPlayer(t, "mal")
	cem := newPlayer(t, "cem", mal)
	gid := newGroup(t, CreateGroup{}, mal)
	h, err := keys.ParseHash(gid)
	ok(t, err)
	var genesis, epoch []byte
	ok(t, mal.roomOf(gid).look(within(t), func(m *group.Machine) {
		miss, err := m.MissingAt(mal.me, group.Heights{})
		ok(t, err)
		genesis, epoch = miss.Records[0], miss.Records[1]
	}))
	for what, g := range map[string][]byte{"of his own": genesis, "that is none": []byte("x")} {
		for _, known := range []keys.Hash{{}, {1}} {
			j := joinRef{Peer: ann.me, GID: known, State: stateRequested}
			err := cem.adoptFrom(t, mal, j, h, g)
			if err == nil || errors.Is(err, context.DeadlineExceeded) || cem.Node.room(h) != nil {
				t.Errorf("a group %s is taken: %v", what, err)
			}
		}
	}
	if err := cem.adoptFrom(t, mal, joinRef{Peer: mal.me, State: stateRequested}, h, epoch); !errors.Is(err, group.ErrGroup) {
		t.Errorf("a group begins with an EPOCH: %v", err)
	}
}

// adoptFrom has p take what a neighbour at the other end of a stream says.
func (p *player) adoptFrom(t *testing.T, from *player, j joinRef, gid keys.Hash, genesis []byte) error {
	t.Helper()
	const proto = "/test/near"
	from.net.Handle(proto, func(_ context.Context, s *mesh.Stream) { put(s, founding{Genesis: genesis}) })
	ok(t, p.net.Connect(within(t), from.me, from.net.Addrs()...))
	s, err := p.net.Open(within(t), from.me, proto)
	ok(t, err)
	defer s.Close()
	_, err = p.adoptNear(within(t), s, j, gid[:])
	return err
}
