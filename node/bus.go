package node

import (
	"context"
	"sync"
	"sync/atomic"
)

const (
	busBacklog = 4096     // events that a follower may be behind before it is cut off
	busBytes   = 16 << 20 // and bytes of text among them
)

// Every record that is shown has a number, which the journal of its group keeps;
// those of all groups are one sequence. The ID of an event is the number and the
// item within the record, so that it says where a follower stands: everything up
// to there it has. An event that is no line of a record has the ID of what was
// told before it.
const (
	itemBits = 8 // group.MaxItems in a record
	lastItem = 1<<itemBits - 1
)

func eventID(number uint64, item int) uint64 { return number<<itemBits | uint64(item) }

// bus hands events to followers, in the order of their numbers, and only those
// that are durable. A follower that does not keep up is cut off; it comes back
// with the last ID that it has, and the journals tell it what it missed.
type bus struct {
	mu     sync.Mutex
	next   uint64  // number of the next record
	told   uint64  // records up to this number have been told, or have nothing to tell
	turns  []*told // under way, in the order of their numbers
	subs   map[*follower]bool
	closed bool
	cut    *atomic.Uint64 // followers that fell behind
}

// told is what one turn of a room has to tell.
type told struct {
	first, last uint64 // numbers of its records; last is before first where it has none
	events      []Event
	settled     bool
}

// follower is one that is told everything, through a channel with room for
// busBacklog events.
type follower struct {
	c     chan Event
	sizes []int // bytes of text of the events in c, and of some taken since
	bytes int   // their sum
}

func newBus(cut *atomic.Uint64) *bus { return &bus{next: 1, subs: map[*follower]bool{}, cut: cut} }

// begin has the numbers go on after what an earlier run used.
func (b *bus) begin(number uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.turns) == 0 && number > b.next {
		b.next, b.told = number, number-1
	}
}

// position is the ID from which a stream goes on with whatever is told after
// this moment.
func (b *bus) position() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return eventID(b.told, lastItem)
}

// reserve gives numbers to the records of a turn that is not durable yet. Each is
// settled, whatever becomes of it.
func (b *bus) reserve(records int) *told {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := &told{first: b.next, last: b.next + uint64(records) - 1}
	b.next += uint64(records)
	b.turns = append(b.turns, t)
	return t
}

// settle tells what a turn had to tell, once the turns before it have. Where
// nobody listens, events is not called: the journals have it.
func (b *bus) settle(t *told, events func() []Event) {
	made := false
	b.mu.Lock()
	defer b.mu.Unlock()
	for !made && (len(b.subs) > 0 || b.turns[0] != t) {
		b.mu.Unlock()
		t.events, made = events(), true
		b.mu.Lock()
	}
	t.settled = true
	for len(b.turns) > 0 && b.turns[0].settled {
		for _, e := range b.turns[0].events {
			b.tell(e)
		}
		b.told = b.turns[0].last
		b.turns = b.turns[1:]
	}
}

// publish tells what is no line of a record. It is not kept.
func (b *bus) publish(e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e.ID = eventID(b.told, lastItem)
	b.tell(e)
}

// tell hands an event to everybody. Called with mu held.
func (b *bus) tell(e Event) {
	for f := range b.subs {
		if !f.take(e) {
			delete(b.subs, f)
			close(f.c)
			b.cut.Add(1)
		}
	}
}

// take reports false where the follower is too far behind.
func (f *follower) take(e Event) bool {
	waiting := len(f.c)
	for len(f.sizes) > waiting {
		f.bytes -= f.sizes[0]
		f.sizes = f.sizes[1:]
	}
	if waiting == busBacklog || f.bytes > busBytes {
		return false
	}
	f.sizes = append(f.sizes, e.textBytes())
	f.bytes += e.textBytes()
	f.c <- e
	return true
}

func (e Event) textBytes() int {
	if e.Line == nil || e.Line.Text == nil {
		return 0
	}
	return len(*e.Line.Text)
}

// subscribe follows the events to come, which are those after the position. The
// channel is closed when ctx or the node ends, or when the reader falls behind.
func (b *bus) subscribe(ctx context.Context) (c <-chan Event, position uint64) {
	f := &follower{c: make(chan Event, busBacklog)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		close(f.c)
		return f.c, eventID(b.told, lastItem)
	}
	b.subs[f] = true
	context.AfterFunc(ctx, func() { b.drop(f) })
	return f.c, eventID(b.told, lastItem)
}

func (b *bus) drop(f *follower) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subs[f] {
		delete(b.subs, f)
		close(f.c)
	}
}

func (b *bus) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for f := range b.subs {
		delete(b.subs, f)
		close(f.c)
	}
}
