package sim

import (
	"slices"

	"conclave/group"
)

// link makes a link, sometimes one that still wants an approval.
func (w *world) link(n *member) error {
	_, err := n.step(group.LinkAdd{
		Key: w.linkKey().PeerID(), Uses: uint64(w.between(1, 3)), Expires: n.clock() + uint64(w.between(1, 120_000)), PreApproved: w.chance(0.9),
	})
	return err
}

// endLink revokes one.
func (w *world) endLink(n *member) error {
	l, ok := pick(w, n.m.Links())
	if !ok {
		return errNothing
	}
	_, err := n.step(group.LinkRevoke{Invite: l.Invite})
	return err
}

// comeIn uses a link that somebody passed on, at any member in reach.
func (w *world) comeIn(n *member) error {
	if n.m.IsMember(n.me) && !w.outside(n) || n.m.Local().Left {
		return errNothing
	}
	p, ok := pick(w, slices.DeleteFunc(slices.Clone(w.all), func(p *member) bool {
		return p == n || !w.streams(n, p) || !p.m.IsMember(p.me)
	}))
	if !ok {
		return errNothing
	}
	l, ok := pick(w, p.m.Links())
	if !ok {
		return errNothing
	}
	used := group.LinkUsed{Peer: n.me, Bundle: n.bundle.Raw(), Invite: l.Invite, Proof: group.SignJoinProof(w.linkKey(), w.gid, l.Invite, n.me)}
	if _, err := p.step(used); err != nil {
		return err
	}
	w.logf("%s lets %s in by a link", p.name, n.name)
	if p.up {
		w.catchUp(n, p)
	}
	return nil
}

func (w *world) takeOver(n *member) error {
	if w.torn || w.book.twice[n.me] {
		return errNothing // an owner who signs twice is another world
	}
	_, err := n.step(group.TakeOver{})
	return err
}

func (w *world) hand(n *member) error {
	p, ok := pick(w, slices.DeleteFunc(slices.Clone(w.all), func(p *member) bool { return p == n || !n.m.IsMember(p.me) }))
	if !ok || n.m.Owner() != n.me {
		return errNothing
	}
	_, err := n.step(group.HandOver{Peer: p.me})
	if err == nil {
		w.logf("%s hands over to %s", n.name, p.name)
	}
	return err
}
