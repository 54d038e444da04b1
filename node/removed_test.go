package node

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// company is a group of ann and bob, and x who is a member as well and takes
// part in the topic.
func company(t *testing.T) (ann, bob *player, x *puppet, gid string) {
	ann, bob, x = inMemory(t, "ann"), inMemory(t, "bob"), newPuppet(t)
	ok(t, bob.net.Remember(ann.me, ann.net.Addrs()...))
	gid = newGroup(t, CreateGroup{}, ann, bob)
	ok(t, x.know(ann))
	ok(t, x.know(bob))
	x.joins(ann, gid)
	x.enters(ann, bob)
	agree(t, gid, ann, bob)
	x.meshed(ann)
	ann.say(gid, "while x was there")
	await(t, "a message at x", func() bool { return x.spoken(ann.currentKey(gid)) > 0 })
	return ann, bob, x, gid
}

// currentKey is the ID of the epoch under which p would seal.
func (p *player) currentKey(gid string) keys.Hash {
	p.t.Helper()
	ks, err := p.Keys(within(p.t), gid)
	ok(p.t, err)
	i := slices.IndexFunc(ks, func(k Key) bool { return k.Current })
	if i < 0 {
		p.t.Fatalf("%s has no key", p.name)
	}
	eid, err := keys.ParseHash(ks[i].EID)
	ok(p.t, err)
	return eid
}

// spoken counts the messages under a key that came to p on the topic.
func (p *puppet) spoken(under keys.Hash) int { return spoken(p.gid, under, p.listened()) }

func spoken(gid, under keys.Hash, payloads [][]byte) (n int) {
	for _, b := range payloads {
		if v, err := group.Decode(gid, b); err == nil && v.Msg() != nil && keys.Hash(v.Msg().EID) == under {
			n++
		}
	}
	return n
}

// TestAbuse_RM02_RemovedIsCutOff: whoever is removed loses the connection within
// a second though it stays subscribed, and is sent nothing that is said
// afterwards.
func TestAbuse_RM02_RemovedIsCutOff(t *testing.T) {
	ann, bob, x, gid := company(t)
	cut := make(chan time.Time, 1)
	ctx := within(t)
	go func() {
		for ctx.Err() == nil && slices.Contains(x.net.Connected(), ann.me) {
			time.Sleep(time.Millisecond)
		}
		cut <- time.Now()
	}()
	_, err := ann.Kick(ctx, gid, x.me().String())
	ok(t, err)
	kicked := time.Now()
	took := (<-cut).Sub(kicked)
	t.Logf("cut off after %s", took)
	if took > 10*time.Second { // a busy machine's second
		t.Errorf("cut off after %s", took)
	}
	agree(t, gid, ann, bob)
	ann.say(gid, "without x")
	bob.reads(gid, "while x was there", "without x")
	// The removal itself, and its key for the others, bob may have handed on
	// before he knew.
	if more := x.spoken(ann.currentKey(gid)); more > 0 {
		t.Errorf("a removed member is sent %d messages", more)
	}
}

// TestAbuse_RM03_RemovedComesBack: whoever was removed comes back again and again
// under its own ID: as a node, which asks on every stream too, and as a host that
// knows no rules and speaks gossipsub or floodsub to the same topic. It is sent no
// message, on the topic or on a stream, and no key.
func TestAbuse_RM03_RemovedComesBack(t *testing.T) {
	t.Parallel()
	for _, sub := range []string{"node", "gossipsub", "floodsub"} {
		t.Run(sub, func(t *testing.T) {
			ann, bob, x, gid := company(t)
			got := x.listened
			comeBack := func() { x.comesBack(ann, bob) }
			if sub != "node" {
				x.net.Close()
				b := newBareSubscriber(t, x, sub)
				got, comeBack = b.got, func() { b.comesBack(ann, bob) }
			}
			if sub == "gossipsub" { // as long as it is a member it hears
				await(t, "a message at x", func() bool {
					comeBack()
					ann.say(gid, "while x was there")
					return len(got()) > 0
				})
			}
			_, err := ann.Kick(within(t), gid, x.me().String())
			ok(t, err)
			agree(t, gid, ann, bob)
			for range 10 {
				comeBack()
				ann.say(gid, "without x")
				bob.say(gid, "nor here")
			}
			for _, p := range []*player{ann, bob} {
				await(t, "20 lines at "+p.name, func() bool {
					others := slices.DeleteFunc(p.texts(gid), func(text string) bool { return text == "while x was there" })
					return len(others) == 20
				})
			}
			comeBack()
			time.Sleep(2 * time.Second) // two heartbeats: nothing tells of what does not come
			if more := spoken(x.gid, ann.currentKey(gid), got()); more > 0 {
				t.Errorf("a removed member is sent %d messages", more)
			}
		})
	}
}

