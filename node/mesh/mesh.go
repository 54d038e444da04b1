// Package mesh is the node's network: one libp2p host, one gossipsub, and
// streams. It carries bytes between peers and knows nothing of what they mean:
// a topic has a set of peers who may take part, and a function that judges what
// they publish.
//
// The types of go-libp2p stay inside. Peers are keys.PeerID, addresses are
// multiaddrs in text form.
package mesh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"conclave/discovery"
	"conclave/keys"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	ma "github.com/multiformats/go-multiaddr"
)

var (
	// ErrUnreachable: no address of the peer is known, or none answers.
	ErrUnreachable = errors.New("peer is unreachable")
	// ErrWrongPeer: somebody else answers at the address.
	ErrWrongPeer = errors.New("another peer answers there")
	// ErrNoProtocol: the peer does not speak the protocol of the stream.
	ErrNoProtocol = errors.New("peer does not speak the protocol")
	// ErrAddress: the text is no multiaddr, or names another peer.
	ErrAddress = errors.New("not an address of that peer")
	// ErrListen: an address cannot be listened on; another program may have it.
	ErrListen = errors.New("cannot listen")
	// ErrClosed: the mesh or the topic is closed.
	ErrClosed = errors.New("closed")
)

// Config says who the node is and where it may be found.
type Config struct {
	// Identity is the node's key pair; its public half is the peer ID.
	Identity *keys.Identity
	// Listen are multiaddrs; see ListenOn. Empty: listen on nothing.
	Listen []string
	// LAN refuses to dial addresses that are neither private, link-local nor
	// loopback.
	LAN bool
	// MDNS looks for peers on the local network, and is found there. It stays
	// off while every Listen address is a loopback address.
	MDNS bool
	// Static are peers given by hand, each MULTIADDR/p2p/PEER_ID. They are
	// dialled at once and redialled for ever.
	Static []string
	// Serve, if set, is called with the mesh before anybody is met: what it has
	// handled, see Handle, every peer finds from the first moment on.
	Serve func(*Mesh)
	// Logger gets what happens, without secrets; nil discards it.
	Logger *slog.Logger
}

