package discovery

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// ServiceName is what the node announces itself as. It is ours alone, so that
// other libp2p programs on the network are neither found nor disturbed.
const ServiceName = "_conclave._udp"

// runMDNS announces and listens, and starts anew whenever the addresses change,
// since the sockets are bound to the interfaces of the moment.
func (f *Finder) runMDNS(ctx context.Context) {
	for ctx.Err() == nil {
		svc := mdns.NewMdnsService(announced{f.cfg.Host}, ServiceName, notifee{f})
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
	p.Addrs = usable(p.Addrs, n.f.cfg.networks())
	if len(p.Addrs) == 0 {
		return
	}
	n.f.cfg.Logger.Debug("found on the local network", "peer", p.ID, "addrs", len(p.Addrs))
	n.f.later(func(b *book) { b.found(p, time.Now()) })
}

// announced is the host as it is announced: with the addresses that it has now
// (the swarm remembers for a minute those that it had), without those that mean
// nothing elsewhere.
type announced struct{ host.Host }

func (a announced) Network() network.Network { return announcedNetwork{a.Host.Network()} }

type announcedNetwork struct{ network.Network }

func (n announcedNetwork) InterfaceListenAddresses() ([]ma.Multiaddr, error) {
	addrs, err := manet.ResolveUnspecifiedAddresses(n.ListenAddresses(), nil)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(addrs, func(a ma.Multiaddr) bool {
		ip, ok := ipOf(a)
		return !ok || ip.IsLoopback() || (ip.Is6() && ip.IsLinkLocalUnicast())
	}), nil
}

// ownNetworks are the networks that this machine has an address in, each with
// that address, in order.
func ownNetworks() []netip.Prefix {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return out
}
