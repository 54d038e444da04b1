package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"conclave/node"
	"conclave/node/lantest/terminal"
)

// screen is what a terminal shows after what was written to it.
func screen(written string) []string {
	lines := []string{""}
	for len(written) > 0 {
		var n int
		switch {
		case strings.HasPrefix(written, "\n"):
			lines, written = append(lines, ""), written[1:]
		case strings.HasPrefix(written, "\r"):
			written = written[1:]
		case strings.HasPrefix(written, "\x1b[J"):
			written = written[3:]
		case strings.HasPrefix(written, "\x1b["):
			end := strings.IndexAny(written, "Am")
			if _, err := fmt.Sscanf(written[:end+1], "\x1b[%dA", &n); err == nil {
				lines = append(lines[:len(lines)-1-n], "")
			}
			written = written[end+1:]
		default:
			end := strings.IndexAny(written+"\n", "\n\r\x1b")
			lines[len(lines)-1] += written[:end]
			written = written[end:]
		}
	}
	return lines
}

func TestDemoColumns(t *testing.T) {
	var out bytes.Buffer
	c := &columns{plainStage: &plainStage{w: &out, paint: true, width: 79}, shown: map[string]bool{}}
	one, seq, who := 1, uint64(1), "12D3KooWalice"
	say := func(reporter, kind, text string, plain bool) heard {
		h := heard{Event: "line", Name: reporter, Number: &one, sender: "alice", inside: []string{"alice", "bob"}}
		h.Line = node.LogLine{Kind: kind, Sender: &who, Seq: &seq, Encrypted: !plain, Cursor: "/o/x#0"}
		if kind == "message" {
			h.Line.Text = &text
		} else {
			h.reason = text
		}
		return h
	}
	show := func(events ...any) []string {
		for _, e := range events {
			if err := c.show(e); err != nil {
				t.Fatal(err)
			}
		}
		lines := screen(out.String())
		for _, l := range lines {
			if cells(l) > 79 {
				t.Errorf("%d cells: %q", cells(l), l)
			}
		}
		return lines
	}
	last := func(lines []string) string { return lines[len(lines)-2] }
	show(started{Name: "alice", PeerID: "x"}, started{Name: "bob", PeerID: "y"}, started{Name: "carol", PeerID: "z"}, step{"step", 1, strings.Repeat("word ", 40)})

	if got := last(show(say("alice", "message", "amber anchor", false))); got != " 1 alice: amber anchor     │ …                       │ —                      " {
		t.Errorf("%q", got)
	}
	if got := last(show(say("bob", "unreadable", "waiting for key 2", false))); !strings.Contains(got, "│ ⋯ waiting for key 2 ") {
		t.Errorf("%q", got)
	}
	before := len(show())
	if got := show(say("bob", "message", "amber anchor", false)); len(got) != before || strings.Count(last(got), "alice: amber anchor") != 2 {
		t.Errorf("%q", got)
	}
	// Once something stands below it, a row stays as it is.
	show(typed{"command", "bob", "conclave approve team 12D3KooWMJU9CgDw8B4jwYuBUpHgQDYCKBh9uZ6jpjV9KJDV5C7h"})
	if got := last(show(say("carol", "message", "amber anchor", false))); got != "  bob   $ conclave approve team 12D3Ko…DV5C7h" {
		t.Errorf("%q", got)
	}
	seq = 2
	plain := show(say("alice", "message", "amber anchor", true))
	if !strings.HasPrefix(plain[len(plain)-3], " 1 plain alice: amber ") || !strings.Contains(out.String(), "\x1b["+onPlain+"mplain alice: amber") {
		t.Errorf("%q", plain)
	}
	seq = 3
	rule := last(show(say("alice", "event", "key 2 by alice: somebody joined", false), say("bob", "event", "key 2 by alice: somebody joined", false)))
	if !strings.HasPrefix(rule, "── key 2 by alice: somebody joined ──") || !strings.HasSuffix(rule, " alice bob ──") || cells(rule) != 79 {
		t.Errorf("%q", rule)
	}
}

// The table fits on every screen, and a pipe gets all of it.
func TestDemoTable(t *testing.T) {
	r := tableRow{Number: 1, Sender: "alice", Text: "thunder granite", names: []string{"alice", "bob", "carol"},
		Cells: map[string]string{"alice": canPlain, "bob": cannotLater, "carol": cannotLeft}}
	for width, text := range map[int]bool{0: true, 39: true, 59: true, 79: false, 100: false, 103: true, 131: true} {
		var out bytes.Buffer
		s := &plainStage{w: &out, width: width, paint: true}
		if err := s.show(r); err != nil {
			t.Fatal(err)
		}
		shown := screen(out.String())
		for _, l := range shown {
			if width > 0 && cells(l) > width {
				t.Errorf("at %d: %d cells: %q", width, cells(l), l)
			}
		}
		all := strings.Join(shown, "\n")
		if strings.Contains(all, r.Text) != text || !strings.Contains(all, cannotLater) || !strings.Contains(all, cannotLeft) || !strings.Contains(all, canPlain) {
			t.Errorf("at %d: %q", width, all)
		}
	}
}

// On a real screen the demo goes slowly enough to be read, and ends in time.
func TestDemoOnAScreen(t *testing.T) {
	if os.Getenv("CONCLAVE_TEST") != "all" {
		t.Skip("takes 20 s of reading time: runs under CONCLAVE_TEST=all")
	}
	t.Parallel()
	master, tty := terminal.Open(t)
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	cmd := child("conclave", "demo")
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir(), "TERM=xterm", "NO_COLOR=")
	cmd.Stdout, cmd.Stderr = tty, tty
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	written, _ := io.ReadAll(master) // ends with EIO when the last writer has
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s", took)
	}
	lines := screen(string(written))
	for _, l := range lines {
		if cells(l) > 79 {
			t.Errorf("%d cells: %q", cells(l), l)
		}
	}
	for _, want := range []string{
		`\n   alice +│ bob +│ carol +\n`, `\n 3 carol: [a-z ]+│ carol: [a-z ]+│ carol: [a-z ]+\n`, `\n 8 alice: [a-z ]+│ alice: [a-z ]+│ — +\n`,
		`\n━━ key 4 by \w+ ·\w+: .* ━+ alice bob ━━\n`, `\n 7 plain bob: `, `\n 8 alice +read +read +cannot \(left before\)\n`, `\nall \d+ checks hold, in `,
	} {
		if !regexp.MustCompile(want).MatchString(strings.Join(lines, "\n")) {
			t.Errorf("the screen does not show %s", want)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(lines, "\n"))
	}
}

func TestWrap(t *testing.T) {
	for _, w := range []struct {
		in   string
		n    int
		want string
	}{
		{"", 5, ""}, {"one two three", 7, "one two|three"}, {"abcdefgh ij", 3, "abc|def|gh|ij"}, {"世界 你好世", 4, "世界|你好|世"}, {"世界", 1, "世|界"},
	} {
		if got := strings.Join(wrap(w.in, w.n), "|"); got != w.want {
			t.Errorf("wrap(%q, %d) = %q, want %q", w.in, w.n, got, w.want)
		}
	}
}
