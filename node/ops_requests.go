package node

import (
	"cmp"
	"context"
	"errors"

	"conclave/group"
	"conclave/keys"
	"conclave/node/api/words"
)

// Requests lists who waits to be let in, in one group or, with "", in all.
func (n *Node) Requests(ctx context.Context, ref string) ([]Request, error) {
	rooms := n.allRooms()
	if ref != "" {
		r, err := n.findGroup(ctx, ref)
		if err != nil {
			return nil, err
		}
		rooms = []*room{r}
	}
	names, err := n.names(ctx)
	if err != nil {
		return nil, err
	}
	out := []Request{}
	for _, r := range rooms {
		if err := r.look(ctx, func(m *group.Machine) {
			out = append(out, r.asking(m, names)...)
		}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// asking lists who waits to be let in here, by the name that each gave, or that
// is known of another group. Only called from the loop.
func (r *room) asking(m *group.Machine, known map[keys.PeerID]string) []Request {
	var out []Request
	var called []string
	for _, q := range m.Local().Requests {
		name := cmp.Or(q.Called, known[q.Peer])
		out = append(out, Request{
			GroupID: r.gid.String(), PeerID: q.Peer.String(), Fingerprint: q.Peer.Fingerprint(), Note: q.Note, State: "pending",
			Name: namePtr(name), KeptBy: r.keptBy(q.Peer),
		})
		called = append(called, name)
	}
	for _, p := range m.Members() {
		called = append(called, m.Name(p))
	}
	alike := words.Alike(called)
	for i := range out {
		out[i].Alike = alike[i]
	}
	return out
}

// keptBy is the member who kept the request of p, nil where p asked here. Only
// called from the loop.
func (r *room) keptBy(p keys.PeerID) *string {
	if q, ok := r.kept.requests[p]; ok && q.Keeper != (keys.PeerID{}) {
		return ptr(q.Keeper.String())
	}
	return nil
}

// Approve lets a peer in that asked.
func (n *Node) Approve(ctx context.Context, ref, peer string) (Request, error) {
	return n.answerRequest(ctx, ref, peer, "approved", func(p keys.PeerID) group.Event { return group.Approve{Peer: p} })
}

// Decline refuses a peer that asked.
func (n *Node) Decline(ctx context.Context, ref, peer string) (Request, error) {
	return n.answerRequest(ctx, ref, peer, "declined", func(p keys.PeerID) group.Event { return group.Decline{Peer: p} })
}

// findAsking finds who is meant among those who wait for an answer. Another
// person of the group is one without a request, not a mistyped one.
func findAsking(m *group.Machine, ref string) (keys.PeerID, error) {
	var asking []keys.PeerID
	for _, q := range m.Local().Requests {
		asking = append(asking, q.Peer)
	}
	if fits := fitting(m, asking, ref); len(fits) > 0 {
		return onlyPeer(fits, ref)
	}
	return findPeerID(m, m.Everyone(), ref)
}

func (n *Node) answerRequest(ctx context.Context, ref, peer, state string, ev func(keys.PeerID) group.Event) (Request, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return Request{}, err
	}
	out := Request{GroupID: r.gid.String(), State: state}
	var p keys.PeerID
	var found error
	if err := r.look(ctx, func(m *group.Machine) {
		if p, found = findAsking(m, peer); found != nil {
			return
		}
		out.KeptBy = r.keptBy(p)
		for _, q := range m.Local().Requests {
			if q.Peer == p {
				out.Note, out.Name = q.Note, namePtr(q.Called)
			}
		}
	}); err != nil || found != nil {
		return Request{}, errors.Join(err, found)
	}
	if _, err := r.act(ctx, ev(p)); err != nil {
		return Request{}, personError(err)
	}
	out.PeerID, out.Fingerprint = p.String(), p.Fingerprint()
	var keeper keys.PeerID
	err = r.look(ctx, func(m *group.Machine) {
		out.Epoch = newestHeld(m)
		keeper = r.kept.requests[p].Keeper
		r.noteAnswered(p)
	})
	n.nudge(p)
	if keeper != (keys.PeerID{}) {
		n.meetKeeper(keeper) // which tells it
	}
	n.bus.publish(Event{Kind: "request", GroupID: out.GroupID})
	return out, err
}
