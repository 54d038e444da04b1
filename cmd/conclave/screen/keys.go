package screen

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"conclave/node"
)

// Keys that decide something are chords: a request comes up while somebody is
// writing, and no letter of a text may let anybody in.

// onKey acts on a key.
func (m *model) onKey(k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	if name != "ctrl+c" {
		m.leaving = false
	}
	if name != "enter" {
		m.sure = ""
	}
	m.notice = ""
	defer m.fetch()
	switch m.over.kind {
	case "":
	case "search":
		m.onSearchKey(k)
		return nil
	default:
		return m.onOverlayKey(name)
	}
	switch name {
	case "ctrl+c", "ctrl+q":
		return m.leave()
	case "enter":
		return m.send()
	case "ctrl+j", "alt+enter", "shift+enter":
		m.insert("\n")
	case "ctrl+p":
		m.plain = !m.plain
	case "ctrl+y":
		m.decide(true)
	case "ctrl+n":
		m.decide(false)
	case "ctrl+v":
		m.verify()
	case "tab":
		if !m.complete() {
			m.turn(1)
		}
	case "shift+tab":
		m.turn(-1)
	case "pgup":
		m.scroll(m.page())
	case "pgdown":
		m.scroll(-m.page())
	case "ctrl+up":
		m.scroll(1)
	case "ctrl+down":
		m.scroll(-1)
	case "ctrl+g":
		m.toEnd()
	case "ctrl+o":
		m.unfold()
	case "ctrl+f":
		m.over, m.search = overlay{kind: "search"}, finding{typing: true}
	case "f1", "f2", "f3":
		m.over = overlay{kind: map[string]string{"f1": "help", "f2": "people", "f3": "groups"}[name]}
	default:
		return m.write(k)
	}
	return nil
}

// leave ends the screen; where something is written only the second time.
func (m *model) leave() tea.Cmd {
	if (m.sending > 0 || strings.TrimSpace(m.compose.Value()) != "") && !m.leaving {
		m.leaving, m.notice = true, "what you wrote is not sent; the same key again leaves"
		return nil
	}
	return tea.Quit
}

// decide answers what stands above the line: a request or an invitation.
func (m *model) decide(yes bool) {
	o := m.first()
	switch {
	case o.none():
		m.notice = "nobody waits for an answer"
		return
	case !m.ready():
		m.notice = "this is another one than a moment ago; the same key again decides"
		return
	case o.request != nil:
		m.do(decide{o.request.GroupID, o.request.PeerID, yes})
	case yes:
		m.do(accept{o.invite.InviteID})
	default:
		m.aside[o.invite.InviteID] = true
		m.notice = "put aside; /invites still lists it"
	}
	m.drop()
}

// verify shows the numbers to compare with who is to be decided about, else the
// members to choose from.
func (m *model) verify() {
	if o := m.first(); !o.none() {
		m.askNumber(o.peer())
		return
	}
	m.over = overlay{kind: "people"}
}

func (m *model) askNumber(peer string) {
	m.over = overlay{kind: "verify", name: m.whoIs(peer), number: gotNumber{readNumber: readNumber{peer: peer}}}
	m.do(readNumber{peer: peer})
}

func (m *model) onOverlayKey(name string) tea.Cmd {
	others := m.others()
	step := map[string]int{"up": -1, "down": 1, "pgup": -m.page(), "pgdown": m.page()}[name]
	switch {
	case m.over.kind == "verify" && name == "ctrl+y" && m.over.number.v.SafetyNumber != "":
		m.do(readNumber{peer: m.over.number.peer, mark: true})
	case m.over.wide() && step != 0:
		m.over.scroll = max(0, min(m.over.scroll+step, len(m.wideRows())-m.bodyHeight()))
	case m.over.kind == "people" && (name == "up" || name == "down"):
		m.over.scroll = max(0, min(m.over.scroll+step, len(others)-1))
	case m.over.kind == "answer" && name == "c":
		m.notice = "copied, where the terminal allows it"
		return tea.SetClipboard(m.over.answer)
	case m.over.kind == "verify" && name != "esc" && name != "enter" && name != "ctrl+c": // what was meant for the line
	case m.over.kind == "people" && (name == "v" || name == "enter" || name == "ctrl+v") && len(others) > 0:
		m.askNumber(others[min(m.over.scroll, len(others)-1)].PeerID)
	case m.over.kind == "groups" && (name == "up" || name == "shift+tab"):
		m.turn(-1)
	case m.over.kind == "groups" && (name == "down" || name == "tab"):
		m.turn(1)
	default:
		m.over = overlay{}
	}
	return nil
}

// others are the members of the open group without oneself.
func (m *model) others() []node.Member {
	var out []node.Member
	for _, p := range m.people {
		if !p.Self {
			out = append(out, p)
		}
	}
	return out
}

func (m *model) page() int { return max(1, m.bodyHeight()-2) }

func (m *model) scroll(n int) {
	if len(m.log.lines) == 0 {
		return
	}
	v := m.lineView()
	m.log.move(n, func(i int) int { return len(m.rowsOf(v, i)) })
	m.keepFull(v)
}

// keepFull goes down where the log's first line would stand below the top.
func (m *model) keepFull(v *lineView) {
	room := m.bodyHeight() + m.log.hidden
	for i := m.log.bottom; i >= 0 && room > 0; i-- {
		room -= len(m.rowsOf(v, i))
	}
	if room > 0 {
		m.log.move(-room, func(i int) int { return len(m.rowsOf(v, i)) })
	}
}

// toEnd goes to the newest line.
func (m *model) toEnd() {
	m.marked = ""
	if !m.log.last {
		m.log = window{}
		m.want(needTail)
		return
	}
	m.log.bottom, m.log.hidden, m.log.below = len(m.log.lines)-1, 0, 0
	m.want(needTail)
}

// fetch reads on where the view comes near the window's edge.
func (m *model) fetch() {
	w := &m.log
	if m.open == "" || len(w.lines) == 0 || w.loading {
		return
	}
	first, last := w.cursors()
	switch {
	case !w.last && last != "" && w.bottom >= len(w.lines)-pageLines/4:
		w.loading = true
		m.do(readLog{m.open, after, last})
	case !w.first && first != "" && w.bottom < pageLines/2:
		w.loading = true
		m.do(readLog{m.open, before, first})
	case w.last && w.following():
		w.below = 0
	}
}

// unfold shows the lowest folded message whole, or folds it again.
func (m *model) unfold() {
	v := m.lineView()
	room := m.bodyHeight()
	for i := m.log.bottom; i >= 0 && room > 0; i-- {
		l := m.log.lines[i]
		rows := m.rowsOf(v, i)
		room -= len(rows)
		if l.Kind == "message" && len(rows) >= foldAt {
			key := lineKey(l)
			m.unfolded[key] = !m.unfolded[key]
			delete(m.rows, key)
			return
		}
	}
}
