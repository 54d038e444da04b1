package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"conclave/node"
)

// seen is any event of `demo --json`.
type seen struct {
	Event   string            `json:"event"`
	Name    string            `json:"name"`
	PID     int               `json:"pid"`
	Step    int               `json:"step"`
	Text    string            `json:"text"`
	OK      bool              `json:"ok"`
	Number  *int              `json:"number"`
	Cells   map[string]string `json:"cells"`
	Command string            `json:"command"`
	Line    node.LogLine      `json:"line"`
	Seconds float64           `json:"seconds"`
}

// showing is a `conclave demo --json` in a folder of its own for what is
// temporary.
type showing struct {
	*exec.Cmd
	t      *testing.T
	tmp    string
	stdout *bufio.Scanner
	stderr bytes.Buffer
	all    []seen
}

func startDemo(t *testing.T, flags ...string) *showing {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	s := &showing{t: t, tmp: t.TempDir(), Cmd: bound(exec.CommandContext(ctx, "conclave", append([]string{"demo", "--json"}, flags...)...))}
	s.Env = append(os.Environ(), "TMPDIR="+s.tmp)
	s.Cmd.Stderr = &s.stderr
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); s.Wait() })
	s.stdout = bufio.NewScanner(out)
	s.stdout.Buffer(nil, 1<<20)
	return s
}

// until reads events until one of which is says so, or to the end.
func (s *showing) until(is func(seen) bool) seen {
	s.t.Helper()
	for s.stdout.Scan() {
		var e seen
		if err := json.Unmarshal(s.stdout.Bytes(), &e); err != nil {
			s.t.Fatalf("%q is not JSON: %v", s.stdout.Bytes(), err)
		}
		s.all = append(s.all, e)
		if is(e) {
			return e
		}
	}
	return seen{}
}

func never(seen) bool { return false }

// end waits for the process and holds it to its exit code, and to leaving
// neither a process nor a file behind.
func (s *showing) end(code int) {
	s.t.Helper()
	s.until(never)
	err := s.Wait()
	if got := s.ProcessState.ExitCode(); got != code {
		s.t.Errorf("exit %d (%v), want %d\n%s", got, err, code, s.stderr.String())
	}
	for _, e := range s.all {
		if e.Event == "node" && !errors.Is(syscall.Kill(e.PID, 0), syscall.ESRCH) {
			s.t.Errorf("%s's process %d is still there", e.Name, e.PID)
			syscall.Kill(e.PID, syscall.SIGKILL)
		}
	}
	left, err := os.ReadDir(s.tmp)
	if err != nil || len(left) > 0 {
		s.t.Errorf("left behind: %v %v", left, err)
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	s := startDemo(t)
	s.end(0)
	var rows, checks int
	var last seen
	table := map[string]string{}
	for _, e := range s.all {
		last = e
		switch e.Event {
		case "row":
			rows++
			for name, cell := range e.Cells {
				table[fmt.Sprint(name, *e.Number)] = cell
			}
		case "check":
			checks++
			if !e.OK {
				t.Errorf("does not hold: %s", e.Text)
			}
		}
	}
	if rows != 11 || checks < 9 || last.Event != "end" || !last.OK {
		t.Errorf("%d rows, %d checks, then %+v", rows, checks, last)
	}
	for at, want := range map[string]string{
		"alice1": canRead, "bob1": cannotLater, "carol1": cannotLater, "bob2": canRead, "carol2": cannotLater, "carol3": canRead,
		"alice7": canPlain, "carol7": canPlain, "bob8": canRead, "carol8": cannotLeft, "carol11": cannotLeft, "bob11": canRead,
	} {
		if table[at] != want {
			t.Errorf("the table says of %s: %q, want %q", at, table[at], want)
		}
	}
	if last.Seconds > 60 {
		t.Errorf("it took %.1f s", last.Seconds)
	}
}

// What carol's node is told while the demo runs must not hold the later lines
// either: the table is not the only witness.
func TestDemoTellsCarolNothingLater(t *testing.T) {
	t.Parallel()
	s := startDemo(t)
	s.end(0)
	spoken := map[string]int{}
	for _, e := range s.all {
		if e.Event == "row" {
			spoken[e.Text] = *e.Number
		}
	}
	for _, e := range s.all {
		text := value(e.Line.Text)
		if e.Event == "line" && e.Name == "carol" && text != "" && (spoken[text] < 3 || spoken[text] > 7) {
			t.Errorf("carol's node reported line %d", spoken[text])
		}
	}
}

func TestDemoForPipes(t *testing.T) {
	t.Parallel()
	cmd := child("conclave", "demo", "--verbose")
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := string(out)
	for _, want := range []string{
		", process ", "alice $ conclave group create team", "> plain bob: ", "! refused: encryption is off",
		"✓ carol could read 5 of 11 lines; not lines 1-2, said before carol joined; not lines 8-11, said after carol left",
		cannotLeft, cannotLater, "checks hold, in ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	if strings.Contains(text, "\x1b") || strings.Contains(text, "NOT TRUE") {
		t.Errorf("colours in a pipe, or a check that does not hold:\n%s", text)
	}
}

// A node that ends before its time ends the demo, at whatever point.
func TestDemoFailsWhenANodeIsKilled(t *testing.T) {
	for _, c := range []struct {
		victim string
		step   int
	}{{"alice", 2}, {"carol", 4}, {"bob", 6}, {"carol", 8}} {
		t.Run(fmt.Sprintf("%s in step %d", c.victim, c.step), func(t *testing.T) {
			t.Parallel()
			s := startDemo(t)
			s.until(func(e seen) bool { return e.Event == "step" && e.Step == c.step })
			for _, e := range s.all {
				if e.Event == "node" && e.Name == c.victim {
					if err := syscall.Kill(e.PID, syscall.SIGKILL); err != nil {
						t.Fatal(err)
					}
				}
			}
			s.end(1)
			if want := c.victim + "'s node (process "; !strings.Contains(s.stderr.String(), want) || !strings.Contains(s.stderr.String(), "killed") {
				t.Errorf("stderr does not say %q: %s", want, s.stderr.String())
			}
			for _, e := range s.all {
				if e.Event == "end" {
					t.Errorf("it says that it succeeded")
				}
			}
		})
	}
}

func TestDemoInterrupted(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"Ctrl-C": syscall.SIGINT, "SIGTERM": syscall.SIGTERM, "a closed terminal": syscall.SIGHUP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startDemo(t)
			s.until(func(e seen) bool { return e.Event == "step" && e.Step == 4 })
			s.Process.Signal(sig)
			s.end(130)
		})
	}
}

