package mesh

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// These tests run nodes as processes of their own in network namespaces that
// they make and remove, so that nothing reaches the machine's own network. They
// need root, and run under CONCLAVE_TEST=all, where lacking it is a failure.

// helperEnv tells the test binary, started again, which part to play.
const helperEnv = "CONCLAVE_MESH_HELPER"

// needNamespaces skips the test, or fails it where everything is to run.
func needNamespaces(t *testing.T) {
	t.Helper()
	if os.Getenv("CONCLAVE_TEST") != "all" {
		t.Skip("network namespaces: runs under CONCLAVE_TEST=all")
	}
	if os.Getuid() != 0 {
		t.Fatal("network namespaces need root")
	}
}

// lan is a bridge in a namespace of its own, and one namespace per host.
type lan struct {
	t     *testing.T
	name  string
	hosts int
}

// networks counts those that were made: their names must differ.
var networks int

func newLAN(t *testing.T) *lan {
	needNamespaces(t)
	networks++
	l := &lan{t: t, name: fmt.Sprintf("cv%d-%d-", os.Getpid(), networks)}
	l.namespace(l.hub())
	l.ip("-n", l.hub(), "link", "add", "br0", "type", "bridge")
	l.ip("-n", l.hub(), "link", "set", "br0", "up")
	return l
}

func (l *lan) hub() string { return l.name + "h" }

func (l *lan) namespace(name string) {
	l.ip("netns", "add", name)
	l.t.Cleanup(func() { l.ip("netns", "del", name) })
	l.ip("-n", name, "link", "set", "lo", "up")
}

func (l *lan) ip(args ...string) {
	l.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		l.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// host adds a namespace with the address 10.77.0.N on the bridge. Its cable is
// in when plugged is true.
func (l *lan) host(plugged bool) (ns string, n int) {
	l.t.Helper()
	l.hosts++
	ns = fmt.Sprintf("%s%d", l.name, l.hosts)
	l.namespace(ns)
	port := fmt.Sprintf("p%d", l.hosts)
	l.ip("link", "add", "eth0", "netns", ns, "type", "veth", "peer", "name", port, "netns", l.hub())
	l.ip("-n", l.hub(), "link", "set", port, "master", "br0", "up")
	if plugged {
		l.plug(ns, l.hosts)
	}
	return ns, l.hosts
}

func (l *lan) plug(ns string, n int) {
	l.t.Helper()
	l.ip("-n", ns, "addr", "add", fmt.Sprintf("10.77.0.%d/24", n), "dev", "eth0")
	l.ip("-n", ns, "link", "set", "eth0", "up")
}

// process is a helper in a namespace: lines go in and out.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.Writer
	lines chan string
}

// run starts the test binary in ns, to play a part. It is ended with the test.
func (l *lan) run(ns, part string, args ...string) *process {
	l.t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", ns, os.Args[0], "-test.run", "^$", "--"}, args...)...)
	cmd.Env = append(os.Environ(), helperEnv+"="+part)
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
	p := &process{t: l.t, cmd: cmd, in: in, lines: make(chan string, 4096)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
		close(p.lines)
	}()
	l.t.Cleanup(func() {
		in.Close() // a helper ends when its standard input does
		<-read
		cmd.Wait()
	})
	return p
}

// expect returns the rest of the next line that begins with word.
func (p *process) expect(word string, within time.Duration) string {
	p.t.Helper()
	deadline := time.After(within)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("the helper ended; want %q", word)
			}
			if rest, ok := strings.CutPrefix(line, word+" "); ok {
				return rest
			}
		case <-deadline:
			p.t.Fatalf("no %q within %v", word, within)
		}
	}
}

// ask sends a line and returns the answer, which begins with the same word.
func (p *process) ask(line string) string {
	p.t.Helper()
	fmt.Fprintln(p.in, line)
	word, _, _ := strings.Cut(line, " ")
	return p.expect(word, patience)
}

// stop ends the helper and waits for it.
func (p *process) stop() {
	p.in.(io.Closer).Close()
	for range p.lines {
	}
}

// awaitOne waits until one connection is left.
func (p *process) awaitOne() {
	p.t.Helper()
	await(p.t, "one connection", func() bool { return p.ask("conns") == "1" })
}
