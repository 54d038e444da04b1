package node

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"conclave/group"
	"conclave/keys"
)

// Verify answers the safety number with a peer, or of a group, and with mark
// remembers that two people compared it.
func (n *Node) Verify(ctx context.Context, ref string, mark bool) (Verification, error) {
	if p, err := keys.ParsePeerID(ref); err == nil {
		return n.verifyPeer(p, mark)
	}
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		if fits, found := n.everyoneFitting(ctx, ref); found == nil && len(fits) > 0 {
			p, several := onlyPeer(fits, ref)
			if several != nil {
				return Verification{}, several
			}
			return n.verifyPeer(p, mark)
		}
		switch {
		case errors.Is(err, errUnknown) && looksMalformed(ref):
			_, err = parsePeer(ref)
		case errors.Is(err, errUnknown):
			err = &Error{Kind: NotFound, Message: fmt.Sprintf("no person and no group %q", ref), Hint: "see `conclave group list` and `conclave members GROUP`"}
		}
		return Verification{}, err
	}
	if r.direct != nil {
		v, err := n.verifyPeer(other(*r.direct, n.me), mark)
		v.GroupID = r.gid.String()
		return v, err
	}
	var members []keys.PeerID
	v := Verification{GroupID: r.gid.String()}
	if err := r.look(ctx, func(m *group.Machine) {
		members = m.Members()
		v.SafetyNumber = keys.GroupSafetyNumber(r.gid, members, m.Owner())
	}); err != nil {
		return v, err
	}
	err = n.verified(&v, members, mark)
	return v, err
}

// verified says whether all these people were compared, after marking them so
// if asked.
func (n *Node) verified(v *Verification, people []keys.PeerID, mark bool) (err error) {
	if mark {
		err = n.change(func(d *directory) {
			for _, p := range people {
				d.Verified[p] = n.now().UTC()
			}
		})
	}
	v.Verified = true
	n.read(func(d *directory) {
		for _, p := range people {
			v.Verified = v.Verified && (p == n.me || !d.Verified[p].IsZero())
		}
	})
	return err
}

func (n *Node) verifyPeer(p keys.PeerID, mark bool) (Verification, error) {
	v := Verification{PeerID: p.String(), SafetyNumber: keys.SafetyNumber(n.me, p)}
	err := n.verified(&v, []keys.PeerID{p}, mark)
	return v, err
}

// everyoneFitting lists whom ref may mean among the people of all groups.
func (n *Node) everyoneFitting(ctx context.Context, ref string) ([]keys.PeerID, error) {
	var fits []keys.PeerID
	for _, r := range n.allRooms() {
		if err := r.look(ctx, func(m *group.Machine) { fits = append(fits, fitting(m, m.Everyone(), ref)...) }); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(fits, keys.PeerID.Compare)
	return slices.Compact(fits), nil
}
