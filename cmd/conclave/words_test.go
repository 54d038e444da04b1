package main

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"conclave/node"
	"conclave/node/api/words"
)

// shows returns what a door's function writes.
func shows[T any](f func(io.Writer, T), v T) string {
	var out bytes.Buffer
	f(&out, v)
	return out.String()
}

func one[T any](v T) []T { return []T{v} }

func ptr[T any](v T) *T { return &v }

// lineOf is what `log` shows of a line.
func lineOf(l node.LogLine) string {
	var out bytes.Buffer
	p := &linePrinter{w: &out, self: "me", alike: map[string]bool{"like": true}, zone: time.UTC, now: time.Now}
	p.print(l)
	return out.String()
}

// TestCommandsSayTheTable: what the commands print of every state are the words
// of the table.
func TestCommandsSayTheTable(t *testing.T) {
	near := func(w io.Writer, n node.Nearby) { tableNearby(w, one(n), map[string]string{}) }
	key, n, three := uint64(7), 2, 3
	show := map[string]func(state string) string{
		"marked": func(s string) string { return shows(tableGroups, one(node.GroupInfo{Marked: s, E2EE: true})) },
		"history": func(s string) string {
			return shows(showGroup, node.GroupInfo{E2EE: true, Settings: &node.GroupSettings{History: s}})
		},
		"rotate": func(s string) string {
			return shows(showGroup, node.GroupInfo{E2EE: true, Settings: &node.GroupSettings{RotateBy: s}})
		},
		"reason":   func(s string) string { return shows(tableKeys, one(node.Key{Reason: s})) },
		"role":     func(s string) string { return shows(tableMembers, one(node.Member{Role: s})) },
		"can":      func(s string) string { return shows(tableMembers, one(node.Member{Can: one(s)})) },
		"verified": func(s string) string { return shows(showVerification, node.Verification{Verified: s == "true"}) },
		"join":     func(s string) string { return shows(showJoin, node.JoinState{State: s}) },
		"request":  func(s string) string { return shows(showAnswered, node.Request{State: s}) },
		"invite":   func(s string) string { return shows(showInvite, node.Invite{State: s}) },
		"linked":   func(s string) string { return shows(tableLinks, one(node.Link{State: s})) },
		"delivery": func(s string) string { return shows(showSent, node.Sent{State: s}) },
		"message":  func(s string) string { return shows(showMessages, one(node.MessageInfo{State: s})) },
		"change":   func(s string) string { return shows(showChange, node.Change{State: s}) },
		"handover": func(s string) string { return shows((&app{}).showHandover, node.Handover{State: s}) },
		"finding":  func(s string) string { return shows(tableFindings, one(node.Finding{State: s})) },
		"repair":   func(s string) string { return shows(showRepaired, node.Repaired{State: s, Aside: new(string)}) },
		"out":      func(s string) string { return shows(showExclusion, node.Exclusion{State: s}) },
		"reader": func(s string) string {
			return shows(showMessages, one(node.MessageInfo{Readers: one(node.Reader{Says: words.State("reader", s)})}))
		},
	}
	for _, of := range []string{"unreadable", "held", "gap"} { // the node says these itself
		show[of] = func(s string) string {
			kind := map[string]string{"unreadable": "unreadable", "gap": "gap"}[of]
			l := node.LogLine{Kind: kind, Reason: ptr(words.State(of, s)), Encrypted: true}
			if of == "held" {
				l.Kind, l.State = "message", ptr("held")
			}
			return lineOf(l)
		}
	}
	of := map[string]string{ // states with something filled in, and those of one kind
		"join.kept":        shows(showJoin, node.JoinState{State: "requested", Kept: true}),
		"delivery.sealed":  shows(showSent, node.Sent{State: "sent", Epoch: &key, Encrypted: true}),
		"delivery.plain":   shows(showSent, node.Sent{State: "sent"}),
		"delivered.some":   lineOf(node.LogLine{Kind: "message", State: ptr("sent"), Delivered: &n, Recipients: &three, Encrypted: true}),
		"held":             lineOf(node.LogLine{Kind: "message", State: ptr("held"), Encrypted: true}),
		"unreadable":       lineOf(node.LogLine{Kind: "unreadable", Sender: ptr("me")}),
		"gap":              lineOf(node.LogLine{Kind: "gap", Reason: ptr(words.Say("gap"))}),
		"alike":            shows(tableMembers, one(node.Member{Alike: true})),
		"alike.mark":       lineOf(node.LogLine{Kind: "message", Sender: ptr("like"), Encrypted: true}),
		"sealed":           shows(tableGroups, one(node.GroupInfo{E2EE: true})),
		"plain":            shows(tableGroups, one(node.GroupInfo{})),
		"key":              shows(tableMembers, one(node.Member{Epoch: &key})),
		"nokey":            shows(tableMembers, one(node.Member{})),
		"online":           shows(tableMembers, one(node.Member{Online: true})),
		"away":             shows(tableMembers, one(node.Member{})),
		"unread":           shows(tableGroups, one(node.GroupInfo{Unread: 2})),
		"catchup":          shows(showGroup, node.GroupInfo{CatchingUp: &node.Progress{Done: 2, Total: 3}}),
		"keep.forever":     shows(showShown, groupShown{}),
		"key.current":      shows(tableKeys, one(node.Key{Current: true})),
		"holders":          shows(tableKeys, one(node.Key{Holders: []string{"a", "b"}, Missing: one("c")})),
		"holders.missing":  shows(tableKeys, one(node.Key{Missing: one("c")})),
		"link.asking":      shows(tableLinks, one(node.Link{})),
		"link.one":         shows(tableLinks, one(node.Link{PreApproved: true, Uses: 1})),
		"link.preapproved": shows(tableLinks, one(node.Link{PreApproved: true, Uses: 2})),
		"near.none":        shows(near, node.Nearby{}),
		"near.shared":      shows(near, node.Nearby{Shared: one("g")}),
		"forgotten":        shows(showForgotten, node.Forgotten{}),
	}
	elsewhere := map[string]string{
		"towhom": "where a line is written: the screen and the page", "sign": "the same", "outside": "on the page",
		"delivered.all": "of what has arrived nothing is open", "request.pending": "in `requests`, by pendingLines",
	}
	for k, said := range words.Table() {
		kind, state, _ := strings.Cut(k, ".")
		text, filled := of[k]
		if !filled && show[kind] != nil {
			text = show[kind](state)
		} else if !filled {
			if elsewhere[k]+elsewhere[kind] == "" {
				t.Errorf("%s is shown nowhere", k)
			}
			continue
		}
		for _, part := range filledIn.Split(said.Words, -1) {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q is shown as %q", k, said.Words, text)
			}
		}
	}
}

var filledIn = regexp.MustCompile(`\{\w+\}`)
