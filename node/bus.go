package node

import (
	"context"
	"sync"
	"sync/atomic"
)

// busBacklog is how many events a follower may be behind before it is cut off,
// and how many are kept for one that comes back.
const busBacklog = 4096

// bus hands events to followers. A follower that does not keep up is cut off;
// it comes back with the last ID that it has.
type bus struct {
	mu     sync.Mutex
	next   uint64
	recent []Event
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
	b.recent = append(b.recent, e)
	if len(b.recent) > busBacklog {
		b.recent = append([]Event(nil), b.recent[len(b.recent)-busBacklog/2:]...)
	}
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
