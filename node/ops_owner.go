package node

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"conclave/group"
	"conclave/keys"
)

// TakeOver says that this person is ready to be the owner of a group.
func (n *Node) TakeOver(ctx context.Context, ref string) (Handover, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return Handover{}, err
	}
	if _, err := r.act(ctx, group.TakeOver{}); errors.Is(err, group.ErrNotAllowed) {
		return Handover{}, &Error{Kind: NotAllowed, Message: "there is nothing to take over", Hint: "`conclave group show GROUP` says who the owner is"}
	} else if err != nil {
		return Handover{}, personError(err)
	}
	return r.handover(ctx, n.me, "accepted")
}

// Transfer makes a member the owner who has said to be ready.
func (n *Node) Transfer(ctx context.Context, ref, peer string) (Handover, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return Handover{}, err
	}
	var p keys.PeerID
	var refused error
	if err := r.look(ctx, func(m *group.Machine) {
		if p, refused = findPeer(m, m.Everyone(), peer); refused == nil && m.Owner() != n.me {
			refused = &Error{Kind: NotAllowed, Message: "only the owner hands the group over", Hint: "where the owner is gone for good: conclave group fork GROUP"}
		}
	}); err != nil || refused != nil {
		return Handover{}, errors.Join(err, refused)
	}
	if _, err := r.act(ctx, group.HandOver{Peer: p}); errors.Is(err, group.ErrNoRequest) {
		return Handover{}, &Error{Kind: NotAllowed, Message: "that person has not agreed yet", Hint: "it is for them to say first: conclave transfer GROUP --accept"}
	} else if err != nil {
		return Handover{}, personError(err)
	}
	return r.handover(ctx, p, "transferred")
}

func (r *room) handover(ctx context.Context, p keys.PeerID, state string) (Handover, error) {
	h := Handover{GroupID: r.gid.String(), PeerID: p.String(), State: state}
	err := r.look(ctx, func(m *group.Machine) { h.OwnerPeerID = m.Owner().String() })
	return h, err
}

// Fork begins a new group in the place of one whose owner is gone: with its
// settings, and with everyone invited who is a member.
func (n *Node) Fork(ctx context.Context, ref, name string) (Fork, error) {
	old, err := n.findGroup(ctx, ref)
	if err != nil {
		return Fork{}, err
	}
	var s group.Settings
	var refused error
	required := false
	if err := old.look(ctx, func(m *group.Machine) {
		if m.Direct() != nil || !m.IsMember(n.me) {
			refused = &Error{Kind: NotAllowed, Message: "only a member of a group can go on with it in a new one"}
			return
		}
		s, required = m.Settings(), m.RequiresE2EE()
	}); err != nil || refused != nil {
		return Fork{}, errors.Join(err, refused)
	}
	if s.Name = name; name == "" {
		if err := old.look(ctx, func(m *group.Machine) { s.Name = nextName(m.Settings().Name) }); err != nil {
			return Fork{}, err
		}
	}
	if !group.ValidName(s.Name) {
		return Fork{}, &Error{Kind: KindUsage, Message: "not a group name", Hint: "give one with --name"}
	}
	entropy, err := keys.NewEntropy()
	if err != nil {
		return Fork{}, err
	}
	gid, genesis, err := group.ForkID(n.self, s, required, old.gid, n.clock(), entropy)
	if err != nil {
		return Fork{}, personError(err)
	}
	r, err := n.newRoom(ctx, gid, genesis)
	if err != nil {
		return Fork{}, personError(err)
	}
	out := Fork{GroupID: gid.String(), Name: s.Name, Parent: old.gid.String(), Invited: []string{}}
	for _, p := range old.others() {
		if _, err := r.act(ctx, group.Invite{Peer: p}); err != nil {
			return out, personError(err)
		}
		out.Invited = append(out.Invited, p.String())
	}
	n.wakeOffers()
	return out, nil
}

// nextName is "team-2" after "team", and "team-3" after that.
func nextName(name string) string {
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		if k, err := strconv.Atoi(name[i+1:]); err == nil && k > 0 && k < 1000 {
			return fmt.Sprintf("%s-%d", name[:i], k+1)
		}
	}
	return name + "-2"
}
