package mesh

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"conclave/keys"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// leak publishes at two members while a stranger does all it can, and fails if
// it was sent, or told of, a single payload.
func leak(t *testing.T, id protocol.ID, extra ...pubsub.Option) {
	simulate(t, func(t *testing.T, w *world) {
		topic := topicName(1)
		ms, ts, boxes := w.nodes(2, topic, extra...)
		s := w.stranger(id)
		for _, m := range ms {
			s.connect(m, id)
			s.send(m, announce(topic))
			s.send(m, graft(topic))
		}
		time.Sleep(2 * time.Second)
		for i := range 10 {
			publish(t, ts[i%2], fmt.Sprint(i))
			for _, m := range ms {
				s.send(m, iwant(idOf(topic, fmt.Sprint(i))))
			}
			time.Sleep(300 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		if boxes[0].len() != 5 || boxes[1].len() != 5 {
			t.Errorf("members got %d and %d of 5: the test proves nothing", boxes[0].len(), boxes[1].len())
		}
		if got, told := s.counts(); got != 0 || told != 0 {
			t.Errorf("a stranger was sent %d payloads and told of %d", got, told)
		}
	})
}

func TestAbuse_NM02_Floodsub(t *testing.T) {
	leak(t, pubsub.FloodSubID, floodsubToo())
}

func TestAbuse_NM03_FloodsubUnderFloodPublish(t *testing.T) {
	leak(t, pubsub.FloodSubID, floodsubToo(), pubsub.WithFloodPublish(true))
}

func TestAbuse_NM01_Gossipsub(t *testing.T) {
	leak(t, pubsub.GossipSubID_v12)
}

func TestAbuse_NM03_GossipsubUnderFloodPublish(t *testing.T) {
	leak(t, pubsub.GossipSubID_v11, pubsub.WithFloodPublish(true))
}

func TestAbuse_NM02_FloodsubIsNotOffered(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		m := w.node()
		s := w.stranger()
		s.connect(m, pubsub.GossipSubID_v11)
		if _, err := s.h.NewStream(t.Context(), m.host.ID(), pubsub.FloodSubID); err == nil {
			t.Error("floodsub is spoken")
		}
	})
}

// Swapping the view alone is not enough: the removed peer keeps its place in
// the mesh, and gets everything, until the connection is closed.
func TestRemovedPeerStaysInTheMeshUntilItsConnectionIsClosed(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		topic := topicName(1)
		ms, ts, boxes := w.nodes(2, topic)
		ts[0].view.swap(ids(ms[0]))
		publish(t, ts[0], "after the swap")
		time.Sleep(time.Second)
		if !boxes[1].has("after the swap") {
			t.Fatal("gossipsub dropped the peer by itself: Allow need not close connections any more")
		}
		ts[0].view.swap(ids(ms...))
		if err := ts[0].Allow(ids(ms[0])); err != nil {
			t.Fatal(err)
		}
		if ms[0].Connected() != nil {
			t.Error("still connected after Allow")
		}
		synctest.Wait()
		if err := ts[0].Publish(t.Context(), []byte("after Allow")); !errors.Is(err, ErrEmptyMesh) {
			t.Errorf("publish: %v, want ErrEmptyMesh", err)
		}
	})
}

// The removed peer comes back at once, and stays as long as it likes.
func TestAbuse_RM03_RemovedPeerComesBack(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		topic := topicName(1)
		ms, ts, boxes := w.nodes(3, topic)
		for _, tp := range ts[:2] {
			if err := tp.Allow(ids(ms[:2]...)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 10 {
			connect(t, ms[2], ms[0])
			connect(t, ms[2], ms[1])
			time.Sleep(500 * time.Millisecond)
			publish(t, ts[0], fmt.Sprint(i))
		}
		time.Sleep(5 * time.Second)
		if boxes[1].len() != 10 {
			t.Errorf("the member that stayed got %d of 10", boxes[1].len())
		}
		if n := boxes[2].len(); n != 0 {
			t.Errorf("the removed peer got %d payloads", n)
		}
	})
}

