// Package discovery turns strangers into addresses, and keeps the peers that
// somebody asked for connected.
//
// A Finder knows peers from three places: the ones given by hand, the ones that
// are to be remembered, and the ones that multicast DNS finds on the local
// network. It dials them, again and again where they are wanted, and knows
// nothing of groups or of members.
package discovery

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	// DialTimeout bounds one attempt. A connection takes three times as long as an
	// answer does, and whoever listens waits for 15 s: beyond five seconds for an
	// answer none comes about.
	DialTimeout = 15 * time.Second
	// lookAround is how often the machine's own addresses are read. libp2p tells
	// of a change after up to a minute; a person has given up by then.
	lookAround = 2 * time.Second
	// asleep is how much longer than lookAround it takes from one look to the next
	// where the machine slept, or the process was stopped.
	asleep = 5 * time.Second
	// maxDials is the number of attempts under way at the same time.
	maxDials = 16
)

// Config says whom a Finder looks for.
type Config struct {
	// Host dials and is announced. It stays the caller's to close.
	Host host.Host
	// Static are the peers given by hand: dialled at once and kept.
	Static []peer.AddrInfo
	// MDNS looks for peers on the local network and announces the host there.
	MDNS bool
	// Dial makes one connection; nil means Host.Connect. The caller may clear
	// a dialler's own back-off here, since the Finder keeps the schedule.
	Dial func(context.Context, peer.AddrInfo) error
	// Moved, if set, is called when the machine's addresses have changed, and when
	// it has slept: connections that stood before may be dead. It must not wait.
	Moved func()
	// Logger gets debug lines; nil discards them.
	Logger *slog.Logger

	// networks lists the machine's own addresses; tests replace it.
	networks func() []netip.Prefix
	// clock is the wall clock; tests replace it.
	clock func() time.Time
}

