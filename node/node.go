// Package node is the shell around the protocol: one node of one person. It
// owns the goroutines, the disk and the network, runs one Machine of package
// group for each group, and offers what the local API and through it every door
// needs.
//
// Each group is a room: one goroutine owns its Machine, takes one typed job at a
// time, and makes what the Machine asks for durable before anything is sent,
// shown or answered.
package node

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	ma "github.com/multiformats/go-multiaddr"

	"conclave/group"
	"conclave/keys"
	"conclave/node/api/words"
	"conclave/node/mesh"
	"conclave/node/store"
)

// Version is the version of the program.
const Version = "0.1.0"

// Config says where a node lives and how it meets others.
type Config struct {
	Home   string   // folder of keys, groups and history; made if need be
	Listen []string // multiaddrs; empty: all addresses, TCP and QUIC, a port chosen once and kept
	Peers  []string // MULTIADDR/p2p/PEER_ID, kept connected
	LAN    bool     // refuse to dial public addresses
	NoMDNS bool     // do not look for nodes on the local network, nor be seen there
	Logger *slog.Logger

	// Creates names a group that is created as soon as the node answers: others may
	// find the node before, and who asks for the group then waits for it.
	Creates string

	disk   testDisk
	timing timing

	loopbackIsNear bool // for tests: loopback counts as the local network
}

// testDisk stands in for the disk in tests; the zero value is the real one.
type testDisk struct {
	database store.Options
	home     store.FaultFunc
}

// timing is how often members are asked what they hold, and tell it; the zero
// value is the usual.
type timing struct {
	poll               time.Duration // of one group, with nothing known to be missing
	beacon, beaconMost time.Duration // an interval at first, and at most
}

func (t timing) orUsual() timing {
	if t == (timing{}) {
		return timing{syncEvery, beaconFirst, beaconMost}
	}
	return t
}

// Node is one person's node. Its methods are safe for concurrent use.
type Node struct {
	cfg  Config
	log  *slog.Logger
	home *store.Home
	bag  *store.Keybag
	db   *store.DB
	self *keys.Identity
	me   keys.PeerID
	bus  *bus
	book *book

	quotas quotas
	counts counts
	now    func() time.Time

	clocks clocks // how far those of others are off this one

	mu        sync.Mutex // guards what follows
	rooms     map[keys.Hash]*room
	erasing   map[keys.Hash]bool // groups that are being forgotten
	dir       directory
	bundle    keys.Bundle
	delivered map[keys.Hash]bool // offers that reached the invitee, by their ID

	net   *mesh.Mesh // set before ready is closed
	ctx   context.Context
	wg    sync.WaitGroup
	fatal chan error
	ready chan struct{}

	stopAsked chan struct{}
	askStop   func() // closes it

	created chan struct{} // closed once the group is there that is to be created first
	create  func()        // closes it

	asks   chan struct{} // repeat open requests now
	offers chan struct{} // deliver invitations now

	naming  chan chan error // state the name now, and say when it is done
	renamed chan struct{}   // likewise, without an answer

	keepers chan keys.PeerID // ask these for the requests that they keep
}

// Init makes the identity in a home, or reads it. No node need run. Errors are
// of kind error.
func Init(home string) (ID, error) {
	self, err := store.InitIdentity(home)
	if err != nil {
		return ID{}, homeError(err)
	}
	return idOf(self.PeerID()), nil
}

func idOf(p keys.PeerID) ID { return ID{PeerID: p.String(), Fingerprint: p.Fingerprint()} }

// SocketPath is where the local API of the node in this home answers.
func SocketPath(home string) string { return store.SocketPath(home) }

// Open opens a home and reads every group in it. There is no network yet.
func Open(cfg Config) (*Node, error) {
	cfg.timing = cfg.timing.orUsual()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	for _, a := range cfg.Listen {
		if _, err := ma.NewMultiaddr(a); err != nil {
			return nil, &Error{Kind: KindUsage, Message: err.Error(), Hint: "--listen /ip4/0.0.0.0/tcp/4001"}
		}
	}
	for _, p := range cfg.Peers {
		if err := mesh.CheckPeer(p); err != nil {
			return nil, &Error{Kind: KindUsage, Message: err.Error(), Hint: "--peer /ip4/192.0.2.1/tcp/4001/p2p/12D3KooW..."}
		}
	}
	n := &Node{
		cfg: cfg, log: cfg.Logger, now: wallClock,
		rooms: map[keys.Hash]*room{}, erasing: map[keys.Hash]bool{}, fatal: make(chan error, 1), ready: make(chan struct{}),
		delivered: map[keys.Hash]bool{}, asks: make(chan struct{}, 1), offers: make(chan struct{}, 1),
		naming: make(chan chan error), renamed: make(chan struct{}, 1), keepers: make(chan keys.PeerID, 64),
	}
	n.bus = newBus(&n.counts.cutFollowers)
	n.stopAsked = make(chan struct{})
	n.askStop = sync.OnceFunc(func() { close(n.stopAsked) })
	n.created = make(chan struct{})
	n.create = sync.OnceFunc(func() { close(n.created) })
	if err := n.open(); err != nil {
		n.close()
		return nil, homeError(err)
	}
	return n, nil
}

