package node

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"conclave/group"
	"conclave/keys"
	"conclave/node/api/words"
	"conclave/node/store"
)

// How far this person has read is kept group by group, so that every door tells
// the same of it. What others say is unread from then on: it stands after that
// line, or it came later and took a place before it.
//
//	/read    readMark
const readKey = "/read"

// readMark is the last line that was read.
type readMark struct {
	_    struct{} `cbor:",toarray"`
	Upto linePlace
	Late []linePlace // of messages before it that came later, or can be read only since
}

// linePlace is where a line stands in the display order; the zero one is before
// all.
type linePlace struct {
	_    struct{} `cbor:",toarray"`
	Key  string
	Item int
}

func (p linePlace) compare(q linePlace) int {
	return cmp.Or(strings.Compare(p.Key, q.Key), cmp.Compare(p.Item, q.Item))
}

func placeOfLine(cursor string) (linePlace, error) {
	key, item, err := splitCursor(cursor)
	return linePlace{Key: key, Item: item}, err
}

// reading is what the loop knows of it. Nobody changes one that others may see.
type reading struct {
	readMark
	after int // messages that stand after it
}

func (x *reading) unread() int { return min(len(x.Late)+x.after, words.MostUnread) }

// ReadMark answers `Read`.
type ReadMark struct {
	GroupID string  `json:"group_id"`
	Read    *string `json:"read"`   // cursor of the last line that was read; null: none
	Unread  int     `json:"unread"` // messages of others since; 100: that many or more
}

// Read says that this person has read a group's log up to the line with that
// cursor, "" for all that is there. The mark never goes back.
func (n *Node) Read(ctx context.Context, ref, cursor string) (ReadMark, error) {
	at, err := placeOfLine(cursor)
	if err != nil {
		return ReadMark{}, err
	}
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return ReadMark{}, err
	}
	last, err := r.backFrom(ctx, at.Key, at.Item+1, nil, 1)
	if err != nil || len(last) == 0 {
		return r.readMark(), err
	}
	if at, err = placeOfLine(last[0].Cursor); err != nil {
		return ReadMark{}, err
	}
	var failed error
	err = r.look(ctx, func(*group.Machine) { failed = diskError(r.onRead(at)) })
	return r.readMark(), errors.Join(err, failed)
}

// readMark is how far this person has read.
func (r *room) readMark() ReadMark {
	x := r.reading.Load()
	out := ReadMark{GroupID: r.gid.String(), Unread: x.unread()}
	if x.Upto.Key != "" {
		out.Read = ptr(cursor(x.Upto.Key, x.Upto.Item))
	}
	return out
}

// onRead takes a line, and all before it, for read, and tells the other doors.
// Only called from the loop.
func (r *room) onRead(at linePlace) error {
	was := r.reading.Load()
	next := readMark{Upto: was.Upto, Late: slices.Clone(was.Late)}
	if at.compare(was.Upto) > 0 {
		next.Upto = at
	}
	next.Late = slices.DeleteFunc(next.Late, func(p linePlace) bool { return p.compare(at) <= 0 })
	if next.Upto == was.Upto && len(next.Late) == len(was.Late) {
		return nil
	}
	var b store.Batch
	next.put(r.disk, &b)
	if err := errors.Join(r.n.db.Commit(&b), r.countAfter(next)); err != nil {
		return err
	}
	mark := r.readMark()
	data, err := json.Marshal(mark)
	if err != nil {
		return err
	}
	r.n.bus.publish(Event{Kind: "read", GroupID: mark.GroupID, Data: data})
	return nil
}

func (x readMark) put(d *disk, b *store.Batch) { d.space.Put(b, readKey, keys.Marshal(x)) }

// loadRead reads the mark. Called before the loop begins.
func (r *room) loadRead() error {
	var x readMark
	v, err := r.disk.space.Get(readKey)
	if err == nil {
		err = keys.Unmarshal(v, &x)
	} else if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrCorrupt) {
		err = nil
	}
	return errors.Join(err, r.countAfter(x))
}

// countAfter takes the mark and counts what was not read, as far as that goes.
// Only called from the loop, and before it begins.
func (r *room) countAfter(x readMark) error {
	out := reading{readMark: x}
	for rec, err := range r.disk.space.Scan(store.Query{Prefix: "/o", From: x.Upto.Key, KeysOnly: true}) {
		if err != nil {
			return err
		}
		key, message := recordOf(rec.Key)
		if !message || r.wrote(key) {
			continue
		}
		v, err := r.disk.space.Get(key)
		if err != nil && !errors.Is(err, store.ErrCorrupt) && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if s, ok := storedMessage(r.gid, v); ok {
			out.add(r.messageLines(r.m, rec.Key, s))
		}
		if out.after >= words.MostUnread {
			break
		}
	}
	out.Late = slices.DeleteFunc(slices.Clone(x.Late), func(p linePlace) bool {
		_, err := r.disk.space.Get(p.Key)
		return errors.Is(err, store.ErrNotFound) // erased
	})
	r.reading.Store(&out)
	return nil
}

// add counts the messages among lines, and keeps the places of those before the
// mark.
func (x *reading) add(lines []LogLine) {
	for _, l := range lines {
		p, err := placeOfLine(l.Cursor)
		switch {
		case l.Kind != "message" || err != nil:
		case p.compare(x.Upto) > 0:
			x.after++
		case len(x.Late) < words.MostUnread:
			x.Late = append(x.Late, p)
		}
	}
}

// wrote reports whether a message record is this person's.
func (r *room) wrote(key string) bool {
	return strings.HasPrefix(key, fmt.Sprintf("/m/%x/", r.n.me[:]))
}

// afterTurn is x with what a turn has shown, nil where it has to be counted anew.
// Beyond what is counted no message is opened for it.
func (x *reading) afterTurn(r *room, b *store.Batch, shown []showing) *reading {
	next := &reading{readMark{Upto: x.Upto, Late: slices.Clip(x.Late)}, x.after}
	for _, s := range shown {
		switch {
		case next.unread() == words.MostUnread:
		case s.ref.Key == "": // more became readable than are named
			return nil
		case strings.HasPrefix(s.ref.Key, "/m/") && !r.wrote(s.ref.Key):
			next.add(s.lines())
		}
	}
	if len(next.Late) != len(x.Late) {
		next.put(r.disk, b)
	}
	return next
}
