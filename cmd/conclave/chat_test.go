package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"conclave/node/lantest/terminal"
)

// screenOf is a program on a terminal of its own.
type screenOf struct {
	*terminal.Screen
	process *process
}

func openScreen(t *testing.T, home string, args ...string) screenOf {
	t.Helper()
	p := prepare(t, home, args...)
	return screenOf{terminal.Start(t, p.Cmd), p}
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
	alice.Shows("created the group")
	s := answer(t, home("alice"), "status", "--wait")
	peer, addr := s["peer_id"].(string), s["addrs"].([]any)[0].(string)

	began := time.Now()
	bob := openScreen(t, home("bob"), "chat", "--join", peer+"/team", "--note", "it is me", "--listen", loopback, "--peer", addr)
	alice.Shows("wants to join")
	alice.Press("\x19") // ctrl+y
	bob.Shows("sealed for 2")
	bob.Press("hello everybody\r")
	alice.Shows("hello everybody")
	bob.Shows("✓")
	took := time.Since(began)

	for _, s := range []screenOf{bob, alice} {
		s.Press("\x03") // ctrl+c
		if err := s.process.Wait(); err != nil {
			t.Errorf("chat ends with %v", err)
		}
	}
	return took
}

// What one does daily is done from within the screen.
func TestChatCommands(t *testing.T) {
	home := filepath.Join(t.TempDir(), "ann")
	ann := openScreen(t, home, "chat", "--listen", "/ip4/127.0.0.1/tcp/0")
	ann.Shows("/create NAME")
	ann.Press("/create the book club\r")
	ann.Shows("sealed · nobody else is here yet")
	ann.Press("/name Ann\r")
	ann.Shows(" Ann ·")
	ann.Press("/link --preapproved --uses 3\r")
	ann.Shows("3 people, let in by any member")
	ann.Press("\r") // escape and what follows at once would be one key
	ann.Shows("goes by the name")
	ann.Press("/leave\r")
	ann.Shows("enter again does it")
	ann.Press("\r")
	ann.Shows("nobody: you are not a member any more")
	ann.Press("/quit\r")
	if err := ann.process.Wait(); err != nil {
		t.Errorf("chat ends with %v", err)
	}
}
