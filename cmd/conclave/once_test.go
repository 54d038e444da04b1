package main

import (
	"fmt"
	"testing"

	"conclave/node"
)

// TestSendOnceAcrossAKill: the node dies after it has kept a line and before it
// has answered. The same command again, under the same key, is answered for that
// line, and the log has it once.
func TestSendOnceAcrossAKill(t *testing.T) {
	c := newCrew(t, withFaults(t), "ann")
	ann := c.all[0]
	ann.must("group", "create", "team")
	answered := map[string]string{} // message IDs by text
	for _, at := range []string{"saved:6", "sent:6"} {
		ann.down()
		ann.env = []string{"CONCLAVE_KILL_AT=" + at}
		ann.up()
		ann.env = nil
		for i := 0; ; i++ {
			text := fmt.Sprintf("%s, line %d", at, i)
			out, _, code := ann.run("send", "team", text, "--once", text)
			if code == 0 {
				answered[text] = decodeLines[node.Sent](t, out)[0].MessageID
				continue
			}
			ann.awaitEnd()
			ann.up()
			again := decodeLines[node.Sent](t, ann.must("send", "team", text, "--once", text))[0]
			answered[text] = again.MessageID
			break
		}
	}
	got := ann.messages()
	if len(got) != len(answered) {
		t.Errorf("%d messages of %d", len(got), len(answered))
	}
	for _, m := range got {
		if answered[*m.Text] != *m.MessageID {
			t.Errorf("%q is %s, answered as %s", *m.Text, *m.MessageID, answered[*m.Text])
		}
	}
	if _, _, code := ann.run("send", "team", "something else", "--once", *got[0].Text); code != 2 {
		t.Errorf("another text under a key: exit %d", code)
	}
}
