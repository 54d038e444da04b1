package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"conclave/group"
	"conclave/keys"
)

// Invite offers a place in a group to a peer, now or when it appears.
func (n *Node) Invite(ctx context.Context, ref, peer string) (Invite, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return Invite{}, err
	}
	p, err := parsePeer(peer)
	if err != nil {
		return Invite{}, err
	}
	_, err = r.act(ctx, group.Invite{Peer: p})
	if errors.Is(err, group.ErrDependency) {
		return Invite{}, &Error{Kind: KindError, Message: "already a member of this group"}
	}
	if err != nil {
		return Invite{}, personError(err)
	}
	name, state := "", "pending"
	if err := r.look(ctx, func(m *group.Machine) {
		name = m.Settings().Name
		if m.IsMember(p) {
			state = stateJoined
		}
	}); err != nil {
		return Invite{}, err
	}
	id := group.OfferID(r.gid, n.me, p)
	if state != stateJoined {
		n.sendOffer(ctx, p, offer{GID: r.gid, Name: name})
		n.mu.Lock()
		if n.delivered[id] {
			state = "delivered"
		}
		n.mu.Unlock()
	} else {
		n.nudge(p)
	}
	return Invite{InviteID: id.String(), GroupID: r.gid.String(), PeerID: p.String(), State: state}, nil
}

// Invitations lists the invitations that this person received, and the
// conversations that strangers began.
func (n *Node) Invitations(ctx context.Context) ([]Invitation, error) {
	out := []Invitation{}
	names, err := n.names(ctx)
	if err != nil {
		return nil, err
	}
	n.read(func(d *directory) {
		for _, i := range d.Invitations {
			out = append(out, Invitation{InviteID: i.ID.String(), GroupID: i.GID.String(), Name: i.Name, From: i.From.String(), FromName: namePtr(names[i.From])})
		}
		for gid, g := range d.Groups {
			if g.Asked {
				from := other(*g.Direct, n.me)
				out = append(out, Invitation{InviteID: gid.String(), GroupID: gid.String(), Name: "conversation", From: from.String(), FromName: namePtr(names[from])})
			}
		}
	})
	slices.SortFunc(out, func(a, b Invitation) int { return strings.Compare(a.InviteID, b.InviteID) })
	return out, nil
}

func other(pair [2]keys.PeerID, me keys.PeerID) keys.PeerID {
	if pair[0] == me {
		return pair[1]
	}
	return pair[0]
}

// Accept takes an invitation. With wait it returns when this person has joined.
func (n *Node) Accept(ctx context.Context, inviteID string, wait bool) (JoinState, error) {
	id, err := n.invitationID(inviteID)
	if err != nil {
		return JoinState{}, err
	}
	if n.isAsked(id) {
		return n.acceptTalk(ctx, id)
	}
	var found *invitationRef
	n.read(func(d *directory) {
		if i := slices.IndexFunc(d.Invitations, func(i invitationRef) bool { return i.ID == id }); i >= 0 {
			inv := d.Invitations[i]
			found = &inv
		}
	})
	if found == nil {
		return JoinState{}, &Error{Kind: NotFound, Message: "no such invitation", Hint: "see `conclave invites`"}
	}
	return n.join(ctx, joinRef{Peer: found.From, GID: found.GID, Group: found.Name, State: stateRequested, Since: n.now()}, wait)
}

// invitationID reads the ID of an invitation, or the begin of one that is here.
func (n *Node) invitationID(ref string) (keys.Hash, error) {
	if id, err := keys.ParseHash(ref); err == nil {
		return id, nil
	}
	var fits []keys.Hash
	n.read(func(d *directory) {
		for _, i := range d.Invitations {
			if isPrefix(ref, i.ID) {
				fits = append(fits, i.ID)
			}
		}
		for gid, g := range d.Groups {
			if g.Asked && isPrefix(ref, gid) {
				fits = append(fits, gid)
			}
		}
	})
	switch len(fits) {
	case 0:
		return keys.Hash{}, &Error{Kind: KindUsage, Message: "not an invitation ID", Hint: "see `conclave invites`"}
	case 1:
		return fits[0], nil
	}
	return keys.Hash{}, &Error{Kind: NotFound, Message: fmt.Sprintf("%q could be several invitations", ref), Hint: "see `conclave invites --json`"}
}

func (n *Node) acceptTalk(ctx context.Context, gid keys.Hash) (JoinState, error) {
	r := n.room(gid)
	if _, err := r.act(ctx, group.AcceptTalk{}); err != nil {
		return JoinState{}, personError(err)
	}
	if err := n.change(func(d *directory) { d.Groups[gid] = groupRef{Direct: r.direct} }); err != nil {
		return JoinState{}, err
	}
	n.wakeName()
	s := gid.String()
	return JoinState{GroupID: &s, State: stateJoined}, nil
}