// comesBack dials every node and asks it on every stream.
func (p *puppet) comesBack(all ...*player) {
	p.t.Helper()
	for _, o := range all {
		ctx := within(p.t)
		p.net.Connect(ctx, o.me, o.net.Addrs()...)
		records, _ := p.pulls(ctx, o, new(group.Heights))
		for _, r := range records {
			if v, err := group.DecodeOwn(p.gid, r); err == nil && v.Msg() != nil {
				p.t.Error("a removed member is given messages")
			}
		}
		s, err := p.net.Open(ctx, o.me, protoKey)
		if err != nil {
			continue
		}
		ask := keyAsk{GID: p.gid, Bundle: p.bundle.Raw()}
		ok(p.t, o.roomOf(p.gid.String()).look(ctx, func(m *group.Machine) {
			for _, e := range m.Epochs() {
				ask.EIDs = append(ask.EIDs, e.EID)
			}
		}))
		var a keyAnswer
		if put(s, ask) == nil && get(s, &a) == nil {
			for _, it := range a.Items {
				if len(it.Envelope) > 0 {
					p.t.Error("a removed member is given a key")
				}
			}
		}
		s.Close()
	}
}

// bareSubscriber is a host that takes part in a topic as the library has it.
type bareSubscriber struct {
	t    *testing.T
	h    host.Host
	mu   sync.Mutex
	seen [][]byte
}

func newBareSubscriber(t *testing.T, as *puppet, sub string) *bareSubscriber {
	t.Helper()
	sk, err := crypto.UnmarshalEd25519PrivateKey(as.id.Ed25519())
	ok(t, err)
	h, err := libp2p.New(libp2p.Identity(sk), libp2p.NoListenAddrs, libp2p.DisableRelay())
	ok(t, err)
	t.Cleanup(func() { h.Close() })
	policy := []pubsub.Option{pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor()}
	make := pubsub.NewGossipSub
	if sub == "floodsub" {
		make = pubsub.NewFloodSub
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	ps, err := make(ctx, h, policy...)
	ok(t, err)
	topic, err := ps.Join(mesh.TopicPrefix + group.Topic(as.gid).String())
	ok(t, err)
	in, err := topic.Subscribe()
	ok(t, err)
	b := &bareSubscriber{t: t, h: h}
	go func() {
		for {
			m, err := in.Next(ctx)
			if err != nil {
				return
			}
			b.mu.Lock()
			b.seen = append(b.seen, m.Data)
			b.mu.Unlock()
		}
	}()
	return b
}

func (b *bareSubscriber) got() [][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.seen)
}

func (b *bareSubscriber) comesBack(all ...*player) {
	for _, o := range all {
		var addrs []ma.Multiaddr
		for _, a := range o.net.Addrs() {
			m, err := ma.NewMultiaddr(a)
			ok(b.t, err)
			addrs = append(addrs, m)
		}
		id, err := peer.IDFromBytes(o.me.Multihash())
		ok(b.t, err)
		b.h.Connect(within(b.t), peer.AddrInfo{ID: id, Addrs: addrs})
	}
}
