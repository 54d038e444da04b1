package mesh

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"conclave/keys"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multistream"
)

const (
	// maxStreams and maxPeerStreams bound the inbound streams of one protocol
	// that are handled at the same time: in all, and from one peer.
	maxStreams     = 128
	maxPeerStreams = 8
)

// quota counts the inbound streams under way.
type quota struct {
	mu     sync.Mutex
	closed bool
	total  map[protocol.ID]int
	peers  map[quotaKey]int
	wg     sync.WaitGroup
}

type quotaKey struct {
	proto protocol.ID
	peer  peer.ID
}

func (q *quota) take(proto protocol.ID, p peer.ID) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.total == nil {
		q.total, q.peers = make(map[protocol.ID]int), make(map[quotaKey]int)
	}
	k := quotaKey{proto, p}
	if q.closed || q.total[proto] >= maxStreams || q.peers[k] >= maxPeerStreams {
		return false
	}
	q.total[proto]++
	q.peers[k]++
	q.wg.Add(1)
	return true
}

// wait refuses what comes now, and returns when nothing is under way.
func (q *quota) wait() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wg.Wait()
}

func (q *quota) give(proto protocol.ID, p peer.ID) {
	defer q.wg.Done()
	q.mu.Lock()
	defer q.mu.Unlock()
	k := quotaKey{proto, p}
	q.total[proto]--
	if q.peers[k]--; q.peers[k] == 0 {
		delete(q.peers, k)
	}
}

// Handle calls h, on a goroutine of its own, for each stream that a peer opens.
// The stream is closed when h returns, and reset if it panics or when the mesh
// closes, which also ends ctx. At most 8 streams of a protocol from one peer,
// and 128 in all, are open at a time; more are reset.
func (m *Mesh) Handle(proto string, h func(ctx context.Context, s *Stream)) {
	id := protocol.ID(proto)
	m.host.SetStreamHandler(id, func(s network.Stream) {
		p := s.Conn().RemotePeer()
		if !m.quota.take(id, p) {
			s.Reset()
			return
		}
		defer m.quota.give(id, p)
		m.serve(s, h)
	})
}

// serve runs one handler. A panic costs the stream, not the process.
func (m *Mesh) serve(s network.Stream, h func(context.Context, *Stream)) {
	ctx, cancel := context.WithCancel(m.ctx)
	defer cancel()
	st := newStream(ctx, s, mustKey(s.Conn().RemotePeer()))
	defer st.Close()
	defer func() {
		if r := recover(); r != nil {
			st.Reset()
			m.log.Error("stream handler panicked", "protocol", s.Protocol(), "panic", r, "stack", string(debug.Stack()))
		}
	}()
	select {
	case <-m.begun:
		h(ctx, st)
	case <-ctx.Done():
	}
}

// Unhandle ends the offering of a protocol.
func (m *Mesh) Unhandle(proto string) { m.host.RemoveStreamHandler(protocol.ID(proto)) }

// Open opens a stream to p, connecting first if need be, at the addresses that
// are known. The stream is reset when ctx ends. Errors: ErrUnreachable,
// ErrWrongPeer, ErrNoProtocol, ErrReset, or ctx's.
func (m *Mesh) Open(ctx context.Context, p keys.PeerID, proto string) (*Stream, error) {
	if err := m.Connect(ctx, p); err != nil {
		return nil, err
	}
	s, err := m.host.NewStream(ctx, libID(p), protocol.ID(proto))
	var unspoken multistream.ErrNotSupported[protocol.ID]
	switch {
	case err == nil:
		return newStream(ctx, s, p), nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("open %s to %v: %w", proto, p, context.Cause(ctx))
	case errors.As(err, &unspoken):
		return nil, fmt.Errorf("open %s to %v: %w", proto, p, ErrNoProtocol)
	}
	return nil, fmt.Errorf("open %s to %v: %w: %w", proto, p, ErrReset, err)
}