// A reader that goes away ends the demo like any failure.
func TestDemoIntoAClosedPipe(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := child("conclave", "demo")
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if _, err := io.ReadFull(r, make([]byte, 200)); err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("exit %d", code)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// The lines that --interactive prints are run as they stand.
func TestDemoInteractive(t *testing.T) {
	t.Parallel()
	s := startDemo(t, "--interactive")
	note := func(part string) []string {
		e := s.until(func(e seen) bool { return e.Event == "note" && strings.Contains(e.Text, part) })
		return strings.Fields(e.Text)[1:]
	}
	you := child("conclave", note(" up --home ")...)
	out, err := you.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := you.Start(); err != nil {
		t.Fatal(err)
	}
	ended := func() { you.Process.Signal(syscall.SIGTERM); you.Wait() }
	defer ended()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	command := func(args []string) {
		if out, err := child("conclave", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	join := note(" join --home ")
	send := note(" send --home ")
	command(join)
	command(note(" approve --home "))
	command(append(join, "--wait"))
	command(send)
	told := map[string]bool{}
	s.until(func(e seen) bool {
		if value(e.Line.Text) == "hello" {
			told[e.Name] = true
		}
		return told["alice"] && told["bob"]
	})
	s.Process.Signal(syscall.SIGINT)
	s.until(never)
	ended()
	os.RemoveAll(you.Args[3])
	s.end(0)
}

// The verdict is only worth something if it can be bad.
func TestDemoJudgesTheLogs(t *testing.T) {
	sealed, epoch := node.Sent{Encrypted: true}, uint64(1)
	lines := []*spoken{
		{1, "alice", "amber anchor", sealed}, {2, "bob", "arrow badger", sealed},
		{3, "bob", "basalt beacon", node.Sent{}}, {4, "alice", "birch bronze", sealed},
	}
	log := func(entries ...string) []node.LogLine {
		var out []node.LogLine
		for _, text := range entries {
			l := node.LogLine{Kind: "message", Text: &text, MessageID: &text, Encrypted: text != "basalt beacon", Epoch: &epoch}
			out = append(out, l)
		}
		return out
	}
	right := log("arrow badger", "basalt beacon")
	sealedPlain := log("arrow badger", "basalt beacon")
	sealedPlain[1].Encrypted = true
	reason := "birch"
	for name, c := range map[string]struct {
		log  []node.LogLine
		want bool
	}{
		"as it should be":                {right, true},
		"a line from before":             {log("amber anchor", "arrow badger", "basalt beacon"), false},
		"a line from after":              {log("arrow badger", "basalt beacon", "birch bronze"), false},
		"a word from after":              {append(log("arrow badger", "basalt beacon"), node.LogLine{Kind: "event", Reason: &reason}), false},
		"a line is missing":              {log("arrow badger"), false},
		"nothing":                        {nil, false},
		"a changed line":                 {log("arrow badgers", "basalt beacon"), false},
		"a plain line that looks sealed": {sealedPlain, false},
	} {
		d := &demo{lines: lines, stage: &plainStage{w: io.Discard}}
		if err := d.judge(&actor{name: "carol", from: 2, until: 3}, c.log); err != nil {
			t.Fatal(err)
		}
		if got := d.verdict() == nil; got != c.want {
			t.Errorf("%s: holds %v, want %v", name, got, c.want)
		}
	}
	if !sameOrder(log("a", "b", "c"), log("a", "c")) || sameOrder(log("a", "b", "c"), log("c", "a")) {
		t.Errorf("order is not judged")
	}
}

// A word is a witness only if it cannot stand in a log by chance.
func TestDemoWords(t *testing.T) {
	all := newScript().words
	for i, w := range all {
		for j, other := range all {
			if i != j && strings.Contains(other, w) {
				t.Errorf("%q is in %q", w, other)
			}
		}
		if len(w) < 5 || strings.Contains("alice bob carol group member encryption requested removed somebody", w) {
			t.Errorf("%q may be there by chance", w)
		}
	}
	if len(all) < 2*16 {
		t.Errorf("%d words are too few", len(all))
	}
	if a, b := newScript(), newScript(); a.next()+a.next() == b.next()+b.next() {
		t.Errorf("two runs say the same")
	}
}

func TestNumbers(t *testing.T) {
	for want, in := range map[string][]int{"line 3": {3}, "lines 1-2": {1, 2}, "lines 1, 3-5, 9": {1, 3, 4, 5, 9}} {
		if got := numbers(in); got != want {
			t.Errorf("numbers(%v) = %q", in, got)
		}
	}
}
