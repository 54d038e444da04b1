package main

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// The conversation of the README with nothing but curl is run as it stands; the
// stream tells what was sent after the log was read, and what is sent while it
// is open.
func TestReadmeCurl(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	program := ordinary(t)
	home := t.TempDir()
	term := openShell(t, home)
	term.run(t, "cd "+home, 0)
	term.run(t, program+" up --home alice --listen /ip4/127.0.0.1/tcp/0 &", 1)
	lines := curlLines(t)
	position := ""
	for i, l := range lines {
		command, comment, _ := strings.Cut(l, " # ")
		command = strings.ReplaceAll(command, "EVENTS", position)
		if i == len(lines)-1 {
			term.run(t, "exec 3< <("+command+")", 0)
			break
		}
		if strings.HasSuffix(strings.TrimSpace(command), "openapi.json") {
			term.run(t, command+` | grep -o '"openapi":"3.1.0"'`, 1)
			continue
		}
		said := term.run(t, command, 1)
		if strings.Contains(said, `"error"`) {
			t.Fatalf("%s: %s", command, said)
		}
		if strings.Contains(comment, "EVENTS") {
			m := regexp.MustCompile(`"events":(\d+)`).FindStringSubmatch(said)
			if m == nil {
				t.Fatalf("%s has no position: %s", command, said)
			}
			position = m[1]
		}
	}
	if position == "" {
		t.Fatal("nothing says where the stream begins")
	}
	term.run(t, `until read -r line <&3 && [[ $line == *'"text":"hello"'* ]]; do :; done`, 0)
	term.run(t, program+" send --home alice club 'and again'", 1)
	term.run(t, `until read -r line <&3 && [[ $line == *'"text":"and again"'* ]]; do :; done`, 0)
	again := term.run(t, lines[len(lines)-2], 1)
	if log := term.run(t, program+" log club --json --home alice", 1); strings.Count(log, `"text":"hello"`) != 1 {
		t.Errorf("sent again under its key: %s\n%s", again, log)
	}
}

// curlLines returns the lines of the README's block of curl.
func curlLines(t *testing.T) (out []string) {
	t.Helper()
	for l := range strings.Lines(readme(t)) {
		if strings.HasPrefix(l, "curl ") {
			out = append(out, strings.TrimSpace(l))
		}
	}
	if len(out) < 4 || !strings.Contains(out[len(out)-1], "/v1/events") {
		t.Fatalf("the README's conversation is %q", out)
	}
	return out
}
