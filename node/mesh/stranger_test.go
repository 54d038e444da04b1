package mesh

import (
	"context"
	"sync"
	"testing"

	"conclave/keys"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-msgio"
	ma "github.com/multiformats/go-multiaddr"
	"google.golang.org/protobuf/proto"
)

// stranger speaks gossip by hand: it sends what no library would, and counts
// what it is sent.
type stranger struct {
	t  testing.TB
	h  host.Host
	mu sync.Mutex
	// got and told are the payloads, and the IDs of payloads, that it was sent.
	got, told int
	wants     int // IDs that it was asked for
	out       map[peer.ID]network.Stream
}

func newStranger(t testing.TB, protos []protocol.ID, opts ...libp2p.Option) *stranger {
	t.Helper()
	opts = append([]libp2p.Option{libp2p.DisableRelay(), libp2p.DisableMetrics(),
		libp2p.DisableIdentifyAddressDiscovery(), libp2p.ResourceManager(&network.NullResourceManager{})}, opts...)
	h, err := libp2p.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	s := &stranger{t: t, h: h, out: make(map[peer.ID]network.Stream)}
	for _, id := range protos {
		h.SetStreamHandler(id, s.listen)
	}
	t.Cleanup(func() { h.Close() })
	return s
}

func (s *stranger) id() keys.PeerID { return mustKey(s.h.ID()) }

func (s *stranger) listen(st network.Stream) {
	r := msgio.NewVarintReaderSize(st, 1<<21)
	for {
		b, err := r.ReadMsg()
		if err != nil {
			return
		}
		var rpc pb.RPC
		if proto.Unmarshal(b, &rpc) != nil {
			return
		}
		s.count(&rpc)
	}
}

func (s *stranger) count(rpc *pb.RPC) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got += len(rpc.GetPublish())
	for _, x := range rpc.GetControl().GetIhave() {
		s.told += len(x.GetMessageIDs())
	}
	for _, x := range rpc.GetControl().GetIwant() {
		s.wants += len(x.GetMessageIDs())
	}
}

func (s *stranger) counts() (got, told int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got, s.told
}

// connect dials m and opens the gossip stream to it.
func (s *stranger) connect(m *Mesh, id protocol.ID) {
	s.t.Helper()
	info := peer.AddrInfo{ID: m.host.ID()}
	for _, a := range m.host.Addrs() {
		info.Addrs = append(info.Addrs, ma.StringCast(a.String()))
	}
	if err := s.h.Connect(context.Background(), info); err != nil {
		s.t.Fatal(err)
	}
	st, err := s.h.NewStream(context.Background(), m.host.ID(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	s.out[m.host.ID()] = st
}

// send writes one RPC to m. It reports whether the stream still stands.
func (s *stranger) send(m *Mesh, rpc *pb.RPC) bool {
	s.t.Helper()
	b, err := proto.Marshal(rpc)
	if err != nil {
		s.t.Fatal(err)
	}
	return msgio.NewVarintWriter(s.out[m.host.ID()]).WriteMsg(b) == nil
}

func announce(topics ...string) *pb.RPC {
	rpc := &pb.RPC{}
	for _, topic := range topics {
		rpc.Subscriptions = append(rpc.Subscriptions, &pb.RPC_SubOpts{Topicid: &topic, Subscribe: proto.Bool(true)})
	}
	return rpc
}

func graft(topic string) *pb.RPC {
	return &pb.RPC{Control: &pb.ControlMessage{Graft: []*pb.ControlGraft{{TopicID: &topic}}}}
}

// idOf is the message ID of data published on topic.
func idOf(topic, data string) string {
	return messageID(&pb.Message{Topic: &topic, Data: []byte(data)})
}

func iwant(ids ...string) *pb.RPC {
	return &pb.RPC{Control: &pb.ControlMessage{Iwant: []*pb.ControlIWant{{MessageIDs: ids}}}}
}

func ihave(topic string, ids ...string) *pb.RPC {
	return &pb.RPC{Control: &pb.ControlMessage{Ihave: []*pb.ControlIHave{{TopicID: &topic, MessageIDs: ids}}}}
}

func message(topic, data string) *pb.RPC {
	return &pb.RPC{Publish: []*pb.Message{{Topic: &topic, Data: []byte(data)}}}
}

// floodsubToo makes a node offer what it does not offer otherwise, so that the
// filters are tested by themselves.
func floodsubToo() pubsub.Option {
	return pubsub.WithGossipSubProtocols(pubsub.GossipSubDefaultProtocols, pubsub.GossipSubDefaultFeatures)
}
