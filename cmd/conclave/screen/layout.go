package screen

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"conclave/node"
	"conclave/node/api/words"
)

const (
	groupsWide = 16 // columns of the list of groups
	peopleWide = 20 // of the members
	groupsFrom = 60 // columns of a screen that shows the groups
	peopleFrom = 80 // and one that shows the members
	noticeRows = 3  // rows of what there is to tell, at most
)

// columns are the widths of the three parts; 0 is a part that is not shown.
func (m *model) columns() (groups, middle, people int) {
	middle = m.width
	if m.width >= groupsFrom {
		groups = groupsWide
		middle -= groups + 1
	}
	if m.width >= peopleFrom {
		people = peopleWide
		middle -= people + 1
	}
	return groups, max(middle, 8), people
}

// bodyHeight is how many rows the conversation has.
func (m *model) bodyHeight() int {
	return max(1, m.height-3-len(m.bars())-len(m.readersRows())-m.compose.Height())
}

// layout composes the whole screen: exactly its height in rows, none wider than
// it is.
func (m *model) layout() (string, *tea.Cursor) {
	groups, middle, people := m.columns()
	if m.over.wide() {
		groups, middle, people = 0, m.width, 0
	}
	body := m.bodyHeight()
	left := column(m.groupRows(groups), body)
	center := column(m.centre(middle, body), body)
	right := column(m.peopleRows(people), body)

	rows := []string{m.titleRow(), m.rule(groups, middle, people, "┬")}
	bar := m.look.rule.Render("│")
	for i := range body {
		row := padded(center[i], middle)
		if groups > 0 {
			row = padded(left[i], groups) + bar + row
		}
		if people > 0 {
			row += bar + padded(right[i], people)
		}
		rows = append(rows, row)
	}
	if m.log.below > 0 { // in place of the rule, so that nothing moves
		rows = append(rows, m.look.chosen.Render(fill("── ↓ "+words.Count(m.log.below, "new message", "new messages")+" below · ctrl+g ──", m.width)))
	} else {
		rows = append(rows, m.rule(groups, middle, people, "┴"))
	}
	rows = append(rows, m.bars()...)
	rows = append(rows, m.readersRows()...)
	at := len(rows)
	for i, l := range strings.Split(m.compose.View(), "\n")[:m.compose.Height()] {
		prompt := "  "
		if i == 0 {
			prompt = m.look.chosen.Render(">") + " "
		}
		rows = append(rows, padded(prompt+l, m.width))
	}
	cursor := m.compose.Cursor()
	if cursor != nil {
		cursor.X, cursor.Y = min(cursor.X+2, m.width-1), cursor.Y+at
	}
	if over := len(rows) - m.height; over > 0 { // a terminal of a few rows
		rows = rows[over:]
		if cursor != nil {
			cursor.Y -= over
		}
	}
	if cursor != nil && (m.over.kind != "" || cursor.Y < 0 || cursor.Y >= m.height || cursor.X < 0) {
		cursor = nil
	}
	for i, r := range rows {
		rows[i] = padded(r, m.width)
	}
	return strings.Join(rows, "\n"), cursor
}

// column is exactly n rows.
func column(rows []string, n int) []string {
	rows = rows[:min(len(rows), n):min(len(rows), n)]
	return append(rows, make([]string, n-len(rows))...)
}

// padded fills a styled row up to n columns.
func padded(s string, n int) string {
	if over := cells(s) - n; over > 0 {
		s = clip(s, n)
	}
	return s + strings.Repeat(" ", max(0, n-cells(s)))
}

func (m *model) titleRow() string {
	ending := "? help "
	if n := m.allUnread(); n > 0 && m.width < groupsFrom {
		ending = "+" + words.UpTo(n) + " " + ending // the list of groups does not say it
	}
	title := m.title()
	head := " conclave   "
	if m.width < groupsFrom && title != "" {
		head = " "
	}
	row := fill(head+title, max(0, m.width-len(ending)-1)) + " " + ending
	row = clip(row, m.width)
	if m.open != "" && !m.info.E2EE {
		return m.look.plain.Render(row)
	}
	return m.look.chosen.Render(row)
}

