package node

import (
	"context"
	"errors"
	"slices"

	"conclave/group"
	"conclave/keys"
	"conclave/node/api/words"
)

// Members lists a group's members, this person included.
func (n *Node) Members(ctx context.Context, ref string) ([]Member, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return nil, err
	}
	online := map[keys.PeerID]bool{n.me: true}
	for _, p := range n.net.Connected() {
		online[p] = true
	}
	verified := map[keys.PeerID]bool{}
	n.read(func(d *directory) {
		for p := range d.Verified {
			verified[p] = true
		}
	})
	out := []Member{}
	err = r.look(ctx, func(m *group.Machine) {
		epochs := m.Epochs()
		for _, p := range m.Members() {
			x := Member{GroupID: r.gid.String(), PeerID: p.String(), Name: m.Name(p), Role: m.Role(p), Online: online[p], Self: p == n.me, Verified: verified[p], Can: capNames(m.Caps(p))}
			for _, e := range slices.Backward(epochs) {
				if m.Holds(p, e.EID) {
					x.Epoch = &e.Gen
					break
				}
			}
			out = append(out, x)
		}
	})
	flagAlike(out)
	return out, err
}

// Leave ends this person's membership; a conversation is hidden here.
func (n *Node) Leave(ctx context.Context, ref string, abandon bool) (Change, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return Change{}, err
	}
	owner := false
	if err := r.look(ctx, func(m *group.Machine) { owner = m.Role(n.me) == "owner" && len(m.Members()) > 1 }); err != nil {
		return Change{}, err
	}
	if owner && !abandon {
		return Change{}, &Error{Kind: NotAllowed, Message: "the owner cannot leave the others behind", Hint: "leave with --abandon: members go on without an owner, settings freeze"}
	}
	if _, err := r.act(ctx, group.Quit{Abandon: abandon}); err != nil {
		return Change{}, personError(err)
	}
	return n.changed(ctx, r, n.me, "left")
}

// Kick removes a member.
func (n *Node) Kick(ctx context.Context, ref, peer string) (Change, error) {
	return n.remove(ctx, ref, peer, "removed", findPeer, func(p keys.PeerID) group.Event { return group.Remove{Peer: p} })
}

// Ban removes a member, or keeps a stranger out, until an unban.
func (n *Node) Ban(ctx context.Context, ref, peer string) (Change, error) {
	return n.remove(ctx, ref, peer, "banned", findPeer, func(p keys.PeerID) group.Event { return group.Remove{Peer: p, Ban: true} })
}

// Unban lets a banned peer be admitted again.
func (n *Node) Unban(ctx context.Context, ref, peer string) (Change, error) {
	return n.remove(ctx, ref, peer, "unbanned", findPeerID, func(p keys.PeerID) group.Event { return group.Unban{Peer: p} })
}

func (n *Node) remove(ctx context.Context, ref, peer, state string, find finder, ev func(keys.PeerID) group.Event) (Change, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return Change{}, err
	}
	var p keys.PeerID
	var found error
	open := 0
	if err := r.look(ctx, func(m *group.Machine) {
		p, found = find(m, m.Everyone(), peer)
		open = openLinks(m)
	}); err != nil || found != nil {
		return Change{}, errors.Join(err, found)
	}
	if _, err := r.act(ctx, ev(p)); err != nil {
		return Change{}, n.removalError(err, p, state)
	}
	out, err := n.changed(ctx, r, p, state)
	if err == nil {
		err = r.look(ctx, func(m *group.Machine) { out.LinksEnded = max(0, open-openLinks(m)) })
		if out.LinksEnded > 0 {
			out.Hint = "make a new link: conclave invite GROUP --link --preapproved"
		}
	}
	return out, err
}

func (n *Node) removalError(err error, p keys.PeerID, state string) error {
	switch {
	case errors.Is(err, group.ErrNotMember) && state == "unbanned":
		return &Error{Kind: NotFound, Message: "that person is not banned from this group"}
	case errors.Is(err, group.ErrNotAllowed) && p == n.me:
		return &Error{Kind: NotAllowed, Message: "that is yourself", Hint: "`conclave leave GROUP` leaves a group"}
	}
	return personError(err)
}

func (n *Node) changed(ctx context.Context, r *room, p keys.PeerID, state string) (Change, error) {
	out := Change{GroupID: r.gid.String(), PeerID: p.String(), State: state}
	err := r.look(ctx, func(m *group.Machine) { out.Epoch = newestHeld(m) })
	return out, err
}

// flagAlike marks those whose name another's could be taken for.
func flagAlike(all []Member) {
	names := make([]string, len(all))
	for i, m := range all {
		names[i] = m.Name
	}
	for i, alike := range words.Alike(names) {
		all[i].Alike = alike
	}
}
