package screen

import (
	"regexp"
	"strings"
	"testing"

	"conclave/node"
	"conclave/node/api/words"
)

var filledIn = regexp.MustCompile(`\{\w+\}`)

// TestScreenSaysTheTable: what the screen draws of every state are the words of
// the table.
func TestScreenSaysTheTable(t *testing.T) {
	open := func(change func(*node.GroupInfo)) string {
		p := talking(t, 200, 24)
		info := group(team, "team")
		change(&info)
		p.see(gotGroup{team, info})
		return p.picture()
	}
	who := func(change func(*node.Member)) string {
		p := talking(t, 200, 24)
		all := people()
		change(&all[1])
		p.see(gotPeople{team, all})
		p.press("f2")
		return p.picture()
	}
	said := func(change func(*node.LogLine)) string {
		p := talking(t, 200, 24)
		l := line("message", aliceID, "", "09:18", "text")
		change(&l)
		p.see(gotLog{readLog{gid: team}, []node.LogLine{l}})
		return p.picture()
	}
	because := func(kind, key string) string {
		return said(func(l *node.LogLine) { l.Kind, l.Reason, l.State = kind, ptr(words.Say(key)), ptr("held") })
	}
	far := func(state string, n, of int) string {
		return said(func(l *node.LogLine) { l.State, l.Delivered, l.Recipients = &state, &n, &of })
	}
	joined := func(j node.JoinState) string {
		p := talking(t, 200, 24)
		p.see(accepted{j})
		return p.picture()
	}
	shows := func(key string) string {
		kind, state, _ := strings.Cut(key, ".")
		switch key {
		case "sealed", "key", "holders", "request.pending", "sign.owner", "sign.deputy", "sign.verified", "sign.online", "sign.away", "nokey":
			return talking(t, 200, 24).picture()
		case "plain":
			return open(func(g *node.GroupInfo) { g.E2EE = false })
		case "catchup":
			return open(func(g *node.GroupInfo) { g.CatchingUp = &node.Progress{Done: 2, Total: 3} })
		case "towhom.out":
			return open(func(g *node.GroupInfo) { g.Role = "none" })
		case "towhom.plain":
			return open(func(g *node.GroupInfo) { g.E2EE = false })
		case "towhom.nokey":
			return open(func(g *node.GroupInfo) { g.Epoch = nil })
		case "towhom.alone":
			return open(func(g *node.GroupInfo) { g.Members = 1 })
		case "towhom.sealed":
			return open(func(*node.GroupInfo) {})
		case "towhom.some":
			return talking(t, 200, 24).picture()
		case "online", "away":
			return who(func(m *node.Member) { m.Online = key == "online" })
		case "verified.true":
			return who(func(m *node.Member) { m.Verified = true })
		case "sign.alike":
			return who(func(m *node.Member) { m.Name = "b0b" })
		case "join.kept":
			return joined(node.JoinState{State: "requested", Kept: true})
		case "alike":
			p := talking(t, 200, 24)
			p.see(gotAsked{requests: []node.Request{{GroupID: team, PeerID: frankID, Alike: true}}})
			return p.picture()
		case "unreadable":
			return said(func(l *node.LogLine) { l.Kind, l.Sender = "unreadable", ptr(bobID) })
		case "held":
			return because("message", "held.key")
		case "gap":
			return because("gap", "gap")
		case "sign.sent":
			return far("sent", 0, 1)
		case "sign.some":
			return far("sent", 1, 3)
		case "sign.delivered":
			return far("delivered", 3, 3)
		}
		switch kind {
		case "marked":
			return open(func(g *node.GroupInfo) { g.Marked = state })
		case "role":
			return who(func(m *node.Member) { m.Role = state })
		case "join":
			return joined(node.JoinState{State: state})
		case "held":
			return because("message", key)
		case "gap", "unreadable":
			return because(kind, key)
		}
		return ""
	}
	elsewhere := map[string]bool{} // on the page and by the commands, which a slash calls
	for _, key := range strings.Fields("alike.mark outside history rotate reason key.current holders.missing keep handover change out forgotten can reader near request invite link linked delivery message delivered finding repair verified.false unread") {
		elsewhere[key] = true
	}
	for key, said := range words.Table() {
		kind, _, _ := strings.Cut(key, ".")
		got := shows(key)
		if got == "" {
			if !elsewhere[key] && !elsewhere[kind] {
				t.Errorf("%s is shown nowhere", key)
			}
			continue
		}
		for _, part := range filledIn.Split(said.Words, -1) {
			if !strings.Contains(got, part) {
				t.Errorf("%s: %q is not in\n%s", key, part, got)
			}
		}
	}
}
