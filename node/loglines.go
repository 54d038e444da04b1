package node

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"conclave/group"
	"conclave/keys"
	"conclave/node/api/words"
)

// messageLines opens a message: one line an item, or one line that says why it
// cannot be read. Only called from the loop.
func (r *room) messageLines(m *group.Machine, key string, s group.StoredMessage) []LogLine {
	if !m.Visible(s.Hash) {
		return nil
	}
	x := s.Msg()
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
		base.Kind, base.Reason = "unreadable", ptr(words.Say("unreadable.damaged"))
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
		return words.Say("unreadable.before")
	case errors.Is(err, group.RefusedErased):
		return words.Say("unreadable.erased")
	case errors.Is(err, group.RefusedDead), errors.Is(err, group.RefusedNotMember):
		return words.Say("unreadable.after")
	}
	return words.Say("unreadable.waiting", "n", strconv.FormatUint(gen, 10))
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
		if n := m.MintedFreely(h); n > group.FreeEpochs {
			text += fmt.Sprintf("; number %d of theirs within an hour, more than nodes pass on", n)
		}
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
		if e.Renamed {
			return fmt.Sprintf("%s calls the group %q now", who, e.Settings.Name)
		}
		return who + " changed the settings"
	case group.TypeAdd, group.TypeJoin:
		return whom + " joined, let in by " + who
	case group.TypeLeave:
		return who + " left"
	case group.TypeKick:
		if e.Overshoot {
			return whom + " was removed: the link had no uses left"
		}
		return whom + " was removed by " + who
	case group.TypeBan:
		return whom + " was banned by " + who
	case group.TypeUnban:
		return whom + " may be let in again, says " + who
	case group.TypeEpoch:
		return fmt.Sprintf("key %d by %s: %s", e.Gen, who, words.Reason(e.Reason.String()))
	case group.TypeGrant:
		return fmt.Sprintf("%s is a deputy now, by %s: %s", whom, who, words.Can(capNames(e.Caps)))
	case group.TypeRevoke:
		return whom + " is no deputy any more, by " + who
	case group.TypeTransfer:
		return fmt.Sprintf("%s is the owner now, instead of %s", whom, who)
	case group.TypeProfile:
		return fmt.Sprintf("·%s goes by the name %q", e.Author.Short(), e.Name)
	case group.TypeAccept:
		return who + " is ready to take the group over"
	}
	return ""
}

// person is a name and a short fingerprint, always together.
func person(m *group.Machine, p keys.PeerID) string {
	return strings.TrimSpace(cmp.Or(m.Name(p), "") + " ·" + p.Short())
}

// markDelivered says how far a message of this person has come.
func (l *LogLine) markDelivered(have, lack []keys.PeerID, own bool) {
	if !own {
		return
	}
	l.State, l.Delivered, l.Recipients = ptr("sent"), ptr(len(have)), ptr(len(have)+len(lack))
	if len(have) > 0 && len(lack) == 0 {
		l.State = ptr("delivered")
	}
}
