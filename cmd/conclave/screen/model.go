package screen

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/textarea"
	tea "charm.land/bubbletea/v2"

	"conclave/node/api"
	"conclave/node/api/words"
)

// model is the screen: the state, a line to write on, and how all is laid out.
type model struct {
	state
	ctx context.Context
	c   *api.Client

	compose textarea.Model
	plain   bool // the next line goes out in plaintext, by choice
	over    overlay
	draft   map[string]string // what was begun in other groups

	look          palette
	mono          bool
	width, height int
	zone          *time.Location
	unfolded      map[string]bool
	rows          map[string][]string // of the lines that were looked at
	search        finding
	marked        string // cursor of the line that a search brought up
	leaving       bool   // the person was warned that something is not sent
	commands      []Command
	perform       Commands
	sure          string // a command that is carried out when it is asked for again
	sending       int    // texts that the node has not answered for
}

// overlay is what stands in place of the conversation.
type overlay struct {
	kind   string // "", help, commands, answer, people, groups, search or verify
	number gotNumber
	name   string // of who is verified, or of what was asked
	answer string
	scroll int
}

// wide reports whether it takes the place of the lists too.
func (o overlay) wide() bool { return o.kind == "help" || o.kind == "commands" || o.kind == "answer" }

// pulse is how often presence is read again: nobody reports it.
const pulse = 3 * time.Second

type ticked struct{}

func newModel(ctx context.Context, cfg Config, zone *time.Location, now func() time.Time) *model {
	m := &model{ctx: ctx, c: cfg.Client, zone: zone, unfolded: map[string]bool{}, rows: map[string][]string{}, draft: map[string]string{}, mono: mono(environment(cfg.Env))}
	m.state = state{now: now, aside: map[string]bool{}, ask: cfg.Ask, notice: cfg.Note, waitFor: cfg.Group}
	m.look = newPalette(true, m.mono)
	m.compose = newCompose()
	m.commands, m.perform = ownCommands(), cfg.Commands
	if m.perform != nil {
		m.commands = append(m.commands, m.perform.List()...)
	}
	slices.SortFunc(m.commands, func(a, b Command) int { return strings.Compare(a.Use, b.Use) })
	return m
}

func newCompose() textarea.Model {
	t := textarea.New()
	t.Prompt, t.ShowLineNumbers, t.CharLimit = "", false, 32<<10
	t.DynamicHeight, t.MinHeight, t.MaxHeight = true, 1, 6
	styles := t.Styles()
	styles.Focused, styles.Blurred = textarea.StyleState{}, textarea.StyleState{}
	styles.Cursor.Color = nil
	t.SetStyles(styles)
	t.SetVirtualCursor(false)
	t.Focus()
	return t
}

func (m *model) Init() tea.Cmd { return tea.Batch(tea.RequestBackgroundColor, tick()) }

func tick() tea.Cmd { return tea.Tick(pulse, func(time.Time) tea.Msg { return ticked{} }) }

func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	cmd := m.step(msg)
	cmds := []tea.Cmd{cmd}
	for _, a := range m.flush() {
		cmds = append(cmds, func() tea.Msg { return a.run(m.ctx, m.c) })
	}
	return m, tea.Batch(cmds...)
}

// step takes one message; what it wants done outside is left in the state.
func (m *model) step(msg tea.Msg) tea.Cmd {
	switch msg.(type) {
	case tea.KeyPressMsg, tea.PasteMsg, ticked, news:
	default:
		m.rows = map[string][]string{}
	}
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		m.compose.SetWidth(max(msg.Width-2, 4))
		m.compose.MaxHeight = max(1, min(6, msg.Height/4))
		m.compose.SetHeight(m.compose.Height())
	case tea.BackgroundColorMsg:
		m.look = newPalette(msg.IsDark(), m.mono)
	case ticked:
		m.want(needGroup | needGroups | needPeople)
		return tick()
	case tea.KeyPressMsg:
		return m.onKey(msg)
	case tea.PasteMsg:
		return m.onPaste(msg)
	case gotNumber:
		if m.over.kind == "verify" && m.over.number.peer == msg.peer { // else nobody waits for it any more
			m.over.number = msg
		}
		m.want(needPeople)
	case found:
		m.onFound(msg)
	case gotAround:
		m.onAround(msg)
	case performed:
		m.onPerformed(msg)
	case sent:
		m.sending--
		m.hear(msg)
	case failed:
		m.hear(msg)
		m.onUndone(msg.from)
	default:
		m.hear(msg)
	}
	m.fetch()
	return nil
}

// allUnread is how many messages wait in all groups.
func (m *model) allUnread() (n int) {
	for _, g := range m.groups {
		n += m.unread(g)
	}
	return n
}

// windowTitle says how much is unread: a screen may lie behind others.
func (m *model) windowTitle() string {
	n := m.allUnread()
	if n == 0 {
		return "conclave"
	}
	return fmt.Sprintf("conclave (%s)", words.UpTo(n))
}

func (m *model) View() tea.View {
	v := tea.NewView("")
	v.AltScreen = true
	v.WindowTitle = m.windowTitle()
	if m.width == 0 {
		return v
	}
	content, cursor := m.layout()
	v.Content, v.Cursor = content, cursor
	return v
}
