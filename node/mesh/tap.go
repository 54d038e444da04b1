package mesh

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"
)

// maxRefused is how many refused announcements are remembered per stream.
const maxRefused = 256

// wish is what a peer said of a topic while it was refused.
type wish struct{ graft bool }

// inTap is a peer's gossip stream to us. gossipsub asks the filters once, when
// an announcement arrives, and the peer never repeats it: one that came before
// the roster did would be lost until the next connection, and with it every
// message that the peer was to get from us. So the tap remembers what was
// refused and, once the roster has grown, lets gossipsub read it again, between
// two frames of the peer's own.
type inTap struct {
	network.Stream

	mu      sync.Mutex
	refused map[string]wish // announced topic
	pending []byte          // whole frames, read before the peer's next

	at frameState // only used by Read
}

// note remembers the refused announcements and grafts of rpc, under the lock
// that replay takes: a view that changes meanwhile is seen by one of the two.
func (t *inTap) note(p peer.ID, rpc *pubsub.RPC, vs *views) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range rpc.Subscriptions {
		topic := s.GetTopicid()
		if !s.GetSubscribe() {
			delete(t.refused, topic)
		} else if validTopic(topic) && !vs.allows(p, topic) && len(t.refused) < maxRefused {
			t.refused[topic] = wish{}
		}
	}
	for _, g := range rpc.Control.GetGraft() {
		t.graft(g.GetTopicID(), true)
	}
	for _, g := range rpc.Control.GetPrune() {
		t.graft(g.GetTopicID(), false)
	}
}

func (t *inTap) graft(topic string, graft bool) {
	if _, ok := t.refused[topic]; ok {
		t.refused[topic] = wish{graft}
	}
}

// replay has gossipsub read what was refused of topic as if the peer sent it
// now. The graft goes with it: the peer holds us for part of its mesh since it
// sent it, and only an answer (taken, or pruned) puts that right.
func (t *inTap) replay(topic string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	w, ok := t.refused[topic]
	if !ok {
		return nil
	}
	delete(t.refused, topic)
	rpc := &pb.RPC{Subscriptions: []*pb.RPC_SubOpts{{Topicid: &topic, Subscribe: proto.Bool(true)}}}
	if w.graft {
		rpc.Control = &pb.ControlMessage{Graft: []*pb.ControlGraft{{TopicID: &topic}}}
	}
	body, err := proto.Marshal(rpc)
	if err != nil {
		return err
	}
	t.pending = append(binary.AppendUvarint(t.pending, uint64(len(body))), body...)
	return t.Stream.SetReadDeadline(time.Now()) // wakes a Read that waits for the peer
}

// Read returns pending frames first, where the peer's own stream is between two.
func (t *inTap) Read(p []byte) (int, error) {
	for {
		if n := t.takePending(p); n > 0 {
			return n, nil
		}
		n, err := t.Stream.Read(p[:t.at.limit(len(p))])
		t.at.advance(p[:n])
		if n > 0 || !t.woken(err) {
			return n, err
		}
	}
}

func (t *inTap) takePending(p []byte) int {
	if !t.at.between() {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	n := copy(p, t.pending)
	t.pending = t.pending[n:]
	return n
}

// woken reports whether err is the deadline that replay set. gossipsub sets
// none on its inbound streams.
func (t *inTap) woken(err error) bool {
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Stream.SetReadDeadline(time.Time{}) == nil
}

// frameState follows a stream of uvarint-prefixed frames.
type frameState struct {
	length uint64 // of the prefix read so far
	shift  uint
	left   uint64 // bytes of the body still to come
}

// between reports whether the stream stands between two frames.
func (f *frameState) between() bool { return f.left == 0 && f.shift == 0 }

// limit keeps a read of at most n bytes within the part that it is in.
func (f *frameState) limit(n int) int {
	if f.left == 0 {
		return min(n, 1)
	}
	return int(min(uint64(n), f.left))
}

// advance takes what a read within limit returned.
func (f *frameState) advance(b []byte) {
	if len(b) == 0 {
		return
	}
	if f.left > 0 {
		f.left -= uint64(len(b))
		return
	}
	f.length |= uint64(b[0]&0x7f) << f.shift
	f.shift += 7
	if b[0] < 0x80 {
		f.left, f.length, f.shift = f.length, 0, 0
	}
}

// outTap is our gossip stream to a peer: gossipsub writes one RPC at a time.
type outTap struct {
	network.Stream
	wrote func()
}

func (t *outTap) Write(b []byte) (int, error) {
	n, err := t.Stream.Write(b)
	t.wrote()
	return n, err
}
