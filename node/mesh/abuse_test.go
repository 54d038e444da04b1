package mesh

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"conclave/keys"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	ma "github.com/multiformats/go-multiaddr"
	"google.golang.org/protobuf/proto"
)

// heap returns the bytes that are still reachable.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// One peer announces 800,000 topics, well formed and not, in frames as
// large as are read.
func TestManySubscriptionsTakeNoRoom(t *testing.T) {
	m := node(t)
	var at box
	tp := join(t, m, topicName(0), nil, at.validate)
	s := newStranger(t, nil, libp2p.NoListenAddrs)
	s.connect(m, pubsub.GossipSubID_v12)
	before := heap()
	const frame = 1000
	for i := range 800_000 / frame {
		var topics []string
		for j := range frame {
			if i%2 == 0 {
				topics = append(topics, topicName(i*frame+j))
			} else {
				topics = append(topics, fmt.Sprint("/conclave/1/", i*frame+j))
			}
		}
		if !s.send(m, announce(topics...)) {
			t.Fatal("the stream is gone: the test proves nothing")
		}
	}
	// The last frame has been read once the one after it has an effect.
	s.send(m, message(topicName(0), "end"))
	await(t, "end of the flood", func() bool { return m.Drops().Strangers == 1 })
	if grown := heap() - before; grown > 5<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if n := len(tp.Peers()); n != 0 {
		t.Errorf("%d peers", n)
	}
}

// More announcements in one frame than are taken at all: the frame is dropped.
func TestTooManySubscriptionsInOneFrame(t *testing.T) {
	m := node(t)
	var topics []string
	for i := range maxSubscriptions + 1 {
		topics = append(topics, fmt.Sprint(i))
	}
	rpc := &pubsub.RPC{RPC: pb.RPC{Subscriptions: announce(topics...).Subscriptions}}
	if err := m.inspect(m.host.ID(), rpc); !errors.Is(err, errFlood) {
		t.Errorf("%v, want errFlood", err)
	}
}

// A member, who has every right to speak, floods with control messages.
func floodControl(t *testing.T, rpc func(topic string, i int) *pb.RPC) {
	simulate(t, func(t *testing.T, w *world) {
		topic := topicName(1)
		s := w.stranger()
		a, b := w.node(), w.node()
		all := append(ids(a, b), s.id())
		var atA, atB box
		ta := join(t, a, topic, all, atA.validate)
		join(t, b, topic, all, atB.validate)
		connect(t, a, b)
		awaitReady(t, ta)
		s.connect(a, pubsub.GossipSubID_v12)
		s.send(a, announce(topic))
		publish(t, ta, "wanted")
		before := heap()
		for i := range 1000 { // 10 s of 10,000 a second
			s.send(a, rpc(topic, i))
			time.Sleep(10 * time.Millisecond)
		}
		if score := a.ledger.standing(s.h.ID()); score >= -80 {
			t.Errorf("app score %v after 10 s of flood", score)
		}
		if grown := heap() - before; grown > 16<<20 {
			t.Errorf("the heap grew by %d bytes", grown)
		}
		s.mu.Lock()
		if s.got > 10 || s.wants > 60_000 {
			t.Errorf("the flooder was sent %d payloads and asked for %d", s.got, s.wants)
		}
		s.mu.Unlock()
		s.send(a, message(topic, "from the graylist"))
		publish(t, ta, "still alive")
		time.Sleep(time.Second)
		if atA.has("from the graylist") {
			t.Error("the flooder is not graylisted")
		}
		if !atB.has("still alive") {
			t.Error("the flood keeps others from talking")
		}
	})
}

func TestIWantFloodEndsInTheGraylist(t *testing.T) {
	floodControl(t, func(topic string, _ int) *pb.RPC {
		want := make([]string, 100)
		for i := range want {
			want[i] = idOf(topic, "wanted")
		}
		return iwant(want...)
	})
}

func TestIHaveFloodEndsInTheGraylist(t *testing.T) {
	floodControl(t, func(topic string, n int) *pb.RPC {
		have := make([]string, 100)
		for i := range have {
			have[i] = idOf(topic, fmt.Sprint(n, i))
		}
		return ihave(topic, have...)
	})
}

// Frames beyond the limit end the stream, before they are read.
func TestOversizedFrameEndsTheStream(t *testing.T) {
	m := node(t)
	var at box
	for _, size := range []int{maxRPC + 1, 1 << 20} {
		s := newStranger(t, nil, libp2p.NoListenAddrs)
		topic := topicName(size)
		join(t, m, topic, []keys.PeerID{s.id()}, at.validate)
		s.connect(m, pubsub.GossipSubID_v12)
		s.send(m, announce(topic))
		s.send(m, message(topic, "small"))
		await(t, "small message", func() bool { return at.has("small") })
		at = box{}
		s.send(m, message(topic, strings.Repeat("x", size)))
		await(t, "end of the stream", func() bool { return !s.send(m, message(topic, "more")) })
		if at.len() != 0 {
			t.Errorf("%d bytes were taken", size)
		}
	}
}

