package node

import (
	"context"
	"errors"
	"slices"

	"conclave/group"
	"conclave/keys"
)

// Nearby is one line of `nearby`: a node that multicast DNS has found on the local
// network.
type Nearby struct {
	PeerID      string   `json:"peer_id"`
	Fingerprint string   `json:"fingerprint"`
	Name        *string  `json:"name"`   // as a group says that both are in
	Addrs       []string `json:"addrs"`  // as found
	Shared      []string `json:"shared"` // IDs of the groups that both are in
	Online      bool     `json:"online"` // connected now
}

// Nearby lists the nodes that were found on the local network as it is now. A
// node tells there its peer ID and addresses, nothing else: names and groups are
// what this node knows already.
func (n *Node) Nearby(ctx context.Context) ([]Nearby, error) {
	if !n.net.Searches() {
		return nil, &Error{Kind: KindError, Message: "mDNS is off: this node does not look for others on the local network",
			Hint: "start it without --no-mdns, and with an address other than loopback"}
	}
	if err := n.net.MDNSErr(); err != nil {
		return nil, &Error{Kind: KindError, Message: err.Error(), Hint: "`conclave doctor` says more; a peer's address can be given with `conclave up --peer`"}
	}
	names, err := n.names(ctx)
	if err != nil {
		return nil, err
	}
	shared, err := n.shared(ctx)
	if err != nil {
		return nil, err
	}
	connected := n.net.Connected()
	out := []Nearby{}
	for _, p := range n.net.Nearby() {
		out = append(out, Nearby{
			PeerID: p.Peer.String(), Fingerprint: p.Peer.Fingerprint(), Name: namePtr(names[p.Peer]), Addrs: p.Addrs,
			Shared: append([]string{}, shared[p.Peer]...), Online: slices.Contains(connected, p.Peer),
		})
	}
	return out, nil
}

// shared tells in which groups others are with this person.
func (n *Node) shared(ctx context.Context) (map[keys.PeerID][]string, error) {
	out := map[keys.PeerID][]string{}
	for _, r := range n.allRooms() {
		if err := r.look(ctx, func(m *group.Machine) {
			if !m.IsMember(n.me) || m.Local().Hidden {
				return
			}
			for _, p := range m.Members() {
				out[p] = append(out[p], r.gid.String())
			}
		}); err != nil && !errors.Is(err, errUnknown) { // forgotten a moment ago
			return nil, err
		}
	}
	for _, gids := range out {
		slices.Sort(gids)
	}
	return out, nil
}
