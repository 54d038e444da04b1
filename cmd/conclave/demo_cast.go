package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

const (
	startWithin = 20 * time.Second // from the start of a process to its first line
	endWithin   = 6 * time.Second  // from SIGTERM to SIGKILL; the node promises 5 s
)

// actor is one person of the demo: a node in a process of its own.
type actor struct {
	name        string
	home        string
	peerID      string
	fingerprint string
	addr        string
	cmd         *exec.Cmd
	gone        chan struct{} // closed when the process has ended
	stderr      tail

	heard map[string]bool // texts that this node reported
	from  int             // the first line spoken while inside, counted from 1; 0 is never
	until int             // the last one; 0 is to the end
}

// started tells of a node that is up.
type started struct {
	Event       string `json:"event"` // node
	Name        string `json:"name"`
	PeerID      string `json:"peer_id"`
	Fingerprint string `json:"fingerprint"`
	Addr        string `json:"addr"`
	PID         int    `json:"pid"`
	Home        string `json:"home"`
}

// enter starts a person's node, connected to those already there, and follows
// what it tells.
func (d *demo) enter(ctx context.Context, name string) (*actor, error) {
	p := &actor{name: name, home: filepath.Join(d.dir, name), gone: make(chan struct{}), heard: map[string]bool{}}
	id, err := node.Init(p.home)
	if err != nil {
		return nil, err
	}
	p.peerID, p.fingerprint = id.PeerID, id.Fingerprint
	args := []string{"up", "--json", "--home", p.home, "--lan", "--listen", "/ip4/127.0.0.1/tcp/0"}
	for _, other := range d.cast {
		args = append(args, "--peer", other.addr)
	}
	first, err := d.spawn(ctx, p, args)
	if err != nil {
		return nil, err
	}
	if p.addr, err = firstAddr(ctx, p, first); err != nil {
		return nil, err
	}
	if err := d.follow(ctx, p); err != nil {
		return nil, err
	}
	return p, d.stage.show(started{"node", p.name, p.peerID, p.fingerprint, p.addr, p.cmd.Process.Pid, p.home})
}

// spawn runs this same program as p's node. The end of the process, while the
// demo goes on, ends the demo.
func (d *demo) spawn(ctx context.Context, p *actor, args []string) (*firstLine, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	out := &firstLine{line: make(chan []byte, 1)}
	p.cmd = exec.Command(self, args...)
	p.cmd.SysProcAttr = apart()
	p.cmd.Stdout, p.cmd.Stderr = out, &p.stderr
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s's node: %w", p.name, err)
	}
	d.cast = append(d.cast, p)
	go func() {
		p.cmd.Wait()
		if ctx.Err() == nil {
			d.cancel(p.died())
		}
		close(p.gone)
	}()
	return out, nil
}

func (p *actor) died() error {
	e := &node.Error{Kind: node.KindError, Message: fmt.Sprintf("%s's node (process %d) ended: %s", p.name, p.cmd.Process.Pid, p.cmd.ProcessState)}
	if said := p.stderr.String(); said != "" {
		e.Hint = "it said: " + said
	}
	return e
}

// terminate asks the node to end; await waits for that, and ends it by force
// where it takes too long.
func (p *actor) terminate() { p.cmd.Process.Signal(syscall.SIGTERM) }

func (p *actor) await() {
	select {
	case <-p.gone:
	case <-time.After(endWithin):
		p.cmd.Process.Kill()
		<-p.gone
	}
}

// firstAddr reads the line that a node prints when it is up.
func firstAddr(ctx context.Context, p *actor, first *firstLine) (string, error) {
	select {
	case line := <-first.line:
		var up ready
		if err := json.Unmarshal(line, &up); err != nil || len(up.Addrs) == 0 {
			return "", fmt.Errorf("%s's node did not say where it listens: %q", p.name, line)
		}
		return up.Addrs[0], nil
	case <-time.After(startWithin):
		return "", &node.Error{Kind: node.KindError, Message: fmt.Sprintf("%s's node did not come up within %s", p.name, startWithin)}
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// follow hands on what the node tells, until ctx ends.
func (d *demo) follow(ctx context.Context, p *actor) error {
	c, err := api.Dial(ctx, p.home, startWithin)
	if err != nil {
		return err
	}
	events, err := c.Events(ctx, 0)
	if err != nil {
		return err
	}
	go handOn(ctx, p, events, d.reports)
	return nil
}

func handOn(ctx context.Context, p *actor, events iter.Seq2[node.Event, error], out chan<- report) {
	for e, err := range events {
		select {
		case out <- report{p, e, err}:
		case <-ctx.Done():
			return
		}
	}
}

// who is a name with the fingerprint of its bearer.
func (p *actor) who() string { return words.Who(p.name, p.peerID) }

// firstLine is a writer that hands out the first line and drops the rest.
type firstLine struct {
	seen []byte
	done bool
	line chan []byte
}

func (f *firstLine) Write(b []byte) (int, error) {
	if f.done {
		return len(b), nil
	}
	f.seen = append(f.seen, b...)
	if line, _, whole := bytes.Cut(f.seen, []byte("\n")); whole {
		f.done = true
		f.line <- line
	}
	return len(b), nil
}

// tail keeps the end of what a process says on stderr.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

const tailBytes = 2000

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	t.kept = t.kept[max(0, len(t.kept)-tailBytes):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.kept))
}

// ask runs one command line against p's node, as the person would type it, and
// returns its answers. A command that fails returns what it said.
func ask[T any](ctx context.Context, p *actor, args ...string) ([]T, error) {
	var out, said bytes.Buffer
	given := append([]string{"--json", "--home", p.home, "--timeout", demoPatience.String()}, args...)
	if code := run(ctx, given, nil, &out, &said); code != 0 {
		return nil, saidError(said.Bytes())
	}
	var answers []T
	for dec := json.NewDecoder(&out); dec.More(); {
		var v T
		if err := dec.Decode(&v); err != nil {
			return nil, err
		}
		answers = append(answers, v)
	}
	return answers, nil
}

// saidError reads the failure that a command wrote as JSON.
func saidError(said []byte) error {
	var e struct {
		Error         node.Kind
		Message, Hint string
	}
	if err := json.Unmarshal(said, &e); err != nil {
		return errors.New(string(said))
	}
	return &node.Error{Kind: e.Error, Message: e.Message, Hint: e.Hint}
}
