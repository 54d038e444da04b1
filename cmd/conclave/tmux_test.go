package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// pane is the program in a terminal that other people wrote: what stands in which
// column is what tmux says.
type pane struct {
	t             *testing.T
	socket        string
	width, height int
}

// tmuxRows is how high the panes are.
const tmuxRows = 30

// needTmux skips the test, or fails it where everything is to run.
func needTmux(t *testing.T) {
	t.Helper()
	if !thorough() {
		t.Skip("needs tmux and CONCLAVE_TEST=all: looks at every view on a terminal")
	}
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Fatal(err)
	}
}

// openPane runs the program in a pane of that width, under the given variables.
func openPane(t *testing.T, width int, env []string, args ...string) *pane {
	t.Helper()
	dir := t.TempDir()
	p := &pane{t, filepath.Join(dir, "s"), width, tmuxRows}
	config := filepath.Join(dir, "conf")
	settings := "set -g status off\nset -g default-terminal tmux-256color\nset -sg escape-time 0\nset -g remain-on-exit on\n"
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	program := prepare(t, "", args...).Args
	line := append([]string{"-f", config, "new-session", "-d", "-x", strconv.Itoa(width), "-y", strconv.Itoa(tmuxRows), "env", "TZ=UTC"}, append(env, program...)...)
	t.Cleanup(func() { p.command("kill-server").Run() })
	p.do(line...)
	return p
}

