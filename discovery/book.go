package discovery

import (
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	minBackoff = time.Second
	maxBackoff = 30 * time.Second
	// yield is how long the greater of two peer IDs waits where both sides are
	// expected to dial: one connection comes of it in place of two.
	yield = time.Second
	// maxFailures ends the attempts to reach a peer that nobody asked for.
	maxFailures = 6
	// maxStrangers and maxAddrs bound what the local network can make us keep.
	maxStrangers = 256
	maxAddrs     = 16
	// idle is the longest that the loop sleeps without a reason to wake.
	idle = time.Hour
)

// backoff is the pause after the n-th failure in a row: 1 s, doubling, at most
// 30 s. n counts from 1.
func backoff(n int) time.Duration {
	if n < 1 {
		return 0
	}
	if n > 5 {
		return maxBackoff
	}
	return min(minBackoff<<(n-1), maxBackoff)
}

// entry is what the book holds of one peer.
type entry struct {
	addrs    []ma.Multiaddr // newest first, at most maxAddrs
	keep     bool           // asked for: redialled until forgotten
	failures int            // in a row
	next     time.Time      // not dialled before
	dialling bool
	online   bool
	near     []ma.Multiaddr // where the local network told of it; none: it did not, of late
	order    uint64         // of the last finding: the least is dropped first
}

// due reports whether e may be dialled at all, leaving aside the time.
func (e *entry) open() bool {
	return !e.online && !e.dialling && len(e.addrs) > 0 && (e.keep || e.failures < maxFailures)
}

// book decides whom to dial and when. It reads no clock and starts nothing: time
// comes in with each call. It is not safe for concurrent use.
type book struct {
	self    peer.ID
	entries map[peer.ID]*entry
	order   uint64
	dials   int // under way
}

func newBook(self peer.ID) *book {
	return &book{self: self, entries: make(map[peer.ID]*entry)}
}

// remember keeps p, due at once.
func (b *book) remember(p peer.AddrInfo, now time.Time) {
	if p.ID == b.self {
		return
	}
	e := b.entry(p.ID)
	e.keep, e.failures, e.next = true, 0, now
	e.merge(p.Addrs)
}

// found notes a peer that the local network told of. Both sides hear of each
// other at the same moment, so the greater ID waits.
func (b *book) found(p peer.AddrInfo, now time.Time) {
	if p.ID == b.self || len(p.Addrs) == 0 {
		return
	}
	e := b.entry(p.ID)
	e.merge(p.Addrs)
	e.near = slices.Clone(p.Addrs[:min(len(p.Addrs), maxAddrs)])
	e.failures, e.next = 0, now.Add(b.courtesy(p.ID))
	b.order++
	e.order = b.order
	b.trim()
}

// learn adds addresses to a peer that is in the book already.
func (b *book) learn(p peer.AddrInfo) {
	if e, ok := b.entries[p.ID]; ok {
		e.merge(p.Addrs)
	}
}

func (b *book) forget(p peer.ID) {
	if e, ok := b.entries[p]; ok {
		e.keep = false
		e.failures = maxFailures
		b.trim()
	}
}

func (b *book) known(p peer.ID) []ma.Multiaddr {
	if e, ok := b.entries[p]; ok {
		return slices.Clone(e.addrs)
	}
	return nil
}

// nearby lists whom the local network told of, in the order of their IDs.
func (b *book) nearby() []peer.AddrInfo {
	var out []peer.AddrInfo
	for id, e := range b.entries {
		if len(e.near) > 0 {
			out = append(out, peer.AddrInfo{ID: id, Addrs: slices.Clone(e.near)})
		}
	}
	slices.SortFunc(out, func(x, y peer.AddrInfo) int { return strings.Compare(string(x.ID), string(y.ID)) })
	return out
}

// moved forgets who was near: that was another network, perhaps.
func (b *book) moved() {
	for _, e := range b.entries {
		e.near = nil
	}
}

func (b *book) connected(p peer.ID) {
	if e, ok := b.entries[p]; ok {
		e.online, e.failures = true, 0
	}
}

// disconnected schedules the redial of a peer that is to be kept. One that the
// local network found is dialled when it is found again.
func (b *book) disconnected(p peer.ID, now time.Time) {
	e, ok := b.entries[p]
	if !ok || !e.online {
		return
	}
	e.online, e.failures = false, 1
	e.next = now.Add(backoff(1) + b.courtesy(p))
	if !e.keep {
		e.failures = maxFailures
	}
}

// dialled takes the outcome of an attempt that due handed out.
func (b *book) dialled(p peer.ID, ok bool, now time.Time) {
	b.dials--
	e, known := b.entries[p]
	if !known {
		return
	}
	e.dialling = false
	if ok {
		e.online, e.failures = true, 0
		return
	}
	e.failures++
	e.next = now.Add(backoff(e.failures))
}

// reset makes every peer that is wanted due at once: the network changed.
func (b *book) reset(now time.Time) {
	for _, e := range b.entries {
		if e.keep {
			e.failures, e.next = 0, now
		}
	}
}

// due returns the peers to dial now, as far as no more than limit attempts are
// under way, longest waiting first, and counts them as under way.
func (b *book) due(now time.Time, limit int) []peer.AddrInfo {
	var ids []peer.ID
	for id, e := range b.entries {
		if e.open() && !e.next.After(now) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(x, y peer.ID) int { return b.entries[x].next.Compare(b.entries[y].next) })
	ids = ids[:min(len(ids), max(0, limit-b.dials))]
	out := make([]peer.AddrInfo, 0, len(ids))
	for _, id := range ids {
		b.entries[id].dialling = true
		out = append(out, peer.AddrInfo{ID: id, Addrs: slices.Clone(b.entries[id].addrs)})
	}
	b.dials += len(out)
	return out
}

// wait is the time until somebody becomes due. Those who are due already wait
// for a free attempt, whose end wakes the loop.
func (b *book) wait(now time.Time) time.Duration {
	least := idle
	for _, e := range b.entries {
		if e.open() && e.next.After(now) {
			least = min(least, e.next.Sub(now))
		}
	}
	return least
}

// courtesy is the head start of the smaller ID.
func (b *book) courtesy(p peer.ID) time.Duration {
	if b.self > p {
		return yield
	}
	return 0
}

func (b *book) entry(p peer.ID) *entry {
	e, ok := b.entries[p]
	if !ok {
		e = &entry{}
		b.entries[p] = e
	}
	return e
}

// trim drops the peers found longest ago beyond maxStrangers.
func (b *book) trim() {
	strangers := 0
	var oldest peer.ID
	for id, e := range b.entries {
		if e.keep {
			continue
		}
		strangers++
		if o, ok := b.entries[oldest]; !ok || e.order < o.order {
			oldest = id
		}
	}
	if strangers > maxStrangers {
		delete(b.entries, oldest)
	}
}

// merge puts addrs in front of those known.
func (e *entry) merge(addrs []ma.Multiaddr) {
	all := append(slices.Clone(addrs), e.addrs...)
	out := make([]ma.Multiaddr, 0, min(len(all), maxAddrs))
	for _, a := range all {
		if len(out) < maxAddrs && !slices.ContainsFunc(out, a.Equal) {
			out = append(out, a)
		}
	}
	e.addrs = out
}