func (n *Node) open() (err error) {
	if n.quotas, err = newQuotas(); err != nil {
		return err
	}
	if n.home, err = store.OpenHome(n.cfg.Home); err != nil {
		return err
	}
	n.home.SetFault(n.cfg.disk.home)
	n.self = n.home.Identity()
	n.me = n.self.PeerID()
	if n.bag, err = store.OpenKeybag(n.home); err != nil {
		return err
	}
	options := n.cfg.disk.database
	options.Logger = n.log
	if n.db, err = store.Open(n.home.Database(), options); err != nil {
		return err
	}
	if err = n.openDirectory(); err != nil {
		return err
	}
	if n.book, err = openBook(n); err != nil {
		return err
	}
	if err = n.ensureBundle(); err != nil {
		return err
	}
	if err = n.goOnForgetting(); err != nil {
		return err
	}
	// A home that was put back to an earlier state uses no number twice.
	n.bus.begin(n.clock())
	for gid, g := range n.dir.Groups {
		if n.rooms[gid], err = n.openRoom(gid, g.Direct); err != nil {
			return err
		}
	}
	return nil
}

// close gives back what open took. A store that failed is left as it is: only
// a new process can open it again.
func (n *Node) close() error {
	var errs []error
	if n.db != nil && !closed(n.db.Failed()) {
		errs = append(errs, n.db.Close())
	}
	if n.home != nil {
		errs = append(errs, n.home.Close())
	}
	return errors.Join(errs...)
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Run brings the network up and keeps the node going until ctx ends, which is
// no error, or until the disk fails. Then everything is closed.
func (n *Node) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	err := n.run(ctx)
	cancel()
	n.wg.Wait()
	if n.net != nil {
		n.net.Close()
	}
	n.bus.close()
	return errors.Join(err, n.close())
}

func (n *Node) run(ctx context.Context) (err error) {
	n.ctx = ctx
	mesh.RouteLogs(n.log)
	listen, err := n.listenOn()
	if err != nil {
		return err
	}
	_, err = mesh.New(ctx, mesh.Config{
		Identity: n.self, Listen: listen, LAN: n.cfg.LAN, MDNS: !n.cfg.NoMDNS, Static: n.cfg.Peers, Logger: n.log,
		Serve: func(m *mesh.Mesh) {
			n.net = m
			n.serveStreams()
		},
	})
	if err != nil {
		n.net = nil
		return &Error{Kind: KindError, Message: err.Error(), Hint: "another program may use the port; give another with --listen"}
	}
	for _, r := range n.allRooms() {
		if err := n.start(r); err != nil {
			return err
		}
	}
	if err := n.beginPartings(); err != nil {
		return err
	}
	n.wg.Go(func() { n.watchPeers(ctx) })
	n.wg.Go(func() { n.keepJoining(ctx) })
	n.wg.Go(func() { n.keepOffering(ctx) })
	n.wg.Go(func() { n.keepTaking(ctx) })
	n.wg.Go(func() { n.keepBundle(ctx) })
	n.wg.Go(func() { n.keepName(ctx) })
	n.wg.Go(func() { n.keepRetention(ctx) })
	close(n.ready)
	select {
	case <-ctx.Done():
		return nil
	case err := <-n.fatal:
		return diskError(err)
	case <-n.db.Failed():
		return diskError(n.db.Writable())
	}
}

// Ready is closed when the node's addresses are known and it answers.
func (n *Node) Ready() <-chan struct{} { return n.ready }

// fail ends the node: what it acknowledged is on disk, and nothing more will be.
func (n *Node) fail(err error) {
	select {
	case n.fatal <- err:
	default:
	}
}

// listenOn returns the addresses to listen on: as given, or all, on the port
// that this node chose at its first start.
func (n *Node) listenOn() ([]string, error) {
	if len(n.cfg.Listen) > 0 {
		return n.cfg.Listen, nil
	}
	s, err := n.home.Settings()
	if err != nil {
		return nil, homeError(err)
	}
	if s.Port == 0 {
		port, err := mesh.FreePort()
		if err != nil {
			return nil, err
		}
		s.Port = uint16(port)
		if err := n.home.SaveSettings(s); err != nil {
			return nil, homeError(err)
		}
	}
	return mesh.ListenOn(int(s.Port)), nil
}

// watchPeers tells every room who comes and goes.
func (n *Node) watchPeers(ctx context.Context) {
	for {
		select {
		case ev := <-n.net.Events():
			for _, r := range n.allRooms() {
				r.post(group.Online{Peer: ev.Peer, Up: ev.Connected})
				if ev.Connected {
					r.syncer.kick()
				}
			}
			if ev.Connected {
				n.book.note(ev.Peer)
				n.wakeAskers()
				n.wakeOffers()
				n.meetKeeper(ev.Peer)
				n.wg.Go(func() { n.partFrom(ctx, ev.Peer) })
			}
		case <-ctx.Done():
			return
		}
	}
}

func (n *Node) allRooms() []*room {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]*room, 0, len(n.rooms))
	for _, r := range n.rooms {
		out = append(out, r)
	}
	return out
}

// room returns the room of a group, nil if this node has none.
func (n *Node) room(gid keys.Hash) *room {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rooms[gid]
}

// Status says who and where the node is.
func (n *Node) Status(ctx context.Context) (Status, error) {
	groups, err := n.Groups(ctx, false)
	if err != nil {
		return Status{}, err
	}
	alarms, err := n.countAlarms(ctx)
	if err != nil {
		return Status{}, err
	}
	unread := 0
	for _, g := range groups {
		unread += g.Unread
	}
	return Status{
		Unread: min(unread, words.MostUnread), Alarms: alarms,
		PeerID: n.me.String(), Addrs: n.net.FullAddrs(), Peers: len(n.net.Connected()), Groups: len(groups), Version: Version, Dropped: n.dropped(),
	}, nil
}
