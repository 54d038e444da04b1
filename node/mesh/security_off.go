//go:build plaintransport

package mesh

import "github.com/libp2p/go-libp2p"

// security leaves TCP connections in clear, so that a test can record what is
// sealed whatever carries it. Such a node cannot speak to an ordinary one.
func security() libp2p.Option { return libp2p.NoSecurity }
