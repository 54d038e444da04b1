package screen

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"conclave/node"
	"conclave/node/api/words"
)

// lineView makes rows of the lines of a log.
type lineView struct {
	look   palette
	me     string
	zone   *time.Location
	width  int
	alike  map[string]bool // peer IDs of members whose names could be taken for another's
	marked string          // cursor of a line that was searched for
	open   map[string]bool // lines that are shown to their end, by key
}

const (
	whoWide  = 20 // columns of the sender where the text stands beside it
	wideFrom = 56 // columns of a conversation from which it does
	clockLen = 6
	foldAt   = 24 // rows of one message; what is more is folded
)

// lineKey tells lines apart: those without a place of their own by what they say.
func lineKey(l node.LogLine) string {
	if l.Cursor != node.EndCursor {
		return l.Cursor + l.Kind
	}
	return l.Kind + value(l.MessageID) + value(l.Reason)
}

// rows are a line's rows, each of at most the view's width. A day that is
// another than that of the line before has a row of its own.
func (v *lineView) rows(l node.LogLine, before *node.LogLine) []string {
	var out []string
	at, ok := v.time(l)
	clock := "--:--"
	if ok {
		clock = at.Format("15:04")
		day := at.Format("Monday 2 January 2006")
		if was, known := v.dayBefore(before); !known || was != day {
			out = append(out, v.look.rule.Render(v.dayRule(day)))
		}
	}
	if l.Kind == "message" {
		return append(out, v.message(l, clock)...)
	}
	return append(out, v.event(l, clock)...)
}

func (v *lineView) dayRule(day string) string {
	s := clip("── "+day+" ", v.width)
	return s + strings.Repeat("─", max(0, v.width-cells(s)))
}

func (v *lineView) time(l node.LogLine) (time.Time, bool) {
	at, err := time.Parse(time.RFC3339, value(l.Time))
	return at.In(v.zone), err == nil
}

func (v *lineView) dayBefore(l *node.LogLine) (string, bool) {
	if l == nil {
		return "", false
	}
	at, ok := v.time(*l)
	if !ok {
		return "", false
	}
	return at.Format("Monday 2 January 2006"), true
}

// event is a line that nobody wrote: something that happened, is missing, or
// cannot be read.
func (v *lineView) event(l node.LogLine, clock string) []string {
	text := settle(words.Line(value(l.Reason)))
	switch l.Kind {
	case "unreadable":
		text = "⋯ " + words.Unreadable(v.who(l), text)
	case "gap":
		text = "⋯ " + text
	default:
		text = "─ " + text
	}
	return v.indented(v.look.faint.Render, clock+" ", text)
}

// indented wraps a text behind a head, and paints each row.
func (v *lineView) indented(paint func(...string) string, head, text string) []string {
	var out []string
	margin := cells(head)
	for i, r := range wrap(text, v.width-margin) {
		if i > 0 {
			head = strings.Repeat(" ", margin)
		}
		out = append(out, paint(clip(head+r, v.width)))
	}
	return out
}

func (v *lineView) who(l node.LogLine) string {
	switch s := value(l.Sender); s {
	case "":
		return "somebody"
	case v.me:
		return "you"
	default:
		return v.named(value(l.SenderName), s)
	}
}

// named is a name with its fingerprint; a name that is like another's is
// flagged.
func (v *lineView) named(name, peer string) string {
	if v.alike[peer] {
		return words.Say("sign.alike") + settle(words.Who(name, peer))
	}
	return settle(words.Who(name, peer))
}

