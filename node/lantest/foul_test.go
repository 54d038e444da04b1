package lantest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/store"

	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-msgio"
	"google.golang.org/protobuf/proto"
)

// foul is somebody who keeps the home of a member and to no rule: it connects
// again at once whenever it is cut off, asks everyone for everything by every
// protocol, and tries every key that it ever had on every byte that it gets.
type foul struct {
	h     host.Host
	topic string
	hoard *hoard

	mu   sync.Mutex
	want []string // IDs of payloads that it heard of
}

// playFoul plays until standard input ends. Arguments: the home, the group, the
// topic, and the nodes' addresses. It prints "closed PEER TIME" whenever a
// connection ends and what its hoard prints; to a line it answers with how many
// frames and bytes it was sent. A line "ask EID" has it ask for that key too.
func playFoul(args []string) {
	hoard := newHoard(args[0], args[1])
	f := &foul{h: takePlace(hoard.self), topic: args[2], hoard: hoard}
	for _, id := range gossips {
		f.h.SetStreamHandler(id, f.listen)
	}
	f.h.Network().Notify(&network.NotifyBundle{DisconnectedF: func(_ network.Network, c network.Conn) {
		say("closed", c.RemotePeer(), time.Now().UnixNano())
	}})
	go keepConnected(f.h, args[3:])
	for _, a := range args[3:] {
		info, err := peer.AddrInfoFromString(a)
		must(err)
		go f.pester(info.ID)
	}
	say("here")
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		if eid, err := keys.ParseHash(string(bytes.TrimPrefix(s.Bytes(), []byte("ask ")))); err == nil {
			f.hoard.know(eid)
		}
		say(s.Text(), f.hoard.size())
	}
}

// gossips are the protocols by which payloads might come.
var gossips = []protocol.ID{"/meshsub/1.3.0", "/meshsub/1.2.0", "/meshsub/1.1.0", "/meshsub/1.0.0", "/floodsub/1.0.0"}

var out sync.Mutex

func say(words ...any) {
	out.Lock()
	defer out.Unlock()
	fmt.Println(words...)
}

// pester asks one node for everything, again and again.
func (f *foul) pester(p peer.ID) {
	for {
		for _, ask := range []func(context.Context, peer.ID) error{f.catchUp, f.askKeys, f.askToJoin, f.offer, f.gossip} {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			ask(ctx, p)
			cancel()
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// talk opens a stream, writes frames and hoards all that comes back. It
// acknowledges whatever it gets.
func (f *foul) talk(ctx context.Context, p peer.ID, proto protocol.ID, frames ...[]byte) error {
	s, err := f.h.NewStream(network.WithNoDial(ctx, "keepConnected dials"), p, proto)
	if err != nil {
		return err
	}
	defer s.Reset()
	s.SetDeadline(time.Now().Add(2 * time.Second))
	for _, b := range frames {
		s.Write(framed(b))
	}
	for in := bufio.NewReader(s); ; {
		var head [4]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return err
		}
		b, err := io.ReadAll(io.LimitReader(in, int64(binary.BigEndian.Uint32(head[:]))))
		f.hoard.take(b)
		if err != nil {
			return err
		}
		s.Write(framed(keys.Marshal([]any{true})))
	}
}

func framed(b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }

// catchUp says that it holds nothing, and asks for a rotation besides.
func (f *foul) catchUp(ctx context.Context, p peer.ID) error {
	gid := f.hoard.gid
	nothing := keys.Marshal(group.Heights{Control: []group.Head{}, Logs: []group.LogHead{}, Latest: []group.LatestHead{}})
	everything := keys.Marshal([]any{uint64(0), uint64(math.MaxUint64)}) // as one part
	return f.talk(ctx, p, "/conclave/sync/1", keys.Marshal([]any{gid[:], make([]byte, 32), true}), nothing, everything)
}

// askKeys asks for every key that it has heard of.
func (f *foul) askKeys(ctx context.Context, p peer.ID) error {
	gid := f.hoard.gid
	return f.talk(ctx, p, "/conclave/key/1", keys.Marshal([]any{gid[:], f.hoard.bundle, f.hoard.eids()}))
}

// askToJoin asks to be let in, as if it had never been a member.
func (f *foul) askToJoin(ctx context.Context, p peer.ID) error {
	approver, err := keys.PeerIDFromMultihash([]byte(p))
	if err != nil {
		return err
	}
	gid := f.hoard.gid
	return f.talk(ctx, p, "/conclave/join/1", group.SignJoinRequest(f.hoard.self, group.JoinRequest{
		Approver: approver, Group: gid[:], Nonce: keys.Sum(fmt.Append(nil, time.Now())), Bundle: f.hoard.bundle, Again: true,
	}))
}

// offer claims to invite into the group.
func (f *foul) offer(ctx context.Context, p peer.ID) error {
	gid := f.hoard.gid
	return f.talk(ctx, p, "/conclave/offer/1", keys.Marshal([]any{gid[:], "team"}))
}

// gossip subscribes, forces its way into the mesh and asks for every payload
// that it heard of, by every protocol.
func (f *foul) gossip(ctx context.Context, p peer.ID) error {
	f.mu.Lock()
	want := f.want
	f.mu.Unlock()
	rpc := &pb.RPC{
		Subscriptions: []*pb.RPC_SubOpts{{Topicid: &f.topic, Subscribe: proto.Bool(true)}},
		Control: &pb.ControlMessage{
			Graft: []*pb.ControlGraft{{TopicID: &f.topic}},
			Iwant: []*pb.ControlIWant{{MessageIDs: want}},
		},
	}
	b, err := proto.Marshal(rpc)
	if err != nil {
		return err
	}
	for _, id := range gossips {
		s, err := f.h.NewStream(network.WithNoDial(ctx, "keepConnected dials"), p, id)
		if err != nil {
			continue
		}
		msgio.NewVarintWriter(s).WriteMsg(b)
		time.AfterFunc(5*time.Second, func() { s.Reset() })
	}
	return nil
}

// listen hoards what comes by gossip.
func (f *foul) listen(s network.Stream) {
	for r := msgio.NewVarintReaderSize(s, 1<<21); ; {
		b, err := r.ReadMsg()
		if err != nil {
			return
		}
		f.hoard.take(b)
		var rpc pb.RPC
		if proto.Unmarshal(b, &rpc) != nil {
			continue
		}
		for _, m := range rpc.GetPublish() {
			f.hoard.take(m.GetData())
		}
		f.mu.Lock()
		for _, x := range rpc.GetControl().GetIhave() {
			say("announced", len(x.GetMessageIDs()))
			f.want = append(f.want, x.GetMessageIDs()...)
		}
		f.want = f.want[max(0, len(f.want)-100):]
		f.mu.Unlock()
	}
}

// homeOf returns what is in a home whose node is down.
func homeOf(dir string) (*keys.Identity, *store.Keybag) {
	h, err := store.OpenHome(dir)
	must(err)
	defer h.Close()
	bag, err := store.OpenKeybag(h)
	must(err)
	return h.Identity(), bag
}
