package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"conclave/node"
)

// TestAbuse_FA08_NodeOnFlippedHome: a byte somewhere in a home changed. The node
// refuses to start, in one line with what to do about it, or it runs: what it
// shows was said, and what it sends is sealed. It never panics.
func TestAbuse_FA08_NodeOnFlippedHome(t *testing.T) {
	if !thorough() {
		t.Skip("needs CONCLAVE_TEST=all: starts a node on many damaged homes")
	}
	rng := seed(t)
	c := newTeam(t, ordinary(t), "ann")
	ann := c.all[0]
	l := newLedger()
	for i := range 5 { // what is in the journal comes into tables
		l.say(ann, i, 20, func() int { return 5 }, func(int) {})
		ann.must("rotate", "team")
		ann.down()
		ann.up()
	}
	ann.down()
	refused := 0
	const runs = 60
	for range runs {
		s := &sailor{crew: c, name: "flipped", home: filepath.Join(t.TempDir(), "home"), at: "/ip4/127.0.0.1/tcp/0"}
		if err := os.CopyFS(s.home, os.DirFS(ann.home)); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(s.home, 0o700); err != nil {
			t.Fatal(err)
		}
		where := flipIn(t, rng, s.home)
		if s.start() != nil {
			hint := s.refusedWell(where)
			if refused++; refused <= 3 {
				s.repairedAs(hint, where)
			}
		} else {
			s.worksSealed(where, l)
		}
		s.kill()
		if log := s.log.String(); strings.Contains(log, "panic") || strings.Contains(log, "goroutine ") {
			t.Errorf("%s: %s", where, lastLines(log, 20))
		}
	}
	t.Logf("%d of %d refused", refused, runs)
}

// flipIn changes one bit of one file, and says where.
func flipIn(t *testing.T, rng *rand.Rand, home string) string {
	t.Helper()
	var files []string
	if err := filepath.WalkDir(home, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if fi, err := e.Info(); err == nil && fi.Mode().IsRegular() && fi.Size() > 0 {
			files = append(files, path)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	path := files[rng.IntN(len(files))]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := rng.IntN(len(b))
	b[at] ^= 1 << rng.IntN(8)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s, byte %d of %d", filepath.Base(path), at, len(b))
}

// refusedWell checks how a node said that it does not start, and returns the
// hint.
func (s *sailor) refusedWell(where string) string {
	s.t.Helper()
	type refusal struct{ Error, Message, Hint string }
	var e refusal
	for line := range strings.Lines(s.log.String()) { // the database may still log something behind it
		var x refusal
		if json.Unmarshal([]byte(line), &x) == nil && x.Message != "" {
			e = x
		}
	}
	if e.Hint == "" || strings.Contains(e.Message, "\n") {
		s.t.Errorf("%s: refused with %s", where, lastLines(s.log.String(), 2))
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 1 {
		s.t.Errorf("%s: exit %d", where, code)
	}
	return e.Hint
}

// repairedAs does as a hint says, where that is a command.
func (s *sailor) repairedAs(hint, where string) {
	s.t.Helper()
	if !strings.Contains(hint, "doctor --repair") {
		return
	}
	s.must("doctor", "--repair")
	if err := s.start(); err != nil {
		s.t.Errorf("%s: repaired, and yet: %s", where, lastLines(s.log.String(), 2))
	}
}

// worksSealed checks a node that runs. Commands may fail: what they need may be
// what was lost.
func (s *sailor) worksSealed(where string, l *ledger) {
	s.t.Helper()
	if out, _, code := s.run("group", "show", "team"); code == 0 && !decodeLines[node.GroupInfo](s.t, out)[0].E2EE {
		s.t.Errorf("%s: encryption is off", where)
	}
	if out, _, code := s.run("log", "team"); code == 0 {
		for _, m := range decodeLines[node.LogLine](s.t, out) {
			if m.Kind == "message" && (!m.Encrypted || !slices.Contains(l.given[*m.Sender], *m.Text)) {
				s.t.Errorf("%s: shows %q, encrypted: %v", where, *m.Text, m.Encrypted)
			}
		}
	}
	if out, _, code := s.run("send", "team", "after it", "--timeout", "10s"); code == 0 && !decodeLines[node.Sent](s.t, out)[0].Encrypted {
		s.t.Errorf("%s: sends in plaintext", where)
	}
}
