package node

import (
	"strings"
	"testing"
	"time"

	"conclave/group"
	"conclave/keys"
)

// TestMissingIsNamed: a gap is a line of the log that says whose records are
// missing, which, who has them, and when they were asked for. It goes when they
// come.
func TestMissingIsNamed(t *testing.T) {
	ann := newPlayer(t, "ann")
	gid := newGroup(t, CreateGroup{}, ann)
	x := newPuppet(t)
	ok(t, x.know(ann))
	x.joins(ann, gid)
	x.enters(ann)
	x.meshed(ann)
	var kept [][]byte
	say := func(text string, out bool) {
		t.Helper()
		x.mu.Lock()
		x.publish = func(payload []byte) bool {
			kept = append(kept, payload)
			return out
		}
		x.mu.Unlock()
		id, err := keys.NewItemID()
		ok(t, err)
		_, err = x.step(group.Send{Items: []group.Item{{ID: id, Text: text}}})
		ok(t, err)
	}
	say("one", false)
	say("two", false)
	say("three", true)
	gap := func(what string, fits func(l LogLine) bool) {
		t.Helper()
		await(t, what, func() bool {
			lines, err := ann.Log(within(t), gid, LogQuery{Last: true, Limit: 1})
			ok(t, err)
			return lines[0].Kind == "gap" && *lines[0].Sender == x.me().String() && fits(lines[0])
		})
	}
	gap("a line for the gap", func(l LogLine) bool {
		return l.Missing.From == 1 && l.Missing.To == 2 && len(l.Missing.HeldBy) == 0 &&
			strings.Contains(*l.Reason, "2 messages or more from ·"+x.me().Short()+" missing (1-2); nobody in reach has them")
	})
	_, err := x.pulls(within(t), ann, nil) // names what x holds
	ok(t, err)
	gap("who has them", func(l LogLine) bool {
		return len(l.Missing.HeldBy) == 1 && l.Missing.HeldBy[0] == x.me().String() && l.Missing.Asked != nil &&
			strings.Contains(*l.Reason, x.me().Short()+" has them; asked ")
	})
	x.mu.Lock()
	x.publish = nil
	x.mu.Unlock()
	for _, payload := range kept[:2] {
		x.says(payload)
	}
	ann.reads(gid, "one", "two", "three")
	lines, err := ann.Log(within(t), gid, LogQuery{Last: true, Limit: 1})
	ok(t, err)
	if lines[0].Kind == "gap" {
		t.Errorf("all is there, and the log says %q", *lines[0].Reason)
	}
}

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "just now", 90 * time.Second: "90 s ago", 5 * time.Minute: "5 min ago",
		3 * time.Hour: "3 h ago", 72 * time.Hour: "3 days ago",
	} {
		if got := ago(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
