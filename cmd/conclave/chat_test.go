package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hinshun/vt10x"
	"golang.org/x/sys/unix"
)

// screenOf is a program on a terminal of its own: what it wrote, and a keyboard.
type screenOf struct {
	t       *testing.T
	keys    *os.File
	process *process

	mu    sync.Mutex
	seen  vt10x.Terminal // what the terminal shows
	more  *sync.Cond
	ended bool
}

// openScreen runs a command on a terminal of 100 by 30.
func openScreen(t *testing.T, home string, args ...string) *screenOf {
	t.Helper()
	master, tty := terminal(t)
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 100}); err != nil {
		t.Fatal(err)
	}
	s := &screenOf{t: t, keys: master, seen: vt10x.New(vt10x.WithSize(100, 30)), process: prepare(t, home, args...)}
	s.more = sync.NewCond(&s.mu)
	s.process.Env = append(os.Environ(), "TERM=xterm-256color", "NO_COLOR=")
	s.process.Stdin, s.process.Stdout, s.process.Stderr = tty, tty, tty
	s.process.start()
	tty.Close()
	go s.read(master)
	return s
}

func (s *screenOf) read(from *os.File) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		s.mu.Lock()
		s.seen.Write(buf[:n])
		s.ended = err != nil
		s.more.Broadcast()
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// shows waits until a text stands on the terminal.
func (s *screenOf) shows(text string) {
	s.t.Helper()
	late := false
	limit := time.AfterFunc(patience, func() {
		s.mu.Lock()
		late = true
		s.more.Broadcast()
		s.mu.Unlock()
	})
	defer limit.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !strings.Contains(s.seen.String(), text) {
		if s.ended || late {
			s.t.Fatalf("the screen does not show %q:\n%s", text, s.seen.String())
		}
		s.more.Wait()
	}
}

func (s *screenOf) press(keys string) {
	s.t.Helper()
	if _, err := s.keys.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// One command per person, from empty homes to a line that both read.
func TestChatOneCommandPerPerson(t *testing.T) {
	rounds := 1
	if os.Getenv("CONCLAVE_TEST") == "all" {
		rounds = 5
	}
	var took []time.Duration
	for range rounds {
		took = append(took, playChat(t))
	}
	slices.Sort(took)
	t.Logf("Enter at the second person to a line read at both: median of %d is %.2f s (%v)", rounds, took[rounds/2].Seconds(), took)
}

func playChat(t *testing.T) time.Duration {
	dir := t.TempDir()
	home := func(name string) string { return filepath.Join(dir, name) }
	const loopback = "/ip4/127.0.0.1/tcp/0"
	alice := openScreen(t, home("alice"), "chat", "team", "--create", "--listen", loopback)
	alice.shows("created the group")
	s := answer(t, home("alice"), "status", "--wait")
	peer, addr := s["peer_id"].(string), s["addrs"].([]any)[0].(string)

	began := time.Now()
	bob := openScreen(t, home("bob"), "chat", "--join", peer+"/team", "--note", "it is me", "--listen", loopback, "--peer", addr)
	alice.shows("wants to join")
	alice.press("\x19") // ctrl+y
	bob.shows("sealed for 2")
	bob.press("hello everybody\r")
	alice.shows("hello everybody")
	bob.shows("✓")
	took := time.Since(began)

	for _, s := range []*screenOf{bob, alice} {
		s.press("\x03") // ctrl+c
		if err := s.process.Wait(); err != nil {
			t.Errorf("chat ends with %v", err)
		}
	}
	return took
}
