package mesh

import (
	"conclave/keys"

	"github.com/libp2p/go-libp2p/core/peer"
)

func libID(p keys.PeerID) peer.ID { return peer.ID(p.Multihash()) }

// keyOf refuses every ID that is not the canonical one of an Ed25519 key.
func keyOf(p peer.ID) (keys.PeerID, error) { return keys.PeerIDFromMultihash([]byte(p)) }

// mustKey is keyOf for peers that a connection stands to: the gater let nobody
// in whom keyOf refuses, so that a failure is a broken invariant.
func mustKey(p peer.ID) keys.PeerID {
	k, err := keyOf(p)
	if err != nil {
		panic("mesh: a peer without a checked ID is connected")
	}
	return k
}
