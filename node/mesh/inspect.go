package mesh

import (
	"errors"
	"slices"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
)

var errFlood = errors.New("graylisted, or too many announcements or control messages")

// inspect sees each RPC before gossipsub does. Called from gossipsub's loop: it
// must neither block nor ask gossipsub for anything.
//
// gossipsub marks a message as seen before it asks the validator. So what comes
// from a peer outside the view is taken out here: a stranger who got hold of a
// message could otherwise make the node deaf to the copy that a member sends.
func (m *Mesh) inspect(from peer.ID, rpc *pubsub.RPC) error {
	if m.ledger.standing(from) < graylist || len(rpc.Subscriptions) > maxSubscriptions {
		return errFlood
	}
	if n := controlItems(rpc.Control); n > 0 && !m.ledger.pay(from, n) {
		return errFlood
	}
	m.taps.note(from, rpc, m.views)
	before := len(rpc.Publish)
	rpc.Publish = slices.DeleteFunc(rpc.Publish, func(msg *pb.Message) bool {
		return !m.views.allows(from, msg.GetTopic())
	})
	m.trace.strangers.Add(uint64(before - len(rpc.Publish)))
	return nil
}

// controlItems counts what a control message asks the node to look at.
func controlItems(c *pb.ControlMessage) int {
	n := len(c.GetGraft()) + len(c.GetPrune())
	for _, x := range c.GetIhave() {
		n += 1 + len(x.GetMessageIDs())
	}
	for _, x := range c.GetIwant() {
		n += 1 + len(x.GetMessageIDs())
	}
	for _, x := range c.GetIdontwant() {
		n += 1 + len(x.GetMessageIDs())
	}
	return n
}
