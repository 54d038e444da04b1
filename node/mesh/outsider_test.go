package mesh

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"conclave/keys"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	ma "github.com/multiformats/go-multiaddr"
)

// door is a gater that lets everybody in and notes who said who they are.
type door struct {
	gater
	mu   sync.Mutex
	knew []peer.ID
}

func (d *door) InterceptSecured(_ network.Direction, p peer.ID, _ network.ConnMultiaddrs) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.knew = append(d.knew, p)
	return true
}

func (d *door) met() []peer.ID {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.knew)
}

// Somebody with another key answers in place of the peer, by either transport.
// The dial fails and names the peer that was expected, and whoever answered is
// not told so much as who dialled.
func TestAbuse_NO02_AnotherKeyAnswers(t *testing.T) {
	for _, addr := range []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"} {
		t.Run(addr, func(t *testing.T) {
			d := new(door)
			mitm := newStranger(t, nil, libp2p.ListenAddrStrings(addr), libp2p.ConnectionGater(d))
			at := mitm.h.Addrs()[0].String()
			a, expected := node(t), identity(t).PeerID()
			err := a.Connect(t.Context(), expected, at)
			if !errors.Is(err, ErrWrongPeer) {
				t.Fatalf("%v, want ErrWrongPeer", err)
			}
			if !strings.Contains(err.Error(), expected.String()) {
				t.Errorf("%q does not name the peer that was expected", err)
			}
			if _, err := a.Open(t.Context(), expected, echo); !errors.Is(err, ErrWrongPeer) && !errors.Is(err, ErrUnreachable) {
				t.Errorf("a stream to it: %v", err)
			}
			if n := len(a.Connected()); n != 0 {
				t.Errorf("%d connections", n)
			}
			// Under its own name it is dialled; so it would have been told before.
			if err := a.Connect(t.Context(), mitm.id(), at); err != nil {
				t.Fatal(err)
			}
			await(t, "the dialler's name", func() bool { return len(d.met()) > 0 })
			if met := d.met(); len(met) != 1 {
				t.Errorf("it learnt %d times who dialled", len(met))
			}
		})
	}
}

