package node

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"conclave/group"
	"conclave/keys"
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
	if q.Last {
		return r.lastLines(ctx, q.Limit)
	}
	return r.linesAfter(ctx, q.After, q.Limit)
}

// linesAfter returns up to limit lines after a cursor. What has no place in the
// order stands at the end of the last page.
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
	end, err := r.endLines(ctx)
	if len(out)+len(end) <= limit && after != EndCursor {
		out = append(out, end...)
	}
	return out, err
}

// lastLines returns the last lines, oldest first.
func (r *room) lastLines(ctx context.Context, limit int) ([]LogLine, error) {
	out, err := r.endLines(ctx)
	if err != nil {
		return nil, err
	}
	slices.Reverse(out)
	for rec, err := range r.disk.space.Scan(store.Query{Prefix: "/o", Reverse: true}) {
		if err != nil && rec.Key == "" {
			return nil, diskError(err)
		}
		lines, err := r.linesOf(ctx, rec.Key)
		if err != nil {
			return nil, err
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
	v, err := r.disk.space.Get(recKey)
	if errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrNotFound) {
		line := r.line("gap", cursor(key, 0))
		line.Reason = ptr("a record is damaged on this disk; another member has it")
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

// messageLines opens a message: one line an item, or one line that says why it
// cannot be read. Only called from the loop.
func (r *room) messageLines(m *group.Machine, key string, s group.StoredMessage) []LogLine {
	if !m.Visible(s.Hash) {
		return nil
	}
	v, err := group.DecodeOwn(r.gid, s.Payload)
	if err != nil {
		return nil
	}
	x := v.Msg()
	base := r.line("message", cursor(key, 0))
	base.Sender, base.Seq, base.Time = ptr(x.Author.String()), &x.Seq, timeText(x.Time)
	if name := m.Name(x.Author); name != "" {
		base.SenderName = &name
	}
	var room keys.Secret
	if len(x.EID) > 0 {
		eid := keys.Hash(x.EID)
		e, _ := m.Epoch(eid)
		base.Encrypted, base.Epoch, base.EID = true, &e.Gen, ptr(eid.String())
		var held bool
		if room, held = m.Key(eid); !held {
			base.Kind, base.Reason = "unreadable", ptr(unreadable(m.MayRead(s.Hash), e.Gen))
			return []LogLine{base}
		}
	}
	items, err := x.Items(room)
	if err != nil {
		base.Kind, base.Reason = "unreadable", ptr("the record does not open under its key")
		return []LogLine{base}
	}
	base.markDelivered(m.Delivery(s.Hash))
	out := make([]LogLine, len(items))
	for i, it := range items {
		out[i] = base
		out[i].Cursor, out[i].MessageID, out[i].Text = cursor(key, i), ptr(it.ID.String()), ptr(it.Text)
	}
	return out
}

// unreadable says why a text cannot be read here.
func unreadable(err error, gen uint64) string {
	switch {
	case errors.Is(err, group.RefusedHistory):
		return "sealed before you joined"
	case errors.Is(err, group.RefusedErased):
		return "its key was erased"
	case errors.Is(err, group.RefusedDead), errors.Is(err, group.RefusedNotMember):
		return "sealed after you left"
	}
	return fmt.Sprintf("waiting for key %d", gen)
}

// entryLines tells people about a change of the group. Only called from the loop.
func (r *room) entryLines(m *group.Machine, key string, h keys.Hash) []LogLine {
	e, ok := m.Entry(h)
	if !ok || e.Void {
		return nil
	}
	text := eventText(m, e)
	if text == "" {
		return nil
	}
	line := r.line("event", cursor(key, 0))
	line.Sender, line.Seq, line.Time, line.Reason = ptr(e.Author.String()), &e.Seq, timeText(e.Time), &text
	if name := m.Name(e.Author); name != "" {
		line.SenderName = &name
	}
	if e.Type == group.TypeEpoch {
		line.Epoch, line.EID = &e.Gen, ptr(h.String())
	}
	return []LogLine{line}
}

// eventText says in words what a control entry did, "" where people need not know.
func eventText(m *group.Machine, e group.EntryInfo) string {
	who, whom := person(m, e.Author), person(m, e.Subject)
	switch e.Type {
	case group.TypeGenesis:
		return who + " created the group"
	case group.TypeSet:
		if e.Switched {
			return fmt.Sprintf("%s switched encryption %s", who, map[bool]string{true: "on", false: "off"}[e.Settings.E2EE])
		}
		return who + " changed the settings"
	case group.TypeAdd, group.TypeJoin:
		return whom + " joined, let in by " + who
	case group.TypeLeave:
		return who + " left"
	case group.TypeKick:
		return whom + " was removed by " + who
	case group.TypeBan:
		return whom + " was banned by " + who
	case group.TypeUnban:
		return whom + " may be let in again, says " + who
	case group.TypeEpoch:
		return fmt.Sprintf("key %d by %s: %s", e.Gen, who, reasonText(e.Reason))
	case group.TypeGrant:
		return whom + " is a deputy now, by " + who
	case group.TypeRevoke:
		return "a deputy's rights were taken back by " + who
	case group.TypeTransfer:
		return "the group has a new owner"
	}
	return ""
}

func reasonText(r group.Reason) string {
	switch r {
	case group.ReasonCreate:
		return "the first"
	case group.ReasonAdmitted:
		return "somebody joined"
	case group.ReasonRemoved:
		return "somebody left or was removed"
	case group.ReasonEncryptionOn:
		return "encryption was switched on"
	case group.ReasonAge:
		return "the old one had served its time"
	case group.ReasonMessages:
		return "the old one had served its messages"
	case group.ReasonRequest:
		return "on request"
	case group.ReasonRescue:
		return "nobody could hand over the old one"
	}
	return "so that everyone has it"
}

// person is a name and a short fingerprint, always together.
func person(m *group.Machine, p keys.PeerID) string {
	return strings.TrimSpace(cmp.Or(m.Name(p), "") + " ·" + p.Short())
}

// markDelivered says how far a message of this person has come.
func (l *LogLine) markDelivered(to, of int, own bool) {
	if !own {
		return
	}
	l.State, l.Delivered, l.Recipients = ptr("sent"), &to, &of
	if to == of && of > 0 {
		l.State = ptr("delivered")
	}
}

// endLines lists what has no place in the order: first what is known to be
// missing, then what this person said and is held.
func (r *room) endLines(ctx context.Context) ([]LogLine, error) {
	out := []LogLine{}
	err := r.look(ctx, func(m *group.Machine) {
		for _, g := range m.Gaps() {
			out = append(out, r.gapLine(m, g))
		}
		held := m.Held()
		for _, o := range held[:min(len(held), maxHeldLines)] {
			out = append(out, r.heldLine(m, o))
		}
		if more := len(held) - maxHeldLines; more > 0 {
			line := r.line("event", EndCursor)
			line.Reason = ptr(fmt.Sprintf("%d more messages are held", more))
			out = append(out, line)
		}
	})
	return out, err
}

// maxHeldLines is how many of the held messages are listed.
const maxHeldLines = 200

// heldLine shows a message that waits in the outbox, with why and since when.
func (r *room) heldLine(m *group.Machine, o group.OutItem) LogLine {
	line := r.line("message", EndCursor)
	line.MessageID, line.Sender, line.Time, line.Encrypted = ptr(o.ID.String()), ptr(m.Me().String()), timeText(o.Since), !o.Plain
	if name := m.Name(m.Me()); name != "" {
		line.SenderName = &name
	}
	line.Text, line.Reason, line.State = &o.Text, ptr(heldReason(m)), ptr("held")
	return line
}

func (r *room) gapLine(m *group.Machine, g group.Gap) LogLine {
	line := r.line("gap", EndCursor)
	line.Sender, line.Seq = ptr(g.Author.String()), &g.From
	line.Reason = ptr(fmt.Sprintf("%d records from %s missing (%d-%d); asking the others", g.To-g.From+1, person(m, g.Author), g.From, g.To))
	return line
}

// showAll tells followers what became visible. Only called from the loop.
func (r *room) showAll(rd *group.Ready) {
	r.warn(rd.Show)
	if len(rd.Show) == 0 || !r.n.bus.followed() {
		return
	}
	for _, s := range rd.Batch.Entries {
		r.publishLines(r.entryLines(r.m, entryOrder(s), s.Hash))
	}
	for _, s := range rd.Batch.Messages {
		r.publishLines(r.messageLines(r.m, messageOrder(s), s))
	}
	for _, s := range rd.Show {
		switch s.Kind {
		case group.ShowKey:
			r.showUnder(s.Hash, rd)
		case group.ShowRequest:
			r.n.bus.publish(Event{Kind: "request", GroupID: r.gid.String(), Data: aboutPeer(s.Author)})
		case group.ShowDelivered:
			r.n.bus.publish(Event{Kind: "delivered", GroupID: r.gid.String(), Data: aboutPeer(s.Author)})
		case group.ShowAlarm, group.ShowCopied:
			r.n.bus.publish(Event{Kind: "alarm", GroupID: r.gid.String(), Data: aboutPeer(s.Author)})
		}
	}
	r.n.bus.publish(Event{Kind: "group", GroupID: r.gid.String()})
}

// warn logs what a person must know even if nobody follows.
func (r *room) warn(shown []group.Shown) {
	for _, s := range shown {
		switch s.Kind {
		case group.ShowCopied:
			r.n.log.Warn("others hold records of this node that it lacks: its home was rolled back or copied; a new lane begins", "group", r.gid.Short())
		case group.ShowAlarm:
			r.n.log.Warn("somebody signed two different records under one number", "group", r.gid.Short(), "peer", s.Author.Short())
		}
	}
}

func aboutPeer(p keys.PeerID) json.RawMessage {
	return json.RawMessage(`{"peer_id":"` + p.String() + `"}`)
}

// showUnder shows the messages that a room key has made readable.
func (r *room) showUnder(eid keys.Hash, rd *group.Ready) {
	for _, ref := range r.m.MessagesUnder(eid) {
		if slices.ContainsFunc(rd.Batch.Messages, func(s group.StoredMessage) bool { return s.Hash == ref.Hash }) {
			continue
		}
		s, err := r.disk.message(ref)
		if err == nil {
			r.publishLines(r.messageLines(r.m, messageOrder(s), s))
		}
	}
}

func (r *room) publishLines(lines []LogLine) {
	for _, l := range lines {
		r.n.bus.publish(Event{Kind: "log", GroupID: l.GroupID, Line: &l})
	}
}

func ptr[T any](v T) *T { return &v }
