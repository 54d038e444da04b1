//go:build !plaintransport

package mesh

import (
	"testing"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
)

// The build without transport encryption exists for a test; the ordinary one
// speaks to nobody without.
func TestNoConnectionInClear(t *testing.T) {
	m := node(t)
	s := newStranger(t, nil, libp2p.NoListenAddrs, libp2p.NoSecurity)
	if err := s.h.Connect(t.Context(), peer.AddrInfo{ID: m.host.ID(), Addrs: m.host.Addrs()}); err == nil {
		t.Error("connected without encryption")
	}
	encrypted := newStranger(t, nil, libp2p.NoListenAddrs)
	if err := encrypted.h.Connect(t.Context(), peer.AddrInfo{ID: m.host.ID(), Addrs: m.host.Addrs()}); err != nil {
		t.Errorf("with encryption: %v", err)
	}
}
