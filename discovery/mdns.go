package discovery

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
)

// ServiceName is what the node announces itself as. It is ours alone, so that
// other libp2p programs on the network are neither found nor disturbed.
const ServiceName = "_conclave._udp"

// runMDNS announces and listens, and starts anew whenever the addresses change,
// since the sockets are bound to the interfaces of the moment.
func (f *Finder) runMDNS(ctx context.Context) {
	for ctx.Err() == nil {
		svc := mdns.NewMdnsService(f.cfg.Host, ServiceName, notifee{f})
		err := svc.Start()
		if err != nil {
			err = fmt.Errorf("announce on the local network: %w", err)
			f.cfg.Logger.Debug("mdns", "error", err)
		}
		f.mdns.Store(&err)
		select {
		case <-ctx.Done():
		case <-f.renew:
		}
		svc.Close()
	}
}

// notifee receives what multicast DNS finds.
type notifee struct{ f *Finder }

// HandlePeerFound is called on a goroutine of its own for each finding.
func (n notifee) HandlePeerFound(p peer.AddrInfo) {
	p.Addrs = usable(p.Addrs, ownNets())
	if len(p.Addrs) == 0 {
		return
	}
	n.f.cfg.Logger.Debug("found on the local network", "peer", p.ID, "addrs", len(p.Addrs))
	n.f.later(func(b *book) { b.found(p, time.Now()) })
}

// ownNets are the networks that this host has an address in.
func ownNets() []netip.Prefix {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, p.Masked())
		}
	}
	return out
}
