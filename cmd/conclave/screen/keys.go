package screen

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"conclave/node"
	"conclave/node/api/words"
)

// Keys that decide something are chords: a request comes up while somebody is
// writing, and no letter of a text may let anybody in.

// onKey acts on a key.
func (m *model) onKey(k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	if name != "ctrl+c" {
		m.leaving = false
	}
	m.notice = ""
	defer m.fetch()
	switch m.over.kind {
	case "":
	case "search":
		m.onSearchKey(k)
		return nil
	default:
		m.onOverlayKey(name)
		return nil
	}
	switch name {
	case "ctrl+c", "ctrl+q":
		return m.leave()
	case "enter":
		m.send()
	case "ctrl+j", "alt+enter", "shift+enter":
		m.compose.InsertString("\n")
	case "ctrl+p":
		m.plain = !m.plain
	case "ctrl+y":
		m.decide(true)
	case "ctrl+n":
		m.decide(false)
	case "ctrl+v":
		m.verify()
	case "tab":
		m.turn(1)
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

// write gives a key to the line that is written.
func (m *model) write(k tea.KeyPressMsg) tea.Cmd {
	empty := m.compose.Value() == ""
	switch name := k.String(); {
	case empty && name == "?":
		m.over = overlay{kind: "help"}
		return nil
	case empty && name == "up":
		m.scroll(1)
		return nil
	case empty && name == "down":
		m.scroll(-1)
		return nil
	}
	if t := k.Key().Text; t != "" && !isASCII(t) {
		m.compose.InsertString(settle(words.Line(t)))
		return nil
	}
	var cmd tea.Cmd
	m.compose, cmd = m.compose.Update(k)
	return cmd
}

// onPaste adds what was pasted, made safe to show.
func (m *model) onPaste(p tea.PasteMsg) tea.Cmd {
	text := settle(words.Text(p.Content, ""))
	switch {
	case m.over.kind != "":
	case len(m.compose.Value())+len(text) > longest:
		m.notice = "not pasted: a message has at most 32 KiB"
	default:
		m.compose.InsertString(text)
	}
	return nil
}

// leave ends the screen; where something is written only the second time.
func (m *model) leave() tea.Cmd {
	if strings.TrimSpace(m.compose.Value()) != "" && !m.leaving {
		m.leaving, m.notice = true, "what you wrote is not sent; the same key again leaves"
		return nil
	}
	return tea.Quit
}

// send sends what is written. In a group whose encryption is off the line goes
// out only if the author said so, for it or for the group.
func (m *model) send() {
	text := strings.TrimRight(m.compose.Value(), "\n ")
	switch {
	case text == "":
		return
	case m.open == "":
		m.notice = "no group is open"
		return
	case len(text) > longest:
		m.notice = "too long: a message has at most 32 KiB"
		return
	}
	m.do(send{m.open, text, m.plain})
	m.compose.Reset()
	m.plain = false
	m.toEnd()
}

const longest = 32 << 10 // bytes of a message

// giveBack puts a text that could not be sent where it was written: before what
// has been written since.
func (m *model) giveBack(a send) {
	if a.gid != m.open {
		m.draft[a.gid] = strings.TrimRight(a.text+"\n"+m.draft[a.gid], "\n")
		return
	}
	now := m.compose.Value()
	m.compose.Reset()
	m.compose.InsertString(strings.TrimRight(a.text+"\n"+now, "\n"))
	if !m.info.E2EE && !a.plain {
		m.notice = "not sent: encryption is off here; ctrl+p and enter send it PLAIN"
	}
}

// turn opens another group; what was begun in this one waits.
func (m *model) turn(n int) {
	m.draft[m.open] = m.compose.Value()
	m.next(n)
	m.rows = map[string][]string{}
	m.compose.Reset()
	m.compose.InsertString(m.draft[m.open])
	m.plain = false
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
		m.notice = "put aside; `conclave invites` still lists it"
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

func (m *model) onOverlayKey(name string) {
	others := m.others()
	switch {
	case m.over.kind == "verify" && name == "ctrl+y" && m.over.number.v.SafetyNumber != "":
		m.do(readNumber{peer: m.over.number.peer, mark: true})
	case m.over.kind == "help" && (name == "up" || name == "down" || name == "pgup" || name == "pgdown"),
		m.over.kind == "people" && (name == "up" || name == "down"):
		d := map[string]int{"up": -1, "down": 1, "pgup": -10, "pgdown": 10}[name]
		limit := len(others) - 1
		if m.over.kind == "help" {
			limit = len(help())
		}
		m.over.scroll = max(0, min(m.over.scroll+d, limit))
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
