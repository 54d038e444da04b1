package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"conclave/node/lantest/terminal"
)

// The tests here need a stream that a script cannot give: a pipe that stays
// open, a terminal, a disk that fills up.

// process is a running conclave that ends with its test.
type process struct {
	*exec.Cmd
	t *testing.T
}

func prepare(t *testing.T, home string, args ...string) *process {
	t.Helper()
	path, err := exec.LookPath("conclave")
	if err != nil {
		t.Fatal(err)
	}
	return &process{child(path, append([]string{"--home", home}, args...)...), t}
}

func (p *process) start() {
	p.t.Helper()
	if err := p.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		p.Process.Signal(syscall.SIGTERM)
		p.Wait()
	})
}

// answer runs a command with --json and returns its last line of stdout.
func answer(t *testing.T, home string, args ...string) map[string]any {
	t.Helper()
	p := prepare(t, home, append([]string{"--json"}, args...)...)
	var stderr bytes.Buffer
	p.Stderr = &stderr
	out, err := p.Output()
	if err != nil {
		t.Fatalf("%v: %v: %s", args, err, stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var o map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &o); err != nil {
		t.Fatalf("%v: %q", args, out)
	}
	return o
}

// startNode runs a node on loopback and returns its home and its address.
func startNode(t *testing.T, home string, flags ...string) (addr string) {
	t.Helper()
	p := prepare(t, home, append([]string{"up", "--listen", "/ip4/127.0.0.1/tcp/0"}, flags...)...)
	p.start()
	return answer(t, home, "status", "--wait")["addrs"].([]any)[0].(string)
}

// Every line is answered when it is durable, while the next is still being
// typed; an interrupt ends the reading.
func TestSendAnswersEachLine(t *testing.T) {
	home := filepath.Join(t.TempDir(), "alice")
	startNode(t, home)
	answer(t, home, "group", "create", "team")
	p := prepare(t, home, "--json", "--timeout", "5s", "send", "team", "-")
	in, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.start()
	answers := bufio.NewReader(out)
	for i := range 3 {
		fmt.Fprintf(in, "line %d\n", i)
		said, err := answers.ReadString('\n')
		if err != nil || !strings.Contains(said, `"state":"sent"`) {
			t.Fatalf("line %d: %q, %v", i, said, err)
		}
	}
	p.Process.Signal(os.Interrupt)
	p.Wait()
	if code := p.ProcessState.ExitCode(); code != 130 {
		t.Errorf("interrupted: exit code %d", code)
	}
}

// Who watches the node is told who wants to join, with the line that lets that
// person in.
func TestUpAnnouncesRequests(t *testing.T) {
	dir := t.TempDir()
	alice, bob := filepath.Join(dir, "alice"), filepath.Join(dir, "bob")
	screen, tty := terminal.Open(t)
	up := prepare(t, alice, "up", "--listen", "/ip4/127.0.0.1/tcp/0")
	up.Stderr = tty
	up.start()
	addr := answer(t, alice, "status", "--wait")["addrs"].([]any)[0].(string)
	group := answer(t, alice, "group", "create", "team")["group_id"].(string)
	startNode(t, bob, "--peer", addr)
	answer(t, bob, "join", answer(t, alice, "id")["peer_id"].(string)+"/team", "--note", "\x1b[2Jhello")

	lines := bufio.NewReader(screen)
	want := regexp.MustCompile(`^conclave: (12D3KooW\w+) wants to join\r\n$`)
	said, err := lines.ReadString('\n')
	m := want.FindStringSubmatch(said)
	if err != nil || m == nil {
		t.Fatalf("the screen shows %q, %v", said, err)
	}
	if said, _ = lines.ReadString('\n'); said != "conclave: team, saying \"hello\"\r\n" {
		t.Errorf("the screen shows %q", said)
	}
	if said, _ = lines.ReadString('\n'); !strings.HasPrefix(said, "conclave: fingerprint ") {
		t.Errorf("the screen shows %q", said)
	}
	said, _ = lines.ReadString('\n')
	command, home, ok := strings.Cut(strings.TrimSpace(said), " --home ")
	if !ok || home != alice || !strings.HasPrefix(command, "hint: ") {
		t.Fatalf("the screen shows %q", said)
	}
	if got := answer(t, alice, strings.Fields(command)[2:]...); got["state"] != "approved" || got["group_id"] != group || got["peer_id"] != m[1] {
		t.Errorf("%s answers %v", command, got)
	}
}

// Colour is for terminals, and not where NO_COLOR is set.
func TestColour(t *testing.T) {
	home := filepath.Join(t.TempDir(), "alice")
	startNode(t, home)
	answer(t, home, "group", "create", "team")
	answer(t, home, "send", "team", "--plain", "in the open")
	for set, want := range map[string]bool{"TERM=xterm": true, "NO_COLOR=1": false, "TERM=dumb": false} {
		screen, tty := terminal.Open(t)
		p := prepare(t, home, "log", "team")
		p.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR=", set)
		p.Stdout = tty
		if err := p.Run(); err != nil {
			t.Fatal(err)
		}
		shown := make([]byte, 4096)
		n, err := screen.Read(shown)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(shown[:n], []byte(plainOn)); got != want {
			t.Errorf("%s: %q", set, shown[:n])
		}
	}
}

// A full disk is an error of the one who writes; what is there can be read.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount a small disk")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=48m,mode=700"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	home := filepath.Join(dir, "alice")
	startNode(t, home)
	answer(t, home, "group", "create", "team")
	answer(t, home, "send", "team", "before")
	fill(t, filepath.Join(dir, "ballast"))

	p := prepare(t, home, "--json", "send", "team", "after")
	var stdout, stderr bytes.Buffer
	p.Stdout, p.Stderr = &stdout, &stderr
	p.Run()
	if code := p.ProcessState.ExitCode(); code != 1 || stdout.Len() > 0 || !strings.Contains(stderr.String(), "disk full") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
	}
	if got := answer(t, home, "log", "team", "--limit", "1"); got["text"] != "before" {
		t.Errorf("the log ends with %v", got)
	}
	if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
		t.Fatal(err)
	}
	p = prepare(t, home, "--json", "--timeout", "10s", "send", "team", "again")
	if out, err := p.CombinedOutput(); err != nil {
		t.Errorf("after space came back: %s", out)
	}
}

