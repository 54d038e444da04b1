package mesh

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"conclave/keys"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if helper() {
		return
	}
	goleak.VerifyTestMain(m)
}

const patience = 2 * time.Minute

var loopback = []string{"/ip4/127.0.0.1/tcp/0"}

// topicName returns the n-th topic.
func topicName(n int) string { return fmt.Sprintf("%s%064x", TopicPrefix, n) }

func identity(t testing.TB) *keys.Identity {
	t.Helper()
	id, err := keys.GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// node starts a mesh on loopback and closes it with the test.
func node(t testing.TB, extra ...pubsub.Option) *Mesh {
	t.Helper()
	return nodeWith(t, Config{Identity: identity(t), Listen: loopback}, extra...)
}

func nodeWith(t testing.TB, cfg Config, extra ...pubsub.Option) *Mesh {
	t.Helper()
	m, err := start(t.Context(), cfg, nil, extra...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// connect makes a dial b.
func connect(t testing.TB, a, b *Mesh) {
	t.Helper()
	if err := a.Connect(t.Context(), b.ID(), b.Addrs()...); err != nil {
		t.Fatal(err)
	}
}

// await waits until ok holds. It asks again whenever the moment may have come;
// gossipsub tells nobody when it does.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no %s within %v", what, patience)
		}
	}
}

func awaitReady(t testing.TB, topics ...*Topic) {
	t.Helper()
	for _, tp := range topics {
		select {
		case <-tp.Ready():
		case <-time.After(patience):
			t.Fatalf("%v has an empty mesh", tp.m.ID())
		}
	}
}

// box collects payloads.
type box struct {
	mu  sync.Mutex
	got []string
}

func (b *box) validate(_ keys.PeerID, data []byte) Verdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, string(data))
	return Accept
}

func (b *box) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.got)
}

func (b *box) has(s string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, g := range b.got {
		if g == s {
			return true
		}
	}
	return false
}

func ids(ms ...*Mesh) []keys.PeerID {
	var out []keys.PeerID
	for _, m := range ms {
		out = append(out, m.ID())
	}
	return out
}

func join(t testing.TB, m *Mesh, topic string, allowed []keys.PeerID, v Validator) *Topic {
	t.Helper()
	tp, err := m.Join(topic, allowed, v)
	if err != nil {
		t.Fatal(err)
	}
	return tp
}

