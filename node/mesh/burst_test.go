package mesh

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"conclave/keys"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/marcopolo/simnet"
)

// crowd is n nodes on loopback, each connected to each, that count payloads.
type crowd struct {
	ms  []*Mesh
	ts  []*Topic
	got []atomic.Int64
}

func gather(t testing.TB, n int, extra ...pubsub.Option) *crowd {
	t.Helper()
	c := &crowd{got: make([]atomic.Int64, n)}
	for range n {
		c.ms = append(c.ms, node(t, extra...))
	}
	for i, m := range c.ms {
		c.ts = append(c.ts, join(t, m, topicName(1), ids(c.ms...), func(keys.PeerID, []byte) Verdict {
			c.got[i].Add(1)
			return Accept
		}))
		for j := range i {
			connect(t, m, c.ms[j])
		}
	}
	awaitReady(t, c.ts...)
	for i, tp := range c.ts {
		await(t, "full topic", func() bool { return len(tp.Peers()) == n-1 && len(c.ts[i].Mesh()) >= min(2, n-1) })
	}
	return c
}

// burst publishes n payloads back to back at one node.
func (c *crowd) burst(t testing.TB, n, size int) {
	t.Helper()
	data := make([]byte, size)
	for i := range n {
		binary.BigEndian.PutUint64(data, uint64(i))
		publish(t, c.ts[0], string(data))
	}
}

// delivered is the number of payloads that arrived, at all receivers together.
func (c *crowd) delivered() (n int64) {
	for i := range c.got {
		n += c.got[i].Load()
	}
	return n
}

func (c *crowd) drops() (d Drops) {
	for _, m := range c.ms {
		x := m.Drops()
		d.Outbound += x.Outbound
		d.Validation += x.Validation
	}
	return d
}

// An unpaced burst of 1,000 messages at 8 nodes: with gossipsub's default
// queues of 32 most of it is lost while Publish returns nil.
func TestBurstAtEightNodesIsLossFree(t *testing.T) {
	const nodes, messages = 8, 1000
	c := gather(t, nodes)
	began := time.Now()
	c.burst(t, messages, 256)
	await(t, "delivery of all", func() bool { return c.delivered() == (nodes-1)*messages })
	t.Logf("%d deliveries in %v, drops %+v", c.delivered(), time.Since(began), c.drops())
	if n := c.drops().Outbound; n != 0 {
		t.Errorf("%d payloads dropped before they were sent", n)
	}
	if d := c.drops(); d != (Drops{}) {
		t.Errorf("drops: %+v", d)
	}
}

func TestDefaultQueuesDropSilently(t *testing.T) {
	c := gather(t, 8, pubsub.WithPeerOutboundQueueSize(32), pubsub.WithValidateQueueSize(32))
	c.burst(t, 1000, 256)
	await(t, "drop that is counted", func() bool { return c.drops().Outbound > 0 })
}

// A long burst over a slow link: the outbound queues would overflow many times
// if Publish did not wait for them.
func TestPublishWaitsForSlowLinks(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		w.link = simnet.LinkSettings{BitsPerSecond: 4_000_000}
		_, ts, boxes := w.nodes(3, topicName(1))
		const messages = 4000
		began := time.Now()
		for i := range messages {
			publish(t, ts[0], fmt.Sprintf("%0512d", i))
		}
		t.Logf("%d payloads of 512 bytes in %v of virtual time", messages, time.Since(began))
		time.Sleep(time.Minute)
		for i, b := range boxes[1:] {
			if b.len() != messages {
				t.Errorf("node %d got %d of %d", i+1, b.len(), messages)
			}
		}
		for _, tp := range ts {
			if d := tp.m.Drops(); d.Outbound+d.Validation != 0 {
				t.Errorf("drops: %+v", d)
			}
		}
	})
}

// A peer that reads nothing holds Publish up for a second, once.
func TestStalledPeerDoesNotHoldPublishUp(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		topic := topicName(1)
		a, b := w.node(), w.node()
		s := w.stranger() // takes streams, reads nothing
		s.h.SetStreamHandler(pubsub.GossipSubID_v12, func(network.Stream) {})
		all := append(ids(a, b), s.id())
		var atA, atB box
		ta := join(t, a, topic, all, atA.validate)
		join(t, b, topic, all, atB.validate)
		connect(t, a, b)
		s.connect(a, pubsub.GossipSubID_v12)
		s.send(a, announce(topic))
		s.send(a, graft(topic))
		time.Sleep(3 * time.Second)
		if len(ta.Mesh()) != 2 {
			t.Fatalf("mesh %v: the test proves nothing", ta.Mesh())
		}
		began := time.Now()
		const messages = 2000
		for i := range messages {
			publish(t, ta, fmt.Sprintf("%01024d", i))
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("a burst took %v", took)
		}
		time.Sleep(10 * time.Second)
		if atB.len() != messages {
			t.Errorf("the other peer got %d of %d", atB.len(), messages)
		}
	})
}

// BenchmarkDeliver reports the CPU time per delivered payload, of all nodes
// together, validator excluded.
func BenchmarkDeliver(b *testing.B) {
	for _, n := range []int{2, 8} {
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) {
			c := gather(b, n)
			b.ResetTimer()
			before := cpuTime(b)
			c.burst(b, b.N, 256)
			want := int64(n-1) * int64(b.N)
			await(b, "delivery of all", func() bool { return c.delivered() == want })
			b.ReportMetric(float64(cpuTime(b)-before)/float64(time.Microsecond)/float64(want), "cpu-us/delivery")
			b.ReportMetric(float64(c.drops().Outbound+c.drops().Validation), "drops")
		})
	}
}