func (m *model) rule(groups, middle, people int, joint string) string {
	s := strings.Repeat("─", middle)
	if groups > 0 {
		s = strings.Repeat("─", groups) + joint + s
	}
	if people > 0 {
		s += joint + strings.Repeat("─", people)
	}
	return m.look.rule.Render(clip(s, m.width))
}

// groupRows lists the groups with what is unread, and how many wait for an
// answer.
func (m *model) groupRows(n int) []string {
	var rows []string
	for _, g := range m.groups[:min(len(m.groups), m.height)] {
		rows = append(rows, m.groupRow(g, n))
	}
	if waiting := len(m.requests); waiting > 0 {
		rows = append(rows, "", m.look.chosen.Render(counted(" requests", waiting, n)))
	}
	if waiting := len(m.invitations); waiting > 0 {
		rows = append(rows, m.look.chosen.Render(counted(" invitations", waiting, n)))
	}
	return rows
}

func (m *model) groupRow(g node.GroupInfo, n int) string {
	name := settle(g.Title())
	if !g.E2EE {
		name = "!" + name // its lines are plain
	}
	mark := " "
	if g.GroupID == m.open {
		mark = "▸"
	}
	row := counted(mark+name, m.unread(g), n)
	switch {
	case g.GroupID == m.open:
		return m.look.chosen.Render(row)
	case m.unread(g) == 0:
		return m.look.faint.Render(row)
	}
	return row
}

// counted is a name with a number at the end of n columns.
func counted(name string, count, n int) string {
	if count == 0 {
		return fill(name, n)
	}
	number := " " + words.UpTo(count) + " "
	return fill(name, n-len(number)) + number
}

// peopleRows lists the members: presence, role, key, and whom one has verified.
func (m *model) peopleRows(n int) []string {
	if n == 0 {
		return nil
	}
	lacks := map[string]bool{}
	for _, p := range m.info.CannotRead {
		lacks[p] = true
	}
	var rows []string
	for _, p := range m.people[:min(len(m.people), m.height)] {
		rows = append(rows, m.personRow(p, n, m.alike[p.PeerID]))
		if lacks[p.PeerID] && m.info.E2EE {
			rows = append(rows, m.look.faint.Render(fill("   "+words.Key(nil), n)))
		}
	}
	return rows
}

func (m *model) personRow(p node.Member, n int, alike bool) string {
	mark := " "
	if p.Verified {
		mark = words.Say("sign.verified")
	}
	who := settle(words.Who(p.Name, p.PeerID))
	if p.Self {
		who = "you " + words.Fingerprint(p.PeerID)
	}
	if alike {
		who = words.Say("sign.alike") + who
	}
	row := words.Presence(p.Role, p.Online) + fill(nameCell(who, n-4), n-4) + " " + mark
	if !p.Online {
		return m.look.faint.Render(row)
	}
	return row
}

// bars are the rows above the line: what waits for an answer, and what there is
// to tell.
func (m *model) bars() []string {
	var rows []string
	if m.lost != nil {
		text := " the node does not answer; trying again · "
		if m.sending > 0 {
			text += words.Count(m.sending, "message waits", "messages wait") + " here, not sent · "
		}
		said := wrap(text+problem(m.lost), m.width)
		for _, r := range said[:min(len(said), 2)] {
			rows = append(rows, m.look.alarm.Render(fill(r, m.width)))
		}
	}
	if o := m.first(); !o.none() {
		rows = append(rows, m.offerRows(o)...)
	}
	if o := m.first(); o.none() && m.info.Members == 1 && m.info.Join != nil && m.info.Role != "none" {
		owner, id, _ := strings.Cut(words.Line(*m.info.Join), "/")
		text := " others join with this, or by a /link:\n conclave chat --join " + owner + "/" + shortID(id)
		if m.self.Name == nil {
			text = " you have no name yet: /name NAME\n" + text
		}
		for _, r := range wrap(text, m.width) {
			rows = append(rows, m.look.faint.Render(fill(r, m.width)))
		}
	}
	if m.notice != "" {
		said := wrap(" "+strings.ReplaceAll(settle(m.notice), "\n", "\n "), m.width)
		for _, r := range said[:min(len(said), noticeRows)] {
			rows = append(rows, m.look.faint.Render(fill(r, m.width)))
		}
	}
	return rows
}

