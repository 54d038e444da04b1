package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"conclave/node"
)

// The codes are promised to scripts; the help has to show the same table.
func TestExitCodes(t *testing.T) {
	want := map[node.Kind]int{
		node.KindError: 1, node.KindUsage: 2, node.NoNode: 3, node.NotFound: 4, node.NotAllowed: 5,
		node.Passphrase: 6, node.TimedOut: 7, node.Interrupted: 130,
	}
	for kind, code := range want {
		if got := exitCode(kind); got != code {
			t.Errorf("%s exits %d, want %d", kind, got, code)
		}
	}
	var help bytes.Buffer
	if code := run(context.Background(), []string{"--help"}, nil, &help, &help); code != 0 {
		t.Fatalf("--help exits %d", code)
	}
	for _, line := range []string{
		"0    ok", "1    error", "2    usage", "3    no node running", "4    not found (group, peer, request)",
		"5    not allowed", "6    wrong passphrase", "7    timed out", "130  interrupted",
	} {
		if !strings.Contains(help.String(), "  "+line+"\n") {
			t.Errorf("the help does not say %q", line)
		}
	}
}

func TestErrorsAreClassified(t *testing.T) {
	live := context.Background()
	dead, cancel := context.WithCancel(live)
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		err  error
		want node.Kind
	}{
		{live, errors.New("unknown flag"), node.KindUsage},
		{live, failure{errors.New("disk")}, node.KindError},
		{live, failure{&node.Error{Kind: node.NotFound}}, node.NotFound},
		{live, failure{fmt.Errorf("ask: %w", &node.Error{Kind: node.NotAllowed})}, node.NotAllowed},
		{live, failure{context.DeadlineExceeded}, node.TimedOut},
		{dead, failure{context.Canceled}, node.Interrupted},
	} {
		if got := asError(c.ctx, c.err).Kind; got != c.want {
			t.Errorf("%v is %s, want %s", c.err, got, c.want)
		}
	}
}

func TestErrorsForMachines(t *testing.T) {
	var out bytes.Buffer
	a := &app{json: true, stderr: &out}
	a.report(&node.Error{Kind: node.NotFound, Message: "no <group>", Hint: "look"})
	a.report(&node.Error{Kind: node.KindError, Message: "m\x1b"})
	want := `{"error":"not_found","message":"no <group>","hint":"look"}` + "\n" +
		`{"error":"error","message":"m\u001b","hint":null}` + "\n"
	if out.String() != want {
		t.Errorf("got %s", out.String())
	}
}

func TestErrorsForPeople(t *testing.T) {
	var out bytes.Buffer
	a := &app{stderr: &out}
	a.report(&node.Error{Kind: node.NotFound, Message: "two match\x1b[2J\nalice", Hint: "name one"})
	if want := "conclave: two match\n  alice\nhint: name one\n"; out.String() != want {
		t.Errorf("got %q", out.String())
	}
}

func TestHome(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		given string
		env   map[string]string
		want  string
	}{
		{"/a", map[string]string{"CONCLAVE_HOME": "/b"}, "/a"},
		{"a", nil, filepath.Join(here, "a")},
		{"", map[string]string{"CONCLAVE_HOME": "/b", "XDG_DATA_HOME": "/c", "HOME": "/d"}, "/b"},
		{"", map[string]string{"XDG_DATA_HOME": "/c", "HOME": "/d"}, "/c/conclave"},
		{"", map[string]string{"XDG_DATA_HOME": "relative", "HOME": "/d"}, "/d/.local/share/conclave"},
		{"", nil, ""},
	} {
		got, err := findHome(c.given, func(name string) string { return c.env[name] })
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("findHome(%q, %v) = %q, %v", c.given, c.env, got, err)
		}
	}
}

func TestWantsJSON(t *testing.T) {
	for line, want := range map[string]bool{
		"--json bogus": true, "bogus --json": true, "send g -- --json": false, "send g --json -- x": true, "status": false,
	} {
		if got := wantsJSON(strings.Fields(line)); got != want {
			t.Errorf("wantsJSON(%q) = %v", line, got)
		}
	}
}
