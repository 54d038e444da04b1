package lantest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// The ways in which a stranger speaks.
var tongues = map[string]func(context.Context, host.Host, ...pubsub.Option) (*pubsub.PubSub, error){
	"gossipsub": pubsub.NewGossipSub,
	"flooding": func(ctx context.Context, h host.Host, opts ...pubsub.Option) (*pubsub.PubSub, error) {
		return pubsub.NewGossipSub(ctx, h, append(opts, pubsub.WithFloodPublish(true))...)
	},
	"floodsub": pubsub.NewFloodSub,
}

// beStranger connects to nodes and subscribes to a topic. Arguments: the tongue,
// a home whose identity it takes or "", the topic, and the nodes' addresses. To
// a line it answers with how many payloads it was sent, how many payloads were
// announced to it, and how many nodes it is connected to.
func beStranger(args []string) {
	var self *keys.Identity
	if args[1] != "" {
		self, _ = homeOf(args[1])
	}
	h := takePlace(self)
	defer h.Close()
	var sent counter
	ps, err := tongues[args[0]](context.Background(), h, pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithNoAuthor(), pubsub.WithRawTracer(&sent))
	must(err)
	topic, err := ps.Join(args[2])
	must(err)
	_, err = topic.Subscribe()
	must(err)
	go keepConnected(h, args[3:])
	fmt.Println("here")
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		fmt.Println(s.Text(), sent.payloads.Load(), sent.announced.Load(), len(h.Network().Peers()))
	}
}

// takePlace returns a host with an identity, or one of its own where that is nil.
func takePlace(self *keys.Identity) host.Host {
	opts := []libp2p.Option{libp2p.NoListenAddrs, libp2p.DisableRelay(), libp2p.ResourceManager(&network.NullResourceManager{})}
	if self != nil {
		sk, err := crypto.UnmarshalEd25519PrivateKey(self.Ed25519())
		must(err)
		opts = append(opts, libp2p.Identity(sk))
	}
	h, err := libp2p.New(opts...)
	must(err)
	return h
}

// keepConnected redials nodes for ever, and leaves no pause.
func keepConnected(h host.Host, addrs []string) {
	for {
		for _, a := range addrs {
			info, err := peer.AddrInfoFromString(a)
			must(err)
			ctx, cancel := context.WithTimeout(network.WithForceDirectDial(context.Background(), "again"), 2*time.Second)
			h.Connect(ctx, *info)
			cancel()
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// counter counts what arrives on the wire, whatever the library makes of it.
type counter struct{ payloads, announced atomic.Int64 }

func (c *counter) RecvRPC(rpc *pubsub.RPC) {
	c.payloads.Add(int64(len(rpc.GetPublish())))
	for _, x := range rpc.GetControl().GetIhave() {
		c.announced.Add(int64(len(x.GetMessageIDs())))
	}
}

// The other events of a pubsub.RawTracer are of no interest.
func (*counter) OnNewOutboundStream(peer.ID, protocol.ID) {}
func (*counter) OnClosedOutboundStream(peer.ID)           {}
func (*counter) Join(string)                              {}
func (*counter) Leave(string)                             {}
func (*counter) Graft(peer.ID, string)                    {}
func (*counter) Prune(peer.ID, string)                    {}
func (*counter) ValidateMessage(*pubsub.Message)          {}
func (*counter) DeliverMessage(*pubsub.Message)           {}
func (*counter) RejectMessage(*pubsub.Message, string)    {}
func (*counter) DuplicateMessage(*pubsub.Message)         {}
func (*counter) ThrottlePeer(peer.ID)                     {}
func (*counter) SendRPC(*pubsub.RPC, peer.ID)             {}
func (*counter) DropRPC(*pubsub.RPC, peer.ID)             {}
func (*counter) UndeliverableMessage(*pubsub.Message)     {}

// topicOf is the name under which a group's members gossip.
func topicOf(t *testing.T, id string) string {
	t.Helper()
	gid, err := keys.ParseHash(id)
	if err != nil {
		t.Fatal(err)
	}
	return mesh.TopicPrefix + group.Topic(gid).String()
}

// reach lists one address of each of some people, as others dial it.
func reach(people ...*person) (out []string) {
	for _, p := range people {
		for _, a := range p.one("status").list("addrs") {
			if strings.HasPrefix(a, "/ip4/"+p.addr+"/tcp/") {
				out = append(out, a)
			}
		}
	}
	return out
}

// A stranger who knows the group's topic and every address is connected to all
// members and is sent nothing: neither a payload nor word of one, whichever way it
// speaks.
func TestAbuse_NM01_StrangersReceiveNothing(t *testing.T) {
	s := newThree(t, program(t, ""))
	l := s.lan
	team := s.team()
	nodes := reach(s.alice, s.bob)
	if len(nodes) != 2 {
		t.Fatalf("addresses: %v", nodes)
	}
	// The same program with a member's identity is sent what is said: it would be
	// heard of if a stranger was.
	s.carol.down()
	member := l.start(s.carol.ns, "stranger", append([]string{"gossipsub", s.carol.home, topicOf(t, team)}, nodes...)...)
	member.expect("here", patience)
	strangers := map[string]*helper{}
	ns, _ := l.host()
	for tongue := range tongues {
		strangers[tongue] = l.start(ns, "stranger", append([]string{tongue, "", topicOf(t, team)}, nodes...)...)
		strangers[tongue].expect("here", patience)
		await(t, "connection of a stranger with both", patience, func() bool { return counts(t, strangers[tongue])[2] == 2 })
	}
	said := 0
	await(t, "word to the member", patience, func() bool {
		said++
		s.say([]*person{s.alice, s.bob}[said%2], team, fmt.Sprint("among members ", said))
		return said >= 40 && counts(t, member)[0] > 10
	})
	s.bob.follow(team).expect(fmt.Sprint("among members ", said))
	awaitQuiet() // announcements of payloads come with the heartbeat of a second
	for name, tongue := range map[string]string{"Abuse_NM01": "gossipsub", "Abuse_NM02": "floodsub", "Abuse_NM03": "flooding"} {
		t.Run(name, func(t *testing.T) {
			if got := counts(t, strangers[tongue]); got[0] != 0 || got[1] != 0 || got[2] != 2 {
				t.Errorf("%s: %d payloads, %d announced, %d connections", tongue, got[0], got[1], got[2])
			}
		})
	}
	t.Logf("%d lines were said; a member was sent %d payloads", said, counts(t, member)[0])
}

// counts asks a stranger what it was sent.
func counts(t *testing.T, h *helper) (out [3]int) {
	t.Helper()
	if _, err := fmt.Sscan(h.ask("count"), &out[0], &out[1], &out[2]); err != nil {
		t.Fatal(err)
	}
	return out
}