// Mesh is the running network. Its methods are safe for concurrent use.
type Mesh struct {
	log      *slog.Logger
	host     host.Host
	gossip   *pubsub.PubSub
	finder   *discovery.Finder
	searches bool // the finder looks on the local network
	views    *views
	taps     *taps
	ledger   *ledger
	usual    *usual
	trace    *tracer
	quota    quota
	events   chan PeerEvent
	begun    chan struct{} // closed when all of it stands

	ctx  context.Context // ends with Close; the life of streams and topics
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// New starts the network; Close ends it. ctx bounds the start and everything
// after it. Errors: ErrAddress, ErrListen.
func New(ctx context.Context, cfg Config) (*Mesh, error) { return start(ctx, cfg, nil) }

// start is New with more options of the host and of gossip, for tests.
func start(ctx context.Context, cfg Config, more []libp2p.Option, extra ...pubsub.Option) (*Mesh, error) {
	if cfg.Identity == nil {
		return nil, errors.New("mesh: no identity")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	static, err := parseStatic(cfg.Static)
	if err != nil {
		return nil, err
	}
	listen, err := parseListen(cfg.Listen)
	if err != nil {
		return nil, err
	}
	h, err := newHost(cfg, more...)
	if err != nil {
		return nil, err
	}
	m := &Mesh{log: cfg.Logger, host: h, views: newViews(), taps: newTaps(), ledger: newLedger(), usual: newUsual(h.Network().ResourceManager()), events: make(chan PeerEvent), begun: make(chan struct{})}
	m.trace = newTracer(m.taps, m.ledger)
	m.ctx, m.stop = context.WithCancel(ctx)
	if err := m.run(cfg, listen, static, extra); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// run starts everything that lives on the host.
func (m *Mesh) run(cfg Config, listen []ma.Multiaddr, static []peer.AddrInfo, extra []pubsub.Option) (err error) {
	if cfg.Serve != nil {
		cfg.Serve(m)
	}
	for _, p := range static {
		m.usual.keep(p.ID, p.Addrs)
	}
	if err := m.watch(); err != nil {
		return err
	}
	if m.gossip, err = m.newGossip(extra); err != nil {
		return err
	}
	if err := listenOn(m.host, listen); err != nil {
		return err
	}
	m.searches = cfg.MDNS && !discovery.LoopbackOnly(m.host.Network().ListenAddresses())
	m.finder, err = discovery.Start(m.ctx, discovery.Config{
		Host:   m.host,
		Static: static,
		MDNS:   m.searches,
		Dial:   m.dial,
		Moved:  m.checkAll,
		Logger: cfg.Logger,
	})
	if err != nil {
		return err
	}
	close(m.begun)
	return nil
}

// Close ends every topic, stream and connection, and waits for the handlers. A
// validator that is running may end after it.
func (m *Mesh) Close() error {
	m.stop()
	if m.finder != nil {
		m.finder.Close()
	}
	err := m.host.Close()
	m.quota.wait()
	m.wg.Wait()
	return err
}

// ID is the node's own peer ID.
func (m *Mesh) ID() keys.PeerID { return mustKey(m.host.ID()) }

// Connected lists the peers that a connection stands to, in no order.
func (m *Mesh) Connected() []keys.PeerID {
	var out []keys.PeerID
	for _, p := range m.host.Network().Peers() {
		if m.host.Network().Connectedness(p) == network.Connected {
			out = append(out, mustKey(p))
		}
	}
	return out
}

// Connect reaches p, at addrs and at whatever is known of it already; it
// returns at once where a connection stands. An address may end in /p2p/ID of
// that peer. Errors: ErrAddress, ErrUnreachable, ErrWrongPeer, or ctx's.
func (m *Mesh) Connect(ctx context.Context, p keys.PeerID, addrs ...string) error {
	info, err := parseAddrs(p, addrs)
	if err != nil {
		return err
	}
	if m.host.Network().Connectedness(info.ID) == network.Connected {
		return nil
	}
	info.Addrs = append(info.Addrs, m.finder.Known(info.ID)...)
	return dialError(ctx, p, m.dial(ctx, info))
}

// dial connects without the swarm's own back-off: whoever calls keeps a
// schedule, or is a person.
func (m *Mesh) dial(ctx context.Context, p peer.AddrInfo) error {
	if s, ok := m.host.Network().(*swarm.Swarm); ok {
		s.Backoff().Clear(p.ID)
	}
	return m.host.Connect(ctx, p)
}

// Drop closes every connection to p. A peer that is remembered is redialled.
func (m *Mesh) Drop(p keys.PeerID) error { return m.host.Network().ClosePeer(libID(p)) }

// Remember keeps p connected from now on, at addrs and those known already.
// Errors: ErrAddress.
func (m *Mesh) Remember(p keys.PeerID, addrs ...string) error {
	info, err := parseAddrs(p, addrs)
	if err != nil {
		return err
	}
	m.host.ConnManager().Protect(info.ID, "conclave")
	m.usual.keep(info.ID, info.Addrs)
	for _, c := range m.host.Network().ConnsToPeer(info.ID) {
		m.usual.seen(info.ID, c.RemoteMultiaddr())
	}
	m.finder.Remember(info)
	return nil
}

// Forget ends the redialling of p. A connection that stands is left alone.
func (m *Mesh) Forget(p keys.PeerID) {
	m.host.ConnManager().Unprotect(libID(p), "conclave")
	m.usual.forget(libID(p))
	m.finder.Forget(libID(p))
}

// AddrsOf returns the addresses known for p, to be stored and remembered again.
func (m *Mesh) AddrsOf(p keys.PeerID) []string {
	id := libID(p)
	return addrTexts(append(m.host.Peerstore().Addrs(id), m.finder.Known(id)...))
}

// Addrs returns the addresses that the node can be reached at.
func (m *Mesh) Addrs() []string { return addrTexts(m.host.Addrs()) }

// FullAddrs returns Addrs, each with /p2p/ID at its end: what another node
// takes as a static peer.
func (m *Mesh) FullAddrs() []string {
	out := m.Addrs()
	for i := range out {
		out[i] += "/p2p/" + m.host.ID().String()
	}
	return out
}

// Wake tells that the network may have changed: every wanted peer that is not
// connected is dialled at once. Changes of the host's own addresses are noticed
// without it.
func (m *Mesh) Wake() { m.finder.Wake() }

// MDNSErr says why the node is not announced on the local network: nil when it
// is, or when that is switched off. Everything else works without.
func (m *Mesh) MDNSErr() error { return m.finder.Err() }

func parseStatic(texts []string) ([]peer.AddrInfo, error) {
	var out []peer.AddrInfo
	for _, s := range texts {
		info, err := peer.AddrInfoFromString(s)
		if err != nil || len(info.Addrs) == 0 {
			return nil, fmt.Errorf("%w: static peer %q wants MULTIADDR/p2p/PEER_ID", ErrAddress, s)
		}
		if _, err := keyOf(info.ID); err != nil {
			return nil, fmt.Errorf("%w: static peer %q: %w", ErrAddress, s, err)
		}
		out = append(out, *info)
	}
	return out, nil
}

// CheckPeer reports whether s is MULTIADDR/p2p/PEER_ID, as Config.Static wants.
// Errors: ErrAddress.
func CheckPeer(s string) error {
	_, err := parseStatic([]string{s})
	return err
}

func parseAddrs(p keys.PeerID, texts []string) (peer.AddrInfo, error) {
	info := peer.AddrInfo{ID: libID(p)}
	for _, s := range texts {
		a, err := ma.NewMultiaddr(s)
		if err != nil {
			return info, fmt.Errorf("%w: %q", ErrAddress, s)
		}
		base, id := peer.SplitAddr(a)
		if base == nil || (id != "" && id != info.ID) {
			return info, fmt.Errorf("%w: %q", ErrAddress, s)
		}
		info.Addrs = append(info.Addrs, base)
	}
	return info, nil
}

func addrTexts(addrs []ma.Multiaddr) []string {
	out := make([]string, 0, len(addrs))
	seen := make(map[string]bool, len(addrs))
	for _, a := range addrs {
		if s := a.String(); !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}
