package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"conclave/node"
)

// thorough reports whether everything is to run, however long it takes.
func thorough() bool { return os.Getenv("CONCLAVE_TEST") == "all" }

// buildsEnv names the folder of the programs that the tests of one run build.
const buildsEnv = "CONCLAVE_TEST_BUILDS"

// builder gives the tests of one run a folder for the programs that they build.
type builder struct{ *testing.M }

func (b builder) Run() int {
	dir, err := os.MkdirTemp("", "conclave-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	os.Setenv(buildsEnv, dir)
	return b.M.Run()
}

// ordinary is the program as people have it.
func ordinary(t *testing.T) string { return buildProgram(t, "") }

// withFaults is the program that ends where it is told to. To build one takes as
// long as many tests.
func withFaults(t *testing.T) string {
	t.Helper()
	if !thorough() {
		t.Skip("needs CONCLAVE_TEST=all: builds a program that dies where it is told to")
	}
	return buildProgram(t, "faults")
}

// buildProgram builds the program, with tags or without, once in a run.
func buildProgram(t *testing.T, tags string) string {
	t.Helper()
	path := filepath.Join(os.Getenv(buildsEnv), "conclave"+tags)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	out, err := exec.Command("go", "build", "-tags", tags, "-o", path, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// child is a command that ends with the test binary at the latest, also where
// that is killed or runs out of time and no test can clean up.
func child(path string, args ...string) *exec.Cmd {
	return bound(exec.Command(path, args...))
}

func bound(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// crew is a few people on one machine, each with a node of the real program as
// a process of its own, on loopback alone.
type crew struct {
	t     *testing.T
	bin   string
	all   []*sailor
	hired int
}

// sailor is one of them. A node that is killed starts again on the same port,
// where the others look for it.
type sailor struct {
	*crew
	name, home, id string
	at             string   // where the node listens
	env            []string // of the next start
	traced         string   // the program to start in place of bin, if any
	cmd            *exec.Cmd
	gone           chan struct{} // closed when cmd has ended
	log            journal
}

// journal keeps what a node says on stderr, over all its lives.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// newCrew starts nodes. Each knows where the first one is.
func newCrew(t *testing.T, bin string, names ...string) *crew {
	t.Helper()
	c := &crew{t: t, bin: bin}
	for _, name := range names {
		c.all = append(c.all, c.sailor(name))
		c.all[len(c.all)-1].up()
	}
	return c
}

// sailor returns somebody whose node, once it is started, ends with the test,
// also where the crew goes on without.
func (c *crew) sailor(name string) *sailor {
	c.t.Helper()
	s := &sailor{crew: c, name: name, home: filepath.Join(c.t.TempDir(), name), at: ownAddr(c.hired)}
	c.hired++
	c.t.Cleanup(func() {
		if s.gone != nil {
			s.kill()
		}
		if c.t.Failed() {
			c.t.Logf("[%s]\n%s", s.name, lastLines(s.log.String(), 40))
		}
	})
	return s
}

// newTeam starts nodes whose people are in one group, "team", the first being
// its owner.
func newTeam(t *testing.T, bin string, names ...string) *crew {
	t.Helper()
	c := newCrew(t, bin, names...)
	c.founds("team")
	return c
}

// founds has the first person create the group, and let everybody in.
func (c *crew) founds(create ...string) {
	c.t.Helper()
	owner := c.all[0]
	owner.must(append([]string{"group", "create"}, create...)...)
	for _, s := range c.all[1:] {
		s.must("join", owner.id+"/team")
		owner.must("approve", "team", s.id)
		s.must("join", owner.id+"/team", "--wait")
	}
	c.agreed() // what is said under an older key the newest member cannot read
}

// agreed waits until every node would seal under the same key.
func (c *crew) agreed() {
	c.t.Helper()
	await(c.t, processBound, "one key", func() bool {
		current := map[string]bool{}
		for _, s := range c.all {
			eid := ""
			for _, k := range decodeLines[node.Key](c.t, s.must("keys", "team")) {
				if k.Current {
					eid = k.EID
				}
			}
			current[eid] = true
		}
		return len(current) == 1 && !current[""]
	})
}

// ownAddr returns the n-th address that is this process's alone: on a loopback
// IP of its own, and below the ports that a kernel gives to whoever asks for
// any. A node that is down for a while finds its address free.
func ownAddr(n int) string {
	pid := os.Getpid()
	return fmt.Sprintf("/ip4/127.%d.%d.%d/tcp/%d", pid>>16&0xff, pid>>8&0xff, pid&0xff, 20_000+n)
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func (s *sailor) addr() string { return s.at + "/p2p/" + s.id }

// up starts the node and waits until it is ready.
func (s *sailor) up() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatalf("%s does not start: %v\n%s", s.name, err, lastLines(s.log.String(), 20))
	}
}

func (s *sailor) start() error {
	args := []string{"up", "--home", s.home, "--json", "--listen", s.at}
	if first := s.all[0]; first != s {
		args = append(args, "--peer", first.addr())
	}
	s.cmd = child(cmp.Or(s.traced, s.bin), args...)
	s.cmd.Env = append(os.Environ(), s.env...)
	s.cmd.Stderr = &s.log
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	cmd, gone := s.cmd, make(chan struct{})
	s.gone = gone
	in := bufio.NewReader(stdout)
	tooLate := time.AfterFunc(processBound, func() { cmd.Process.Signal(syscall.SIGQUIT) })
	first, err := in.ReadBytes('\n')
	tooLate.Stop()
	go func() {
		io.Copy(io.Discard, in)
		cmd.Wait()
		close(gone)
	}()
	if err != nil {
		s.awaitEnd()
		return fmt.Errorf("%w: %v", err, cmd.ProcessState)
	}
	var r ready
	if err := json.Unmarshal(first, &r); err != nil {
		return err
	}
	if s.id != r.PeerID { // the same after each start: others may be reading it
		s.id = r.PeerID
	}
	return nil
}

// processBound is more time than any process here takes to begin, to end, or to
// do what it is asked.
const processBound = 2 * time.Minute

// awaitEnd waits until the node's process has ended. One that does not is made
// to say what it waits for.
func (s *sailor) awaitEnd() {
	s.t.Helper()
	select {
	case <-s.gone:
		return
	case <-time.After(processBound):
	}
	s.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-s.gone:
	case <-time.After(10 * time.Second):
		s.cmd.Process.Kill()
	}
	s.t.Fatalf("%s's node has not ended after %s\n%s", s.name, processBound, lastLines(s.log.String(), 200))
}

// kill ends the node with SIGKILL and waits for its end.
func (s *sailor) kill() {
	s.t.Helper()
	s.cmd.Process.Kill()
	s.awaitEnd()
}

// down ends the node in order.
func (s *sailor) down() {
	s.t.Helper()
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.awaitEnd()
	if !s.cmd.ProcessState.Success() {
		s.t.Fatalf("%s ended with %v\n%s", s.name, s.cmd.ProcessState, lastLines(s.log.String(), 20))
	}
}

// command is one command at this person's home. It is killed where it takes too
// long.
func (s *sailor) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), processBound)
	s.t.Cleanup(cancel)
	return bound(exec.CommandContext(ctx, s.bin, append([]string{"--home", s.home, "--json"}, args...)...))
}

