package discovery

import (
	"net/netip"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// Local reports whether a names a host that no router forwards to the Internet:
// loopback, link-local, private IPv4 (RFC 1918) or a unique local IPv6 address
// (RFC 4193). An address that is no plain IP address, such as a DNS name or a
// relay's, is not local.
func Local(a ma.Multiaddr) bool {
	ip, ok := ipOf(a)
	return ok && (ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast())
}

// LoopbackOnly reports whether every one of the addresses is a loopback address.
// A node that listens on such alone has nothing to say to the local network.
func LoopbackOnly(addrs []ma.Multiaddr) bool {
	for _, a := range addrs {
		if ip, ok := ipOf(a); !ok || !ip.IsLoopback() {
			return false
		}
	}
	return len(addrs) > 0
}

// usable keeps the addresses of a multicast finding that are worth a dial.
// Whoever shouts on the local network chooses what is in them, so a public
// address is taken only from a network that we are on ourselves. A peer reports
// 127.0.0.1 and its link-local IPv6 addresses too: from here, the one is this
// host, and the others lack the zone without which they cannot be dialled.
func usable(addrs []ma.Multiaddr, nets []netip.Prefix) []ma.Multiaddr {
	var out []ma.Multiaddr
	for _, a := range addrs {
		if len(out) < maxAddrs && dialable(a) && onLAN(a, nets) {
			out = append(out, a)
		}
	}
	return out
}

// dialable reports whether a is ip/tcp or ip/udp/quic-v1 with a real port.
func dialable(a ma.Multiaddr) bool {
	if len(a) != 2 && len(a) != 3 {
		return false
	}
	if a[1].Value() == "0" {
		return false
	}
	if len(a) == 2 {
		return a[1].Code() == ma.P_TCP
	}
	return a[1].Code() == ma.P_UDP && a[2].Code() == ma.P_QUIC_V1
}

func onLAN(a ma.Multiaddr, nets []netip.Prefix) bool {
	ip, ok := ipOf(a)
	if !ok || ip.IsLoopback() || ip.IsUnspecified() || ip.IsMulticast() {
		return false
	}
	if ip.IsLinkLocalUnicast() {
		return ip.Is4()
	}
	if ip.IsPrivate() {
		return true
	}
	for _, n := range nets {
		if n.Contains(ip) {
			return true
		}
	}
	return false
}

// ipOf returns the IP address that a begins with.
func ipOf(a ma.Multiaddr) (netip.Addr, bool) {
	if len(a) == 0 {
		return netip.Addr{}, false
	}
	ip, err := manet.ToIP(a)
	if err != nil {
		return netip.Addr{}, false
	}
	addr, ok := netip.AddrFromSlice(ip)
	return addr.Unmap(), ok
}
