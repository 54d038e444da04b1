package mesh

import (
	"context"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/protocol/identify"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"github.com/multiformats/go-multistream"

	"conclave/keys"
)

// aliveWithin is how long the other end of a connection may take to answer where
// there is a reason to doubt it: a few round trips of a slow network.
const aliveWithin = 3 * time.Second

// checkAll closes the connections that do not answer any more: the machine slept,
// or moved to another network. Nobody tells it so for half a minute else, and
// meanwhile no other connection to these peers is tried.
func (m *Mesh) checkAll() {
	own, err := manet.InterfaceMultiaddrs()
	if err != nil {
		m.log.Debug("list the machine's addresses", "err", err)
	}
	m.checkFrom(own)
}

// checkFrom does so where own are the machine's addresses; none: not known.
func (m *Mesh) checkFrom(own []ma.Multiaddr) {
	for _, c := range m.host.Network().Conns() {
		if len(own) > 0 && !boundTo(own, c.LocalMultiaddr()) {
			m.wg.Go(func() { c.Close() }) // nothing comes to that address any more
		} else {
			m.check(c)
		}
	}
}

// boundTo reports whether a connection's local address may still be one of own.
func boundTo(own []ma.Multiaddr, local ma.Multiaddr) bool {
	ip, err := manet.ToIP(local)
	if err != nil || ip.IsUnspecified() {
		return true
	}
	return slices.ContainsFunc(own, func(a ma.Multiaddr) bool {
		has, err := manet.ToIP(a)
		return err == nil && has.Equal(ip)
	})
}

// checkOthers does so with the older connections to a peer that has just made
// another: perhaps it moved, and what goes to the old ones is lost.
func (m *Mesh) checkOthers(fresh network.Conn) {
	for _, c := range m.host.Network().ConnsToPeer(fresh.RemotePeer()) {
		if c.ID() != fresh.ID() {
			m.check(c)
		}
	}
}

// check closes a connection whose other end does not answer. It does not wait.
func (m *Mesh) check(c network.Conn) {
	if m.ctx.Err() != nil {
		return
	}
	m.wg.Go(func() {
		ctx, cancel := context.WithTimeout(m.ctx, aliveWithin)
		defer cancel()
		if answers(ctx, c) || m.ctx.Err() != nil || c.IsClosed() {
			return
		}
		m.log.Debug("a connection is dead", "peer", mustKey(c.RemotePeer()).Short())
		c.Close()
	})
}

// answers has one word go to the other end of a connection and back, on a stream
// that every node takes.
func answers(ctx context.Context, c network.Conn) bool {
	s, err := c.NewStream(ctx)
	if err != nil {
		return false
	}
	defer s.Reset()
	if deadline, ok := ctx.Deadline(); ok {
		s.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { s.Reset() })
	defer stop()
	return multistream.SelectProtoOrFail(identify.ID, s) == nil
}

// Near is a peer that the local network told of.
type Near struct {
	Peer  keys.PeerID
	Addrs []string // where, as it was told
}

// Nearby lists the peers that multicast DNS has found, in no order that means
// anything. Some may be gone again.
func (m *Mesh) Nearby() (out []Near) {
	for _, p := range m.finder.Nearby() {
		if k, err := keyOf(p.ID); err == nil {
			out = append(out, Near{Peer: k, Addrs: addrTexts(p.Addrs)})
		}
	}
	return out
}

// Searches reports whether multicast DNS is to find peers, and be found.
func (m *Mesh) Searches() bool { return m.searches }
