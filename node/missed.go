package node

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"conclave/group"
	"conclave/node/store"
)

// EventReset is the kind of the event that says: what was missed is not known
// any more, read the lists again.
const EventReset = "reset"

// Position is the event ID from which a stream goes on with whatever happens
// after this moment.
func (n *Node) Position() uint64 { return n.bus.position() }

// Events follows what happens on the node from the event after the given ID, 0
// for those to come. The channel ends with ctx, or when its reader falls behind,
// who comes back with the last ID it has.
//
// Lines of a log come exactly once, in the order in which this node showed them,
// also across a restart. Whoever comes back is told of each group once that it
// may have changed, in place of the other events that were missed; and
// EventReset where so much was missed that it is not kept.
func (n *Node) Events(ctx context.Context, after uint64) (<-chan Event, error) {
	live, position := n.bus.subscribe(ctx)
	if after == 0 {
		return live, nil
	}
	out := make(chan Event)
	go func() {
		defer close(out)
		if n.tellMissed(ctx, after, position, out) == nil {
			for e := range live {
				if !give(ctx, out, e) {
					return
				}
			}
		}
	}()
	return out, nil
}

func give(ctx context.Context, out chan<- Event, e Event) bool {
	select {
	case out <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

// missedPage is how many records are looked up at a time.
const missedPage = 256

// tellMissed tells what was shown after one ID and up to another.
func (n *Node) tellMissed(ctx context.Context, after, upTo uint64, out chan<- Event) error {
	if after > upTo {
		return n.tell(ctx, out, Event{ID: upTo, Kind: EventReset})
	}
	for {
		refs, err := n.missed(after, upTo)
		if errors.Is(err, errForgotten) {
			return n.tell(ctx, out, Event{ID: upTo, Kind: EventReset})
		}
		if err != nil {
			return err
		}
		for _, m := range refs {
			events, err := m.r.eventsAgain(ctx, m.number, m.ref, after)
			if err == nil {
				err = n.tell(ctx, out, events...)
			}
			if err != nil {
				return err
			}
			after = eventID(m.number, lastItem)
		}
		if len(refs) < missedPage {
			break
		}
	}
	for _, r := range n.allRooms() {
		if err := n.tell(ctx, out, Event{ID: upTo, Kind: "group", GroupID: r.gid.String()}); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) tell(ctx context.Context, out chan<- Event, events ...Event) error {
	for _, e := range events {
		if !give(ctx, out, e) {
			return ctx.Err()
		}
	}
	return nil
}

// missedRef is a record that a follower missed.
type missedRef struct {
	r      *room
	number uint64
	ref    journalRef
}

// errForgotten: a journal no longer has what was shown after a position.
var errForgotten = errors.New("no longer in the journal")

// missed returns the next records of all groups that were shown after one
// position and up to another, at most missedPage of them.
func (n *Node) missed(after, upTo uint64) (out []missedRef, err error) {
	from := after>>itemBits + 1
	if after&lastItem != lastItem {
		from-- // the record itself may have more lines
	}
	for _, r := range n.allRooms() {
		refs, err := r.missed(from, upTo>>itemBits)
		if err != nil {
			return nil, err
		}
		out = append(out, refs...)
	}
	slices.SortFunc(out, func(a, b missedRef) int { return cmp.Compare(a.number, b.number) })
	return out[:min(len(out), missedPage)], nil
}

// missed returns the first records of the journal with numbers from one to
// another.
func (r *room) missed(from, to uint64) (out []missedRef, err error) {
	start, before := from, uint64(0)
	for rec, err := range r.disk.space.Scan(store.Query{Prefix: "/j", From: journalKey(from), Reverse: true, Limit: 1, KeysOnly: true}) {
		if err != nil {
			return nil, diskError(err)
		}
		start = rowNumber(rec.Key) // the row that may hold it
	}
	for rec, err := range r.disk.space.Scan(store.Query{Prefix: "/j", From: journalKey(start)}) {
		var row journalRow
		if err == nil {
			err = decodeRow(rec.Value, &row)
		}
		first := rowNumber(rec.Key)
		switch {
		case errors.Is(err, store.ErrCorrupt) && rec.Key != "":
			return nil, errForgotten
		case err != nil:
			return nil, diskError(err)
		case first > from && before == 0 && row.Prev >= from:
			return nil, errForgotten // older rows are gone
		}
		before = first
		for i, ref := range row.Refs {
			if number := first + uint64(i); number >= from && number <= to {
				out = append(out, missedRef{r, number, ref})
			}
		}
		if row.Lost && len(out) > 0 {
			return nil, errForgotten
		}
		if len(out) >= missedPage || first > to {
			break
		}
	}
	return out, nil
}

func rowNumber(key string) uint64 {
	n, err := strconv.ParseUint(strings.TrimPrefix(key, "/j/"), 16, 64)
	if err != nil {
		return math.MaxUint64 // there is no such row
	}
	return n
}

// eventsAgain makes the events of a record again, those after a position. What was
// erased since has none.
func (r *room) eventsAgain(ctx context.Context, number uint64, ref journalRef, after uint64) (out []Event, err error) {
	v, err := r.disk.space.Get(recordIn(ref.Key))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrCorrupt) {
		return nil, nil
	}
	if err != nil {
		return nil, diskError(err)
	}
	var lines []LogLine
	if err := r.look(ctx, func(m *group.Machine) { lines = r.linesAgain(m, ref, v) }); err != nil {
		return nil, err
	}
	for item, l := range lines {
		if id := eventID(number, item); id > after {
			out = append(out, Event{ID: id, Kind: "log", GroupID: l.GroupID, Line: &l})
		}
	}
	return out, nil
}

// recordIn returns the key of the record that a journal names.
func recordIn(key string) string {
	if rec, _ := recordOf(key); rec != "" {
		return rec
	}
	return key
}

// linesAgain makes the lines of a record that the journal names. One that was
// unreadable then and is not now is named again where its key came. Only called
// from the loop.
func (r *room) linesAgain(m *group.Machine, ref journalRef, v []byte) []LogLine {
	if p, ok := parsePlace(recordIn(ref.Key)); ok && strings.HasPrefix(recordIn(ref.Key), alarmPrefix) {
		return []LogLine{r.lineOfAlarm(m, ref.Key, readAlarm(p, v))}
	}
	if strings.HasPrefix(ref.Key, "/o/") {
		e, err := r.disk.decode(v, 8)
		if err != nil {
			return nil
		}
		return r.entryLines(m, ref.Key, e.Hash)
	}
	s, ok := storedMessage(r.gid, v)
	if !ok || ref.Blind && m.MayRead(s.Hash) == nil {
		return nil
	}
	return r.messageLines(m, messageOrder(s), s)
}
