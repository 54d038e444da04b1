package node

import (
	"fmt"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// TestAbuse_NO09_Replays: what went over the network is sent again an hour later:
// a request to join, bundles, envelopes, entries and messages. Nothing comes of
// it, and who brings it is blamed for nothing: honest peers repeat, too.
func TestAbuse_NO09_Replays(t *testing.T) {
	ann, clock := shifted(t, "ann", 0)
	bob, clockOfBob := shifted(t, "bob", 0, ann)
	gid := newGroup(t, CreateGroup{}, ann, bob)
	x, y := newPuppet(t), newPuppet(t)
	for _, p := range []*puppet{x, y} {
		ok(t, p.know(ann))
		p.joins(ann, gid)
	}
	x.enters(ann, bob)
	ok(t, x.know(bob))
	agree(t, gid, ann, bob)
	x.meshed(ann, bob)
	r := ann.roomOf(gid)
	old, fresh, _ := y.twoBundles()
	r.validate(y.me(), old)
	r.validate(y.me(), fresh)
	ann.say(gid, "by ann")
	bob.say(gid, "by bob")
	_, err := ann.Rotate(within(t), gid)
	ok(t, err)
	agree(t, gid, ann, bob)
	join := group.SignJoinRequest(y.id, group.JoinRequest{Approver: ann.me, Group: x.gid[:], Bundle: y.bundle.Raw()})
	_, err = ann.Kick(within(t), gid, y.me().String())
	ok(t, err)
	agree(t, gid, ann, bob)
	bob.say(gid, "by bob again")
	ann.reads(gid, "by bob again")
	payloads := append(x.recorded(t, ann, "EMBC"), old)

	for _, c := range []interface{ Store(int64) }{clock, clockOfBob} {
		c.Store(int64(time.Hour))
	}
	ok(t, r.look(within(t), func(*group.Machine) {}))
	before, texts := ann.state(gid), ann.texts(gid)
	heard := ann.net.Drops()
	for _, payload := range payloads {
		v := r.validate(x.me(), payload)
		if v == mesh.Reject {
			t.Errorf("whoever repeats a record of kind %c is blamed", payload[0])
		}
		if v == mesh.Accept && (payload[0] == byte(group.KindMessage) || payload[0] == byte(group.KindEntry)) {
			t.Errorf("a record of kind %c is handed on again", payload[0])
		}
	}
	s := x.open(ann, protoJoin)
	ok(t, s.WriteFrame(join))
	if b, err := s.ReadFrame(maxFrame); err == nil {
		t.Errorf("another's request is answered with %x", b)
	}
	ok(t, r.look(within(t), func(*group.Machine) {}))
	if after := ann.state(gid); after != before {
		t.Errorf("before the replay:\n%s\nafter it:\n%s", before, after)
	}
	if again := ann.texts(gid); !slices.Equal(again, texts) {
		t.Errorf("ann read %q, now %q", texts, again)
	}
	bob.say(gid, "after the replay")
	ann.reads(gid, "after the replay")
	if d := ann.net.Drops(); d.Rejected != heard.Rejected {
		t.Errorf("drops were %+v, are %+v", heard, d)
	}
}

// twoBundles are records of two bundles of the puppet, the second newer than all
// that it had before.
func (p *puppet) twoBundles() (old, fresh []byte, newest keys.Bundle) {
	p.t.Helper()
	newest, _, err := keys.GenerateBundle(p.id, p.bundle.Seq+1)
	ok(p.t, err)
	record := func(b keys.Bundle) []byte { return append([]byte{byte(group.KindBundle)}, b.Raw()...) }
	return record(p.bundle), record(newest), newest
}

// recorded is what came by the topic and by catch-up, with every one of kinds in
// it.
func (p *puppet) recorded(t *testing.T, n *player, kinds string) (out [][]byte) {
	t.Helper()
	pulled, err := p.pulls(within(t), n, new(group.Heights))
	ok(t, err)
	out = slices.Concat(p.listened(), pulled)
	for _, k := range []byte(kinds) {
		if !slices.ContainsFunc(out, func(b []byte) bool { return b[0] == k }) {
			t.Fatalf("nothing of kind %c was recorded: the test proves nothing", k)
		}
	}
	return out
}

// TestAbuse_NO07_NoDHT: what a node with all its groups offers to whoever asks is
// its own protocols, gossip and identify: no DHT, no relay, no rendezvous.
func TestAbuse_NO07_NoDHT(t *testing.T) {
	ann := inMemory(t, "ann")
	newGroup(t, CreateGroup{}, ann)
	h, err := libp2p.New(libp2p.NoListenAddrs, libp2p.DisableRelay(), libp2p.DisableMetrics(), libp2p.ResourceManager(&network.NullResourceManager{}))
	ok(t, err)
	defer h.Close()
	info, err := peer.AddrInfoFromString(ann.addr())
	ok(t, err)
	ok(t, h.Connect(within(t), *info))
	offered, err := h.Peerstore().GetProtocols(info.ID)
	ok(t, err)
	slices.Sort(offered)
	want := []string{protoJoin, protoKept, protoKey, protoLink, protoOffer, protoSeek, protoSync, protoWithdraw, "/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0",
		"/meshsub/1.1.0", "/meshsub/1.2.0", "/meshsub/1.3.0"}
	slices.Sort(want)
	if fmt.Sprint(offered) != fmt.Sprint(want) {
		t.Errorf("offered: %v, want %v", offered, want)
	}
}

// TestAbuse_MM04_WithheldAndReordered: bob is given another's messages in the
// wrong order and without one of them. The gap is shown, and closed by the next
// member who holds what is missing.
func TestAbuse_MM04_WithheldAndReordered(t *testing.T) {
	ann, bob := inMemory(t, "ann"), inMemory(t, "bob")
	ok(t, bob.net.Remember(ann.me, ann.net.Addrs()...))
	gid := newGroup(t, CreateGroup{}, ann, bob)
	y := newPuppet(t)
	ok(t, y.know(ann))
	y.joins(ann, gid)
	agree(t, gid, ann, bob)
	said := y.speech(3)
	bob.net.Forget(ann.me)
	verdicts(ann.roomOf(gid), y.me(), said)
	ann.reads(gid, "flood 0", "flood 1", "flood 2")
	ok(t, ann.down())
	await(t, "bob without ann", func() bool { return !slices.Contains(bob.net.Connected(), ann.me) }) // y gives nothing
	verdicts(bob.roomOf(gid), y.me(), [][]byte{said[2], said[0]})
	bob.reads(gid, "flood 0")
	gaps := func() (out []LogLine) {
		page, err := bob.Log(within(t), gid, LogQuery{})
		ok(t, err)
		for _, l := range page {
			if l.Kind == "gap" {
				out = append(out, l)
			}
		}
		return out
	}
	if g := gaps(); len(g) != 1 || *g[0].Sender != y.me().String() || g[0].Missing.From != 2 || g[0].Missing.To != 2 || g[0].Reason == nil {
		t.Errorf("the gap is shown as %+v", g)
	}
	ann.up(bob)
	bob.reads(gid, "flood 0", "flood 1", "flood 2")
	if g := gaps(); len(g) != 0 || len(bob.texts(gid)) != 3 {
		t.Errorf("bob reads %q, gaps %+v", bob.texts(gid), g)
	}
}

// TestAbuse_MM16_UnknownDependencies: a member says much that rests on what
// nobody holds, and one thing that rests on what bob lacks. The one is fetched
// and shown; the rest is kept within bounds, and holds up nobody.
func TestAbuse_MM16_UnknownDependencies(t *testing.T) {
	ann, bob := newPlayer(t, "ann"), newPlayer(t, "bob") // on disk: it is memory that is measured
	ok(t, bob.net.Remember(ann.me, ann.net.Addrs()...))
	gid := newGroup(t, CreateGroup{}, ann, bob)
	x, y := newPuppet(t), newPuppet(t)
	for _, p := range []*puppet{x, y} {
		ok(t, p.know(ann))
		p.joins(ann, gid)
	}
	agree(t, gid, ann, bob)
	verdicts(ann.roomOf(gid), y.me(), y.speech(1))
	_, err := x.pulls(within(t), ann, nil)
	ok(t, err)
	resting := x.speech(1)[0]
	if v, err := group.Decode(x.gid, resting); err != nil || len(v.Msg().Deps) != 1 {
		t.Fatalf("it rests on nothing: %v", err)
	}
	bob.roomOf(gid).validate(x.me(), resting)
	await(t, "both lines at bob", func() bool { return len(bob.texts(gid)) == 2 })

	var msg group.Msg
	ok(t, keys.Unmarshal(bodyOf(t, x.speech(1)[0]), &msg))
	msg.Seq, msg.Prev = msg.Seq+1, keys.Hash{1}
	msg.Data = make([]byte, 14<<12+16) // a padded size
	settled := func() (waiting int, size int64) {
		ok(t, bob.roomOf(gid).look(within(t), func(m *group.Machine) { waiting = len(m.Gaps()) }))
		debug.FreeOSMemory()
		return waiting, int64(heap())
	}
	_, before := settled()
	const records = 1000
	for i := range records {
		msg.Deps = []group.Head{{Author: ann.me, Lane: 9, Seq: uint64(i + 1), Hash: group.Short{byte(i), byte(i >> 8), 1}}}
		if v := bob.roomOf(gid).validate(x.me(), signed(group.KindMessage, x.id, x.gid, keys.Marshal(&msg))); v == mesh.Reject {
			t.Fatal("rejected: the test proves nothing")
		}
	}
	waiting, after := settled()
	if waiting == 0 {
		t.Error("nothing waits: the test proves nothing")
	}
	if grown := (after - before) >> 10; grown > 24<<10 { // 4 MiB of records, what they were decoded to, and what the database has not flushed
		t.Errorf("of %d KiB the node keeps %d", records*len(msg.Data)>>10, grown)
	}
	ann.say(gid, "ann, meanwhile")
	bob.reads(gid, "ann, meanwhile")
}