// The same invalid bytes, ten thousand times.
func TestInvalidPayloadIsCheckedOnce(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		m, s := w.node(), w.stranger()
		topic := topicName(1)
		var checks atomic.Int32
		join(t, m, topic, []keys.PeerID{s.id()}, func(keys.PeerID, []byte) Verdict {
			checks.Add(1)
			return Reject
		})
		s.connect(m, pubsub.GossipSubID_v12)
		s.send(m, announce(topic))
		for range 10_000 {
			s.send(m, message(topic, "forged"))
		}
		time.Sleep(time.Second)
		if n := checks.Load(); n != 1 {
			t.Fatalf("%d checks", n)
		}
		// gossipsub forgets after two minutes, the negative cache does not.
		time.Sleep(5 * time.Minute)
		s.send(m, message(topic, "forged"))
		time.Sleep(time.Second)
		if n, d := checks.Load(), m.Drops(); n != 1 || d.Rejected != 2 {
			t.Errorf("%d checks after five minutes, drops %+v", n, d)
		}
	})
}

// Three rejected payloads are graylisted: nothing more is taken from the peer.
func TestRejectedPayloadsEndInTheGraylist(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		m, s := w.node(), w.stranger()
		topic := topicName(1)
		var at box
		join(t, m, topic, []keys.PeerID{s.id()}, func(from keys.PeerID, data []byte) Verdict {
			if strings.HasPrefix(string(data), "bad") {
				return Reject
			}
			return at.validate(from, data)
		})
		s.connect(m, pubsub.GossipSubID_v12)
		s.send(m, announce(topic))
		for i := range 3 {
			s.send(m, message(topic, fmt.Sprint("good", i)))
			s.send(m, message(topic, fmt.Sprint("bad", i)))
			time.Sleep(3 * time.Second)
		}
		if at.len() != 3 {
			t.Fatalf("%d of 3 good ones arrived before the graylist", at.len())
		}
		s.send(m, message(topic, "good after all"))
		time.Sleep(time.Second)
		if at.len() != 3 {
			t.Error("not graylisted after three")
		}
	})
}

// Somebody else answers at the address.
func TestWrongPeerIsNamed(t *testing.T) {
	a, b, c := node(t), node(t), node(t)
	err := a.Connect(t.Context(), b.ID(), c.Addrs()...)
	if !errors.Is(err, ErrWrongPeer) {
		t.Fatalf("%v, want ErrWrongPeer", err)
	}
	if !strings.Contains(err.Error(), b.ID().String()) {
		t.Errorf("%q does not name the peer that was expected", err)
	}
	if n := len(a.Connected()) + len(c.Connected()); n != 0 {
		t.Errorf("%d connections", n)
	}
}

// Random bytes on every protocol that is offered.
func TestRandomBytesOnEveryProtocol(t *testing.T) {
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

// What is offered to whoever asks.
func TestOnlyTheseProtocolsAreOffered(t *testing.T) {
	m := node(t)
	got := m.host.Mux().Protocols()
	slices.Sort(got)
	want := []protocol.ID{"/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0",
		pubsub.GossipSubID_v11, pubsub.GossipSubID_v12, pubsub.GossipSubID_v13}
	if !slices.Equal(got, want) {
		t.Errorf("offered: %v", got)
	}
	a := node(t)
	connect(t, a, m)
	agent, err := a.host.Peerstore().Get(m.host.ID(), "AgentVersion")
	if err != nil || agent != "conclave/1" {
		t.Errorf("user agent %v, %v", agent, err)
	}
}

// Identities that are no canonical Ed25519 key.
func TestOtherKeyTypesAreRefused(t *testing.T) {
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

// A replayed announcement lands between two frames, however the peer's own
// bytes are cut.
func TestReplayKeepsFramesWhole(t *testing.T) {
	var in bytes.Buffer
	for i := range 50 {
		b, err := proto.Marshal(message(topicName(i), strings.Repeat("x", i*7)))
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(protoLen(len(b)), b...))
	}
	var f frameState
	frames, all := 0, in.Bytes()
	for cut := 1; len(all) > 0; cut = cut%13 + 1 {
		n := f.limit(min(cut, len(all)))
		f.advance(all[:n])
		all = all[n:]
		if f.between() {
			frames++
		}
	}
	if frames != 50 || !f.between() {
		t.Errorf("%d frames seen, want 50", frames)
	}
}

func protoLen(n int) []byte {
	var b []byte
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}
