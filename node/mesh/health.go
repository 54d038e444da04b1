package mesh

import (
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"

	"conclave/keys"
)

// Health is what the network side can tell about itself.
type Health struct {
	Dialled  int           // connections that this node opened
	Accepted int           // connections that others opened
	Foreign  []keys.PeerID // connected, of this family of protocols, but not of this version
	Searches bool          // the local network is to be searched
	MDNS     error         // why it cannot be
}

// Health looks at the connections as they are. A peer of this program speaks
// proto; one that only speaks other protocols beside it is of another version.
func (m *Mesh) Health(proto string) Health {
	h := Health{Searches: m.searches, MDNS: m.MDNSErr()}
	for _, c := range m.host.Network().Conns() {
		if c.Stat().Direction == network.DirInbound {
			h.Accepted++
		} else {
			h.Dialled++
		}
	}
	family := proto[:strings.Index(proto[1:], "/")+2]
	for _, p := range m.host.Network().Peers() {
		known, err := m.host.Peerstore().GetProtocols(p)
		if err != nil || slices.Contains(known, protocol.ID(proto)) {
			continue
		}
		if slices.ContainsFunc(known, func(k protocol.ID) bool { return strings.HasPrefix(string(k), family) }) {
			h.Foreign = append(h.Foreign, mustKey(p))
		}
	}
	return h
}
