package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"conclave/keys"
)

// thorough reports whether everything is to run, however long it takes.
func thorough() bool { return os.Getenv("CONCLAVE_TEST") == "all" }

// ok ends the test on an error.
func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// within bounds what a test waits for.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// await looks again and again until done reports true.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %s still waiting for %s", patience, what)
		}
	}
}

// take waits for something from c.
func take[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("after %s still waiting for %s\n%s", patience, what, goroutines())
	}
	return v
}

// lines keeps what a node logs.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// player is somebody whose node runs inside the test, on loopback alone.
type player struct {
	*Node
	t     testing.TB
	name  string
	cfg   Config
	log   lines
	end   context.CancelFunc
	ended chan struct{} // closed when Run has returned
	err   error         // of Run, once ended is closed
}

// newPlayer starts a node that knows where these others are.
func newPlayer(t testing.TB, name string, others ...*player) *player {
	t.Helper()
	p := &player{t: t, name: name, cfg: Config{
		Home:   filepath.Join(t.TempDir(), name),
		Listen: []string{"/ip4/127.0.0.1/tcp/0"},
	}}
	p.up(others...)
	return p
}

// up starts the node and waits until it is ready.
func (p *player) up(others ...*player) {
	p.t.Helper()
	if err := p.tryUp(others...); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

func (p *player) tryUp(others ...*player) (err error) {
	p.t.Helper()
	p.cfg.Peers = nil
	for _, o := range others {
		p.cfg.Peers = append(p.cfg.Peers, o.addr())
	}
	p.cfg.Logger = slog.New(slog.NewTextHandler(&p.log, nil))
	if p.Node, err = Open(p.cfg); err != nil {
		return err
	}
	p.launch()
	select {
	case <-p.Ready():
		return nil
	case <-p.ended:
		return errors.Join(p.err, io.ErrUnexpectedEOF)
	case <-time.After(patience):
		return fmt.Errorf("not ready after %s\n%s", patience, goroutines())
	}
}

// launch runs the opened node.
func (p *player) launch() {
	ctx, cancel := context.WithCancel(context.Background())
	n, ended := p.Node, make(chan struct{})
	p.end, p.ended = cancel, ended
	go func() {
		defer close(ended)
		p.err = n.Run(ctx)
	}()
	p.t.Cleanup(func() {
		cancel()
		awaitEnd(p.t, p.name, ended)
	})
}

// patience is more time than anything takes that a test waits for.
const patience = 2 * time.Minute

func awaitEnd(t testing.TB, name string, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatalf("%s's node has not ended after %s\n%s", name, patience, goroutines())
	}
}

// goroutines says what everybody waits for.
func goroutines() string {
	var b strings.Builder
	pprof.Lookup("goroutine").WriteTo(&b, 1)
	return b.String()
}

// down ends the node and returns what Run said.
func (p *player) down() error {
	p.t.Helper()
	p.end()
	awaitEnd(p.t, p.name, p.ended)
	return p.err
}

// addr is where another node finds this one.
func (p *player) addr() string { return p.net.FullAddrs()[0] }

func (p *player) id() string { return p.me.String() }

// roomOf is the room of the group with this ID.
func (p *player) roomOf(gid string) *room {
	p.t.Helper()
	h, err := keys.ParseHash(gid)
	ok(p.t, err)
	r := p.Node.room(h)
	if r == nil {
		p.t.Fatalf("%s is not in %s", p.name, gid)
	}
	return r
}

// newGroup makes a group of owner and lets the others in.
func newGroup(t testing.TB, c CreateGroup, owner *player, others ...*player) string {
	t.Helper()
	if c.Name == "" {
		c.Name = "team"
	}
	g, err := owner.CreateGroup(within(t), c)
	ok(t, err)
	for _, p := range others {
		letIn(t, owner, p, g.GroupID)
	}
	return g.GroupID
}

// letIn has p join a group of owner.
func letIn(t testing.TB, owner, p *player, gid string) {
	t.Helper()
	ctx := within(t)
	_, err := p.Join(ctx, owner.id(), gid, "", false)
	ok(t, err)
	_, err = owner.Approve(ctx, gid, p.id())
	ok(t, err)
	_, err = p.Join(ctx, owner.id(), gid, "", true)
	ok(t, err)
}

// say sends one line and fails the test where it is not taken.
func (p *player) say(gid, text string) Sent {
	p.t.Helper()
	sent, err := p.Send(within(p.t), gid, []string{text}, false, true)
	ok(p.t, err)
	return sent[0]
}

// messages returns the messages of a log that have left, in order of display.
func (p *player) messages(gid string) []LogLine {
	p.t.Helper()
	var out []LogLine
	for after := ""; ; {
		page, err := p.Log(within(p.t), gid, LogQuery{After: after})
		ok(p.t, err)
		for _, l := range page {
			if l.Kind == "message" && (l.State == nil || *l.State != "held") {
				out = append(out, l)
			}
		}
		if len(page) < maxLogPage {
			return out
		}
		after = page[len(page)-1].Cursor
	}
}

// texts returns what a log reads.
func (p *player) texts(gid string) []string {
	p.t.Helper()
	out := []string{}
	for _, m := range p.messages(gid) {
		out = append(out, *m.Text)
	}
	return out
}

// reads waits until a log has these texts as its last.
func (p *player) reads(gid string, texts ...string) {
	p.t.Helper()
	var got []string
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		got = p.texts(gid)
		if got = got[max(0, len(got)-len(texts)):]; fmt.Sprint(got) == fmt.Sprint(texts) {
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("%s reads %q, not %q", p.name, got, texts)
		}
	}
}

// agree waits until all of them would seal under one key.
func agree(t testing.TB, gid string, all ...*player) {
	t.Helper()
	await(t, "one key", func() bool {
		current := map[string]bool{}
		for _, p := range all {
			ks, err := p.Keys(within(t), gid)
			ok(t, err)
			eid := ""
			for _, k := range ks {
				if k.Current {
					eid = k.EID
				}
			}
			current[eid] = true
		}
		return len(current) == 1 && !current[""]
	})
}

// seed returns a fresh seed, or that of CONCLAVE_SEED, and prints it.
func seed(t testing.TB) *rand.Rand {
	t.Helper()
	n, err := strconv.ParseUint(os.Getenv("CONCLAVE_SEED"), 10, 64)
	if err != nil {
		n = rand.Uint64()
	}
	t.Logf("CONCLAVE_SEED=%d", n)
	return rand.New(rand.NewPCG(n, 0))
}
