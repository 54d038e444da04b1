package mesh

import (
	"context"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

const (
	// stall is how long a peer may write nothing while its queue is long before
	// nobody waits for it any more.
	stall = time.Second
	// highWater is the length of an outbound queue at which Publish waits, low
	// enough that what is forwarded meanwhile still fits.
	highWater = queueSize / 2
)

// tapHost is the host as gossipsub sees it. It lets the node do two things that
// gossipsub has no call for: say again, on a peer's behalf, what that peer said
// while it was not yet allowed, and know how long the queue to a peer is.
type tapHost struct {
	host.Host
	taps *taps
}

// SetStreamHandler registers gossipsub's handler for inbound streams.
func (h tapHost) SetStreamHandler(id protocol.ID, handle network.StreamHandler) {
	h.Host.SetStreamHandler(id, func(s network.Stream) {
		t := &inTap{Stream: s, refused: make(map[string]wish)}
		h.taps.open(s.Conn().RemotePeer(), t)
		defer h.taps.end(s.Conn().RemotePeer(), t)
		handle(t)
	})
}

// NewStream opens gossipsub's outbound stream.
func (h tapHost) NewStream(ctx context.Context, p peer.ID, ids ...protocol.ID) (network.Stream, error) {
	s, err := h.Host.NewStream(ctx, p, ids...)
	if err != nil {
		return nil, err
	}
	return &outTap{Stream: s, wrote: func() { h.taps.written(p) }}, nil
}

// taps are what is known of each peer's two gossip streams.
type taps struct {
	mu  sync.Mutex
	in  map[peer.ID]*inTap
	out map[peer.ID]*gauge
}

func newTaps() *taps {
	return &taps{in: make(map[peer.ID]*inTap), out: make(map[peer.ID]*gauge)}
}

func (ts *taps) open(p peer.ID, t *inTap) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.in[p] = t
}

// end removes t, unless another stream of the peer has replaced it.
func (ts *taps) end(p peer.ID, t *inTap) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.in[p] == t {
		delete(ts.in, p)
	}
}

func (ts *taps) inbound(p peer.ID) *inTap {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.in[p]
}

// note remembers what both filters are about to refuse.
func (ts *taps) note(p peer.ID, rpc *pubsub.RPC, vs *views) {
	if t := ts.inbound(p); t != nil {
		t.note(p, rpc, vs)
	}
}

// replay repeats what p said of topic while it was refused. The view that
// allows p must be in place.
func (ts *taps) replay(p peer.ID, topic string) error {
	if t := ts.inbound(p); t != nil {
		return t.replay(topic)
	}
	return nil
}

// streams lists the peers that have a gossip stream to us.
func (ts *taps) streams() []peer.ID {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	out := make([]peer.ID, 0, len(ts.in))
	for p := range ts.in {
		out = append(out, p)
	}
	return out
}

// gauge is the length of the outbound queue to one peer, to within the one or
// two RPCs of the greeting.
type gauge struct {
	length int
	wrote  time.Time     // last, or when the queue began
	room   chan struct{} // holds a token when the length fell below highWater
}

func (ts *taps) queued(p peer.ID) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	g, ok := ts.out[p]
	if !ok {
		g = &gauge{room: make(chan struct{}, 1)}
		ts.out[p] = g
	}
	if g.length == 0 {
		g.wrote = time.Now()
	}
	g.length++
}

func (ts *taps) written(p peer.ID) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	g, ok := ts.out[p]
	if !ok || g.length == 0 {
		return
	}
	g.length--
	g.wrote = time.Now()
	if g.length < highWater {
		g.wake()
	}
}

// closed forgets the queue that went with p's outbound stream.
func (ts *taps) closed(p peer.ID) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if g, ok := ts.out[p]; ok {
		g.wake()
		delete(ts.out, p)
	}
}

func (g *gauge) wake() {
	select {
	case g.room <- struct{}{}:
	default:
	}
}

// full returns the queue to p if it is long and moving, and how long to wait
// for it at most.
func (ts *taps) full(p peer.ID) (*gauge, time.Duration) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	g, ok := ts.out[p]
	if !ok || g.length < highWater {
		return nil, 0
	}
	left := stall - time.Since(g.wrote)
	if left <= 0 {
		return nil, 0
	}
	return g, left
}

// await returns when the queue to p has room, or has stalled.
func (ts *taps) await(ctx context.Context, p peer.ID) error {
	var waited *gauge
	for {
		g, left := ts.full(p)
		if g == nil {
			if waited != nil {
				waited.wake() // the next who waits looks for itself
			}
			return nil
		}
		waited = g
		timer := time.NewTimer(left)
		select {
		case <-g.room:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}
