package lantest

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	linesEach   = 1000
	allTheSame  = 60 * time.Second // after the last line was taken
	manyAtOnce  = 3 * time.Minute  // for a thousand lines to be taken
	spokenFirst = "is everybody here?"
)

func TestLAN_ThreeThousandLines(t *testing.T) {
	t.Run("at once", func(t *testing.T) { threeThousandLines(t, "", [3]string{}, 0) })
	t.Run("one by one", func(t *testing.T) { threeThousandLines(t, "", [3]string{}, 5*time.Millisecond) })
	t.Run("clocks differ", func(t *testing.T) { threeThousandLines(t, "faults", [3]string{"0", "7m", "-3m"}, 0) })
}

// threeThousandLines has three people say a thousand lines each at the same
// time, with a pause after each, and waits until all have read them all, in one
// order.
func threeThousandLines(t *testing.T, tags string, clocks [3]string, pause time.Duration) {
	s := newLAN(t).three(program(t, tags))
	for i, p := range s.everyone() {
		if clocks[i] != "" {
			p.env = []string{"CONCLAVE_CLOCK_OFFSET=" + clocks[i]}
		}
		p.up()
	}
	s.meet()
	team := s.team()
	text := realText(t, 3*linesEach)
	began := time.Now()
	last := make(chan time.Time, 3)
	for i, p := range s.everyone() {
		lines := text[i*linesEach : (i+1)*linesEach]
		go func() {
			p.sendLines(team, lines, pause)
			last <- time.Now()
		}()
	}
	var sent time.Time
	for range 3 {
		select {
		case sent = <-last:
		case <-time.After(manyAtOnce):
			t.Fatalf("the lines were not taken within %v", manyAtOnce)
		}
	}
	t.Logf("3,000 lines taken in %v", sent.Sub(began).Round(time.Millisecond))
	s.awaitLines(team, 1+3*linesEach)
	t.Logf("all three read them %v after the last was taken", time.Since(sent).Round(time.Millisecond))
	if time.Since(sent) > allTheSame {
		t.Errorf("that is more than %v", allTheSame)
	}
	s.sameLog(team, s.everyone()...)
	s.checkLines(team, text)
	s.checkClocks(team, clocks)
}

// team makes a sealed group of all three in which everyone holds the key.
func (s *three) team() string {
	s.t.Helper()
	team := s.alice.one("group", "create", "team").text("group_id")
	s.letIn(s.alice, s.bob, team)
	s.letIn(s.alice, s.carol, team)
	s.settle(team, s.everyone()...)
	s.say(s.alice, team, spokenFirst)
	for _, p := range s.everyone() {
		p.follow(team).expect(spokenFirst)
	}
	return team
}

// sendLines gives lines to `send -`, with a pause after each. It runs beside the
// test's goroutine.
func (p *person) sendLines(group string, lines []string, pause time.Duration) {
	in, feed := io.Pipe()
	defer in.Close()
	go func() {
		defer feed.Close()
		for _, line := range lines {
			io.WriteString(feed, line+"\n")
			time.Sleep(pause)
		}
	}()
	out, failure, code := p.run(in, "send", group, "-")
	if code != 0 || len(out) != len(lines) {
		p.t.Errorf("%s: send -: exit %d, %v, %d answers to %d lines", p.name, code, failure, len(out), len(lines))
	}
	for _, o := range out {
		if o["encrypted"] != true {
			p.t.Errorf("%s: send -: %v", p.name, o)
			return
		}
	}
}

// awaitLines waits until everyone reads so many messages.
func (s *three) awaitLines(group string, want int) {
	s.t.Helper()
	for _, p := range s.everyone() {
		seen := map[string]bool{}
		for _, o := range p.messages(group) {
			seen[o.text("sender")+o.text("message_id")] = true
		}
		if len(seen) >= want {
			continue
		}
		f := p.follow(group)
		deadline := time.After(2 * allTheSame)
		for len(seen) < want {
			select {
			case o, ok := <-f.lines:
				if !ok {
					s.t.Fatalf("%s: log --follow ended", p.name)
				}
				if o.text("kind") == "message" {
					seen[o.text("sender")+o.text("message_id")] = true
				}
			case <-deadline:
				s.t.Fatalf("%s reads %d of %d messages; the log ends %s", p.name, len(seen), want, brief(p.all("log", group)))
			}
		}
	}
}

// checkLines checks that everyone reads exactly the text, each author's lines in
// the order in which they were said.
func (s *three) checkLines(group string, text []string) {
	s.t.Helper()
	author := map[string]int{s.alice.id: 0, s.bob.id: 1, s.carol.id: 2}
	for _, p := range s.everyone() {
		next := [3]int{}
		for _, m := range p.messages(group) {
			if m.text("text") == spokenFirst {
				continue
			}
			i := author[m.text("sender")]
			if k := i*linesEach + next[i]; next[i] >= linesEach || m.text("text") != text[k] {
				s.t.Fatalf("%s: line %d of %s reads %q", p.name, next[i], m.text("sender"), m.text("text"))
			}
			next[i]++
		}
		if next != [3]int{linesEach, linesEach, linesEach} {
			s.t.Errorf("%s reads %v lines", p.name, next)
		}
	}
}

// checkClocks checks that each author's lines bear the time of a clock that is
// off by so much.
func (s *three) checkClocks(group string, clocks [3]string) {
	s.t.Helper()
	for i, p := range s.everyone() {
		off, _ := time.ParseDuration(clocks[i])
		for _, m := range s.alice.messages(group) {
			at, err := time.Parse(time.RFC3339, m.text("time"))
			if wrong := time.Since(at) + off; m.text("sender") == p.id && (err != nil || wrong < 0 || wrong > 2*time.Minute) {
				s.t.Fatalf("%s, whose clock is off by %v, said %q at %s", p.name, off, m.text("text"), m.text("time"))
			}
		}
	}
}

// realText returns lines of the Go specification, no two alike.
func realText(t *testing.T, n int) (out []string) {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "doc", "go_spec.html"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" || seen[line] {
			continue
		}
		seen[line] = true
		if out = append(out, line); len(out) == n {
			return out
		}
	}
	t.Fatalf("only %d lines", len(out))
	return nil
}
