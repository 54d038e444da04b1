package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// opener stands for the browser: it keeps what every user of the machine could
// see while it runs, and the file that it was told to open.
const opener = `#!/bin/sh
{ printf '%s\n' "$@"; env; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ; } > "$KEEP/seen" 2>/dev/null
cat "$1" > "$KEEP/page"
`

// TestAbuse_LO09_SecretsStayOut: the link to the page, the session behind it and
// the passphrase of a backup stand in no argument list, environment, process list,
// log, screen or error text.
func TestAbuse_LO09_SecretsStayOut(t *testing.T) {
	keep, home := t.TempDir(), filepath.Join(t.TempDir(), "alice")
	write := func(name, text string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(keep, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	read := func(name string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(keep, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	write("xdg-open", opener, 0o700)
	t.Setenv("KEEP", keep)
	t.Setenv("PATH", keep+":"+os.Getenv("PATH"))
	_, logged := chattyNode(t, home)

	s := openScreen(t, home, "web")
	s.Shows("opened in your browser")
	link := regexp.MustCompile(`http://[^"]*#([0-9a-f]{64})`).FindStringSubmatch(read("page"))
	if link == nil {
		t.Fatalf("the browser got %q", read("page"))
	}
	door, _, _ := strings.Cut(link[0], "#")
	resp := enterPage(t, door, link[1])
	answered, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK || len(resp.Cookies()) != 1 {
		t.Fatalf("sign-in: %d, %v", resp.StatusCode, err)
	}
	again := enterPage(t, door, link[1]) // it works once
	refusal, _ := io.ReadAll(again.Body)
	again.Body.Close()

	right, wrong := write("right", "correct-horse-battery\n", 0o600), write("wrong", "correct-horse-stable\n", 0o600)
	file := filepath.Join(keep, "a.age")
	said := []byte{}
	for _, args := range [][]string{
		{"backup", file, "--passphrase-file", right},
		{"restore", file, "--passphrase-file", wrong, "--home", home + "2"},
		{"restore", file, "--passphrase-file", wrong, "--json", "--home", home + "2"},
		{"restore", file, "--passphrase-file", right, "--home", home + "2"},
	} {
		out, _ := prepare(t, home, args...).CombinedOutput()
		said = append(said, out...)
	}
	if !strings.Contains(string(said), "wrong passphrase") || !strings.Contains(string(answered), "word") {
		t.Fatalf("%s\n%s", said, answered)
	}

	shown := s.Text()
	word := regexp.MustCompile(`[0-9a-f]{64}`).FindString(string(answered))
	for what, secret := range map[string]string{
		"the link": link[1], "the cookie": resp.Cookies()[0].Value, "the word": word,
		"the passphrase": "correct-horse-battery", "a wrong passphrase": "correct-horse-stable",
	} {
		for where, text := range map[string]string{
			"arguments, environment or process list": read("seen"), "the log": logged(), "the screen": shown,
			"what commands say": string(said), "a refusal": string(refusal),
		} {
			if strings.Contains(text, secret) {
				t.Errorf("%s stands in %s", what, where)
			}
		}
	}
}

// enterPage signs in to the page with a link's secret.
func enterPage(t *testing.T, door, secret string) *http.Response {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, door+"session", strings.NewReader(`{"link":"`+secret+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", strings.TrimSuffix(door, "/"))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}
