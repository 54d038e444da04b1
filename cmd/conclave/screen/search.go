package screen

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

// finding is a search over what one may read of a group: the node's log is read
// backwards, piece by piece, as long as somebody looks at what is found.
type finding struct {
	query  string
	typing bool // the query is being written
	lines  []node.LogLine
	looked int  // lines that were looked at
	done   bool // all of them, or enough was found
	chosen int
}

const (
	mostFound = 100  // lines that a search lists
	findPages = 10   // pages that it reads at a time
	findLines = 1000 // lines in one of them
)

type find struct {
	gid, query string
	before     string // cursor
}

type found struct {
	find
	lines  []node.LogLine // newest first
	looked int
	next   string // where to go on; "" at the log's beginning
}

func (a find) run(ctx context.Context, c *api.Client) tea.Msg {
	out := found{find: a, next: a.before}
	for range findPages {
		page, err := c.Log(ctx, a.gid, node.LogQuery{Before: out.next, Limit: findLines})
		if err != nil {
			return failed{a, err}
		}
		out.looked += len(page)
		for i := len(page) - 1; i >= 0; i-- {
			if matches(page[i], a.query) {
				out.lines = append(out.lines, page[i])
			}
		}
		if len(page) < findLines {
			out.next = ""
			return out
		}
		out.next = page[0].Cursor
		if len(out.lines) >= mostFound {
			return out
		}
	}
	return out
}

// matches reports whether a line has a text, in whatever case.
func matches(l node.LogLine, query string) bool {
	return strings.Contains(strings.ToLower(words.Text(content(l), "")), strings.ToLower(query))
}

// content is what was written, or what happened.
func content(l node.LogLine) string {
	if l.Kind == "message" {
		return value(l.Text)
	}
	return value(l.Reason)
}

type (
	readAround struct{ gid, cursor string }
	gotAround  struct {
		readAround
		before, after []node.LogLine // the line itself is the first of after
	}
)

const around = pageLines / 2

func (a readAround) run(ctx context.Context, c *api.Client) tea.Msg {
	out := gotAround{readAround: a}
	var err error
	if out.before, err = c.Log(ctx, a.gid, node.LogQuery{Before: a.cursor, Limit: around}); err != nil {
		return failed{a, err}
	}
	from := ""
	if n := len(out.before); n > 0 {
		from = out.before[n-1].Cursor
	}
	if out.after, err = c.Log(ctx, a.gid, node.LogQuery{After: from, Limit: around}); err != nil {
		return failed{a, err}
	}
	return out
}

// onFound adds what was found, and looks on.
func (m *model) onFound(f found) {
	s := &m.search
	if m.over.kind != "search" || s.typing || f.query != s.query || f.gid != m.open {
		return
	}
	s.looked += f.looked
	s.lines = append(s.lines, f.lines...)
	if s.done = f.next == "" || len(s.lines) >= mostFound; s.done {
		s.lines = s.lines[:min(len(s.lines), mostFound)]
		return
	}
	m.do(find{f.gid, f.query, f.next})
}

// onAround shows a line that was found among its neighbours.
func (m *model) onAround(a gotAround) {
	if a.gid != m.open {
		return
	}
	m.log = window{lines: append(a.before, a.after...), first: len(a.before) < around, last: len(a.after) < around}
	m.log.bottom = min(len(a.before)+2, len(m.log.lines)-1)
	m.marked = a.cursor
	m.keepFull(m.lineView())
}

func (m *model) onSearchKey(k tea.KeyPressMsg) {
	s := &m.search
	switch name := k.String(); {
	case name == "esc" || name == "ctrl+c":
		m.over = overlay{}
	case s.typing && name == "enter":
		if s.query = strings.TrimSpace(s.query); s.query != "" && m.open != "" {
			m.search = finding{query: s.query}
			m.do(find{m.open, s.query, node.EndCursor})
		}
	case s.typing && name == "backspace":
		_, n := utf8.DecodeLastRuneInString(s.query)
		s.query = s.query[:len(s.query)-n]
	case s.typing:
		s.query += settle(words.Line(k.Key().Text))
		if k.Key().Text == " " {
			s.query += " "
		}
	case name == "up":
		s.chosen = max(0, s.chosen-1)
	case name == "down":
		s.chosen = max(0, min(len(s.lines)-1, s.chosen+1))
	case name == "enter" && s.chosen < len(s.lines):
		m.over = overlay{}
		m.do(readAround{m.open, s.lines[s.chosen].Cursor})
	default:
		s.typing = true
		m.onSearchKey(k)
	}
}

func (m *model) searchPanel(n, height int) []string {
	s := m.search
	head := " search: " + s.query
	if s.typing {
		head += "▏ · enter, esc"
	} else {
		head += " · up, down, enter shows it, esc"
	}
	rows := []string{m.look.chosen.Render(fill(head, n))}
	if s.typing {
		return append(rows, "", clip(" What you may read of this group is searched, newest first.", n))
	}
	state := "looking"
	if s.done {
		state = "all"
	}
	rows = append(rows, m.look.faint.Render(clip(fmt.Sprintf(" %s in %d lines · %s", words.Count(len(s.lines), "line", "lines"), s.looked, state), n)))
	v := m.lineView()
	for i, l := range s.lines[max(0, s.chosen-height+4):] {
		mark := "  "
		if i+max(0, s.chosen-height+4) == s.chosen {
			mark = "▸ "
		}
		when := "--:--"
		if at, ok := v.time(l); ok {
			when = at.Format("2 Jan 15:04")
		}
		row := mark + when + " " + v.who(l) + "  " + excerpt(settle(words.Line(content(l))), s.query)
		if !l.Encrypted && l.Kind == "message" {
			rows = append(rows, m.look.plain.Render(fill("plain "+row, n)))
			continue
		}
		rows = append(rows, clip(row, n))
	}
	return rows
}

// excerpt begins shortly before the query.
func excerpt(text, query string) string {
	const lead = 16 // bytes before it
	i := strings.Index(strings.ToLower(text), strings.ToLower(query))
	if i <= lead || i > len(text) {
		return text
	}
	i -= lead
	for i > 0 && !utf8.RuneStart(text[i]) {
		i--
	}
	return "…" + text[i:]
}
