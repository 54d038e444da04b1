package node

import (
	"context"
	"errors"
	"slices"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// stateWithdrawn is that of an invitation or a request that was taken back.
const stateWithdrawn = "withdrawn"

// WithdrawInvite takes an invitation back. The invited is told if in reach; who
// is not, and accepts later, asks like anybody else.
func (n *Node) WithdrawInvite(ctx context.Context, ref, peer string) (Invite, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return Invite{}, err
	}
	p, err := parsePeer(peer)
	if err != nil {
		return Invite{}, err
	}
	_, err = r.do(ctx, group.Uninvite{Peer: p})
	if errors.Is(err, group.ErrNoRequest) {
		return Invite{}, &Error{Kind: NotFound, Message: "no invitation of yours to that person is open"}
	}
	if err != nil {
		return Invite{}, personError(err)
	}
	id := group.OfferID(r.gid, n.me, p)
	n.mu.Lock()
	delete(n.delivered, id)
	n.mu.Unlock()
	n.tellWithdrawn(ctx, r.gid, p)
	return Invite{InviteID: id.String(), GroupID: r.gid.String(), PeerID: p.String(), State: stateWithdrawn}, nil
}

// WithdrawJoin takes back this person's open requests to a peer, or the one for
// a group. Whoever was asked is told if in reach; an approval that comes all the
// same is not fetched.
func (n *Node) WithdrawJoin(ctx context.Context, peer, ref string) (JoinState, error) {
	p, err := parsePeer(peer)
	if err != nil {
		return JoinState{}, err
	}
	var gone []joinRef
	means := func(j joinRef) bool {
		return j.Peer == p && j.State == stateRequested && (ref == "" || ref == j.Group || ref == j.GID.String() || isPrefix(ref, j.GID))
	}
	n.read(func(d *directory) {
		for _, j := range d.Joins {
			if means(j) {
				gone = append(gone, j)
			}
		}
	})
	switch len(gone) {
	case 0:
		return JoinState{}, &Error{Kind: NotFound, Message: "no such request is open", Hint: "see `conclave join --list`"}
	case 1:
	default:
		return JoinState{}, &Error{Kind: NotFound, Message: "several requests to that peer are open", Hint: "name the group: PEER_ID/GROUP; see `conclave join --list --json`"}
	}
	if err := n.change(func(d *directory) { d.Joins = slices.DeleteFunc(d.Joins, means) }); err != nil {
		return JoinState{}, err
	}
	n.bus.publish(Event{Kind: "join", GroupID: gone[0].GID.String()})
	n.tellWithdrawn(ctx, gone[0].GID, gone[0].asked()...)
	out := stateOf(gone[0])
	out.State = stateWithdrawn
	return out, nil
}

// asked lists who may have the request.
func (j joinRef) asked() []keys.PeerID {
	l, err := parseLink(j.Link)
	if err != nil {
		return []keys.PeerID{j.Peer}
	}
	var out []keys.PeerID
	for _, h := range l.hints {
		out = append(out, h.Peer)
	}
	return out
}

// tellWithdrawn tells those of peers who can be reached now.
func (n *Node) tellWithdrawn(ctx context.Context, gid keys.Hash, peers ...keys.PeerID) {
	connected := n.net.Connected()
	for _, p := range peers {
		if slices.Contains(connected, p) {
			n.tellOneWithdrawn(ctx, gid, p)
		}
	}
}

func (n *Node) tellOneWithdrawn(ctx context.Context, gid keys.Hash, p keys.PeerID) {
	ctx, cancel := context.WithTimeout(ctx, offerTimeout)
	defer cancel()
	s, err := n.net.Open(ctx, p, protoWithdraw)
	if err == nil {
		defer s.Close()
		var a ack
		if err = put(s, withdrawal{GID: gid}); err == nil {
			err = get(s, &a)
		}
	}
	if err != nil {
		n.log.Debug("tell of a withdrawal", "peer", p.Short(), "err", err)
	}
}

// serveWithdrawal forgets what its sender takes back: an invitation, a request,
// or nothing.
func (n *Node) serveWithdrawal(ctx context.Context, s *mesh.Stream) {
	var w withdrawal
	if get(s, &w) != nil {
		return
	}
	defer put(s, ack{OK: true})
	id := group.OfferID(w.GID, s.Peer(), n.me)
	known := func(i invitationRef) bool { return i.ID == id }
	invited := false
	n.read(func(d *directory) { invited = slices.ContainsFunc(d.Invitations, known) })
	if invited {
		if err := n.change(func(d *directory) { d.Invitations = slices.DeleteFunc(d.Invitations, known) }); err != nil {
			n.log.Warn("forget invitation", "err", err)
			return
		}
		n.bus.publish(Event{Kind: "invitation", GroupID: w.GID.String()})
	}
	if r := n.room(w.GID); r != nil {
		_, err := r.do(ctx, group.Unasked{Peer: s.Peer()})
		if err == nil {
			err = r.dropKept(ctx, s.Peer())
		}
		if err != nil {
			n.log.Debug("forget request", "peer", s.Peer().Short(), "err", err)
		}
	}
}

// dropKept forgets the request of a peer that this member keeps for others.
func (r *room) dropKept(ctx context.Context, p keys.PeerID) (err error) {
	look := func(*group.Machine) {
		if _, is := r.kept.requests[p]; is {
			err = r.changeKept(func(k *kept) { delete(k.requests, p) })
		}
	}
	looked := r.look(ctx, look)
	return errors.Join(looked, err)
}
