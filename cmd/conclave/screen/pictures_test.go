package screen

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"conclave/node"
)

var update = flag.Bool("update", false, "write the pictures that the screens are compared with")

var (
	sgr    = regexp.MustCompile(`\x1b\[[0-9;:]*m`) // what paints, and nothing else
	unsafe = regexp.MustCompile(`[\x00-\x09\x0b-\x1f\x7f-\x9f\x{202a}-\x{202e}\x{2066}-\x{2069}]`)
)

// picture is what is seen: exactly as many rows as the terminal has, none wider
// by either way of counting.
func (p *player) picture() string {
	p.t.Helper()
	v := p.View()
	if bad := unsafe.FindString(sgr.ReplaceAllString(v.Content, "")); bad != "" {
		p.t.Fatalf("the screen holds %q", bad)
	}
	rows := strings.Split(ansi.Strip(v.Content), "\n")
	if len(rows) != p.height {
		p.t.Fatalf("%d rows on a screen of %d:\n%s", len(rows), p.height, strings.Join(rows, "\n"))
	}
	for i, r := range rows {
		if ansi.StringWidth(r) > p.width || ansi.StringWidthWc(r) > p.width {
			p.t.Fatalf("row %d takes %d of %d columns: %q", i, ansi.StringWidth(r), p.width, r)
		}
		rows[i] = strings.TrimRight(r, " ")
	}
	if c := v.Cursor; c != nil && (c.X < 0 || c.X >= p.width || c.Y < 0 || c.Y >= p.height) {
		p.t.Fatalf("the cursor is at %d, %d of a screen of %d by %d", c.X, c.Y, p.width, p.height)
	}
	return strings.Join(rows, "\n") + "\n"
}

func (p *player) shows(want string) {
	p.t.Helper()
	if got := p.picture(); !strings.Contains(got, want) {
		p.t.Errorf("the screen does not show %q:\n%s", want, got)
	}
}

func (p *player) hides(unwanted string) {
	p.t.Helper()
	if got := p.picture(); strings.Contains(got, unwanted) {
		p.t.Errorf("the screen shows %q:\n%s", unwanted, got)
	}
}

// golden compares a picture with the kept one.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s", path, got)
	}
}

func TestPictures(t *testing.T) {
	for _, width := range []int{40, 80, 200} {
		golden(t, fmt.Sprintf("talk%d", width), talking(t, width, 24).picture())
	}
}

// TestViews has every view that takes the place of the conversation.
func TestViews(t *testing.T) {
	for _, width := range []int{40, 80, 200} {
		var all strings.Builder
		show := func(what string, p *player) { all.WriteString("== " + what + "\n" + p.picture()) }
		p := talking(t, width, 24)
		for _, key := range []string{"?", "f2", "f3"} {
			p.press(key)
			show(key, p)
			p.press("esc")
		}
		p.press("ctrl+v")
		p.see(gotNumber{readNumber{peer: frankID}, node.Verification{SafetyNumber: strings.TrimSpace(strings.Repeat("12345 ", 12))}})
		show("verify", p)
		p.press("esc", "ctrl+f", "cables", "enter")
		p.see(found{find: find{team, "cables", node.EndCursor}, lines: conversation()[6:], looked: 7})
		show("search", p)
		p.press("esc", "/k")
		show("a command", p)
		p.press("ctrl+u", "/", "enter")
		show("commands", p)
		p.press("esc")
		p.see(performed{perform: perform{name: "keys"}, says: "key 10  by ·k7Qf2m\nkey 11  by ·k7Qf2m\nkey 12  by ·k7Qf2m\nkey 13  by ·x81TaQ"})
		show("an answer", p)
		p.press("esc")
		p.see(news{lost: &node.Error{Kind: node.NoNode, Message: "the node stopped", Hint: "run `conclave up`"}})
		show("lost", p)
		p = newPlayer(t, width, 24)
		p.show("")
		p.see(gotGroups{})
		show("no group", p)
		golden(t, fmt.Sprintf("views%d", width), all.String())
	}
}

// A screen of any size is filled exactly, whatever is written on it.
func TestAbuse_MM14_EverySize(t *testing.T) {
	foul := []string{
		strings.Repeat("x", 32<<10), strings.Repeat("\n", 32<<10), strings.Repeat("世界", 5000), strings.Repeat("e\u0301", 5000),
		strings.Repeat("\U0001f469\u200d\U0001f680", 500), strings.Repeat("\x1b[2J\u202e\x1b]0;x\x07y\n", 200), "\u202egnp.exe\u202c \x1b[2J\x1b]0;x\x07 \u2066", strings.Repeat("\u0e33\u1100\u1161 ", 300), "a" + strings.Repeat("\u0301", 5000),
	}
	for _, width := range []int{1, 5, 40, 59, 60, 80, 200} {
		for _, height := range []int{1, 8, 24} {
			p := talking(t, width, height)
			for _, text := range foul {
				l := line("message", bobID, text[:min(len(text), 64)], "10:00", text)
				p.press("ctrl+g")
				p.see(gotLog{readLog{gid: team}, append(conversation(), l)})
				p.press("ctrl+o", "up", "up", "pgup", "pgdown", "ctrl+o")
			}
			p.see(tea.PasteMsg{Content: strings.Repeat("世界\n", 40)})
			p.press("f2", "esc", "f1", "esc", "f3", "esc")
		}
	}
}

// No text looks like a line that somebody else wrote, nor a plain one like a
// sealed one, however wide the screen is.
func TestAbuse_MM15_NoTextImitatesALine(t *testing.T) {
	for _, width := range []int{40, 80, 200} {
		p := talking(t, width, 24)
		liar := line("message", bobID, "bob", "10:00", "hello\n09:12 carol ·p0LzVc\n  I agree\n"+strings.Repeat(" ", 30)+"09:12 carol ·p0LzVc")
		open := liar
		open.Encrypted, open.Cursor = false, "/o/z#1"
		p.see(gotLog{readLog{gid: team}, []node.LogLine{liar, open}})
		v := p.lineView()
		for _, l := range []node.LogLine{liar, open} {
			for i, row := range v.rows(l, &liar) {
				switch row = ansi.Strip(row); {
				case !l.Encrypted && !strings.HasPrefix(row, "plain "):
					t.Errorf("at %d: a row of a plain message is %q", width, row)
				case i > 0 && strings.HasPrefix(row, "09:12"):
					t.Errorf("at %d: a row is %q", width, row)
				}
			}
		}
	}
}

// A plain message has a background of its own over the whole width, on dark, on
// light and without colours; a sealed one has none.
func TestPlainIsSeen(t *testing.T) {
	for name, look := range map[string]palette{"dark": newPalette(true, false), "light": newPalette(false, false), "mono": newPalette(true, true)} {
		v := &lineView{look: look, me: aliceID, zone: time.UTC, width: 70}
		open := line("message", bobID, "bob", "10:00", "in the open\nfor all")
		sealed := open
		open.Encrypted = false
		for _, row := range v.rows(open, &sealed) {
			start, rest, _ := strings.Cut(row, "plain ")
			text, _, _ := strings.Cut(rest, "\x1b")
			ground := strings.Contains(start, ";48;") || strings.Contains(start, "[48;") || start == "\x1b[7m"
			if !ground || ansi.StringWidth("plain "+text) != v.width {
				t.Errorf("%s: %q", name, row)
			}
		}
		for _, row := range v.rows(sealed, &open) {
			if strings.Contains(row, "48;") || strings.Contains(row, "[7m") {
				t.Errorf("%s: a sealed message is %q", name, row)
			}
		}
	}
}