func publish(t testing.TB, tp *Topic, data string) {
	t.Helper()
	if err := tp.Publish(t.Context(), []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func TestTwoNodesTalk(t *testing.T) {
	a, b := node(t), node(t)
	var atA, atB box
	ta := join(t, a, topicName(1), ids(a, b), atA.validate)
	tb := join(t, b, topicName(1), ids(a, b), atB.validate)
	connect(t, a, b)
	awaitReady(t, ta, tb)
	publish(t, ta, "from a")
	publish(t, tb, "from b")
	await(t, "exchange", func() bool { return atB.has("from a") && atA.has("from b") })
	if got := ta.Peers(); len(got) != 1 || got[0] != b.ID() {
		t.Errorf("peers %v, want b", got)
	}
	if atA.has("from a") {
		t.Error("a node judges its own payload")
	}
}

// The usual addresses, of which the port is chosen beforehand; both transports.
func TestListening(t *testing.T) {
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	listen := []string{fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", port), fmt.Sprintf("/ip4/127.0.0.1/udp/%d/quic-v1", port)}
	a := nodeWith(t, Config{Identity: identity(t), Listen: listen})
	for _, addr := range listen {
		b := node(t)
		if err := b.Connect(t.Context(), a.ID(), addr); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
	for _, addr := range listen {
		_, err := New(t.Context(), Config{Identity: identity(t), Listen: append(loopback[:1:1], addr)})
		if !errors.Is(err, ErrListen) {
			t.Errorf("%s twice: %v, want ErrListen", addr, err)
		}
	}
	if _, err := New(t.Context(), Config{Identity: identity(t), Listen: []string{"tcp/1"}}); !errors.Is(err, ErrAddress) {
		t.Errorf("malformed: %v, want ErrAddress", err)
	}
	if _, err := New(t.Context(), Config{Identity: identity(t), Listen: listen}); !errors.Is(err, ErrListen) {
		t.Errorf("all taken: %v, want ErrListen", err)
	}
}

func TestJoinTwice(t *testing.T) {
	a := node(t)
	var at box
	tp := join(t, a, topicName(1), nil, at.validate)
	if _, err := a.Join(topicName(1), nil, at.validate); !errors.Is(err, ErrTopic) {
		t.Errorf("second join: %v, want ErrTopic", err)
	}
	if err := tp.Close(); err != nil {
		t.Fatal(err)
	}
	if err := tp.Publish(t.Context(), []byte("x")); !errors.Is(err, ErrEmptyMesh) && !errors.Is(err, ErrClosed) {
		t.Errorf("publish after close: %v", err)
	}
	if err := tp.Allow(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("allow after close: %v, want ErrClosed", err)
	}
	join(t, a, topicName(1), nil, at.validate)
}

func TestTopicGrammar(t *testing.T) {
	hex := strings.Repeat("0a", 32)
	for topic, want := range map[string]bool{
		TopicPrefix + hex:                  true,
		TopicPrefix + strings.ToUpper(hex): false,
		TopicPrefix + hex[1:]:              false,
		TopicPrefix + hex + "0":            false,
		"/conclave/2/" + hex:               false,
		"":                                 false,
		TopicPrefix + hex[:63] + "g":       false,
		strings.Repeat("x", len(TopicPrefix)) + hex: false,
	} {
		if got := validTopic(topic); got != want {
			t.Errorf("validTopic(%q) = %v", topic, got)
		}
	}
	if _, err := node(t).Join("room", nil, nil); !errors.Is(err, ErrTopic) {
		t.Errorf("join: %v, want ErrTopic", err)
	}
}

func TestEventsAndDrop(t *testing.T) {
	a, b := node(t), node(t)
	connect(t, a, b)
	expect := func(want PeerEvent) {
		t.Helper()
		select {
		case got := <-a.Events():
			if got != want {
				t.Fatalf("event %v, want %v", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("no event, want %v", want)
		}
	}
	expect(PeerEvent{b.ID(), true})
	if got := a.Connected(); len(got) != 1 || got[0] != b.ID() {
		t.Errorf("connected: %v", got)
	}
	if err := a.Drop(b.ID()); err != nil {
		t.Fatal(err)
	}
	expect(PeerEvent{b.ID(), false})
}

func TestRememberedPeerIsRedialled(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		a, b := w.node(), w.node()
		if err := a.Remember(b.ID(), b.Addrs()...); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(5 * time.Second)
			if len(a.Connected()) != 1 {
				t.Fatal("not connected")
			}
			if err := a.Drop(b.ID()); err != nil {
				t.Fatal(err)
			}
		}
		a.Forget(b.ID())
		time.Sleep(time.Minute)
		if n := len(a.Connected()); n != 0 {
			t.Error("redialled although forgotten")
		}
		if len(a.AddrsOf(b.ID())) == 0 {
			t.Error("no addresses to store")
		}
	})
}

func TestStaticPeer(t *testing.T) {
	b := node(t)
	a := nodeWith(t, Config{Identity: identity(t), Listen: loopback, Static: b.FullAddrs()})
	await(t, "connection", func() bool { return len(a.Connected()) == 1 })
	for _, bad := range []string{"", "x", "/ip4/1.2.3.4/tcp/1", "/p2p/" + b.ID().String(),
		"/ip4/1.2.3.4/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"} {
		if err := CheckPeer(bad); !errors.Is(err, ErrAddress) {
			t.Errorf("CheckPeer(%q) = %v, want ErrAddress", bad, err)
		}
	}
}

func TestConnectErrors(t *testing.T) {
	a, b, c := node(t), node(t), node(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := a.Connect(ctx, b.ID()); !errors.Is(err, ErrUnreachable) {
		t.Errorf("no address: %v, want ErrUnreachable", err)
	}
	if err := a.Connect(ctx, b.ID(), "/ip4/127.0.0.1/tcp/1"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("nobody listens: %v, want ErrUnreachable", err)
	}
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	// The swarm would refuse to try the address again for seconds.
	late := Config{Identity: identity(t), Listen: []string{fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", port)}}
	if err := a.Connect(ctx, late.Identity.PeerID(), late.Listen...); !errors.Is(err, ErrUnreachable) {
		t.Errorf("not there yet: %v, want ErrUnreachable", err)
	}
	connect(t, a, nodeWith(t, late))
	if err := a.Connect(ctx, b.ID(), c.FullAddrs()...); !errors.Is(err, ErrAddress) {
		t.Errorf("address of another: %v, want ErrAddress", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := a.Connect(ended, b.ID(), b.Addrs()...); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v, want context.Canceled", err)
	}
	connect(t, a, b)
}

// Whoever comes at the first moment finds what there is to be found.
func TestServesFromTheFirstMoment(t *testing.T) {
	served := make(chan struct{}, 1)
	a := nodeWith(t, Config{Identity: identity(t), Listen: loopback, Serve: func(m *Mesh) {
		if addrs := m.host.Network().ListenAddresses(); len(addrs) > 0 {
			t.Errorf("it can be reached before it serves: %v", addrs)
		}
		m.Handle(echo, func(context.Context, *Stream) { served <- struct{}{} })
	}})
	b := node(t)
	connect(t, b, a)
	s, err := b.Open(t.Context(), a.ID(), echo)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.WriteFrame([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	<-served
}
