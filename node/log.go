package node

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"conclave/group"
	"conclave/keys"
	"conclave/node/api/words"
	"conclave/node/store"
)

const maxLogPage = 1000

// Log answers lines of a group's log in display order: oldest first, the same
// at every member who holds the same records.
func (n *Node) Log(ctx context.Context, ref string, q LogQuery) ([]LogLine, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return nil, err
	}
	if q.Limit <= 0 || q.Limit > maxLogPage {
		q.Limit = maxLogPage
	}
	if q.Before != "" {
		return r.linesBefore(ctx, q.Before, q.Limit)
	}
	if q.Last {
		return r.lastLines(ctx, q.Limit)
	}
	return r.linesAfter(ctx, q.After, q.Limit)
}

// linesAfter returns up to limit lines after a cursor. What has no place in the
// order comes whole with the last page, whatever the limit: it has no cursor to
// go on from.
func (r *room) linesAfter(ctx context.Context, after string, limit int) ([]LogLine, error) {
	key, item, err := splitCursor(after)
	if err != nil {
		return nil, err
	}
	out := []LogLine{}
	q := store.Query{Prefix: "/o", From: key}
	for rec, err := range r.disk.space.Scan(q) {
		if err != nil && rec.Key == "" {
			return nil, diskError(err)
		}
		lines, err := r.linesOf(ctx, rec.Key)
		if err != nil {
			return nil, err
		}
		if rec.Key == key {
			lines = lines[min(item+1, len(lines)):]
		}
		out = append(out, lines...)
		if len(out) >= limit {
			return out[:limit], nil
		}
	}
	if after == EndCursor {
		return out, nil
	}
	end, err := r.endLines(ctx)
	return append(out, end...), err
}

// lastLines returns the last lines, oldest first.
func (r *room) lastLines(ctx context.Context, limit int) ([]LogLine, error) {
	end, err := r.endLines(ctx)
	if err != nil {
		return nil, err
	}
	return r.backFrom(ctx, "", 0, end, limit)
}

// linesBefore returns the last lines before a cursor, oldest first, up to limit.
func (r *room) linesBefore(ctx context.Context, before string, limit int) ([]LogLine, error) {
	key, item, err := splitCursor(before)
	if err != nil {
		return nil, err
	}
	return r.backFrom(ctx, key, item, nil, limit)
}

// backFrom returns the last lines before an item of a record, "" for the end, and
// those that follow them, oldest first, up to limit.
func (r *room) backFrom(ctx context.Context, key string, item int, follow []LogLine, limit int) ([]LogLine, error) {
	out := append([]LogLine{}, follow...)
	slices.Reverse(out)
	for rec, err := range r.disk.space.Scan(store.Query{Prefix: "/o", From: key, Reverse: true}) {
		if err != nil && rec.Key == "" {
			return nil, diskError(err)
		}
		lines, err := r.linesOf(ctx, rec.Key)
		if err != nil {
			return nil, err
		}
		if rec.Key == key {
			lines = lines[:min(item, len(lines))]
		}
		slices.Reverse(lines)
		if out = append(out, lines...); len(out) >= limit {
			break
		}
	}
	out = out[:min(len(out), limit)]
	slices.Reverse(out)
	return out, nil
}

// EndCursor is the cursor of lines that have no place in the order yet: what is
// missing, and what is held. Other cursors are a key of the display order and
// the item in that record.
const EndCursor = "end"

func cursor(key string, item int) string { return key + "#" + strconv.Itoa(item) }

func splitCursor(c string) (key string, item int, err error) {
	switch c {
	case "":
		return "", 0, nil
	case EndCursor:
		return "/o/z", 0, nil
	}
	key, num, _ := strings.Cut(c, "#")
	item, err = strconv.Atoi(num)
	if rec, _ := recordOf(key); rec == "" || err != nil || item < 0 {
		return "", 0, &Error{Kind: KindUsage, Message: "not a cursor of this log"}
	}
	return key, item, nil
}

// linesOf returns the lines of one record of the display order: none where it
// is hidden.
func (r *room) linesOf(ctx context.Context, key string) ([]LogLine, error) {
	recKey, message := recordOf(key)
	if strings.HasPrefix(recKey, alarmPrefix) {
		return r.alarmLine(ctx, key, recKey)
	}
	v, err := r.disk.space.Get(recKey)
	if errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrNotFound) {
		line := r.line("gap", cursor(key, 0))
		line.Reason = ptr(words.Say("gap.damaged"))
		return []LogLine{line}, nil
	}
	if err != nil {
		return nil, diskError(err)
	}
	var lines []LogLine
	err = r.look(ctx, func(m *group.Machine) {
		if message {
			if s, ok := storedMessage(r.gid, v); ok {
				lines = r.messageLines(m, key, s)
			}
			return
		}
		if e, err := r.disk.decode(v, 8); err == nil {
			lines = r.entryLines(m, key, e.Hash)
		}
	})
	return lines, err
}

func (r *room) line(kind, cursor string) LogLine {
	return LogLine{GroupID: r.gid.String(), Kind: kind, Cursor: cursor}
}

// warn logs what a person must know even if nobody follows.
func (r *room) warn(shown []group.Shown) {
	for _, s := range shown {
		switch s.Kind {
		case group.ShowCopied:
			r.n.log.Warn("others hold records of this node that it did not write: its home was rolled back or copied, or a backup of it runs elsewhere; each signs in a lane of its own", "group", r.gid.Short())
		case group.ShowAlarm:
			r.n.log.Warn("somebody signed two different records under one number", "group", r.gid.Short(), "peer", s.Author.Short())
		}
	}
}

func aboutPeer(p keys.PeerID) json.RawMessage {
	return json.RawMessage(`{"peer_id":"` + p.String() + `"}`)
}

func ptr[T any](v T) *T { return &v }