// message shows a text. What others wrote never stands in the first columns:
// no text can imitate a line of somebody else, nor the mark of a plain one.
func (v *lineView) message(l node.LogLine, clock string) []string {
	head, margin := clock+" ", "      "
	if !l.Encrypted {
		head, margin = "plain "+head, "plain       "
	}
	who, ticks := v.who(l), words.Ticks(value(l.State), l.Delivered, l.Recipients)
	if v.width < wideFrom {
		return v.paint(l, v.stacked(l, head+who, ticks))
	}
	tail := 0
	if ticks != "" {
		tail = cells(ticks) + 2
	}
	margin += strings.Repeat(" ", whoWide-2) + "│ "
	head += fill(nameCell(who, whoWide-2), whoWide-2) + "  "
	rows := v.text(l, v.width-cells(margin)-tail)
	for i, r := range rows {
		rows[i] = margin + r
	}
	rows[0] = head + strings.TrimPrefix(rows[0], margin)
	if ticks != "" {
		rows[0] = fill(rows[0], v.width-cells(ticks)) + ticks
	}
	return v.paint(l, append(rows, v.why(l, margin)...))
}

// stacked is a message with its text below its sender.
func (v *lineView) stacked(l node.LogLine, head, ticks string) []string {
	if ticks != "" {
		head = fill(head, v.width-cells(ticks)-1) + " " + ticks
	}
	margin := "  "
	if !l.Encrypted {
		margin = "plain │ "
	}
	rows := []string{clip(head, v.width)}
	for _, r := range v.text(l, v.width-cells(margin)) {
		rows = append(rows, margin+r)
	}
	return append(rows, v.why(l, margin)...)
}

// nameCell shortens a name, never the fingerprint behind it.
func nameCell(who string, n int) string {
	if cells(who) <= n {
		return who
	}
	i := strings.LastIndex(who, " ·")
	if i < 0 {
		return clip(who, n)
	}
	return clip(who[:i], n-cells(who[i:])) + who[i:]
}

// text is what was written, in rows of n columns; a long one is folded, and then
// only its beginning looked at.
func (v *lineView) text(l node.LogLine, n int) []string {
	all := value(l.Text)
	if v.open[lineKey(l)] {
		return wrap(settle(words.Text(all, "")), n)
	}
	rows := wrap(settle(words.Text(beginning(all, foldAt*max(n, 2)*4), "")), n)
	if len(rows) <= foldAt {
		return rows
	}
	return append(rows[:foldAt-1:foldAt-1], clip(fmt.Sprintf("⋯ ctrl+o unfolds all %d kB", max(1, len(all)/1000)), n))
}

// beginning is at most n bytes of s and a part of a character.
func beginning(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "\n" + strings.Repeat("\n", foldAt) + "…" // there is more, so it is folded
}

// why says what a held line waits for.
func (v *lineView) why(l node.LogLine, margin string) []string {
	if value(l.State) != "held" {
		return nil
	}
	reason := words.Progress("held", settle(words.Line(value(l.Reason))), nil, nil)
	var out []string
	for _, r := range wrap(reason, v.width-cells(margin)) {
		out = append(out, margin+r)
	}
	return out
}

// paint gives a message its looks: a plain one its background over the whole
// width, a held one less weight.
func (v *lineView) paint(l node.LogLine, rows []string) []string {
	for i, r := range rows {
		switch {
		case l.Cursor == v.marked && l.Encrypted:
			rows[i] = v.look.chosen.Render(clip(r, v.width))
		case !l.Encrypted:
			rows[i] = v.look.plain.Render(fill(r, v.width))
		case value(l.State) == "held":
			rows[i] = v.look.faint.Render(clip(r, v.width))
		case i == 0 && value(l.Sender) == v.me:
			rows[i] = v.head(r, v.look.own.Render)
		case i == 0:
			rows[i] = v.head(r, v.look.name.Render)
		default:
			rows[i] = clip(r, v.width)
		}
	}
	return rows
}

// head paints the sender in a message's first row.
func (v *lineView) head(row string, paint func(...string) string) string {
	row = clip(row, v.width)
	if v.width < wideFrom || cells(row) < clockLen+whoWide {
		return paint(row)
	}
	name := ansi.Truncate(row, clockLen+whoWide, "")
	return paint(name) + row[len(name):]
}
