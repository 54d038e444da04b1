package discovery

import (
	"net/netip"
	"slices"
	"testing"

	ma "github.com/multiformats/go-multiaddr"
)

func TestLocal(t *testing.T) {
	for addr, want := range map[string]bool{
		"/ip4/127.0.0.1/tcp/1":            true,
		"/ip4/10.255.0.1/udp/1/quic-v1":   true,
		"/ip4/172.16.0.1/tcp/1":           true,
		"/ip4/172.32.0.1/tcp/1":           false,
		"/ip4/192.168.1.1/tcp/1":          true,
		"/ip4/169.254.1.1/tcp/1":          true,
		"/ip4/100.64.0.1/tcp/1":           false,
		"/ip4/1.1.1.1/tcp/1":              false,
		"/ip4/0.0.0.0/tcp/1":              false,
		"/ip6/::1/tcp/1":                  true,
		"/ip6/fe80::1/tcp/1":              true,
		"/ip6zone/eth0/ip6/fe80::1/tcp/1": true,
		"/ip6/fd12::1/tcp/1":              true,
		"/ip6/2001:db8::1/tcp/1":          false,
		"/ip6/::ffff:192.168.1.1/tcp/1":   true,
		"/ip6/::ffff:8.8.8.8/tcp/1":       false,
		"/dns4/localhost/tcp/1":           false,
		"/unix/tmp/socket":                false,
	} {
		if got := Local(ma.StringCast(addr)); got != want {
			t.Errorf("Local(%s) = %v", addr, got)
		}
	}
	if Local(nil) {
		t.Error("no address is local")
	}
}

func TestLoopbackOnly(t *testing.T) {
	lo, lan := ma.StringCast("/ip4/127.0.0.1/tcp/1"), ma.StringCast("/ip4/10.0.0.1/tcp/1")
	for _, c := range []struct {
		addrs []ma.Multiaddr
		want  bool
	}{{nil, false}, {[]ma.Multiaddr{lo}, true}, {[]ma.Multiaddr{lo, lan}, false}, {[]ma.Multiaddr{ma.StringCast("/ip6/::1/udp/1/quic-v1")}, true}} {
		if got := LoopbackOnly(c.addrs); got != c.want {
			t.Errorf("LoopbackOnly(%v) = %v", c.addrs, got)
		}
	}
}

func TestMulticastFindingsAreFiltered(t *testing.T) {
	const relay = "/ip4/10.0.0.2/tcp/1/p2p/12D3KooWRwf1T7CXnWXtjjtSxS5fm5hveo22itcePvjsKCGNxpPB/p2p-circuit"
	nets := []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	var in []ma.Multiaddr
	for _, a := range []string{
		"/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1", "/ip4/0.0.0.0/tcp/1", "/ip6/fe80::1/tcp/1", "/ip4/224.0.0.1/tcp/1",
		"/ip4/8.8.8.8/tcp/53", "/dns4/victim.local/tcp/1", "/ip4/10.0.0.1/tcp/0", "/ip4/10.0.0.1/udp/1", "/ip4/10.0.0.1/tcp/1/ws", relay,
		"/ip4/10.0.0.1/tcp/1", "/ip4/10.0.0.1/udp/1/quic-v1", "/ip4/169.254.7.7/tcp/1", "/ip6/fd00::1/tcp/1", "/ip4/203.0.113.9/tcp/1",
	} {
		in = append(in, ma.StringCast(a))
	}
	var got []string
	for _, a := range usable(in, nets) {
		got = append(got, a.String())
	}
	want := []string{"/ip4/10.0.0.1/tcp/1", "/ip4/10.0.0.1/udp/1/quic-v1", "/ip4/169.254.7.7/tcp/1", "/ip6/fd00::1/tcp/1", "/ip4/203.0.113.9/tcp/1"}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for range 100 {
		in = append(in, ma.StringCast("/ip4/10.0.0.1/tcp/1"))
	}
	if n := len(usable(in, nets)); n != maxAddrs {
		t.Errorf("%d addresses kept", n)
	}
}