// run runs a command and returns its stdout, its stderr and its exit code.
func (s *sailor) run(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	var out, failed bytes.Buffer
	cmd := s.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &failed
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return out.String(), failed.String(), cmd.ProcessState.ExitCode()
}

// must runs a command that has to succeed and returns its stdout.
func (s *sailor) must(args ...string) string {
	s.t.Helper()
	out, failed, code := s.run(args...)
	if code != 0 {
		s.t.Fatalf("%s: conclave %s: exit %d\n%s", s.name, strings.Join(args, " "), code, failed)
	}
	return out
}

// messages returns the messages of the group's log, in order of display.
func (s *sailor) messages() []node.LogLine {
	s.t.Helper()
	var out []node.LogLine
	for _, l := range decodeLines[node.LogLine](s.t, s.must("log", "team")) {
		if l.Kind == "message" {
			out = append(out, l)
		}
	}
	return out
}

// state describes a node for somebody who has to find out what went wrong: how
// far it holds each author's log, and what it says is missing.
func (s *sailor) state() string {
	var out strings.Builder
	heights := map[string][]uint64{}
	for _, l := range decodeLines[node.LogLine](s.t, s.must("log", "team")) {
		switch l.Kind {
		case "message":
			heights[*l.Sender] = append(heights[*l.Sender], *l.Seq)
		case "gap", "unreadable":
			fmt.Fprintln(&out, l.Kind, *l.Reason)
		}
	}
	for _, p := range s.all {
		fmt.Fprintln(&out, "holds of", p.name, spans(slices.Compact(heights[p.id])))
	}
	return out.String()
}

// spans writes numbers as spans.
func spans(ns []uint64) string {
	var out []string
	for i := 0; i < len(ns); {
		k := i
		for k+1 < len(ns) && ns[k+1] == ns[k]+1 {
			k++
		}
		out = append(out, fmt.Sprintf("%d-%d", ns[i], ns[k]))
		i = k + 1
	}
	return strings.Join(out, " ")
}

func decodeLines[T any](t *testing.T, text string) []T {
	t.Helper()
	var out []T
	for line := range strings.Lines(text) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("not a line of JSON: %q", line)
		}
		out = append(out, v)
	}
	return out
}

// speaker is a running `send -`.
type speaker struct {
	in      io.WriteCloser
	answers chan node.Sent // closed when the command has ended
}

func (s *sailor) speak() *speaker {
	s.t.Helper()
	cmd := s.command("send", "team", "-")
	in, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	p := &speaker{in: in, answers: make(chan node.Sent, 4096)}
	go func() {
		defer close(p.answers)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var a node.Sent
			if json.Unmarshal(lines.Bytes(), &a) == nil {
				p.answers <- a
			}
		}
		cmd.Wait()
	}()
	return p
}

// await calls done until it reports true.
func await(t *testing.T, within time.Duration, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %s still waiting for %s", within, what)
		}
	}
}
