package mesh

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"conclave/keys"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/x/simlibp2p"
	"github.com/marcopolo/simnet"
	manet "github.com/multiformats/go-multiaddr/net"
)

// world is a network of nodes in virtual time: 10 ms from each to each, and a
// sleep costs nothing.
type world struct {
	t    *testing.T
	nw   *simnet.Simnet
	n    int
	link simnet.LinkSettings // of each node, in both directions
	lost sync.Map            // IP addresses that nothing comes from, or reaches
}

// simulate runs f in a bubble of virtual time, and ends everything in it.
func simulate(t *testing.T, f func(*testing.T, *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, link: simnet.LinkSettings{BitsPerSecond: 100 * simlibp2p.OneMbps}}
		w.nw = &simnet.Simnet{LatencyFunc: w.latency}
		w.nw.Start()
		t.Cleanup(w.nw.Close)
		f(t, w)
	})
}

func (w *world) latency(p *simnet.Packet) time.Duration {
	for _, a := range []net.Addr{p.From, p.To} {
		if _, lost := w.lost.Load(a.(*net.UDPAddr).IP.String()); lost {
			return 24 * time.Hour
		}
	}
	return 10 * time.Millisecond
}

// cut takes a node off the network. Nobody is told.
func (w *world) cut(m *Mesh) {
	w.t.Helper()
	for _, a := range m.host.Network().ListenAddresses() {
		ip, err := manet.ToIP(a)
		if err != nil {
			w.t.Fatal(err)
		}
		w.lost.Store(ip.String(), true)
	}
}

// addr returns the next free address of the world.
func (w *world) addr() string {
	w.n++
	return fmt.Sprintf("/ip4/%s/udp/8000/quic-v1", simnet.IntToPublicIPv4(w.n))
}

func (w *world) option() libp2p.Option {
	return simlibp2p.QUICSimnet(w.nw, simnet.NodeBiDiLinkSettings{Downlink: w.link, Uplink: w.link})
}

// node starts a mesh in the world.
func (w *world) node(extra ...pubsub.Option) *Mesh {
	w.t.Helper()
	return w.nodeOf(identity(w.t), extra...)
}

func (w *world) nodeOf(id *keys.Identity, extra ...pubsub.Option) *Mesh {
	w.t.Helper()
	cfg := Config{Identity: id, Listen: []string{w.addr()}}
	m, err := start(w.t.Context(), cfg, []libp2p.Option{w.option()}, extra...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := m.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return m
}

// nodes starts n of them, each connected to each, and joined to topic.
func (w *world) nodes(n int, topic string, extra ...pubsub.Option) ([]*Mesh, []*Topic, []*box) {
	w.t.Helper()
	ms, ts, boxes := make([]*Mesh, n), make([]*Topic, n), make([]*box, n)
	for i := range ms {
		ms[i], boxes[i] = w.node(extra...), &box{}
	}
	for i := range ms {
		ts[i] = join(w.t, ms[i], topic, ids(ms...), boxes[i].validate)
		for j := range i {
			connect(w.t, ms[i], ms[j])
		}
	}
	awaitReady(w.t, ts...)
	return ms, ts, boxes
}

// stranger starts an adversary in the world, who answers to the protocols.
func (w *world) stranger(protos ...protocol.ID) *stranger {
	w.t.Helper()
	return newStranger(w.t, protos, libp2p.ListenAddrStrings(w.addr()), w.option())
}

func TestSimulatedNodesTalk(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		_, ts, boxes := w.nodes(3, topicName(1))
		publish(t, ts[0], "hello")
		time.Sleep(3 * time.Second)
		for i := range boxes[1:] {
			if !boxes[i+1].has("hello") {
				t.Errorf("node %d missed it", i+1)
			}
		}
	})
}
