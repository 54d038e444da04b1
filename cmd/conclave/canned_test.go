package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"conclave/node"
)

// canned answers on the socket of a home as a node does, with what a screen has
// to bear: the worst that others can write, and one of every kind of line.
type canned struct {
	server *http.Server
	lines  []node.LogLine
	plain  bool
}

const (
	annID   = "12D3KooWAnnAnnAnnAnnAnnAnnAnnAnnAnnAnnAnnAnnAnnAk7Qf2m"
	benID   = "12D3KooWBenBenBenBenBenBenBenBenBenBenBenBenBenBx81TaQ"
	eveID   = "12D3KooWEveEveEveEveEveEveEveEveEveEveEveEveEveEp0LzVc"
	teamID  = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	otherID = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

	bidiName = "\u202eeve\u2066 \u05d0\u05d1\u05d2" // overrides the direction, and has letters of the other
)

func newCanned(t *testing.T, plain bool) (home string) {
	t.Helper()
	home, err := os.MkdirTemp("", "canned") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", node.SocketPath(home))
	if err != nil {
		t.Fatal(err)
	}
	c := &canned{lines: cannedLines(), plain: plain}
	c.server = &http.Server{Handler: c}
	go c.server.Serve(l)
	t.Cleanup(func() { c.server.Close(); os.RemoveAll(home) })
	return home
}

// cannedLines end with the lines that a screen shows at first.
func cannedLines() (out []node.LogLine) {
	add := func(kind, sender, name, text string, more func(*node.LogLine)) {
		n := len(out)
		l := node.LogLine{GroupID: teamID, Kind: kind, Sender: &sender, SenderName: &name, Encrypted: true, Cursor: fmt.Sprintf("c%04d", n), MessageID: pointer(fmt.Sprint(n)),
			Time: pointer(fmt.Sprintf("2026-11-20T%02d:%02d:00.000Z", 8+n/60, n%60))}
		if l.Text = &text; kind != "message" {
			l.Text, l.Reason = nil, &text
		}
		if more != nil {
			more(&l)
		}
		out = append(out, l)
	}
	for i := range 300 {
		add("message", benID, "ben", fmt.Sprintf("entry %d", i), nil)
	}
	add("message", benID, "ben", strings.Repeat("a line of a megabyte ", 50_000), nil)
	add("event", annID, "ann", "key 13 by ann ·k7Qf2m: somebody left", nil)
	add("message", eveID, bidiName, "\u202egnp.exe\u202c \u05e9\u05dc\u05d5\u05dd and \x1b[31mred\x1b[0m \u0007", nil)
	add("message", benID, "ben", "combining e\u0301 a\u0308\u0323 z"+strings.Repeat("\u0335", 40)+" done", nil)
	add("message", benID, "世界", "wide 世界 \U0001f642 \U0001f469\u200d\U0001f680 \U0001f44d\U0001f3fd \u2764\ufe0f \U0001f1e9\U0001f1ea end "+strings.Repeat("\U0001f642", 60), nil)
	add("message", eveID, bidiName, "in the open \U0001f642 世界", func(l *node.LogLine) { l.Encrypted = false })
	add("message", annID, "ann", "who brings the projector?", func(l *node.LogLine) { l.State, l.Delivered, l.Recipients = pointer("sent"), pointer(1), pointer(2) })
	add("gap", benID, "ben", "3 messages from ben ·x81TaQ missing; eve ·p0LzVc has them", func(l *node.LogLine) { l.Time, l.Cursor = nil, node.EndCursor })
	add("message", annID, "ann", "and bring cables", func(l *node.LogLine) {
		l.State, l.Reason, l.Cursor = pointer("held"), pointer("waiting for key 14 from ben ·x81TaQ"), node.EndCursor
	})
	return out
}

func pointer[T any](v T) *T { return &v }

func (c *canned) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	join, key := annID+"/"+teamID, uint64(13)
	group := node.GroupInfo{GroupID: teamID, Name: "team", Role: "owner", Members: 3, E2EE: !c.plain, Epoch: &key, Marked: "no", Join: &join, CannotRead: []string{eveID}}
	other := node.GroupInfo{GroupID: otherID, Name: "世界 \U0001f642 club of wide letters", Role: "member", Members: 2, Epoch: &key, Marked: "no", Unread: 12}
	switch r.URL.Path {
	case "/v1/profile":
		reply(w, node.Profile{PeerID: annID, Name: pointer("ann"), Fingerprint: "9a1c 0f4e"})
	case "/v1/status":
		reply(w, node.Status{PeerID: annID})
	case "/v1/groups":
		sendPage(w, []node.GroupInfo{group, other})
	case "/v1/group":
		reply(w, group)
	case "/v1/members":
		sendPage(w, []node.Member{
			{PeerID: annID, Name: "ann", Role: "owner", Online: true, Self: true, Epoch: &key},
			{PeerID: benID, Name: "世界 of many wide letters", Role: "deputy", Online: true, Verified: true, Epoch: &key},
			{PeerID: eveID, Name: bidiName, Role: "member"},
		})
	case "/v1/requests":
		sendPage(w, []node.Request{{GroupID: teamID, PeerID: strings.Replace(eveID, "p0LzVc", "Zq9e11", 1), Fingerprint: "1240 470c 4dd3 13f4", Note: "from the \u202emeetup 世界 \U0001f642"}})
	case "/v1/invitations", "/v1/joins":
		sendPage(w, []node.Invitation{})
	case "/v1/verification":
		reply(w, node.Verification{PeerID: benID, SafetyNumber: strings.Repeat("12345 ", 12)})
	case "/v1/log":
		sendPage(w, c.page(r))
	case "/v1/read":
		reply(w, node.ReadMark{})
	case "/v1/events":
		fmt.Fprint(w, "event: ready\ndata: {}\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	default:
		http.NotFound(w, r)
	}
}

// page is the part of the log that was asked for.
func (c *canned) page(r *http.Request) []node.LogLine {
	q := r.URL.Query()
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil {
		limit = 1000
	}
	at := func(cursor string) int {
		i := slices.IndexFunc(c.lines, func(l node.LogLine) bool { return l.Cursor == cursor })
		return max(i, 0)
	}
	from, to := 0, len(c.lines)
	switch {
	case q.Get("before") == node.EndCursor:
		from = max(0, to-limit)
	case q.Get("before") != "":
		to = at(q.Get("before"))
		from = max(0, to-limit)
	case q.Get("after") != "":
		from = at(q.Get("after")) + 1
	case q.Get("last") == "true":
		from = max(0, to-limit)
	}
	return c.lines[from:min(to, from+limit)]
}

func reply(w http.ResponseWriter, v any) { json.NewEncoder(w).Encode(v) }

func sendPage[T any](w http.ResponseWriter, items []T) {
	reply(w, map[string]any{"items": items, "next": nil, "events": 0})
}
