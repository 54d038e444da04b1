package mesh

import (
	"testing"

	ma "github.com/multiformats/go-multiaddr"
)

func TestBoundTo(t *testing.T) {
	own := []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1"), ma.StringCast("/ip4/10.0.0.7"), ma.StringCast("/ip6/fd00::7")}
	for addr, want := range map[string]bool{
		"/ip4/10.0.0.7/tcp/4001": true, "/ip4/10.0.0.8/tcp/4001": false, "/ip4/0.0.0.0/udp/4001/quic-v1": true,
		"/ip6/fd00::7/tcp/1": true, "/ip6/fd00::8/tcp/1": false, "/dns4/example.org/tcp/1": true,
	} {
		if boundTo(own, ma.StringCast(addr)) != want {
			t.Errorf("%s: not %v", addr, want)
		}
	}
}
