//go:build !plaintransport

package mesh

import (
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
)

// security encrypts and authenticates TCP connections; QUIC does so by itself.
// The build with the tag plaintransport takes it off.
func security() libp2p.Option { return libp2p.Security(noise.ID, noise.New) }
