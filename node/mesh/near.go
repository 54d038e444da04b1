package mesh

import (
	"slices"

	"conclave/discovery"
	"conclave/keys"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
)

// Near lists the connected peers that are reached over the local network, in no
// order: none where the node does not look for others there.
func (m *Mesh) Near() []keys.PeerID {
	if !m.searches {
		return nil
	}
	return slices.DeleteFunc(m.Connected(), func(p keys.PeerID) bool {
		return !slices.ContainsFunc(m.host.Network().ConnsToPeer(libID(p)), isNear)
	})
}

func isNear(c network.Conn) bool {
	a := c.RemoteMultiaddr()
	return discovery.Local(a) && !discovery.LoopbackOnly([]ma.Multiaddr{a})
}
