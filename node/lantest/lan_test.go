package lantest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take that a person waits for.
const patience = 2 * time.Minute

var lans atomic.Int32

// lan is a bridge in a namespace of its own, the hub, and one namespace for
// every person on it.
type lan struct {
	t     *testing.T
	name  string
	hosts int
}

func newLAN(t *testing.T) *lan {
	t.Helper()
	need(t)
	sweep(t)
	l := &lan{t: t, name: fmt.Sprintf("cvlan%d-%d", os.Getpid(), lans.Add(1))}
	l.namespace(l.hub())
	l.ip("-n", l.hub(), "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
	l.ip("-n", l.hub(), "link", "set", "br0", "up")
	return l
}

// sweep removes what a run left behind that was ended before it could.
func sweep(t *testing.T) {
	t.Helper()
	out, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^cvlan(\d+)-\S+`).FindAllStringSubmatch(string(out), -1) {
		if pid, _ := strconv.Atoi(m[1]); syscall.Kill(pid, 0) == syscall.ESRCH {
			exec.Command("ip", "netns", "del", m[0]).Run()
		}
	}
}

func (l *lan) hub() string { return l.name + "-hub" }

func (l *lan) namespace(name string) {
	l.t.Helper()
	l.ip("netns", "add", name)
	l.t.Cleanup(func() { l.ip("netns", "del", name) })
	l.ip("-n", name, "link", "set", "lo", "up")
}

func (l *lan) ip(args ...string) {
	l.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		l.t.Errorf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// host adds a namespace with the address 10.77.0.N on the bridge.
func (l *lan) host() (ns, addr string) {
	l.t.Helper()
	l.hosts++
	ns, addr = fmt.Sprintf("%s-%d", l.name, l.hosts), fmt.Sprintf("10.77.0.%d", l.hosts)
	l.namespace(ns)
	port := fmt.Sprintf("p%d", l.hosts)
	l.ip("link", "add", "eth0", "netns", ns, "type", "veth", "peer", "name", port, "netns", l.hub())
	l.ip("-n", l.hub(), "link", "set", port, "master", "br0", "up")
	l.ip("-n", ns, "addr", "add", addr+"/24", "dev", "eth0")
	l.ip("-n", ns, "link", "set", "eth0", "up")
	return ns, addr
}

// inside returns a command that runs in a namespace and does not outlive the
// test.
func inside(ns, program string, args ...string) *exec.Cmd {
	cmd := exec.Command("ip", append([]string{"netns", "exec", ns, program}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// helper is this binary playing a part in a namespace: lines go in and out.
type helper struct {
	t     *testing.T
	in    io.WriteCloser
	lines chan string
	said  []string // lines that were taken from the channel
	ended chan struct{}
}

// start starts a part. It is ended with the test at the latest.
func (l *lan) start(ns, part string, args ...string) *helper {
	l.t.Helper()
	cmd := inside(ns, os.Args[0], args...)
	cmd.Env = append(os.Environ(), partEnv+"="+part)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	h := &helper{t: l.t, in: in, lines: make(chan string, 1<<16), ended: make(chan struct{})}
	go func() {
		defer close(h.ended)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			h.lines <- lines.Text()
		}
		close(h.lines)
		cmd.Wait()
	}()
	l.t.Cleanup(h.stop)
	return h
}

// stop ends the helper and waits for it.
func (h *helper) stop() {
	h.in.Close()
	<-h.ended
}

// expect returns the rest of the next line that begins with word.
func (h *helper) expect(word string, within time.Duration) string {
	h.t.Helper()
	deadline := time.After(within)
	for {
		line := h.next(word, deadline)
		if rest, ok := strings.CutPrefix(line+" ", word+" "); ok {
			return strings.TrimSpace(rest)
		}
	}
}

// next takes the next line, while waiting for something.
func (h *helper) next(wanted string, deadline <-chan time.Time) string {
	h.t.Helper()
	select {
	case line, ok := <-h.lines:
		if !ok {
			h.t.Fatalf("the helper ended; want %q", wanted)
		}
		h.said = append(h.said, line)
		return line
	case <-deadline:
		h.t.Fatalf("in time no %q; so far %q", wanted, h.said)
	}
	return ""
}

// heard waits until some lines were among all that the helper said, now or
// before.
func (h *helper) heard(wanted ...string) {
	h.t.Helper()
	deadline := time.After(patience)
	for _, w := range wanted {
		for !slices.ContainsFunc(h.said, func(line string) bool { return strings.HasPrefix(line, w) }) {
			h.next(w, deadline)
		}
	}
}

// ask sends a line and returns the answer, which begins with the same word.
func (h *helper) ask(line string) string {
	h.t.Helper()
	fmt.Fprintln(h.in, line)
	word, _, _ := strings.Cut(line, " ")
	return h.expect(word, patience)
}

// await asks again and again until ok holds: for what tells nobody when it
// happens. It returns how long that took.
func await(t *testing.T, what string, within time.Duration, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > within {
			t.Fatalf("no %s within %v", what, within)
		}
		time.Sleep(25 * time.Millisecond)
	}
	return time.Since(began)
}