// fill writes until no space is left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, endless{}); err == nil {
		t.Fatal("the disk does not fill up")
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// An order to stop ends a node within its time, whatever waits on it.
func TestStopWithWaiters(t *testing.T) {
	dir := t.TempDir()
	alice, bob := filepath.Join(dir, "alice"), filepath.Join(dir, "bob")
	addr := startNode(t, alice)
	answer(t, alice, "group", "create", "team")
	up := prepare(t, bob, "up", "--listen", "/ip4/127.0.0.1/tcp/0", "--peer", addr)
	up.start()
	answer(t, bob, "status", "--wait")
	answer(t, bob, "group", "create", "own")

	peer := answer(t, alice, "id")["peer_id"].(string)
	waiting := prepare(t, bob, "--json", "--timeout", "0", "join", peer+"/team", "--wait")
	following := prepare(t, bob, "--json", "log", "own", "--follow")
	first, err := following.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	waiting.start()
	following.start()
	if _, err := bufio.NewReader(first).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	for answer(t, alice, "status"); ; {
		out, err := prepare(t, alice, "--json", "requests").Output()
		if err != nil {
			t.Fatal(err)
		}
		if len(out) > 0 {
			break
		}
	}
	start := time.Now()
	up.Process.Signal(syscall.SIGTERM)
	if err := up.Wait(); err != nil || time.Since(start) > 3*5*time.Second { // 5 s, on a busy machine
		t.Errorf("ended after %s with %v", time.Since(start), err)
	}
	for _, p := range []*process{waiting, following} {
		p.Wait()
		if code := p.ProcessState.ExitCode(); code != 3 {
			t.Errorf("%v exits %d", p.Args, code)
		}
	}
}

