package mesh

import (
	"sync"
	"sync/atomic"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// Drops counts payloads that gossip lost since the start. Publish succeeds for
// them all: nothing else tells of them.
type Drops struct {
	Outbound   uint64 // to one peer each: its outbound queue was full
	Validation uint64 // copies that found the validation queue full; another may have come through
	Rejected   uint64 // the validator said Reject, or there was an author or a signature
	Ignored    uint64 // the validator said Ignore
	Strangers  uint64 // came from peers outside the topic's view
}

// tracer is gossipsub's raw tracer: it counts drops, and knows which peers are
// in the mesh of each topic, which nothing else tells. Its methods are called
// from gossipsub's loop and from its validation workers.
type tracer struct {
	outbound, validation, rejected, ignored, strangers atomic.Uint64

	taps   *taps
	ledger *ledger

	mu     sync.Mutex
	meshes map[string]*meshPeers
}

// meshPeers are those that a publish of ours is sent to at once.
type meshPeers struct {
	peers peerSet
	ready chan struct{} // closed while peers is not empty
	alone chan struct{} // closed while it is
}

func newTracer(t *taps, l *ledger) *tracer {
	return &tracer{taps: t, ledger: l, meshes: make(map[string]*meshPeers)}
}

func (t *tracer) drops() Drops {
	return Drops{
		Outbound:   t.outbound.Load(),
		Validation: t.validation.Load(),
		Rejected:   t.rejected.Load(),
		Ignored:    t.ignored.Load(),
		Strangers:  t.strangers.Load(),
	}
}

// mesh returns the peers in the mesh of topic.
func (t *tracer) mesh(topic string) []peer.ID {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []peer.ID
	for p := range t.topic(topic).peers {
		out = append(out, p)
	}
	return out
}

// ready returns a channel that is closed once the mesh of topic has a peer.
func (t *tracer) ready(topic string) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.topic(topic).ready
}

// alone returns a channel that is closed once the mesh of topic has no peer.
func (t *tracer) alone(topic string) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.topic(topic).alone
}

// forget drops what is known of a topic that was left.
func (t *tracer) forget(topic string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.meshes, topic)
}

// topic is called with mu held.
func (t *tracer) topic(topic string) *meshPeers {
	m, ok := t.meshes[topic]
	if !ok {
		m = &meshPeers{peers: make(peerSet), ready: make(chan struct{}), alone: make(chan struct{})}
		close(m.alone)
		t.meshes[topic] = m
	}
	return m
}

func (m *meshPeers) add(p peer.ID) {
	if len(m.peers) == 0 {
		close(m.ready)
		m.alone = make(chan struct{})
	}
	m.peers[p] = struct{}{}
}

func (m *meshPeers) remove(p peer.ID) {
	if _, ok := m.peers[p]; !ok {
		return
	}
	delete(m.peers, p)
	if len(m.peers) == 0 {
		m.ready = make(chan struct{})
		close(m.alone)
	}
}

func (t *tracer) Graft(p peer.ID, topic string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.topic(topic).add(p)
}

func (t *tracer) Prune(p peer.ID, topic string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m, ok := t.meshes[topic]; ok { // else it was left
		m.remove(p)
	}
}

func (t *tracer) OnClosedOutboundStream(p peer.ID) {
	t.taps.closed(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.meshes {
		m.remove(p)
	}
}

func (t *tracer) SendRPC(_ *pubsub.RPC, p peer.ID) { t.taps.queued(p) }

func (t *tracer) DropRPC(rpc *pubsub.RPC, _ peer.ID) { t.outbound.Add(uint64(len(rpc.GetPublish()))) }

func (t *tracer) RejectMessage(msg *pubsub.Message, reason string) {
	switch reason {
	case pubsub.RejectValidationQueueFull, pubsub.RejectValidationThrottled:
		t.validation.Add(1)
	case pubsub.RejectValidationIgnored:
		t.ignored.Add(1)
	case pubsub.RejectValidationFailed, pubsub.RejectUnexpectedSignature, pubsub.RejectUnexpectedAuthInfo:
		t.rejected.Add(1)
		t.ledger.rejected(msg.ReceivedFrom)
	}
}

func (t *tracer) OnNewOutboundStream(peer.ID, protocol.ID) {}
func (t *tracer) Join(string)                              {}
func (t *tracer) Leave(string)                             {}
func (t *tracer) ValidateMessage(*pubsub.Message)          {}
func (t *tracer) DeliverMessage(*pubsub.Message)           {}
func (t *tracer) DuplicateMessage(*pubsub.Message)         {}
func (t *tracer) ThrottlePeer(peer.ID)                     {}
func (t *tracer) RecvRPC(*pubsub.RPC)                      {}
func (t *tracer) UndeliverableMessage(*pubsub.Message)     {} // there is no subscription that could be full
