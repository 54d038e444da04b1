package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"conclave/node"
	"conclave/node/api/words"
)

// columns shows a column for each person, in which a line appears when that
// person's node reports it. What does not belong to one person goes across.
type columns struct {
	*plainStage
	names  []string
	headed bool

	open    []*liveRow // the last rows on the screen, which may still change
	painted int        // lines that they take
	shown   map[string]bool
}

// liveRow is a line of the log, and how each node that has reported it did.
type liveRow struct {
	key     string
	what    heard // from one that could read it, where one could
	reports []heard
}

// rowKey is the same for one line at every node, whatever it made of it.
func rowKey(l node.LogLine) string {
	kind := l.Kind
	if kind == "unreadable" {
		kind = "message"
	}
	_, item, _ := strings.Cut(l.Cursor, "#")
	return fmt.Sprintf("%s %s %d %s", kind, value(l.Sender), seqOf(l), item)
}

func seqOf(l node.LogLine) uint64 {
	if l.Seq == nil {
		return 0
	}
	return *l.Seq
}

// take notes a report, in place of an earlier one of the same node.
func (r *liveRow) take(h heard) {
	if r.what.Line.Kind == "unreadable" {
		r.what = h
	}
	r.reports = append(slices.DeleteFunc(r.reports, func(o heard) bool { return o.Name == h.Name }), h)
}

// of returns what the node of that name reported, nil before it did.
func (r *liveRow) of(name string) *heard {
	for i := range r.reports {
		if r.reports[i].Name == name {
			return &r.reports[i]
		}
	}
	return nil
}

func (c *columns) show(event any) error {
	h, ok := event.(heard)
	if ok {
		return c.hear(h)
	}
	c.open, c.painted = nil, 0
	switch e := event.(type) {
	case started:
		c.names = append(c.names, e.Name)
	case step:
		c.headed = false
	}
	return c.plainStage.show(event)
}

// head says whose column is whose, once in every step that needs it.
func (c *columns) head() error {
	if c.headed {
		return nil
	}
	c.headed = true
	heads := make([]string, len(c.names))
	for i, name := range c.names {
		heads[i] = c.paint.person(name, pad(name, c.column()))
	}
	return printf(c.w, "%s\n", c.row("", heads))
}

// row is one line across the screen: a number, and one part for each person.
func (c *columns) row(number string, parts []string) string {
	gutter := c.paint.as(dim, fmt.Sprintf("%*s", gutterWidth-1, number)) + " "
	return gutter + strings.Join(parts, c.paint.as(dim, " │ "))
}

const gutterWidth = 3

// hear puts a report into its row. A row above the last ones is not touched
// again: newcomers report what all others have long seen.
func (c *columns) hear(h heard) error {
	id := rowKey(h.Line)
	i := slices.IndexFunc(c.open, func(r *liveRow) bool { return r.key == id })
	switch {
	case i >= 0:
		c.open[i].take(h)
	case c.shown[id]:
		return nil
	default:
		if err := c.head(); err != nil {
			return err
		}
		c.shown[id] = true
		c.open = append(c.open, &liveRow{id, h, []heard{h}})
	}
	return c.repaint()
}

// repaint writes the open rows over themselves.
func (c *columns) repaint() error {
	var lines []string
	for _, r := range c.open {
		lines = append(lines, c.lines(r)...)
	}
	up := ""
	if c.painted > 0 {
		up = fmt.Sprintf("\x1b[%dA\r\x1b[J", c.painted)
	}
	c.painted = len(lines)
	return printf(c.w, "%s%s\n", up, strings.Join(lines, "\n"))
}

// lines is how a row looks now.
func (c *columns) lines(r *liveRow) []string {
	if r.what.Line.Kind == "event" {
		return []string{c.rule(r)}
	}
	columns := make([][]string, len(c.names))
	height := 1
	for i, name := range c.names {
		columns[i] = c.cell(r, name)
		height = max(height, len(columns[i]))
	}
	out := make([]string, height)
	for i := range out {
		parts := make([]string, len(columns))
		for j, lines := range columns {
			parts[j] = pad("", c.column())
			if i < len(lines) {
				parts[j] = lines[i]
			}
		}
		number := ""
		if i == 0 && r.what.Number != nil {
			number = strconv.Itoa(*r.what.Number)
		}
		out[i] = c.row(number, parts)
	}
	return out
}

// cell is a row in one person's column: what that node reported, … while a
// member's node has not, — for who is no member.
func (c *columns) cell(r *liveRow, name string) []string {
	h := r.of(name)
	switch {
	case h == nil && slices.Contains(r.what.inside, name):
		return c.block("…", dim)
	case h == nil:
		return c.block("—", dim)
	case h.Line.Kind != "message":
		return c.block("⋯ "+h.reason, dim)
	}
	text := h.sender + ": " + words.Line(value(h.Line.Text))
	if !h.Line.Encrypted {
		return c.block("plain "+text, onPlain)
	}
	return c.block(text, personColour(h.sender))
}

// block breaks a text into lines of one column.
func (c *columns) block(text, code string) []string {
	lines := wrap(text, c.column())
	for i, l := range lines {
		lines[i] = c.paint.as(code, pad(l, c.column()))
	}
	return lines
}

func (c *columns) column() int { return (c.width - gutterWidth - 3*(len(c.names)-1)) / len(c.names) }

// rule goes across all columns, a change of key more boldly than the rest, and
// says at its end whose nodes reported it.
func (c *columns) rule(r *liveRow) string {
	stroke, code := "─", dim
	if r.what.Line.EID != nil {
		stroke, code = "━", bold
	}
	left := strings.Repeat(stroke, 2) + " " + r.what.reason + " "
	var told []string
	for _, name := range c.names {
		if r.of(name) != nil {
			told = append(told, name)
		}
	}
	right := " " + strings.Join(told, " ") + " " + strings.Repeat(stroke, 2)
	fill := max(0, c.width-cells(left)-cells(right))
	return c.paint.as(code, left+strings.Repeat(stroke, fill)+right)
}
