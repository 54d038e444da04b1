package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/store"
)

// How long messages are kept is what this person alone decides, group by group.
// What is older is erased here: the message records, and with the room keys that
// nothing else needs every copy of the text that this home ever held.
//
//	/keep                       for how long, in ms; not there: for ever
//	/r/<author>/<lane>/<to>     a hole that this node made: from where, up to <to>
//	/f/<hash>                   when a record was noticed first whose time lies ahead
//	/purge                      something was erased that the files may still hold
//
// A hole that this node made is told to nobody: in its heights it holds what it
// held, so that nobody gives it the records again.
// (PROTOCOL.md, "Where a newcomer's copy begins")
const (
	keepKey      = "/keep"
	purgeKey     = "/purge"
	holePrefix   = "/r"
	futurePrefix = "/f"

	retainEvery = 24 * time.Hour
	retainDoubt = 24 * time.Hour // this clock ahead of the members'
	leastKept   = time.Second
	mostKept    = 100 * 365 * 24 * time.Hour
	forever     = "forever"
)

// hole names a hole by the last number in it.
type hole struct {
	author   keys.PeerID
	lane, to uint64
}

func holeKey(h hole) string {
	return fmt.Sprintf("%s/%x/%s/%s", holePrefix, h.author[:], store.Num(h.lane), store.Num(h.to))
}

// Retention answers `retention`.
type Retention struct {
	GroupID  string  `json:"group_id"`
	Keep     *string `json:"keep"`     // null: for ever
	Messages int     `json:"messages"` // records erased now
	Keys     int     `json:"keys"`     // room keys erased now
}

// Retain says how long messages of a group are kept here, "90d", "36h" or
// "forever", and erases what is older: when it returns it is gone, from the files
// too. From then on that is done every day.
func (n *Node) Retain(ctx context.Context, ref, keep string) (Retention, error) {
	d, err := parseKeep(keep)
	if err != nil {
		return Retention{}, err
	}
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return Retention{}, err
	}
	var b store.Batch
	if d == 0 {
		r.disk.space.Delete(&b, keepKey)
	} else {
		r.disk.space.Put(&b, keepKey, keys.Marshal(uint64(d.Milliseconds())))
	}
	if err := r.setKeep(&b, d); err != nil {
		return Retention{}, diskError(err)
	}
	out, err := r.retain(ctx)
	out.GroupID, out.Keep = r.gid.String(), r.keepText()
	return out, err
}

// setKeep puts on disk and in memory how long messages are kept. Of two who say
// so at once the last one counts in both places.
func (r *room) setKeep(b *store.Batch, d time.Duration) error {
	r.retaining.Lock()
	defer r.retaining.Unlock()
	if err := r.n.db.Commit(b); err != nil {
		return err
	}
	r.keep.Store(d.Milliseconds())
	return nil
}

// parseKeep reads how long; 0 is for ever.
func parseKeep(text string) (d time.Duration, err error) {
	if text == forever {
		return 0, nil
	}
	if days, is := strings.CutSuffix(text, "d"); is {
		var n uint64
		if n, err = strconv.ParseUint(days, 10, 16); err == nil {
			d = time.Duration(n) * 24 * time.Hour
		}
	} else {
		d, err = time.ParseDuration(text)
	}
	if err != nil || d < leastKept || d > mostKept {
		return 0, &Error{Kind: KindUsage, Message: fmt.Sprintf("cannot keep messages %q", text), Hint: "--keep 90d, or 36h, or forever; from 1s to 36500d"}
	}
	return d, nil
}

// keepText is how long messages are kept, nil for ever.
func (r *room) keepText() *string {
	d := time.Duration(r.keep.Load()) * time.Millisecond
	switch {
	case d == 0:
		return nil
	case d%(24*time.Hour) == 0:
		return ptr(fmt.Sprintf("%dd", d/(24*time.Hour)))
	}
	return ptr(d.String())
}