// offerRows say who wants what, and by which keys it is decided.
func (m *model) offerRows(o offer) []string {
	text, print, keys := "", "", " ctrl+y accepts · ctrl+n later · ctrl+v safety number"
	if r := o.request; r != nil {
		text = " " + settle(words.Who(value(r.Name), r.PeerID)) + " " + words.Say("request.pending") + " " + m.groupName(r.GroupID)
		if r.Alike {
			text = " " + words.Say("sign.alike") + text[1:] + " · careful: " + words.Say("alike")
		}
		if note := words.Line(r.Note); note != "" {
			text += ", saying " + strconv.Quote(settle(note))
		}
		print, keys = " fingerprint "+words.Line(r.Fingerprint), " ctrl+y approves · ctrl+n declines · ctrl+v safety number"
	} else {
		text = " " + settle(words.Who(value(o.invite.FromName), o.invite.From)) + " invites you to " + settle(words.Line(o.invite.Name))
	}
	if more := len(m.requests) + len(m.invitations) - 1; more > 0 {
		text += fmt.Sprintf(" · %d more wait", more)
	}
	// What strangers write is bounded; the fingerprint and the keys are always seen.
	head := wrap(text, m.width)
	head = head[:min(len(head), 3)]
	var rows []string
	for _, r := range slices.Concat(head, wrap(print, m.width), wrap(keys, m.width)) {
		if r != "" {
			rows = append(rows, m.look.chosen.Render(fill(r, m.width)))
		}
	}
	return rows
}

// readersRows say who can read what is being written.
func (m *model) readersRows() []string {
	look := m.look.faint
	if isCommand(m.compose.Value()) {
		return m.commandRows()
	}
	if !m.info.E2EE || m.plain {
		look = m.look.plain
	}
	if m.open == "" {
		return []string{fill("", m.width)}
	}
	rows := wrap(" "+words.Readers(m.info.Audience(m.plain, m.whoIs)), m.width)
	rows = rows[:min(len(rows), 3)]
	for i, r := range rows {
		rows[i] = look.Render(fill(r, m.width))
	}
	return rows
}

func (m *model) lineView() *lineView {
	_, middle, _ := m.columns()
	return &lineView{look: m.look, me: m.me, zone: m.zone, width: middle, alike: m.alike, open: m.unfolded, marked: m.marked}
}

// rowsOf are the rows of line i of the window. They are kept until something
// else than a key comes.
func (m *model) rowsOf(v *lineView, i int) []string {
	key := lineKey(m.log.lines[i])
	if rows, ok := m.rows[key]; ok {
		return rows
	}
	rows := m.makeRows(v, i)
	m.rows[key] = rows
	return rows
}

func (m *model) makeRows(v *lineView, i int) []string {
	var prev *node.LogLine
	for k := i - 1; k >= max(0, i-pageLines) && prev == nil; k-- { // what is missing has no time
		if m.log.lines[k].Time != nil {
			prev = &m.log.lines[k]
		}
	}
	return v.rows(m.log.lines[i], prev)
}

// centre is the conversation, or what stands in its place.
func (m *model) centre(n, height int) []string {
	switch m.over.kind {
	case "help", "commands", "answer":
		return m.scrolled(m.wideRows(), height)
	case "people":
		return m.peoplePanel(n)
	case "groups":
		return append([]string{m.look.chosen.Render(fill(" groups · up and down choose, esc", n))}, m.groupRows(n)...)
	case "search":
		return m.searchPanel(n, height)
	case "verify":
		return m.verifyPanel(n)
	}
	if m.open == "" {
		return m.emptyPanel(n)
	}
	return m.conversation(height)
}

// conversation is what is seen of the log, the newest line lowest.
func (m *model) conversation(height int) []string {
	v := m.lineView()
	var rows []string
	for i := min(m.log.bottom, len(m.log.lines)-1); i >= 0 && len(rows) < height; i-- {
		line := m.rowsOf(v, i)
		if i == m.log.bottom {
			line = line[:max(1, len(line)-m.log.hidden)]
		}
		rows = append(line[:len(line):len(line)], rows...)
	}
	if len(rows) > height {
		rows = rows[len(rows)-height:]
	}
	return rows
}
