package screen

import (
	"context"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

// Command is what a line that begins with a slash does.
type Command struct {
	Use   string // its name, and what goes behind it
	About string
	Sure  bool // it is asked for twice: what it does is not undone by another
}

// Name is what stands behind the slash.
func (c Command) Name() string {
	name, _, _ := strings.Cut(c.Use, " ")
	return name
}

// incomplete reports whether what goes behind the name is missing.
func (c Command) incomplete(rest string) bool {
	_, operand, _ := strings.Cut(c.Use, " ")
	return rest == "" && operand != "" && operand[0] != '['
}

// Commands carry out those that the screen leaves to its caller: a line without
// its slash, for the open group if there is one. What they say is for people.
type Commands interface {
	List() []Command
	Run(ctx context.Context, gid, line string) (says string, err error)
}

// ownCommands are those that the screen carries out itself.
func ownCommands() []Command {
	return []Command{
		{"create NAME", "a new group, opened at once", false},
		{"join PEER_ID/GROUP", "ask to be let into a group; by a link: join LINK", false},
		{"dm PEER", "the conversation of two", false},
		{"plain TEXT", "send TEXT in plaintext: anyone relaying can read it", false},
		{"quit", "leave the screen; your groups go on", false},
	}
}

// perform carries out a command.
type perform struct {
	gid, name, rest string
	by              Commands
}

// performed says what a command had to say, and which group it leads to.
type performed struct {
	perform
	says, open string
}

func (a perform) line() string { return strings.TrimSpace(a.name + " " + a.rest) }

func (a perform) run(ctx context.Context, c *api.Client) tea.Msg {
	out := performed{perform: a}
	var err error
	switch a.name {
	case "create":
		var g node.GroupInfo
		g, err = c.CreateGroup(ctx, node.CreateGroup{Name: a.rest})
		out.open = g.GroupID
	case "dm":
		var s node.Sent
		s, err = c.DM(ctx, a.rest, "")
		out.open = s.GroupID
	default:
		out.says, err = a.by.Run(ctx, a.gid, a.line())
	}
	if err != nil {
		return failed{a, err}
	}
	return out
}

// isCommand reports whether a text is a command: one line behind a slash. Two
// slashes are a text that begins with one.
func isCommand(text string) bool {
	return strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "//") && !strings.Contains(text, "\n")
}

// command begins what a line asks for. Until it does the line stays as it is.
func (m *model) command(text string) tea.Cmd {
	name, rest, _ := strings.Cut(text[1:], " ")
	rest = strings.TrimSpace(rest)
	i := slices.IndexFunc(m.commands, func(c Command) bool { return c.Name() == name })
	sure := m.sure == text
	m.sure = ""
	switch {
	case name == "" || name == "help":
		m.compose.Reset()
		m.over = overlay{kind: "commands"}
		return nil
	case i < 0:
		m.notice = "no such command: /" + name + " · a text that begins with a slash is written with two"
		return nil
	case m.commands[i].incomplete(rest):
		m.notice = "/" + m.commands[i].Use
		return nil
	case m.commands[i].Sure && !sure:
		m.sure, m.notice = text, "enter again does it"+m.whom(rest)
		return nil
	}
	switch name {
	case "quit":
		return tea.Quit
	case "plain":
		m.deliver(rest, true)
		return nil
	case "join":
		peer, group, _ := strings.Cut(rest, "/")
		m.do(ask{Ask{Peer: peer, Group: group}})
	default:
		m.do(perform{m.open, name, rest, m.perform})
	}
	m.compose.Reset()
	m.notice = "/" + name + " …"
	return nil
}

// onPerformed shows what a command said: beside the line where it fits, else in
// place of the conversation.
func (m *model) onPerformed(p performed) {
	m.want(needAll)
	m.notice = ""
	says := strings.TrimSpace(settle(words.Text(p.says, "")))
	switch {
	case p.open != "":
		m.waitFor = p.open
	case len(wrap(" "+says, m.width)) > noticeRows:
		m.over = overlay{kind: "answer", name: "/" + p.line(), answer: says}
	default:
		m.notice = says
	}
}

// whom names the member that a command is about.
func (m *model) whom(rest string) string {
	for _, p := range m.people {
		if rest != "" && (p.Name == rest || strings.HasSuffix(p.PeerID, rest)) {
			return " · " + m.whoIs(p.PeerID)
		}
	}
	return ""
}

// fitting are the commands that what is written may become.
func (m *model) fitting(text string) []Command {
	name, _, whole := strings.Cut(text[1:], " ")
	var out []Command
	for _, c := range m.commands {
		if whole && c.Name() == name || !whole && strings.HasPrefix(c.Name(), name) {
			out = append(out, c)
		}
	}
	return out
}

// commandRows say what a line that begins with a slash does: that it is not sent,
// in place of who could read it.
func (m *model) commandRows() []string {
	fit := m.fitting(m.compose.Value())
	text := " no such command; a text that begins with a slash is written with two"
	switch {
	case len(fit) == 1:
		text = " /" + fit[0].Use + " · " + fit[0].About
	case len(fit) > 1:
		text = ""
		for _, c := range fit {
			text += " /" + c.Name()
		}
	}
	var rows []string
	for _, r := range wrap(text, m.width) {
		rows = append(rows, m.look.chosen.Render(fill(r, m.width)))
	}
	return rows[:min(len(rows), max(1, m.height/4))]
}

// complete ends the word that is being written: a command, or a member by the
// end of the peer ID, which no other name can be taken for. It reports whether
// a command is written at all.
func (m *model) complete() bool {
	text := m.compose.Value()
	if !isCommand(text) {
		return false
	}
	at := strings.LastIndex(text, " ") + 1
	var offers []string
	if at == 0 {
		for _, c := range m.fitting(text) {
			offers = append(offers, "/"+c.Name())
		}
	} else {
		for _, p := range m.others() {
			end := strings.TrimPrefix(words.Fingerprint(p.PeerID), "·")
			if strings.HasPrefix(strings.ToLower(p.Name), strings.ToLower(text[at:])) || strings.HasPrefix(end, text[at:]) {
				offers = append(offers, end)
			}
		}
	}
	if done := common(offers); len(offers) > 0 && (len(done) >= len(text)-at || len(offers) == 1) {
		if len(offers) == 1 {
			done += " "
		}
		m.compose.Reset()
		m.insert(text[:at] + done)
	}
	return true
}

// common is what all texts begin with.
func common(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	out := texts[0]
	for _, t := range texts[1:] {
		for !strings.HasPrefix(t, out) {
			out = out[:len(out)-1]
		}
	}
	return out
}