// A follower that does not read is cut off by the node; once it reads again it
// still shows every line, and each once.
func TestFollowAfterBeingCutOff(t *testing.T) {
	const total = 10_000
	home := filepath.Join(t.TempDir(), "alice")
	startNode(t, home)
	answer(t, home, "group", "create", "team", "--plain")
	following := prepare(t, home, "--json", "log", "team", "--follow")
	out, err := following.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	following.start()
	lines := bufio.NewScanner(out)
	if !lines.Scan() { // the group's creation: it follows
		t.Fatal("the follower shows nothing")
	}
	following.Process.Signal(syscall.SIGSTOP)
	t.Cleanup(func() { following.Process.Signal(syscall.SIGCONT) })
	send := prepare(t, home, "--json", "send", "team", "-")
	var texts strings.Builder
	for i := range total {
		fmt.Fprintf(&texts, "line %d\n", i)
	}
	send.Stdin = strings.NewReader(texts.String())
	if err := send.Run(); err != nil {
		t.Fatal(err)
	}
	following.Process.Signal(syscall.SIGCONT)

	seen := map[string]bool{}
	for len(seen) < total && lines.Scan() {
		var l struct{ Text *string }
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		if l.Text == nil {
			continue
		}
		if seen[*l.Text] {
			t.Fatalf("%q was shown twice", *l.Text)
		}
		seen[*l.Text] = true
	}
	if len(seen) != total {
		t.Errorf("%d lines of %d were shown", len(seen), total)
	}
}

// Whoever forgets a group at a terminal is asked; only a yes erases.
func TestForgetAsks(t *testing.T) {
	home := filepath.Join(t.TempDir(), "alice")
	startNode(t, home)
	answer(t, home, "group", "create", "team")
	answer(t, home, "leave", "team")
	for _, c := range []struct {
		typed string
		code  int
	}{{"\n", 5}, {"n\n", 5}, {"y\n", 0}} {
		screen, tty := terminal.Open(t)
		p := prepare(t, home, "group", "forget", "team")
		p.Stdin = tty
		var said tail
		p.Stderr = &said
		if _, err := screen.WriteString(c.typed); err != nil {
			t.Fatal(err)
		}
		p.Run()
		if code := p.ProcessState.ExitCode(); code != c.code || !strings.Contains(said.String(), "Erase all that is here of team? [y/N]") {
			t.Errorf("%q: exit code %d, %q", c.typed, code, said.String())
		}
	}
}

// Who watches the node is told of an invitation, with the line that accepts it, and
// of each new key; on a pipe nothing is said of either.
func TestUpAnnouncesInvitationsAndKeys(t *testing.T) {
	dir := t.TempDir()
	alice, bob, carol := filepath.Join(dir, "alice"), filepath.Join(dir, "bob"), filepath.Join(dir, "carol")
	addr := startNode(t, bob)
	screen, tty := terminal.Open(t)
	up := prepare(t, alice, "up", "--listen", "/ip4/127.0.0.1/tcp/0", "--peer", addr)
	up.Stderr = tty
	up.start()
	answer(t, alice, "status", "--wait")
	piped := prepare(t, carol, "up", "--listen", "/ip4/127.0.0.1/tcp/0", "--peer", addr)
	var said tail
	piped.Stderr = &said
	piped.start()
	answer(t, carol, "status", "--wait")

	answer(t, bob, "name", "Bob")
	club := answer(t, bob, "group", "create", "club")["group_id"].(string)
	for _, home := range []string{alice, carol} {
		answer(t, bob, "invite", club, answer(t, home, "id")["peer_id"].(string))
	}
	lines := bufio.NewReader(screen)
	next := func(pattern string) []string {
		t.Helper()
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatalf("the screen ends before %s: %v", pattern, err)
			}
			if m := regexp.MustCompile(pattern).FindStringSubmatch(strings.TrimSpace(line)); m != nil {
				return m
			}
		}
	}
	next(`^conclave: ·\w{6} invites you: club$`)
	accept := next(`^hint: \S+ accept ([0-9a-f]{12}) --home `)[1]
	if got := answer(t, alice, "accept", accept, "--wait"); got["state"] != "joined" {
		t.Fatalf("accept: %v", got)
	}
	next(`^conclave: club: key 2 by (Bob )?·\w{6}: somebody joined$`)
	answer(t, bob, "rotate", "club")
	next(`^conclave: club: key 3 by Bob ·\w{6}: on request$`)

	untilAnswer(t, carol, "club", "invites")
	answer(t, carol, "stop")
	piped.Wait()
	if got := said.String(); strings.Contains(got, "invites you") {
		t.Errorf("on a pipe: %q", got)
	}
}
