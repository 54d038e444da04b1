package screen

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"conclave/node/api/words"
)

// write gives a key to the line that is written.
func (m *model) write(k tea.KeyPressMsg) tea.Cmd {
	empty := m.compose.Value() == ""
	switch name := k.String(); {
	case empty && name == "?":
		m.over = overlay{kind: "help"}
		return nil
	case empty && name == "ctrl+d":
		return m.leave()
	case empty && name == "up":
		m.scroll(1)
		return nil
	case empty && name == "down":
		m.scroll(-1)
		return nil
	}
	if t := k.Key().Text; t != "" && !isASCII(t) {
		m.insert(settle(words.Line(t)))
		return nil
	}
	var cmd tea.Cmd
	m.compose, cmd = m.compose.Update(k)
	return cmd
}

// insert puts a text where the cursor is, and shows it: the line itself looks
// only at keys for where it has to scroll to.
func (m *model) insert(text string) {
	m.compose.InsertString(text)
	m.compose.View()
	m.compose, _ = m.compose.Update(nil)
}

// onPaste adds what was pasted, made safe to show.
func (m *model) onPaste(p tea.PasteMsg) tea.Cmd {
	text := settle(words.Text(p.Content, ""))
	switch {
	case m.over.kind != "":
	case len(m.compose.Value())+len(text) > longest:
		m.notice = "not pasted: a message has at most 32 KiB"
	case m.compose.LineCount()+strings.Count(text, "\n") > mostRows:
		m.notice = "not pasted: too many lines"
	default:
		m.insert(text)
	}
	return nil
}

// send sends what is written. In a group whose encryption is off the line goes
// out only if the author said so, for it or for the group.
func (m *model) send() tea.Cmd {
	text := strings.TrimRight(m.compose.Value(), "\n ")
	switch {
	case text == "":
		return nil
	case isCommand(text):
		return m.command(text)
	case strings.HasPrefix(text, "//"):
		text = text[1:]
	}
	m.deliver(text, m.plain)
	return nil
}

// deliver hands a text to the node; where that cannot be it stays written.
func (m *model) deliver(text string, plain bool) {
	switch {
	case m.open == "":
		m.notice = "no group is open; / lists what to do"
	case len(text) > longest:
		m.notice = "too long: a message has at most 32 KiB"
	default:
		m.do(send{m.open, text, plain})
		m.sending++
		m.compose.Reset()
		m.plain = false
		m.toEnd()
	}
}

// onUndone gives back what was written for something that did not come about.
func (m *model) onUndone(a action) {
	switch a := a.(type) {
	case send:
		m.sending--
		m.giveBack(a)
	case perform:
		if m.compose.Value() == "" {
			m.insert("/" + a.line())
		}
	}
}

const (
	longest  = 32 << 10 // bytes of a message
	mostRows = 10_000   // lines that can be written: what is more, the line would drop
)

// giveBack puts a text that could not be sent where it was written: before what
// has been written since.
func (m *model) giveBack(a send) {
	if a.gid != m.open {
		m.draft[a.gid] = strings.TrimRight(a.text+"\n"+m.draft[a.gid], "\n")
		return
	}
	now := m.compose.Value()
	m.compose.Reset()
	m.insert(strings.TrimRight(a.text+"\n"+now, "\n"))
	if !m.info.E2EE && !a.plain {
		m.notice = "not sent: encryption is off here; ctrl+p and enter send it PLAIN, /encryption accept all that follow"
	}
}

// turn opens another group; what was begun in this one waits.
func (m *model) turn(n int) {
	m.draft[m.open] = m.compose.Value()
	m.next(n)
	m.rows = map[string][]string{}
	m.compose.Reset()
	m.insert(m.draft[m.open])
	m.plain = false
}
