package mesh

import (
	"sync"
	"sync/atomic"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
)

// TopicPrefix begins every topic; 64 lower hex digits follow.
const TopicPrefix = "/conclave/1/"

// validTopic is the grammar of topics. What does not fit is not even kept as a
// refused announcement.
func validTopic(t string) bool {
	if len(t) != len(TopicPrefix)+64 || t[:len(TopicPrefix)] != TopicPrefix {
		return false
	}
	for _, c := range []byte(t[len(TopicPrefix):]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// peerSet is never changed once it is in a view.
type peerSet map[peer.ID]struct{}

// view is who may take part in one topic: replaced whole, read without a lock
// by everything that gossipsub asks.
type view struct{ allowed atomic.Pointer[peerSet] }

func newView() *view {
	v := &view{}
	v.allowed.Store(&peerSet{})
	return v
}

func (v *view) has(p peer.ID) bool {
	_, ok := (*v.allowed.Load())[p]
	return ok
}

// views are the views of all joined topics. The map is copied on each change,
// so that reading takes no lock.
type views struct {
	change sync.Mutex
	topics atomic.Pointer[map[string]*view]
}

func newViews() *views {
	vs := &views{}
	vs.topics.Store(&map[string]*view{})
	return vs
}

// put adds the view of a topic, or removes it where v is nil. It reports
// whether it did: a topic is joined once at a time.
func (vs *views) put(topic string, v *view) bool {
	vs.change.Lock()
	defer vs.change.Unlock()
	old := *vs.topics.Load()
	if _, ok := old[topic]; ok == (v != nil) {
		return false
	}
	next := make(map[string]*view, len(old)+1)
	for t, w := range old {
		next[t] = w
	}
	if v == nil {
		delete(next, topic)
	} else {
		next[topic] = v
	}
	vs.topics.Store(&next)
	return true
}

// allows is the question that both filters ask: may p take part in topic?
func (vs *views) allows(p peer.ID, topic string) bool {
	v, ok := (*vs.topics.Load())[topic]
	return ok && v.has(p)
}

// joined reports whether the node itself takes part in topic.
func (vs *views) joined(topic string) bool {
	_, ok := (*vs.topics.Load())[topic]
	return ok
}

// filter is the second of the two filters: an announcement counts only from a
// peer who may take part. The first, WithPeerFilter, asks allows itself. Either
// alone leaks: without this one a peer that speaks floodsub, or any under flood
// publish, gets everything; without the other, whoever grafts does.
func (vs *views) filter() pubsub.SubscriptionFilter {
	return pubsub.WrapLimitSubscriptionFilter(subscriptions{vs}, maxSubscriptions)
}

type subscriptions struct{ *views }

// CanSubscribe is asked when the node itself joins.
func (s subscriptions) CanSubscribe(topic string) bool { return s.joined(topic) }

// FilterIncomingSubscriptions keeps what p may announce.
func (s subscriptions) FilterIncomingSubscriptions(p peer.ID, subs []*pb.RPC_SubOpts) ([]*pb.RPC_SubOpts, error) {
	return pubsub.FilterSubscriptions(subs, func(topic string) bool { return s.allows(p, topic) }), nil
}
