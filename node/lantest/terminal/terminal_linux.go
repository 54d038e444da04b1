// Package terminal gives a program that a test runs a terminal of its own: what stands
// on it, and a keyboard.
package terminal

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hinshun/vt10x"
	"golang.org/x/sys/unix"
)

// patience is how long anything may take to be shown.
const patience = 2 * time.Minute

const columns, rows = 100, 30

// Open returns both ends of a new pseudo-terminal of 100 by 30: the one that sees
// and types, and the one that a program has. They are closed with the test.
func Open(t testing.TB) (master, tty *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return master, tty
}

// Screen is a program on a terminal of its own.
type Screen struct {
	t    testing.TB
	keys *os.File

	mu    sync.Mutex
	seen  vt10x.Terminal // what the terminal shows
	more  *sync.Cond
	ended bool
}

// Start starts a program on a new terminal. It is ended with the test.
func Start(t testing.TB, cmd *exec.Cmd) *Screen {
	t.Helper()
	master, tty := Open(t)
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		t.Fatal(err)
	}
	s := &Screen{t: t, keys: master, seen: vt10x.New(vt10x.WithSize(columns, rows))}
	s.more = sync.NewCond(&s.mu)
	cmd.Env = append(cmd.Environ(), "TERM=xterm-256color", "NO_COLOR=")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	tty.Close()
	go s.read()
	return s
}

func (s *Screen) read() {
	buf := make([]byte, 64<<10)
	for {
		n, err := s.keys.Read(buf)
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

// Text is what stands on the terminal.
func (s *Screen) Text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.String()
}

// Shows waits until a text stands on the terminal.
func (s *Screen) Shows(text string) {
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

// Press types keys.
func (s *Screen) Press(keys string) {
	s.t.Helper()
	if _, err := s.keys.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}
