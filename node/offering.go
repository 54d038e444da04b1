package node

import (
	"context"
	"slices"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

const (
	offerEvery   = 15 * time.Second
	offerTimeout = 10 * time.Second
)

// serveOffer takes an invitation, or the news that a request was answered.
func (n *Node) serveOffer(ctx context.Context, s *mesh.Stream) {
	var o offer
	if get(s, &o) != nil {
		return
	}
	defer put(s, ack{OK: true})
	if o.Name == "" {
		if n.awaits(s.Peer()) || n.seeks() && n.near(s.Peer()) {
			n.wakeAskers()
		}
		if o.GID != (keys.Hash{}) {
			n.meetKeeper(s.Peer())
		}
		return
	}
	if !group.ValidName(o.Name) || n.memberOf(ctx, o.GID) {
		return
	}
	inv := invitationRef{ID: group.OfferID(o.GID, s.Peer(), n.me), GID: o.GID, From: s.Peer(), Name: o.Name}
	known, of := false, 0
	n.read(func(d *directory) {
		for _, i := range d.Invitations {
			known = known || i.ID == inv.ID
			if i.From == inv.From {
				of++
			}
		}
	})
	if known || of >= maxInvitationsOf {
		return
	}
	if err := n.change(func(d *directory) {
		over := max(0, len(d.Invitations)+1-maxInvitations) // the oldest go: identities cost nothing
		d.Invitations = append(slices.Delete(d.Invitations, 0, over), inv)
	}); err != nil {
		n.log.Warn("keep invitation", "err", err)
		return
	}
	n.bus.publish(Event{Kind: "invitation", GroupID: o.GID.String()})
}

func (n *Node) memberOf(ctx context.Context, gid keys.Hash) (is bool) {
	if r := n.room(gid); r != nil {
		r.look(ctx, func(m *group.Machine) { is = m.IsMember(n.me) })
	}
	return is
}

// keepOffering delivers the invitations of this node's groups to whoever
// appears.
func (n *Node) keepOffering(ctx context.Context) {
	for {
		for _, r := range n.allRooms() {
			var name string
			var to []keys.PeerID
			r.look(ctx, func(m *group.Machine) {
				name = m.Settings().Name
				for _, o := range m.Local().Offers {
					to = append(to, o.Peer)
				}
			})
			for _, p := range to {
				n.sendOffer(ctx, p, offer{GID: r.gid, Name: name})
			}
		}
		select {
		case <-time.After(offerEvery):
		case <-n.offers:
		case <-ctx.Done():
			return
		}
	}
}

// sendOffer delivers an offer to a peer that can be reached now.
func (n *Node) sendOffer(ctx context.Context, p keys.PeerID, o offer) {
	ctx, cancel := context.WithTimeout(ctx, offerTimeout)
	defer cancel()
	s, err := n.net.Open(ctx, p, protoOffer)
	if err != nil {
		return
	}
	defer s.Close()
	var a ack
	if put(s, o) == nil && get(s, &a) == nil {
		n.mu.Lock()
		n.delivered[group.OfferID(o.GID, n.me, p)] = true
		n.mu.Unlock()
	}
}

// nudge tells a peer that its request was answered.
func (n *Node) nudge(p keys.PeerID) {
	n.wg.Go(func() { n.sendOffer(n.ctx, p, offer{}) })
}

func (n *Node) wakeOffers() {
	select {
	case n.offers <- struct{}{}:
	default:
	}
}
