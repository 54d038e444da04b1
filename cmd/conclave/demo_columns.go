package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/width"

	"conclave/node"
	"conclave/node/api/words"
)

// columns shows a column for each person, in which a line appears when that
// person's node reports it. What does not belong to one person goes across.
type columns struct {
	*plainStage
	width int
	names []string

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
		return c.begin(e)
	case typed:
		e.Command = shortIDs(e.Command)
		return c.plainStage.show(e)
	case check:
		e.Text = strings.Join(c.wrap(e.Text, c.width-len("  ✓ ")), "\n    ")
		return c.plainStage.show(e)
	case tableRow:
		return c.tableRow(e)
	}
	return c.plainStage.show(event)
}

// begin writes the head of a step: what happens, and whose column is whose.
func (c *columns) begin(e step) error {
	title := c.wrap(fmt.Sprintf("%d. %s", e.Step, e.Text), c.width)
	for i, l := range title {
		title[i] = c.paint.as(bold, l)
	}
	if len(c.names) > 0 {
		heads := make([]string, len(c.names))
		for i, name := range c.names {
			heads[i] = c.paint.person(name, pad(name, c.column()))
		}
		title = append(title, c.row("", heads))
	}
	return printf(c.w, "\n%s\n", strings.Join(title, "\n"))
}

// shortIDs leaves of each long identifier its ends: the last six characters
// are its fingerprint.
func shortIDs(command string) string {
	const long = 32
	parts := strings.Split(command, " ")
	for i, p := range parts {
		if len(p) > long && !strings.HasPrefix(p, "/") {
			parts[i] = p[:6] + "…" + p[len(p)-6:]
		}
	}
	return strings.Join(parts, " ")
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
	lines := c.wrap(text, c.column())
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

// tableRow leaves the text away where there is no room for it: the number says
// which line it is.
func (c *columns) tableRow(e tableRow) error {
	if c.width >= 104 {
		return c.plainStage.row(e)
	}
	if e.Number == 1 {
		head := "\n   " + pad("", nameWidth) + "  "
		for _, name := range e.names {
			head += "  " + c.paint.person(name, pad(name, cellWidth))
		}
		if err := printf(c.w, "%s\n", head); err != nil {
			return err
		}
	}
	return printf(c.w, "%2d %s  %s\n", e.Number, c.name(e.Sender), c.cells(e))
}

// wrap breaks a text at its spaces into lines of at most n cells.
func (c *columns) wrap(text string, n int) []string {
	var out []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case cells(line)+1+cells(word) <= n:
			line += " " + word
		default:
			out, line = append(out, line), word
		}
		for cells(line) > n && line != cut(line, n) {
			head := cut(line, n)
			out, line = append(out, head), line[len(head):]
		}
	}
	return append(out, line)
}

// cut returns the longest beginning of s that takes at most n cells, and a
// character where even that takes more.
func cut(s string, n int) string {
	taken := 0
	for i, r := range s {
		if taken += runeCells(r); taken > n && i > 0 {
			return s[:i]
		}
	}
	return s
}

// cells is how many columns of a terminal s takes.
func cells(s string) int {
	n := 0
	for _, r := range s {
		n += runeCells(r)
	}
	return n
}

func runeCells(r rune) int {
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-cells(s))) }
