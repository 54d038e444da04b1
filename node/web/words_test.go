package web

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"conclave/node"
	"conclave/node/api/words"
)

// states is an API whose answers hold every state that there is.
type states map[string]any // answers by path, and by path and group

func (s states) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1/events" {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "event: ready\nid: 1\ndata: {\"after\":1}\n\n")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return
	}
	answer := items[int]()
	for _, key := range []string{r.URL.Path, r.URL.Path + " " + r.URL.Query().Get("group")} {
		if a, is := s[key]; is {
			answer = a
		}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

func items[T any](all ...T) any { return map[string]any{"items": append([]T{}, all...), "next": nil} }

func ptr[T any](v T) *T { return &v }

// statesOf lists the states of a kind, as the table has them.
func statesOf(kind string) (out []string) {
	for key := range words.Table() {
		if k, state, is := strings.Cut(key, "."); is && k == kind {
			out = append(out, state)
		}
	}
	slices.Sort(out)
	return out
}

func gid(n int) string  { return fmt.Sprintf("%064x", n) }
func peer(n int) string { return fmt.Sprintf("12D3KooW%044d", n) }

// everyState fills an API for the page: each group shows some states.
func everyState() states {
	key, two, three, at := uint64(7), 2, 3, ptr("2026-11-20T12:00:00.000Z")
	s := states{
		"/v1/status":  node.Status{PeerID: peer(1), Addrs: []string{}},
		"/v1/profile": node.Profile{PeerID: peer(1)},
		"/v1/members": items(node.Member{PeerID: peer(1), Self: true, Role: "owner"}),
	}
	var groups []node.GroupInfo
	add := func(g node.GroupInfo) string {
		g.GroupID, g.Name, g.Join = gid(len(groups)+1), fmt.Sprint("group ", len(groups)+1), ptr(peer(1)+"/x")
		if g.Role == "" {
			g.Role = "owner"
		}
		g.Settings = &node.GroupSettings{History: "none", MaxAge: "720h0m0s", RotateBy: "any"}
		groups = append(groups, g)
		s["/v1/group "+g.GroupID] = g
		return g.GroupID
	}
	first := add(node.GroupInfo{E2EE: true, Epoch: &key, Members: 3, CatchingUp: &node.Progress{Done: 2, Total: 3}, Unread: 2})
	for _, m := range statesOf("marked") {
		add(node.GroupInfo{E2EE: true, Epoch: &key, Members: 3, Marked: m})
	}
	for _, to := range statesOf("towhom") {
		add(node.GroupInfo{E2EE: to != "plain", Members: 3, Readers: words.State("towhom", to)})
	}
	add(node.GroupInfo{Members: 3, Role: "none"})
	s["/v1/groups"] = items(groups...)

	var joins []node.JoinState
	for _, j := range statesOf("join") {
		state, kept := j, j == "kept"
		if kept {
			state = "requested"
		}
		joins = append(joins, node.JoinState{State: state, Kept: kept, PeerID: peer(9)})
	}
	s["/v1/joins"] = items(joins...)
	s["/v1/requests"] = items(node.Request{GroupID: first, PeerID: peer(8), State: "pending", Alike: true})
	var found []node.Finding
	for _, f := range statesOf("finding") {
		found = append(found, node.Finding{State: f, Says: "x"})
	}
	s["/v1/doctor"] = items(found...)

	var members []node.Member
	for i, r := range statesOf("role") {
		members = append(members, node.Member{PeerID: peer(i + 1), Self: i == 0, Role: r, Online: i%2 == 0, Verified: true, Alike: true})
	}
	members = append(members, node.Member{PeerID: peer(20), Role: "member", Online: true, Epoch: ptr(uint64(6))}, node.Member{PeerID: peer(21), Role: "member", Epoch: &key})
	s["/v1/members "+first] = items(members...)
	var keys []node.Key
	for i, r := range statesOf("reason") {
		keys = append(keys, node.Key{Epoch: uint64(i + 1), EID: gid(i), Reason: r, Current: i == 0, MintedBy: peer(1), Holders: []string{peer(1), peer(2)}, Missing: []string{peer(3)}})
	}
	s["/v1/keys "+first] = items(keys...)

	var lines []node.LogLine
	line := func(l node.LogLine) {
		n := len(lines)
		l.GroupID, l.Cursor, l.Sender, l.Time, l.Encrypted = first, fmt.Sprintf("/o/%d", n), ptr(peer(1)), at, l.Encrypted || l.Kind != "message"
		l.MessageID = ptr(fmt.Sprintf("%032x", n))
		if l.Kind == "message" {
			l.Text = ptr("text")
		}
		lines = append(lines, l)
	}
	line(node.LogLine{Kind: "message", State: ptr("sent"), Delivered: &two, Recipients: &three, Encrypted: true})
	line(node.LogLine{Kind: "message", State: ptr("sent"), Delivered: ptr(0), Recipients: ptr(1), Encrypted: true})
	line(node.LogLine{Kind: "message", State: ptr("delivered"), Delivered: &three, Recipients: &three})
	for _, why := range statesOf("held") {
		line(node.LogLine{Kind: "message", State: ptr("held"), Reason: ptr(words.State("held", why)), Encrypted: true})
	}
	for _, kind := range []string{"unreadable", "gap"} {
		for _, why := range statesOf(kind) {
			line(node.LogLine{Kind: kind, Reason: ptr(words.State(kind, why))})
		}
	}
	line(node.LogLine{Kind: "gap", Reason: ptr(words.Say("gap"))})
	s["/v1/log "+first] = items(lines...)
	return s
}

var filledIn = regexp.MustCompile(`\{\w+\}`)

// TestPageSaysTheTable: what the page draws of every state are the words of the
// table.
func TestPageSaysTheTable(t *testing.T) {
	api := everyState()
	v := &visitor{t: t, name: "ann"}
	door, err := Open("127.0.0.1:0", api, log.New(io.Discard, "", 0))
	must(t, err)
	v.door = door
	ran := make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	go func() { ran <- door.Run(ctx) }()
	t.Cleanup(func() { stop(); must(t, <-ran) })
	v.browse(1440, 900)

	var seen strings.Builder
	look := func() {
		seen.WriteString(eval[string](v, `document.body.innerText + [...document.querySelectorAll("[title],[aria-label]")].map((e) => "\n" + e.title + "\n" + e.ariaLabel).join("")`))
	}
	for key := range maps.Keys(api) {
		if g, is := strings.CutPrefix(key, "/v1/group "); is {
			info := api[key].(node.GroupInfo)
			eval[bool](v, `(location.hash = "g=`+g+`", true)`)
			v.until("group "+info.Name, `document.querySelector("c-talk h2")?.innerText === `+quoted(info.Name))
			if info.Readers != "" && info.E2EE {
				v.until(info.Readers, `document.querySelector("c-compose").innerText.includes(`+quoted(info.Readers)+`)`)
			}
			if info.Unread > 0 { // the first, with lines and people
				v.until("its lines and its people", `document.querySelector(".log .gap") && document.querySelector(".members li")`)
				// What stands in other words too.
				v.until("the role", `[...document.querySelectorAll(".members small")].some((e) => e.innerText.startsWith(`+quoted(words.Role("none"))+`))`)
				v.until("one sign", `[...document.querySelectorAll(".tick")].some((e) => e.innerText === `+quoted(words.Say("sign.sent"))+`)`)
				v.press("key 1")
				v.until("who holds it", `document.querySelector(".holders")`)
			}
			look()
		}
	}
	v.press("Health of this node")
	v.until("the findings", `document.querySelectorAll(".findings li").length > 1`)
	look()

	elsewhere := strings.Fields("history rotate keep handover change out forgotten can reader near linked link invite outside delivery message repair verified.false request.approved request.declined alike.mark sign.alike unread join.joined")
	for key, said := range words.Table() {
		kind, _, _ := strings.Cut(key, ".")
		for _, part := range filledIn.Split(said.Words, -1) {
			if !strings.Contains(seen.String(), strings.TrimSpace(part)) && !slices.Contains(elsewhere, key) && !slices.Contains(elsewhere, kind) {
				t.Errorf("%s: %q is nowhere on the page", key, part)
			}
		}
	}
}