func (c *Config) validate() error {
	if c.Host == nil {
		return errors.New("discovery: no host")
	}
	if c.Dial == nil {
		c.Dial = c.Host.Connect
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Moved == nil {
		c.Moved = func() {}
	}
	if c.clock == nil {
		c.clock = time.Now
	}
	if c.networks == nil {
		c.networks = ownNetworks
	}
	return nil
}

// Finder looks for peers until it is closed. Its methods are safe for
// concurrent use.
type Finder struct {
	cfg  Config
	ops  chan func(*book)
	stop context.CancelFunc
	done <-chan struct{}
	wg   sync.WaitGroup

	renew chan struct{}         // the network changed: announce again
	mdns  atomic.Pointer[error] // nil before the first attempt
}

// Start begins to look. The Finder ends with ctx or with Close, whichever comes
// first; after ctx has ended, Close still waits for its goroutines.
func Start(ctx context.Context, cfg Config) (*Finder, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	sub, err := cfg.Host.EventBus().Subscribe([]any{
		new(event.EvtPeerConnectednessChanged),
		new(event.EvtPeerIdentificationCompleted),
	}, eventbus.BufSize(256), eventbus.Name("conclave/discovery"))
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	f := &Finder{cfg: cfg, ops: make(chan func(*book)), stop: stop, done: ctx.Done(), renew: make(chan struct{}, 1)}
	f.wg.Go(func() {
		defer sub.Close()
		f.run(ctx, sub.Out())
	})
	if cfg.MDNS {
		f.wg.Go(func() { f.runMDNS(ctx) })
	}
	return f, nil
}

// Close ends every attempt and waits until all goroutines are gone.
func (f *Finder) Close() {
	f.stop()
	f.wg.Wait()
}

// Remember keeps p connected: it is dialled now and redialled after every loss
// until it is forgotten. Addresses add to those known already, newest first.
func (f *Finder) Remember(p peer.AddrInfo) {
	f.do(func(b *book) { b.remember(p, time.Now()) })
}

// Forget ends the redialling of p. A connection that stands is left alone.
func (f *Finder) Forget(p peer.ID) {
	f.do(func(b *book) { b.forget(p) })
}

// Known returns the addresses known for p, newest first.
func (f *Finder) Known(p peer.ID) []ma.Multiaddr {
	answer := make(chan []ma.Multiaddr, 1)
	f.do(func(b *book) { answer <- b.known(p) })
	select {
	case addrs := <-answer:
		return addrs
	default:
		return nil
	}
}

// Nearby returns the peers that multicast DNS has found on the network as it is
// now, with the addresses found. Some may be gone again.
func (f *Finder) Nearby() []peer.AddrInfo {
	answer := make(chan []peer.AddrInfo, 1)
	f.do(func(b *book) { answer <- b.nearby() })
	select {
	case found := <-answer:
		return found
	default:
		return nil
	}
}

// Wake resets every back-off, as a change of the network does.
func (f *Finder) Wake() {
	f.do(func(b *book) { b.reset(time.Now()) })
}

// Err says why multicast DNS does not run; nil when it runs, is switched off, or
// has not been tried yet. It is a soft failure: everything else goes on.
func (f *Finder) Err() error {
	if err := f.mdns.Load(); err != nil {
		return *err
	}
	return nil
}

// do runs op in the loop and waits until it has run, or the Finder has ended.
func (f *Finder) do(op func(*book)) {
	ran := make(chan struct{})
	select {
	case f.ops <- func(b *book) { op(b); close(ran) }:
		<-ran
	case <-f.done:
	}
}

// later is do for callers that the loop may be waiting for.
func (f *Finder) later(op func(*book)) {
	select {
	case f.ops <- op:
	case <-f.done:
	}
}

// run owns the book.
func (f *Finder) run(ctx context.Context, events <-chan any) {
	b := newBook(f.cfg.Host.ID())
	for _, p := range f.cfg.Static {
		b.remember(p, time.Now())
	}
	var dials sync.WaitGroup
	defer dials.Wait()
	timer, look := time.NewTimer(0), time.NewTicker(lookAround)
	defer timer.Stop()
	defer look.Stop()
	here, looked := f.cfg.networks(), f.cfg.clock()
	moved := make(chan struct{})
	for {
		select {
		case <-ctx.Done():
			return
		case op := <-f.ops:
			op(b)
		case ev := <-events:
			onEvent(b, ev)
		case <-look.C:
			// The steady clock stands still while the machine sleeps; the wall's goes on.
			last := looked.Round(0)
			looked = f.cfg.clock()
			slept := looked.Round(0).Sub(last) > lookAround+asleep
			if now := f.cfg.networks(); !slices.Equal(now, here) || slept {
				here = now
				f.onMove(b)
				close(moved)
				moved = make(chan struct{})
			}
		case <-timer.C:
		}
		now := time.Now()
		for _, p := range b.due(now, maxDials) {
			until := moved
			dials.Go(func() { f.dial(ctx, p, until) })
		}
		timer.Reset(b.wait(now))
	}
}

// onEvent tells the book what the host reports. Only called from the loop.
func onEvent(b *book, ev any) {
	switch ev := ev.(type) {
	case event.EvtPeerConnectednessChanged:
		if ev.Connectedness == network.Connected {
			b.connected(ev.Peer)
		} else {
			b.disconnected(ev.Peer, time.Now())
		}
	case event.EvtPeerIdentificationCompleted:
		b.learn(peer.AddrInfo{ID: ev.Peer, Addrs: ev.ListenAddrs})
	}
}

// onMove starts over on another network, or after a sleep. Only called from the
// loop.
func (f *Finder) onMove(b *book) {
	f.cfg.Logger.Debug("the network may have changed")
	b.moved()
	b.reset(time.Now())
	f.cfg.Moved()
	select {
	case f.renew <- struct{}{}:
	default:
	}
}

// dial makes one attempt, unless the machine moves on meanwhile.
func (f *Finder) dial(ctx context.Context, p peer.AddrInfo, moved <-chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, DialTimeout)
	defer cancel()
	f.wg.Go(func() {
		select {
		case <-moved:
			cancel()
		case <-ctx.Done():
		}
	})
	err := f.cfg.Dial(ctx, p)
	if err != nil {
		f.cfg.Logger.Debug("dial", "peer", p.ID, "error", err)
	}
	f.later(func(b *book) {
		b.dialled(p.ID, f.cfg.Host.Network().Connectedness(p.ID) == network.Connected, time.Now())
	})
}
