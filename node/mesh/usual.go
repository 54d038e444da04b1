package mesh

import (
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// maxUsual is how many IP addresses of one peer are held free.
const maxUsual = 8

// usual holds places free for the peers that are to be kept, at the IP addresses
// where they were before. A crowd of connections that never finish a handshake,
// from more addresses than the limit of one address stops, takes every place of
// those who have yet to say who they are; there are others for these peers. A
// connection from such an address that turns out to be somebody else's goes back
// among the crowd.
type usual struct {
	mu    sync.Mutex
	list  *rcmgr.Allowlist
	peers map[peer.ID][]ma.Multiaddr // IP and /p2p/ID, newest first
}

func newUsual(rm network.ResourceManager) *usual {
	return &usual{list: rcmgr.GetAllowlist(rm), peers: make(map[peer.ID][]ma.Multiaddr)}
}

// keep begins to hold places for p, at the addresses known already.
func (u *usual) keep(p peer.ID, addrs []ma.Multiaddr) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, ok := u.peers[p]; !ok {
		u.peers[p] = nil
	}
	for _, a := range slices.Backward(addrs) { // newest first
		u.add(p, a)
	}
}

// seen notes where p is connected from, if places are held for it.
func (u *usual) seen(p peer.ID, a ma.Multiaddr) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, ok := u.peers[p]; ok {
		u.add(p, a)
	}
}

// forget ends the holding of places for p.
func (u *usual) forget(p peer.ID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, a := range u.peers[p] {
		u.list.Remove(a)
	}
	delete(u.peers, p)
}

// add is called with mu held. Names and loopback addresses say nothing.
func (u *usual) add(p peer.ID, addr ma.Multiaddr) {
	ip, err := manet.ToIP(addr)
	if err != nil || ip.IsLoopback() || ip.IsUnspecified() {
		return
	}
	only, err := manet.FromIP(ip)
	if err != nil {
		return
	}
	a := only.Encapsulate(ma.StringCast("/p2p/" + p.String()))
	addrs := u.peers[p]
	if i := slices.IndexFunc(addrs, a.Equal); i >= 0 {
		addrs = slices.Delete(addrs, i, i+1)
	} else if u.list.Add(a) != nil {
		return
	}
	addrs = slices.Insert(addrs, 0, a)
	if len(addrs) > maxUsual {
		u.list.Remove(addrs[maxUsual])
		addrs = addrs[:maxUsual]
	}
	u.peers[p] = addrs
}
