package main

import (
	"bufio"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"conclave/node/lantest/terminal"
)

// Who types is told, before a line is taken, which members lack the key: once,
// and again when that has changed.
func TestSendTellsWhoCannotRead(t *testing.T) {
	dir := t.TempDir()
	alice, bob := filepath.Join(dir, "alice"), filepath.Join(dir, "bob")
	addr := startNode(t, alice)
	answer(t, alice, "group", "create", "team")
	node := prepare(t, bob, "up", "--listen", "/ip4/127.0.0.1/tcp/0", "--peer", addr)
	node.start()
	answer(t, bob, "status", "--wait")
	me, who := answer(t, alice, "id")["peer_id"].(string), answer(t, bob, "id")["peer_id"].(string)
	answer(t, bob, "join", me+"/team")
	answer(t, alice, "approve", "team", who)
	answer(t, bob, "join", me+"/team", "--wait")
	if err := node.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	node.Wait()
	answer(t, alice, "rotate", "team")

	for name, text := range map[string]string{"a line": "hello", "lines": "-"} {
		t.Run(name, func(t *testing.T) {
			screen, tty := terminal.Open(t)
			send := prepare(t, alice, "send", "team", text)
			send.Stdin, send.Stdout, send.Stderr = tty, tty, tty
			send.start()
			stuck := time.AfterFunc(time.Minute, func() { send.Process.Kill() }) // nothing more comes: the reads end
			defer stuck.Stop()
			tty.Close() // the screen ends with the program
			out := bufio.NewReader(screen)
			said, err := out.ReadString('\n')
			if err != nil || said != "conclave: may not have the key yet, and cannot read this until then: ·"+who[len(who)-6:]+"\r\n" {
				t.Fatalf("the screen shows %q, %v", said, err)
			}
			if text == "-" {
				screen.WriteString("one\ntwo\n\x04")
			}
			for range strings.Count(text, "-") * 2 { // what is typed is shown
				out.ReadString('\n')
			}
			for range 1 + strings.Count(text, "-") {
				if said, err := out.ReadString('\n'); err != nil || !strings.HasPrefix(said, "sent, sealed under key ") {
					t.Errorf("the screen shows %q, %v", said, err)
				}
			}
		})
	}
}
