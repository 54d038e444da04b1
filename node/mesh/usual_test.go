package mesh

import (
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	ma "github.com/multiformats/go-multiaddr"
)

// The places of one peer, at the addresses where it was seen last; none for
// loopback, for names, nor for whoever is not to be kept.
func TestUsualAddressesAreBounded(t *testing.T) {
	m := node(t)
	p, other := libID(identity(t).PeerID()), libID(identity(t).PeerID())
	list := rcmgr.GetAllowlist(m.host.Network().ResourceManager())
	held := func(p peer.ID, ip string) bool {
		return list.AllowedPeerAndMultiaddr(p, ma.StringCast("/ip4/"+ip+"/tcp/1"))
	}
	m.usual.seen(p, ma.StringCast("/ip4/10.0.0.1/tcp/1"))
	if held(p, "10.0.0.1") {
		t.Error("a place for somebody who is not to be kept")
	}
	m.usual.keep(p, []ma.Multiaddr{ma.StringCast("/ip4/10.0.0.2/tcp/1"), ma.StringCast("/ip4/10.0.0.1/udp/1/quic-v1"),
		ma.StringCast("/dns4/example.org/tcp/1"), ma.StringCast("/ip4/127.0.0.1/tcp/1")})
	if !held(p, "10.0.0.1") || !held(p, "10.0.0.2") || held(p, "127.0.0.1") || held(other, "10.0.0.1") {
		t.Error("wrong places")
	}
	for i := range maxUsual - 1 {
		m.usual.seen(p, ma.StringCast(fmt.Sprintf("/ip4/10.0.1.%d/tcp/9", i)))
		m.usual.seen(p, ma.StringCast(fmt.Sprintf("/ip4/10.0.1.%d/tcp/9", i)))
	}
	if held(p, "10.0.0.1") || !held(p, "10.0.0.2") || !held(p, "10.0.1.0") {
		t.Error("it is not the oldest that gave way")
	}
	m.usual.forget(p)
	for _, ip := range []string{"10.0.0.2", "10.0.1.0", "10.0.1.6"} {
		if list.Allowed(ma.StringCast("/ip4/" + ip + "/tcp/1")) {
			t.Errorf("%s is still held", ip)
		}
	}
}

// Whoever is remembered while connected has a place where it is now.
func TestUsualAddressIsLearnt(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		a, b, c := w.node(), w.node(), w.node()
		list := rcmgr.GetAllowlist(a.host.Network().ResourceManager())
		from := func(m *Mesh) ma.Multiaddr { return m.host.Addrs()[0] }
		connect(t, b, a)
		connect(t, c, a)
		if err := a.Remember(b.ID()); err != nil {
			t.Fatal(err)
		}
		if !list.AllowedPeerAndMultiaddr(b.host.ID(), from(b)) || list.Allowed(from(c)) {
			t.Error("the wrong one has a place")
		}
		a.Forget(b.ID())
		if list.Allowed(from(b)) {
			t.Error("forgotten, and still a place")
		}
		a.Drop(c.ID())
		if err := a.Remember(c.ID()); err != nil {
			t.Fatal(err)
		}
		if list.Allowed(from(c)) {
			t.Fatal("a place before it was seen: the test proves nothing")
		}
		time.Sleep(time.Second)
		connect(t, c, a)
		await(t, "place", func() bool { return list.AllowedPeerAndMultiaddr(c.host.ID(), from(c)) })
	})
}