// loadRetention reads what was decided and done. Called before the loop begins.
func (r *room) loadRetention() error {
	v, err := r.disk.space.Get(keepKey)
	var ms uint64
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrCorrupt): // nothing is erased by mistake
	case err != nil:
		return err
	case keys.Unmarshal(v, &ms) == nil:
		r.keep.Store(int64(ms))
	}
	r.holes = map[hole]uint64{}
	return r.disk.each(holePrefix, func(key string, v []byte) error {
		var from uint64
		if h, ok := parseHole(key); ok && keys.Unmarshal(v, &from) == nil {
			r.holes[h] = from
		}
		return nil
	})
}

func parseHole(key string) (h hole, ok bool) {
	p := strings.Split(key, "/") // "", r, author, lane, to
	if len(p) != 5 {
		return h, false
	}
	author, err := hex.DecodeString(p[2])
	if err != nil || len(author) != len(h.author) {
		return h, false
	}
	h.author = keys.PeerID(author)
	lane, err1 := strconv.ParseUint(p[3], 16, 64)
	to, err2 := strconv.ParseUint(p[4], 16, 64)
	h.lane, h.to = lane, to
	return h, err1 == nil && err2 == nil
}

// heldHeights is what this node holds, with the holes that it made itself. Only
// called from the loop.
func (r *room) heldHeights(m *group.Machine) group.Heights {
	h := m.Heights()
	for i, l := range h.Logs {
		if from, mine := r.holes[hole{l.Author, l.Lane, l.Base}]; mine {
			h.Logs[i].Base = from
		}
	}
	return h
}

// keepRetention erases every day what has become too old, the first time once a
// member was met whose clock this one can be compared with, or after a day.
func (n *Node) keepRetention(ctx context.Context) {
	for {
		for began := time.Now(); !n.clocks.known() && time.Since(began) < retainEvery; {
			if !pause(ctx, clockLook) {
				return
			}
		}
		n.retainDue(ctx)
		if !pause(ctx, retainEvery) {
			return
		}
	}
}

// retainDue erases what has become too old, unless this clock is a day ahead of
// the members': what one wrong clock erased would be gone, and nobody asked for
// it. Whoever says `retention` is taken at their word.
func (n *Node) retainDue(ctx context.Context) {
	if n.clockRuns() {
		if n.erases() {
			n.log.Warn("old messages are not erased: the clock is ahead of the members'")
		}
		return
	}
	for _, r := range n.allRooms() {
		if _, err := r.retain(ctx); err != nil && ctx.Err() == nil {
			n.log.Warn("erase old messages", "group", r.gid.Short(), "err", err)
		}
	}
}

// erases reports whether messages of any group are erased with time.
func (n *Node) erases() bool {
	return slices.ContainsFunc(n.allRooms(), func(r *room) bool { return r.keep.Load() > 0 })
}

// clockRuns reports whether this clock is so far ahead that it is not to erase.
func (n *Node) clockRuns() bool {
	off, _ := n.clocks.median()
	return off < -retainDoubt
}

// retain erases what is too old now.
func (r *room) retain(ctx context.Context) (out Retention, err error) {
	r.retaining.Lock()
	defer r.retaining.Unlock()
	if keep := uint64(r.keep.Load()); keep > 0 {
		now := r.n.clock()
		plan, err := r.planErasure(ctx, now, now-min(keep, now))
		if err != nil {
			return out, diskError(err)
		}
		if out, err = r.erase(ctx, plan); err != nil {
			return out, err
		}
	}
	return out, r.purge()
}

// purge takes what was erased out of the files, if that was not done since.
func (r *room) purge() error {
	if _, err := r.disk.space.Get(purgeKey); errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err := r.disk.space.Purge(); err != nil {
		return diskError(err)
	}
	var b store.Batch
	r.disk.space.Delete(&b, purgeKey)
	return diskError(r.n.db.Commit(&b))
}
