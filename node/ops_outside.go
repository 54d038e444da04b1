package node

import (
	"context"
	"slices"

	"conclave/group"
	"conclave/keys"
)

// Outsider is somebody who is not in a group but concerns it: was a member, is
// banned, or was invited from here and has not come.
type Outsider struct {
	GroupID string `json:"group_id"`
	PeerID  string `json:"peer_id"`
	Name    string `json:"name"`
	State   string `json:"state"`  // out, banned, invited
	Member  bool   `json:"member"` // was one
}

// Outsiders lists who is out of a group, and whom this person has invited to it.
func (n *Node) Outsiders(ctx context.Context, ref string) ([]Outsider, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return nil, err
	}
	out := []Outsider{}
	err = r.look(ctx, func(m *group.Machine) {
		add := func(p keys.PeerID, state string) {
			out = append(out, Outsider{GroupID: r.gid.String(), PeerID: p.String(), Name: m.Name(p), State: state, Member: m.Removed(p)})
		}
		invited := func(p keys.PeerID) bool {
			return slices.ContainsFunc(m.Local().Offers, func(o group.Offer) bool { return o.Peer == p })
		}
		for _, p := range m.Banished() {
			add(p, "banned")
		}
		for _, p := range m.Everyone() {
			if !m.IsMember(p) && !m.Banned(p) && !invited(p) {
				add(p, "out")
			}
		}
		for _, o := range m.Local().Offers {
			add(o.Peer, "invited")
		}
	})
	return out, err
}
