package main

import (
	"bufio"
	"bytes"
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
)

// The session at the top of the README is run as it stands: a shell for each
// terminal, the lines in their order, words in capitals replaced by what was
// printed.
func TestReadme(t *testing.T) {
	session := readSession(t)
	home := t.TempDir()
	terminals, words := map[string]*shellTerminal{}, map[string]string{}
	var last string
	for _, l := range session {
		if terminals[l.who] == nil {
			terminals[l.who] = openShell(t, home)
		}
		term := terminals[l.who]
		last = term.run(t, replaceWords(l.command, words), len(l.prints))
		got := strings.Fields(last)
		if len(got) < len(l.prints) {
			t.Fatalf("%s printed %q, not %v", l.command, last, l.prints)
		}
		for i, w := range l.prints {
			words[w] = got[i]
		}
		switch {
		case strings.Contains(l.command, " requests "):
			if id := term.run(t, "./conclave id --home bob", 0); !strings.Contains(last, fingerprintIn(t, id)) {
				t.Errorf("alice sees %q, which is not bob's fingerprint: %q", last, id)
			}
		case strings.Contains(l.command, " approve "):
			term.run(t, "until ./conclave group show team --home bob; do sleep 0.05; done", 0)
		case strings.Contains(l.command, " send "):
			term.run(t, "until ./conclave log team --home bob | grep hello; do sleep 0.05; done", 0)
		}
	}
	if !strings.Contains(last, "hello bob") {
		t.Errorf("bob's log ends as %q", last)
	}
	for _, term := range terminals {
		term.run(t, "kill %1; wait", 0)
	}
}

// A newcomer finds a session within the first screen.
func TestReadmeBeginsWithASession(t *testing.T) {
	lines := strings.Split(readme(t), "\n")
	session := readSession(t)
	end := session[len(session)-1]
	if end.at > 20 {
		t.Errorf("the session ends in line %d", end.at)
	}
	if len(lines[2]) == 0 || strings.Count(lines[2], ". ") > 0 {
		t.Errorf("it does not begin with one sentence: %q", lines[2])
	}
	for _, command := range []string{"\ngo run ./cmd/conclave demo\n", "\ngo test ./...\n"} {
		if !strings.Contains(readme(t), command) {
			t.Errorf("the README does not say %q", command)
		}
	}
}

func fingerprintIn(t *testing.T, id string) string {
	for l := range strings.Lines(id) {
		if rest, ok := strings.CutPrefix(l, "fingerprint"); ok {
			return strings.TrimSpace(rest)
		}
	}
	t.Fatalf("no fingerprint in %q", id)
	return ""
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sessionLine is a command of the README: "WHO$ COMMAND # prints WORD...".
type sessionLine struct {
	at      int // line of the README
	who     string
	command string
	prints  []string
}

func readSession(t *testing.T) []sessionLine {
	t.Helper()
	var out []sessionLine
	inside := false
	for i, l := range strings.Split(readme(t), "\n") {
		if strings.HasPrefix(l, "```") {
			if inside {
				break
			}
			inside = true
			continue
		}
		if who, command, ok := strings.Cut(l, "$ "); inside && ok {
			command, comment, _ := strings.Cut(command, " # ")
			s := sessionLine{at: i + 1, who: who, command: strings.TrimSpace(command)}
			if list, ok := strings.CutPrefix(strings.TrimSpace(comment), "prints "); ok {
				s.prints = strings.Fields(list)
			}
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		t.Fatal("the README has no session")
	}
	return out
}

func replaceWords(command string, words map[string]string) string {
	parts := strings.Split(command, " ")
	for i, p := range parts {
		if v, ok := words[p]; ok {
			parts[i] = v
		}
	}
	return strings.Join(parts, " ")
}

// shellTerminal is a shell that is given one line after the other.
type shellTerminal struct {
	in    io.Writer
	lines chan string
	said  tail
	count int
}

func openShell(t *testing.T, home string) *shellTerminal {
	t.Helper()
	shell := exec.Command("bash", "-m")
	shell.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} // it ends what it started
	shell.WaitDelay = 10 * time.Second                                   // should that not end
	shell.Dir = "../.."
	shell.Env = append(os.Environ(), "HOME="+home, "CONCLAVE_HOME=", "XDG_DATA_HOME=", "TMPDIR="+home)
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOENV"} {
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		shell.Env = append(shell.Env, name+"="+strings.TrimSpace(string(value)))
	}
	in, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	term := &shellTerminal{in: in, lines: make(chan string)}
	shell.Stderr = &term.said
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, "trap 'jobs -p | xargs -r kill' EXIT\n")
	t.Cleanup(func() {
		in.Close()
		shell.Process.Signal(syscall.SIGTERM) // it may wait for what never comes
		shell.Wait()
	})
	go func() {
		defer close(term.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			term.lines <- s.Text()
		}
	}()
	return term
}

// run gives the shell a line and returns what is printed until it is done. A
// line that goes on in the background is done when it has printed a line, if
// it prints at all.
func (term *shellTerminal) run(t *testing.T, command string, prints int) string {
	t.Helper()
	term.count++
	mark := fmt.Sprintf("done %d exit ", term.count)
	fmt.Fprintf(term.in, "%s\necho \"%s$?\"\n", command, mark)
	var said []string
	ended := false
	limit := time.After(2 * time.Minute)
	for !ended || prints > 0 && len(said) == 0 {
		select {
		case l, ok := <-term.lines:
			code, isMark := strings.CutPrefix(l, mark)
			switch {
			case !ok || isMark && code != "0":
				t.Fatalf("%s: exit %s\n%s\n%s", command, code, strings.Join(said, "\n"), &term.said)
			case isMark:
				ended = true
			default:
				said = append(said, l)
			}
		case <-limit:
			t.Fatalf("%s does not end\n%s", command, &term.said)
		}
	}
	return strings.Join(said, "\n")
}

// The README names files, folders, flags and targets that exist.
func TestReadmeIsTrue(t *testing.T) {
	text := readme(t)
	for _, path := range []string{"LICENSE", ".ci/run", "group/PROTOCOL.md", "keys", "group", "discovery", "node", "cmd/conclave"} {
		if _, err := os.Stat(filepath.Join("../..", path)); err != nil || !strings.Contains(text, path) {
			t.Errorf("%s: not there, or not in the README (%v)", path, err)
		}
	}
	for _, m := range regexp.MustCompile(`\./([a-z/]*[a-z])[ `+"`"+`]`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil && m[1] != "conclave" {
			t.Errorf("the README names %s: %v", m[1], err)
		}
	}
	for pkg, name := range map[string]string{"keys": "FuzzDecodeRecord", "group/sim": "TestSchedules"} {
		out, err := exec.Command("go", "test", "-list", "^"+name+"$", "conclave/"+pkg).Output()
		if err != nil || !bytes.HasPrefix(out, []byte(name+"\n")) || !strings.Contains(text, name) {
			t.Errorf("%s in %s: %v\n%s", name, pkg, err, out)
		}
	}
}