// An announcement that was refused because the roster lagged is not repeated by
// the peer; Allow lets it in nevertheless, without a new connection.
func TestRefusedAnnouncementCountsAfterAllow(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		topic := topicName(1)
		a, b := w.node(), w.node()
		var atA, atB box
		ta := join(t, a, topic, ids(a), atA.validate)
		tb := join(t, b, topic, ids(a, b), atB.validate)
		connect(t, b, a)
		time.Sleep(5 * time.Second)
		if len(ta.Peers()) != 0 {
			t.Fatal("b is in the topic before it is allowed")
		}
		ta.view.swap(ids(a, b))
		time.Sleep(10 * time.Second)
		if len(ta.Peers()) != 0 {
			t.Fatal("gossipsub announces by itself again: the tap is not needed any more")
		}
		before := a.host.Network().ConnsToPeer(b.host.ID())
		if err := ta.Allow(ids(a, b)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		if len(ta.Peers()) != 1 || len(ta.Mesh()) != 1 || len(tb.Mesh()) != 1 {
			t.Fatalf("100 ms later: peers %v, mesh %v and %v", ta.Peers(), ta.Mesh(), tb.Mesh())
		}
		publish(t, ta, "to b")
		publish(t, tb, "to a")
		time.Sleep(time.Second)
		if !atA.has("to a") || !atB.has("to b") {
			t.Error("payloads do not flow")
		}
		if after := a.host.Network().ConnsToPeer(b.host.ID()); len(after) != 1 || after[0] != before[0] {
			t.Error("the connection was replaced")
		}
	})
}

// The peer that was refused holds everybody for its mesh; where they have
// enough peers without it, nobody would ever take it into theirs.
func TestRefusedGraftCountsAfterAllow(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		topic := topicName(1)
		ms, ts, _ := w.nodes(4, topic)
		b := w.node()
		var at box
		tb := join(t, b, topic, ids(ms...), at.validate)
		for _, m := range ms {
			connect(t, b, m)
		}
		time.Sleep(5 * time.Second)
		if n := len(tb.Mesh()); n == 0 {
			t.Fatal("b has nobody in its mesh: the test proves nothing")
		}
		for _, tp := range ts {
			if err := tp.Allow(append(ids(ms...), b.ID())); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Second)
		for _, p := range tb.Mesh() {
			for i, m := range ms {
				if m.ID() == p && !slices.Contains(ts[i].Mesh(), b.ID()) {
					t.Errorf("b has node %d in its mesh, which has not b in its own", i)
				}
			}
		}
	})
}

// The same, where the announcement came before the topic was joined at all.
func TestEarlyAnnouncementCountsAfterJoin(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		topic := topicName(1)
		a, b := w.node(), w.node()
		var atA, atB box
		tb := join(t, b, topic, ids(a, b), atB.validate)
		connect(t, b, a)
		time.Sleep(5 * time.Second)
		ta := join(t, a, topic, ids(a, b), atA.validate)
		time.Sleep(1200 * time.Millisecond)
		publish(t, ta, "to b")
		publish(t, tb, "to a")
		time.Sleep(time.Second)
		if !atA.has("to a") || !atB.has("to b") {
			t.Error("payloads do not flow")
		}
	})
}

// A peer that takes its announcement back is not let in later.
func TestWithdrawnAnnouncementIsForgotten(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		a, b := w.node(), w.node()
		var atA, atB box
		ta := join(t, a, topicName(1), ids(a), atA.validate)
		tb := join(t, b, topicName(1), ids(a, b), atB.validate)
		connect(t, b, a)
		time.Sleep(2 * time.Second)
		if err := tb.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if err := ta.Allow(ids(a, b)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if got := ta.Peers(); len(got) != 0 {
			t.Errorf("peers: %v", got)
		}
	})
}

// Losing one topic closes the connection that other topics share; it comes back,
// and the filters judge per topic.
func TestRemovalFromOneTopicLeavesTheOther(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		one, two := topicName(1), topicName(2)
		ms, ts, boxes := w.nodes(2, one)
		var other [2]box
		ta := join(t, ms[0], two, ids(ms...), other[0].validate)
		join(t, ms[1], two, ids(ms...), other[1].validate)
		awaitReady(t, ta)
		if err := ms[0].Remember(ms[1].ID(), ms[1].Addrs()...); err != nil {
			t.Fatal(err)
		}
		if err := ts[0].Allow(ids(ms[0])); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		publish(t, ta, "still here")
		if err := ts[0].Publish(t.Context(), []byte("secret")); !errors.Is(err, ErrEmptyMesh) {
			t.Errorf("publish: %v, want ErrEmptyMesh", err)
		}
		time.Sleep(5 * time.Second)
		if !other[1].has("still here") {
			t.Error("the other topic is lost")
		}
		if boxes[1].len() != 0 {
			t.Error("the topic that it was removed from still reaches it")
		}
	})
}