// Random bytes on every protocol that is offered.
func TestAbuse_NO05_RandomBytes(t *testing.T) {
	var log lines
	m := nodeWith(t, Config{Identity: identity(t), Listen: loopback, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	m.Handle(echo, echoFrames)
	var at box
	join(t, m, topicName(1), nil, at.validate)
	s := newStranger(t, nil, libp2p.NoListenAddrs)
	s.connect(m, pubsub.GossipSubID_v12)
	noise := make([]byte, 4096)
	for range 20 {
		for _, id := range m.host.Mux().Protocols() {
			st, err := s.h.NewStream(t.Context(), m.host.ID(), id)
			if err != nil {
				continue // more streams than one peer may have
			}
			rand.Read(noise)
			st.Write(noise)
			st.Close()
		}
	}
	a := node(t)
	connect(t, a, m)
	st, err := a.Open(t.Context(), m.ID(), echo)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if err := st.WriteFrame([]byte("alive")); err != nil {
		t.Fatal(err)
	}
	if b, err := st.ReadFrame(16); err != nil || string(b) != "alive" {
		t.Errorf("%q, %v", b, err)
	}
	if got := log.String(); got != "" {
		t.Errorf("logged: %s", got)
	}
}

// lines is a log that is written from several goroutines.
type lines struct {
	text atomic.Value
}

func (l *lines) Write(b []byte) (int, error) {
	l.text.Store(l.String() + string(b))
	return len(b), nil
}

func (l *lines) String() string {
	s, _ := l.text.Load().(string)
	return s
}

// What is offered to whoever asks, and asked of others: no DHT among it, nor
// anything else that tells third parties where the node is.
func TestAbuse_NO07_NoDHT(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		m := w.node()
		dht := []protocol.ID{"/ipfs/kad/1.0.0", "/ipfs/lan/kad/1.0.0"}
		s := w.stranger()
		var asked atomic.Int32
		for _, id := range append(dht, "/libp2p/autonat/1.0.0", "/libp2p/autonat/2/dial-request",
			"/libp2p/circuit/relay/0.2.0/hop", "/rendezvous/1.0.0") {
			s.h.SetStreamHandler(id, func(st network.Stream) { asked.Add(1); st.Reset() })
		}
		if err := m.Connect(t.Context(), s.id(), s.h.Addrs()[0].String()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if n := asked.Load(); n > 0 {
			t.Errorf("the node asked %d times", n)
		}
		offered, err := s.h.Peerstore().GetProtocols(m.host.ID())
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(offered)
		want := []protocol.ID{"/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0",
			pubsub.GossipSubID_v11, pubsub.GossipSubID_v12, pubsub.GossipSubID_v13}
		if !slices.Equal(offered, want) {
			t.Errorf("offered: %v", offered)
		}
		for _, id := range dht {
			if st, err := s.h.NewStream(t.Context(), m.host.ID(), id); err == nil {
				t.Errorf("%s is spoken", id)
				st.Reset()
			}
		}
		agent, err := s.h.Peerstore().Get(m.host.ID(), "AgentVersion")
		if err != nil || agent != "conclave/1" {
			t.Errorf("user agent %v, %v", agent, err)
		}
	})
}

// Identities that are no canonical Ed25519 key.
func TestAbuse_NO10_OtherKeyTypes(t *testing.T) {
	m := node(t)
	for _, kind := range []int{crypto.RSA, crypto.ECDSA, crypto.Secp256k1} {
		sk, _, err := crypto.GenerateKeyPair(kind, 2048)
		if err != nil {
			t.Fatal(err)
		}
		s := newStranger(t, nil, libp2p.Identity(sk), libp2p.NoListenAddrs)
		gone := make(chan struct{})
		s.h.Network().Notify(&network.NotifyBundle{DisconnectedF: func(network.Network, network.Conn) { close(gone) }})
		info := peer.AddrInfo{ID: m.host.ID(), Addrs: m.host.Addrs()}
		if err := s.h.Connect(t.Context(), info); err == nil {
			select {
			case <-gone:
			case <-time.After(patience):
				t.Errorf("key type %d stays connected", kind)
			}
		}
		if n := len(m.Connected()); n != 0 {
			t.Errorf("key type %d is connected", kind)
		}
	}
	small := peer.ID(keys.PeerID{1}.Multihash())
	if (gater{}).InterceptSecured(network.DirInbound, small, nil) || (gater{}).InterceptPeerDial(small) {
		t.Error("a point of small order passes")
	}
}

// --lan: an address of the Internet is not dialled.
func TestLANOnlyDialsNoPublicAddress(t *testing.T) {
	m := nodeWith(t, Config{Identity: identity(t), Listen: loopback, LAN: true})
	b := node(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := m.Connect(ctx, b.ID(), "/ip4/192.0.2.1/tcp/4001")
	if !errors.Is(err, ErrUnreachable) || !errors.Is(err, swarm.ErrGaterDisallowedConnection) {
		t.Errorf("%v, want ErrUnreachable by our own refusal", err)
	}
	g := gater{lan: true}
	for addr, want := range map[string]bool{
		"/ip4/192.0.2.1/tcp/1": false, "/ip4/8.8.8.8/udp/1/quic-v1": false, "/ip6/2001:db8::1/tcp/1": false,
		"/ip4/10.0.0.1/tcp/1": true, "/ip4/127.0.0.1/tcp/1": true, "/ip6/fd00::1/tcp/1": true,
		"/dns4/example.org/tcp/1": false,
	} {
		if got := g.InterceptAddrDial(b.host.ID(), ma.StringCast(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	connect(t, m, b)
}