func (p *pane) command(args ...string) *exec.Cmd {
	cmd := exec.Command("tmux", append([]string{"-u", "-S", p.socket}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=xterm-256color")
	return cmd
}

// do runs a tmux command and returns what it says.
func (p *pane) do(args ...string) string {
	p.t.Helper()
	out, err := p.command(args...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

func (p *pane) press(keys ...string) {
	p.t.Helper()
	p.do(append([]string{"send-keys"}, keys...)...)
}

func (p *pane) write(text string) {
	p.t.Helper()
	p.do("send-keys", "-l", text)
}

func (p *pane) seen() string { return p.do("capture-pane", "-p") }

// until waits for what the screen shows to be so; a picture may be half painted.
func (p *pane) until(what string, so func() bool) {
	p.t.Helper()
	defer func() {
		if p.t.Failed() {
			p.t.Logf("the pane of %d shows\n%s", p.width, p.seen())
		}
	}()
	await(p.t, patience, what, so)
}

// shows waits until a text is seen.
func (p *pane) shows(text string) {
	p.t.Helper()
	p.until(text, func() bool { return strings.Contains(p.seen(), text) })
}

// columns are those in which a character stands first and last in each row, as
// tmux counts them; -1 where it is not. The screen is still meanwhile.
func (p *pane) columns(char string) (first, last []int) {
	p.t.Helper()
	args := []string{"copy-mode", ";", "send-keys", "-X", "top-line"}
	for range p.height {
		args = append(args, ";", "send-keys", "-X", "start-of-line", ";", "send-keys", "-X", "jump-forward", char, ";", "display-message", "-p", "#{copy_cursor_x}",
			";", "send-keys", "-X", "end-of-line", ";", "send-keys", "-X", "jump-backward", char, ";", "display-message", "-p", "#{copy_cursor_x}",
			";", "send-keys", "-X", "cursor-down")
	}
	out := strings.Fields(p.do(append(args, ";", "send-keys", "-X", "cancel")...))
	if len(out) != 2*p.height {
		p.t.Fatalf("tmux says %q", out)
	}
	for i := 0; i < len(out); i += 2 {
		a, _ := strconv.Atoi(out[i])
		b, _ := strconv.Atoi(out[i+1])
		first, last = append(first, a), append(last, b)
	}
	return first, last
}

// straight waits until the rule is as wide as the pane, and every border stands
// where the rule says.
func (p *pane) straight(what string) {
	p.t.Helper()
	p.until("straight borders: "+what, func() bool {
		rows := strings.Split(p.seen(), "\n")
		if utf8.RuneCountInString(rows[1]) != p.width || strings.Trim(rows[1], "─┬") != "" {
			return false
		}
		var joints []int
		for i, r := range []rune(rows[1]) {
			if r == '┬' {
				joints = append(joints, i)
			}
		}
		return len(joints) == 0 || p.bordered(rows, joints[0], joints[len(joints)-1])
	})
}

// bordered reports whether the rows between the rules have their borders in these
// columns.
func (p *pane) bordered(rows []string, left, right int) bool {
	p.t.Helper()
	first, last := p.columns("│")
	for i := 2; i < p.height && !strings.HasPrefix(rows[i], "──"); i++ {
		if first[i] != left || last[i] != right {
			return false
		}
	}
	return true
}

// cursor is where the next character appears.
func (p *pane) cursor() (x, y int) {
	p.t.Helper()
	if _, err := fmt.Sscanf(p.do("display-message", "-p", "#{cursor_x} #{cursor_y}"), "%d %d", &x, &y); err != nil {
		p.t.Fatal(err)
	}
	return x, y
}

// Every view, on a terminal of others' making, with the worst that others can
// write: nothing is wider than the terminal, nothing moves a border, and the
// cursor is where the next character appears.
func TestTmux(t *testing.T) {
	needTmux(t)
	for _, width := range []int{40, 80, 200} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			t.Parallel() // it waits more than it works
			p := openPane(t, width, nil, "chat", "team", "--home", newCanned(t, false))
			p.shows("waiting for key 14")
			p.shows("wants to join")
			p.straight("the end of the log")
			p.megabyte()
			p.views()
			p.writes()
		})
	}
}

// megabyte goes up to the long message, unfolds it, and goes on to what is above.
func (p *pane) megabyte() {
	p.t.Helper()
	folded := func() bool { return strings.Contains(p.seen(), "unfolds all 1050 kB") }
	for !folded() { // one row after the other, so that none is still under way
		was := p.seen()
		p.press("C-Up")
		p.until("a row further up", func() bool { return p.seen() != was })
	}
	p.straight("the folded message")
	p.press("C-o")
	p.until("the whole message", func() bool { return !folded() })
	p.straight("the whole message")
	p.press("C-o")
	p.until("the folded message", folded)
	p.press("PPage", "PPage")
	p.shows("entry 29")
	p.straight("further up")
	p.press("C-g")
	p.shows("waiting for key 14")
}

// views opens what can take the place of the conversation.
func (p *pane) views() {
	p.t.Helper()
	for _, v := range []struct{ key, shows, closes string }{
		{"?", "keys and signs", "Escape"},
		{"F1", "keys and signs", "Escape"},
		{"F2", "v: safety number", "Escape"},
		{"F3", "up and down choose", "Escape"},
		{"C-v", "12345 12345", "Escape"},
	} {
		p.press(v.key)
		p.shows(v.shows)
		p.straight(v.shows)
		p.press(v.closes)
		p.shows("waiting for key 14")
	}
	p.press("C-f")
	p.write("wide 世")
	p.shows("search: wide 世")
	p.press("Enter")
	p.shows("1 line in")
	p.straight("what was found")
	p.press("Enter")
	p.until("the line that was found", func() bool {
		return !strings.Contains(p.seen(), "waiting for key 14") && strings.Contains(p.seen(), "combining")
	})
	p.straight("the line that was found")
	p.press("C-g")
	p.write("/")
	p.shows("/create")
	p.straight("the commands' names")
	p.press("Enter")
	p.shows("up, down, esc")
	p.straight("the commands")
	p.press("Escape")
	p.shows("waiting for key 14")
}

// writes fills the line; the cursor stands behind the last character, or where
// the next row begins.
func (p *pane) writes() {
	p.t.Helper()
	for _, text := range []string{
		"", "plain letters", "wide 世界 \U0001f642 ", "combining e\u0301 a\u0308", "\u05d0\u05d1\u05d2 ", "\U0001f469\u200d\U0001f680 \u2764\ufe0f ", "two\nrows\n", strings.Repeat("row\n", 20),
		strings.Repeat("x", p.width-4), strings.Repeat("x", p.width-3), strings.Repeat("x", p.width-2), strings.Repeat("世", p.width),
	} {
		p.do("set-buffer", text+"@", ";", "paste-buffer", "-p", "-r")
		p.until(fmt.Sprintf("the cursor behind %q", text), func() bool {
			if !strings.Contains(p.seen(), "@") {
				return false
			}
			x, y := p.cursor()
			at, _ := p.columns("@")
			return at[y] == x-1 || x == 2 && at[y-1] == p.width-1
		})
		p.straight("a line that is written")
		p.do("send-keys", "-N", "600", "BSpace")
		p.until("an empty line", func() bool { x, y := p.cursor(); return x == 2 && y == p.height-1 && !strings.Contains(p.seen(), "@") })
	}
}

// colours is what paints with a colour.
var colours = regexp.MustCompile(`\x1b\[([0-9;:]*[;:])?([349][0-7]|[349]8|10[0-7])([;:][0-9;:]*)?m`)

// inverted is a row of a plain message without colours.
var inverted = regexp.MustCompile(`\x1b\[([0-9]+;)*7m(\x1b\[[0-9;]*m)*plain `)

// Without colours none is used, and a plain line is still told from all others.
func TestTmuxNoColour(t *testing.T) {
	needTmux(t)
	p := openPane(t, 80, []string{"NO_COLOR=1"}, "chat", "team", "--home", newCanned(t, false))
	raw := filepath.Join(t.TempDir(), "raw")
	p.do("pipe-pane", "-O", "cat > "+raw)
	p.shows("in the open")
	p.press("C-p")
	p.shows("PLAIN · anyone relaying can read")
	for row := range strings.Lines(p.do("capture-pane", "-p", "-e")) {
		if strings.Contains(row, "in the open") && !inverted.MatchString(row) {
			t.Errorf("a plain row is %q", row)
		}
	}
	written, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	if c := colours.Find(append(written, p.do("capture-pane", "-p", "-e")...)); c != nil {
		t.Errorf("there is the colour %q", c)
	}
}