// gossipsub takes a megabyte, returns nil, and sends it to nobody; so we refuse.
func TestTooLargeAPayloadIsAnError(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		_, ts, boxes := w.nodes(2, topicName(1))
		if err := ts[0].topic.Publish(t.Context(), make([]byte, 1<<20)); err != nil {
			t.Fatalf("gossipsub now says %v", err)
		}
		time.Sleep(5 * time.Second)
		if boxes[1].len() != 0 {
			t.Fatal("gossipsub now delivers it")
		}
		for n, want := range map[int]error{1 << 20: ErrTooLarge, MaxPayload + 1: ErrTooLarge, MaxPayload: nil, 0: nil} {
			if err := ts[0].Publish(t.Context(), make([]byte, n)); !errors.Is(err, want) {
				t.Errorf("%d bytes: %v, want %v", n, err, want)
			}
		}
		time.Sleep(5 * time.Second)
		if boxes[1].len() != 2 {
			t.Errorf("%d of the 2 allowed sizes arrived", boxes[1].len())
		}
	})
}

// Publishing into an empty mesh loses the message, and the same bytes cannot be
// published again: so it is refused, and Ready tells when.
func TestEmptyMeshIsAnErrorAndReadyTells(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		a, b := w.node(), w.node()
		var atA, atB box
		ta := join(t, a, topicName(1), ids(a, b), atA.validate)
		if err := ta.Publish(t.Context(), []byte("x")); !errors.Is(err, ErrEmptyMesh) {
			t.Fatalf("%v, want ErrEmptyMesh", err)
		}
		join(t, b, topicName(1), ids(a, b), atB.validate)
		connect(t, a, b)
		awaitReady(t, ta)
		publish(t, ta, "x")
		time.Sleep(time.Second)
		if !atB.has("x") {
			t.Error("published when ready, and lost")
		}
		a.Drop(b.ID())
		time.Sleep(100 * time.Millisecond)
		select {
		case <-ta.Ready():
			t.Error("ready without a peer")
		default:
		}
	})
}

// A stranger that got hold of a message and sends it first must not make the
// node deaf to the member's copy: gossipsub marks as seen before it validates.
func TestStrangersCopyDoesNotShadowTheMembers(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		topic := topicName(1)
		ms, ts, boxes := w.nodes(2, topic)
		s := w.stranger()
		s.connect(ms[1], pubsub.GossipSubID_v12)
		s.send(ms[1], announce(topic))
		s.send(ms[1], message(topic, "early"))
		time.Sleep(time.Second)
		if boxes[1].len() != 0 || ms[1].Drops().Strangers != 1 {
			t.Fatalf("got %d, drops %+v", boxes[1].len(), ms[1].Drops())
		}
		publish(t, ts[0], "early")
		time.Sleep(time.Second)
		if !boxes[1].has("early") {
			t.Error("the member's copy was taken for a duplicate")
		}
	})
}

func TestValidatorPanicIsIgnoredOnce(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		a, b := w.node(), w.node()
		var atA, atB box
		ta := join(t, a, topicName(1), ids(a, b), atA.validate)
		join(t, b, topicName(1), ids(a, b), func(from keys.PeerID, data []byte) Verdict {
			if string(data) == "bad" {
				panic("bug")
			}
			return atB.validate(from, data)
		})
		connect(t, a, b)
		awaitReady(t, ta)
		for _, s := range []string{"bad", "good"} {
			publish(t, ta, s)
		}
		time.Sleep(time.Second)
		if !atB.has("good") || atB.len() != 1 || b.Drops().Ignored != 1 {
			t.Errorf("got %v, drops %+v", atB.got, b.Drops())
		}
	})
}
