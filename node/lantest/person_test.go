package lantest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// person is somebody with a home, a node in a namespace and a command line.
type person struct {
	t    *testing.T
	name string
	bin  string
	ns   string
	addr string // IP
	home string
	id   string
	env  []string // of the node

	node *exec.Cmd
	log  *lockedBuffer // standard error of the node, over all its runs
}

// object is one JSON object of the program's output.
type object map[string]any

func (o object) text(key string) string {
	s, _ := o[key].(string)
	return s
}

func (o object) number(key string) int {
	f, ok := o[key].(float64)
	if !ok {
		return -1
	}
	return int(f)
}

func (o object) list(key string) (out []string) {
	items, _ := o[key].([]any)
	for _, x := range items {
		s, _ := x.(string)
		out = append(out, s)
	}
	return out
}

// person adds somebody to the network, with a new home.
func (l *lan) person(name, bin string) *person {
	l.t.Helper()
	p := l.newcomer(name, bin)
	p.id = p.one("init").text("peer_id")
	l.t.Cleanup(func() {
		p.kill()
		if p.t.Failed() || strings.Contains(p.log.String(), "panic:") {
			p.t.Logf("the node of %s said:\n%s", name, tail(p.log.String(), 4000))
		}
	})
	return p
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// up starts the node and waits until it answers.
func (p *person) up(flags ...string) {
	p.t.Helper()
	cmd := inside(p.ns, p.bin, append([]string{"up", "--home", p.home, "--json"}, flags...)...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stderr = p.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.node = cmd
	first := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		first <- line
	}()
	select {
	case line := <-first:
		var o object
		if err := json.Unmarshal([]byte(line), &o); err != nil || o.text("peer_id") != p.id {
			p.t.Fatalf("%s: first line %q: %v", p.name, line, err)
		}
	case <-time.After(patience):
		p.t.Fatalf("%s: not up within %v", p.name, patience)
	}
}

// down ends the node in order.
func (p *person) down() {
	p.t.Helper()
	began := time.Now()
	p.node.Process.Signal(syscall.SIGTERM)
	if err := p.node.Wait(); err != nil {
		p.t.Errorf("%s: the node ended with %v", p.name, err)
	}
	if took := time.Since(began); took > 5*time.Second {
		p.t.Errorf("%s: the node took %v to end", p.name, took)
	}
	p.node = nil
}

func (p *person) kill() {
	if p.node != nil {
		p.node.Process.Kill()
		p.node.Wait()
	}
}

// run runs one command to its end, with something on standard input.
func (p *person) run(in io.Reader, args ...string) (out []object, failure object, code int) {
	p.t.Helper()
	cmd := inside(p.ns, p.bin, append([]string{"--home", p.home, "--json"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &stdout, &stderr
	err := cmd.Run()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		p.t.Fatal(err)
	}
	for line := range bytes.Lines(stdout.Bytes()) {
		var o object
		if err := json.Unmarshal(line, &o); err != nil {
			p.t.Fatalf("%s: %s: not JSON: %q", p.name, strings.Join(args, " "), line)
		}
		out = append(out, o)
	}
	if code = cmd.ProcessState.ExitCode(); code != 0 {
		if err := json.Unmarshal(stderr.Bytes(), &failure); err != nil {
			p.t.Fatalf("%s: %s: exit %d, %q", p.name, strings.Join(args, " "), code, stderr.String())
		}
	}
	return out, failure, code
}

// all runs a command that must succeed.
func (p *person) all(args ...string) []object {
	p.t.Helper()
	out, failure, code := p.run(nil, args...)
	if code != 0 {
		p.t.Fatalf("%s: %s: exit %d: %s (%s)", p.name, strings.Join(args, " "), code, failure.text("message"), failure.text("hint"))
	}
	return out
}

// one runs a command that must answer with one object.
func (p *person) one(args ...string) object {
	p.t.Helper()
	out := p.all(args...)
	if len(out) != 1 {
		p.t.Fatalf("%s: %s: %d answers", p.name, strings.Join(args, " "), len(out))
	}
	return out[0]
}

// fails runs a command that must end with a code, and returns the error.
func (p *person) fails(want int, args ...string) object {
	p.t.Helper()
	out, failure, code := p.run(nil, args...)
	if code != want || len(out) != 0 {
		p.t.Fatalf("%s: %s: exit %d, want %d; answers %v, error %v", p.name, strings.Join(args, " "), code, want, out, failure)
	}
	return failure
}

// where asks until one of the answers of a command fits, and returns that.
func (p *person) where(what string, args []string, fits func(object) bool) (found object) {
	p.t.Helper()
	await(p.t, p.name+": "+what, patience, func() bool {
		for _, o := range p.all(args...) {
			if fits(o) {
				found = o
				return true
			}
		}
		return false
	})
	return found
}

// messages returns the messages of a group that this person reads, in order.
func (p *person) messages(group string) (out []object) {
	p.t.Helper()
	for _, o := range p.all("log", group) {
		if o.text("kind") == "message" {
			out = append(out, o)
		}
	}
	return out
}

// reads reports whether this person's log shows a text.
func (p *person) reads(group, text string) bool {
	p.t.Helper()
	for _, o := range p.messages(group) {
		if o.text("text") == text {
			return true
		}
	}
	return false
}

// follower is `log --follow` of one person.
type follower struct {
	p     *person
	lines chan object
	seen  []object
}

// follow follows a group's log until the test ends.
func (p *person) follow(group string) *follower {
	p.t.Helper()
	cmd := inside(p.ns, p.bin, "--home", p.home, "--json", "log", group, "--follow")
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	f := &follower{p: p, lines: make(chan object, 1<<16)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := bufio.NewScanner(out); s.Scan(); {
			var o object
			if json.Unmarshal(s.Bytes(), &o) == nil {
				f.lines <- o
			}
		}
		close(f.lines)
	}()
	p.t.Cleanup(func() {
		cmd.Process.Kill()
		<-done
		cmd.Wait()
	})
	return f
}

// expect returns the message with a text once this person reads it.
func (f *follower) expect(text string) object {
	f.p.t.Helper()
	fits := func(o object) bool { return o.text("kind") == "message" && o.text("text") == text }
	for _, o := range f.seen {
		if fits(o) {
			return o
		}
	}
	deadline := time.After(patience)
	for {
		select {
		case o, ok := <-f.lines:
			if !ok {
				f.p.t.Fatalf("%s: log --follow ended; want %q", f.p.name, text)
			}
			f.seen = append(f.seen, o)
			if fits(o) {
				return o
			}
		case <-deadline:
			f.p.t.Fatalf("%s does not read %q within %v; the log is %s", f.p.name, text, patience, brief(f.p.all("log", f.seen[0].text("group_id"))))
		}
	}
}

// brief prints the end of a log for a failed test.
func brief(log []object) string {
	var b strings.Builder
	for _, o := range log[max(0, len(log)-12):] {
		fmt.Fprintf(&b, "\n  %s %q %q epoch %v", o.text("kind"), o.text("text"), o.text("reason"), o["epoch"])
	}
	return b.String()
}

// lockedBuffer is a buffer that a process writes while the test reads.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
