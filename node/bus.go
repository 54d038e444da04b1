package node

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// busBacklog is how many events a follower may be behind before it is cut off,
// and how many are kept for one that comes back.
const busBacklog = 4096

// busBytes is how many bytes of text the events have that are kept for one that
// comes back.
const busBytes = 16 << 20

// bus hands events to followers. A follower that does not keep up is cut off;
// it comes back with the last ID that it has.
type bus struct {
	mu     sync.Mutex
	next   uint64
	recent []Event
	bytes  int // of text among them
	subs   map[chan Event]bool
	closed bool
	cut    *atomic.Uint64 // followers that fell behind
}

func newBus(cut *atomic.Uint64) *bus { return &bus{next: 1, subs: map[chan Event]bool{}, cut: cut} }

// publish numbers an event and hands it on.
func (b *bus) publish(e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	e.ID = b.next
	b.next++
	b.keep(e)
	for c := range b.subs {
		select {
		case c <- e:
		default:
			delete(b.subs, c)
			close(c)
			b.cut.Add(1)
		}
	}
}

// keep remembers an event; where there are too many, half of them go. Called with
// mu held.
func (b *bus) keep(e Event) {
	b.recent = append(b.recent, e)
	b.bytes += e.textBytes()
	if len(b.recent) <= busBacklog && b.bytes <= busBytes {
		return
	}
	b.recent, b.bytes = slices.Clone(b.recent[(len(b.recent)+1)/2:]), 0
	for _, e := range b.recent {
		b.bytes += e.textBytes()
	}
}

func (e Event) textBytes() int {
	if e.Line == nil || e.Line.Text == nil {
		return 0
	}
	return len(*e.Line.Text)
}

// subscribe follows the events after an ID, 0 for those to come. The channel is
// closed when ctx or the node ends, or when the reader falls behind.
func (b *bus) subscribe(ctx context.Context, after uint64) <-chan Event {
	c := make(chan Event, busBacklog)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		close(c)
		return c
	}
	if after > 0 {
		for _, e := range b.recent {
			if e.ID > after {
				c <- e
			}
		}
	}
	b.subs[c] = true
	context.AfterFunc(ctx, func() { b.drop(c) })
	return c
}

func (b *bus) drop(c chan Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subs[c] {
		delete(b.subs, c)
		close(c)
	}
}

func (b *bus) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for c := range b.subs {
		delete(b.subs, c)
		close(c)
	}
}

// Events follows what happens on the node from the event after the given ID, 0
// for those to come. The channel ends with ctx.
func (n *Node) Events(ctx context.Context, after uint64) (<-chan Event, error) {
	return n.bus.subscribe(ctx, after), nil
}

// followed reports whether anybody listens.
func (b *bus) followed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.subs) > 0
}
