package main

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// chattyNode runs a node on loopback that logs everything, and returns its
// address and what it has logged so far.
func chattyNode(t *testing.T, home string, flags ...string) (addr string, logged func() string) {
	t.Helper()
	path := home + ".log"
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	p := prepare(t, home, append([]string{"up", "--listen", "/ip4/127.0.0.1/tcp/0", "--log-level", "debug", "--log-format", "json"}, flags...)...)
	p.Stderr = file
	p.start()
	addr = answer(t, home, "status", "--wait")["addrs"].([]any)[0].(string)
	return addr, func() string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

// untilAnswer repeats a command until it succeeds with the text somewhere in what
// it prints.
func untilAnswer(t *testing.T, home, text string, args ...string) string {
	t.Helper()
	for limit := time.Now().Add(2 * time.Minute); time.Now().Before(limit); {
		out, err := prepare(t, home, append([]string{"--json"}, args...)...).Output()
		if err == nil && strings.Contains(string(out), text) {
			return string(out)
		}
	}
	t.Fatalf("%v never answers %q", args, text)
	return ""
}

// A whole conversation leaves no name, no text, no link and no key in the logs,
// at their loudest too.
func TestLogsHoldNothingPrivate(t *testing.T) {
	const canary = "kanarienvogel"
	dir := t.TempDir()
	alice, bob := filepath.Join(dir, "alice"), filepath.Join(dir, "bob")
	addr, aliceLogs := chattyNode(t, alice)
	_, bobLogs := chattyNode(t, bob, "--peer", addr)
	a, b := answer(t, alice, "id")["peer_id"].(string), answer(t, bob, "id")["peer_id"].(string)

	team := answer(t, alice, "group", "create", canary+"-group")["group_id"].(string)
	answer(t, bob, "join", a+"/"+team, "--note", canary+"-note")
	untilAnswer(t, alice, b, "requests")
	answer(t, alice, "approve", team, b)
	answer(t, bob, "join", a+"/"+team, "--wait")
	answer(t, alice, "send", team, canary+"-sealed")
	answer(t, bob, "send", team, "--plain", canary+"-plain")
	untilAnswer(t, bob, canary+"-sealed", "log", team)
	untilAnswer(t, alice, canary+"-plain", "log", team)
	answer(t, bob, "dm", a, canary+"-dm")
	link := answer(t, alice, "invite", team, "--link", "--preapproved")["link"].(string)
	answer(t, alice, "group", "create", canary+"-second")
	answer(t, alice, "invite", canary+"-second", b)
	untilAnswer(t, bob, canary+"-second", "invites")
	answer(t, bob, "leave", team)
	eid := answer(t, alice, "rotate", team)["eid"].(string)
	answer(t, bob, "stop")
	answer(t, alice, "stop")

	secrets := []string{canary, link, strings.Split(strings.TrimPrefix(link, "conclave:"), ".")[2]}
	for _, home := range []string{alice, bob} {
		for _, name := range []string{"identity", "master"} {
			raw, err := os.ReadFile(filepath.Join(home, name))
			if err != nil {
				t.Fatal(err)
			}
			raw = raw[len(raw)-32-8 : len(raw)-8] // the secret, before its checksum
			secrets = append(secrets, string(raw), hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw))
		}
	}
	if eid == "" {
		t.Error("no key was replaced")
	}
	for who, logs := range map[string]string{"alice": aliceLogs(), "bob": bobLogs()} {
		if !strings.Contains(logs, `"level":"DEBUG"`) {
			t.Errorf("%s logs nothing at level debug", who)
		}
		checkJSONLines(t, logs)
		if i := slices.IndexFunc(secrets, func(s string) bool { return strings.Contains(logs, s) }); i >= 0 {
			t.Errorf("%s logs a private thing, number %d:\n%s", who, i, logs)
		}
	}
}

func checkJSONLines(t *testing.T, logs string) {
	t.Helper()
	for s := bufio.NewScanner(strings.NewReader(logs)); s.Scan(); {
		var line map[string]any
		if err := json.Unmarshal(s.Bytes(), &line); err != nil || line["msg"] == nil || line["time"] != nil {
			t.Errorf("not a line of a JSON log: %q", s.Text())
		}
	}
}

// A level is kept: what is below it is not logged.
func TestLogLevels(t *testing.T) {
	home := filepath.Join(t.TempDir(), "alice")
	for level, want := range map[string]bool{"info": true, "warn": false} {
		p := prepare(t, home, "up", "--listen", "/ip4/127.0.0.1/tcp/0", "--log-level", level)
		var said tail
		p.Stderr = &said
		p.start()
		answer(t, home, "status", "--wait")
		answer(t, home, "stop")
		p.Wait()
		if got := strings.Contains(said.String(), "conclave: level=INFO msg=\"asked to stop\""); got != want {
			t.Errorf("--log-level %s: %q", level, said.String())
		}
	}
}
