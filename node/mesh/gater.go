package mesh

import (
	"conclave/discovery"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// gater decides which connections may be.
type gater struct {
	lan bool // dial local addresses only
}

// InterceptPeerDial refuses to dial an ID that nobody may have.
func (gater) InterceptPeerDial(p peer.ID) bool {
	_, err := keyOf(p)
	return err == nil
}

// InterceptAddrDial holds the promise of --lan. Names are resolved by then.
func (g gater) InterceptAddrDial(_ peer.ID, a ma.Multiaddr) bool { return !g.lan || discovery.Local(a) }

// InterceptAccept lets everybody begin: the resource limits bound how many.
func (gater) InterceptAccept(network.ConnMultiaddrs) bool { return true }

// InterceptSecured refuses RSA, ECDSA and secp256k1 IDs and every second
// spelling of an Ed25519 one, before any protocol runs.
func (gater) InterceptSecured(_ network.Direction, p peer.ID, _ network.ConnMultiaddrs) bool {
	_, err := keyOf(p)
	return err == nil
}

// InterceptUpgraded has nothing to add.
func (gater) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }
