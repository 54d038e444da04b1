package main

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/width"

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

// liveRow is a line of the log and those whose nodes have reported it.
type liveRow struct {
	key     string
	what    heard
	reports []string
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
	return printf(c.w, "\n%s\n", strings.Join(title, "\n"))
}

// hear puts a report into its row. A row above the last ones is not touched
// again: newcomers report what all others have long seen.
func (c *columns) hear(h heard) error {
	id := h.Line.Cursor
	i := slices.IndexFunc(c.open, func(r *liveRow) bool { return r.key == id })
	switch {
	case i >= 0:
		c.open[i].reports = append(c.open[i].reports, h.Name)
	case c.shown[id]:
		return nil
	default:
		c.shown[id] = true
		c.open = append(c.open, &liveRow{id, h, []string{h.Name}})
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
	if r.what.Line.Kind != "message" {
		return []string{c.rule(r)}
	}
	text := words.Line(value(r.what.Line.Text))
	label := r.what.sender + ": "
	if !r.what.Line.Encrypted {
		label = "plain " + label
	}
	wrapped := c.wrap(label+text, c.column())
	out := make([]string, len(wrapped))
	for i, part := range wrapped {
		cells := make([]string, len(c.names))
		for j, name := range c.names {
			cells[j] = c.cell(r, name, part, i == 0)
		}
		out[i] = strings.Join(cells, c.paint.as(dim, " │ "))
	}
	return out
}

// cell is one line of a row in one person's column.
func (c *columns) cell(r *liveRow, name, part string, first bool) string {
	switch {
	case slices.Contains(r.reports, name) && !r.what.Line.Encrypted:
		return c.paint.as(onPlain, pad(part, c.column()))
	case slices.Contains(r.reports, name):
		return c.paint.person(r.what.sender, pad(part, c.column()))
	case !first:
		return pad("", c.column())
	case slices.Contains(r.what.inside, name):
		return c.paint.as(dim, pad("…", c.column()))
	}
	return c.paint.as(dim, pad("—", c.column()))
}

func (c *columns) column() int { return (c.width - 3*(len(c.names)-1)) / len(c.names) }

// rule goes across all columns, a change of key more boldly than the rest, and
// says at its end whose nodes reported it.
func (c *columns) rule(r *liveRow) string {
	stroke, code := "─", dim
	if r.what.Line.EID != nil {
		stroke, code = "━", bold
	}
	left := strings.Repeat(stroke, 2) + " " + r.what.reason + " "
	right := " " + strings.Join(r.reports, " ") + " " + strings.Repeat(stroke, 2)
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
		for cells(line) > n {
			head := cut(line, n)
			out, line = append(out, head), line[len(head):]
		}
	}
	return append(out, line)
}

// cut returns the longest beginning of s that takes at most n cells.
func cut(s string, n int) string {
	taken := 0
	for i, r := range s {
		if taken += runeCells(r); taken > n {
			return s[:max(i, 1)]
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
