package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"conclave/discovery"
	"conclave/keys"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/sec"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
)

// userAgent is all that a peer learns of the program, beside the protocols.
const userAgent = "conclave/1"

// ListenOn returns the usual addresses: every interface, IPv4 and IPv6, TCP and
// QUIC on the one port, which the caller chooses once (see FreePort) and keeps.
func ListenOn(port int) []string {
	return []string{
		fmt.Sprintf("/ip4/0.0.0.0/tcp/%d", port),
		fmt.Sprintf("/ip4/0.0.0.0/udp/%d/quic-v1", port),
		fmt.Sprintf("/ip6/::/tcp/%d", port),
		fmt.Sprintf("/ip6/::/udp/%d/quic-v1", port),
	}
}

// FreePort returns a port that is free for TCP and for UDP alike.
func FreePort() (int, error) {
	for range 16 {
		l, err := net.Listen("tcp", ":0")
		if err != nil {
			return 0, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		u, err := net.ListenPacket("udp", fmt.Sprintf(":%d", port))
		l.Close()
		if err == nil {
			u.Close()
			return port, nil
		}
	}
	return 0, errors.New("no port is free for both TCP and UDP")
}

// newHost makes the libp2p host: Noise over TCP, and QUIC, and nothing that
// talks to third parties (no relay, DHT, port mapping or reachability probes). It
// does not listen yet. More options are for tests.
func newHost(cfg Config, more ...libp2p.Option) (host.Host, error) {
	parts, err := newParts(cfg.Identity)
	if err != nil {
		return nil, err
	}
	h, err := libp2p.New(append(parts.options(cfg), more...)...)
	if err != nil {
		parts.close()
		return nil, fmt.Errorf("start the network: %w", err)
	}
	return h, nil
}

// listenOn listens on each address. Left to itself, libp2p is content with any
// one of them. A machine without IPv6 is no failure.
func listenOn(h host.Host, addrs []ma.Multiaddr) error {
	for _, a := range addrs {
		err := h.Network().Listen(a)
		anyIPv6 := a[0].Code() == ma.P_IP6 && a[0].Value() == "::"
		if err != nil && (!anyIPv6 || errors.Is(err, syscall.EADDRINUSE)) {
			return fmt.Errorf("%w on %s: %w", ErrListen, a, err)
		}
	}
	return nil
}

func parseListen(texts []string) ([]ma.Multiaddr, error) {
	var out []ma.Multiaddr
	for _, s := range texts {
		a, err := ma.NewMultiaddr(s)
		if err != nil {
			return nil, fmt.Errorf("%w: %q", ErrAddress, s)
		}
		out = append(out, a)
	}
	return out, nil
}

// parts are what has to be closed if the host does not come to be.
type parts struct {
	key    crypto.PrivKey
	limits network.ResourceManager
	conns  *connmgr.BasicConnMgr
}

func newParts(id *keys.Identity) (*parts, error) {
	sk, err := crypto.UnmarshalEd25519PrivateKey(id.Ed25519())
	if err != nil {
		return nil, err
	}
	conns, err := connmgr.NewConnManager(160, 192)
	if err != nil {
		return nil, err
	}
	rm, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits()),
		rcmgr.WithMetricsDisabled(), rcmgr.WithLimitPerSubnet(perIPv4(), perIPv6()))
	if err != nil {
		conns.Close()
		return nil, err
	}
	return &parts{sk, rm, conns}, nil
}

func (p *parts) close() {
	p.limits.Close()
	p.conns.Close()
}

func (p *parts) options(cfg Config) []libp2p.Option {
	return []libp2p.Option{
		libp2p.NoListenAddrs, // see listenOn
		libp2p.Identity(p.key),
		libp2p.UserAgent(userAgent),
		libp2p.ProtocolVersion(userAgent),
		// With SO_REUSEPORT two nodes could share a port, and a dial would reach
		// the one or the other.
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport(), tcp.WithConnectionTimeout(discovery.DialTimeout)),
		libp2p.Transport(quic.NewTransport),
		security(),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.ConnectionGater(gater{lan: cfg.LAN}),
		libp2p.ResourceManager(p.limits),
		libp2p.ConnectionManager(p.conns),
		libp2p.WithDialTimeout(discovery.DialTimeout),
		libp2p.SwarmOpts(swarm.WithDialTimeoutLocal(discovery.DialTimeout)), // a private address may be far away
		libp2p.DisableRelay(),
		libp2p.DisableMetrics(),
		libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.ForceReachabilityPrivate(), // no reachability probes
		libp2p.Ping(false),
	}
}

// limits bound what strangers can make the node hold. A stranger costs at most
// one connection's worth in transient (before the handshake is done) and then
// the share of one peer. In transient there are fewer descriptors than inbound
// connections: TCP takes one each, QUIC none, so that silent TCP connections
// leave room for QUIC. The allowlisted are those of usual, which see.
func limits() rcmgr.ConcreteLimitConfig {
	partial := rcmgr.PartialLimitConfig{
		System: rcmgr.ResourceLimits{
			Conns: 320, ConnsInbound: 224, ConnsOutbound: 128, FD: 320,
			Streams: 6144, StreamsInbound: 3072, StreamsOutbound: 3072,
			Memory: 192 << 20,
		},
		Transient: rcmgr.ResourceLimits{
			Conns: 160, ConnsInbound: 96, ConnsOutbound: 64, FD: 64,
			Streams: 256, StreamsInbound: 128, StreamsOutbound: 256,
			Memory: 24 << 20,
		},
		AllowlistedSystem: rcmgr.ResourceLimits{
			Conns: 160, ConnsInbound: 96, ConnsOutbound: 96, FD: 160,
			Streams: 3072, StreamsInbound: 1536, StreamsOutbound: 1536,
			Memory: 64 << 20,
		},
		AllowlistedTransient: rcmgr.ResourceLimits{
			Conns: 64, ConnsInbound: 32, ConnsOutbound: 32, FD: 64,
			Streams: 128, StreamsInbound: 64, StreamsOutbound: 128,
			Memory: 8 << 20,
		},
		PeerDefault: rcmgr.ResourceLimits{
			Conns: 8, ConnsInbound: 4, ConnsOutbound: 8, FD: 8,
			Streams: 128, StreamsInbound: 64, StreamsOutbound: 64,
			Memory: 16 << 20,
		},
	}
	base := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&base)
	return partial.Build(base.Scale(256<<20, 1024))
}

// perIPv4 allows 8 connections from one address. Loopback has no such limit:
// several nodes, or a test of a hundred, may share one machine.
func perIPv4() []rcmgr.ConnLimitPerSubnet {
	return []rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: 8}}
}

// perIPv6 allows 8 connections from one address, and 32 from one network: a
// host has as many IPv6 addresses as it likes.
func perIPv6() []rcmgr.ConnLimitPerSubnet {
	return []rcmgr.ConnLimitPerSubnet{{PrefixLength: 128, ConnCount: 8}, {PrefixLength: 64, ConnCount: 32}}
}

// dialError maps the failure of a dial to one that says whose fault it is.
func dialError(ctx context.Context, p keys.PeerID, err error) error {
	var other sec.ErrPeerIDMismatch
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("connect to %v: %w", p, context.Cause(ctx))
	case errors.As(err, &other):
		return fmt.Errorf("connect to %v: %w: %v", p, ErrWrongPeer, other.Actual)
	case errors.Is(err, network.ErrResourceLimitExceeded):
		return fmt.Errorf("connect to %v: %w", p, err)
	}
	return fmt.Errorf("connect to %v: %w: %w", p, ErrUnreachable, err)
}
