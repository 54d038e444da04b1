package screen

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"conclave/node"
)

const (
	aliceID = "12D3KooWAliceAliceAliceAliceAliceAliceAliceAlicek7Qf2m"
	bobID   = "12D3KooWBobBobBobBobBobBobBobBobBobBobBobBobBobBx81TaQ"
	carolID = "12D3KooWCarolCarolCarolCarolCarolCarolCarolCarolp0LzVc"
	frankID = "12D3KooWFrankFrankFrankFrankFrankFrankFrankFrankZq9e11"
	team    = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	book    = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// player is a screen whose messages come from a test, and whose actions it sees.
type player struct {
	*model
	t     *testing.T
	did   []action
	clock time.Time
}

func newPlayer(t *testing.T, width, height int) *player {
	t.Helper()
	p := &player{t: t, clock: noon}
	p.model = newModel(context.Background(), Config{Env: []string{"NO_COLOR=1"}, Commands: caller{}}, time.UTC, func() time.Time { return p.clock })
	p.see(tea.WindowSizeMsg{Width: width, Height: height}, news{all: true},
		gotSelf{node.Profile{PeerID: aliceID, Name: ptr("alice"), Fingerprint: "9a1c 0f4e"}},
		gotGroups{[]node.GroupInfo{group(team, "team"), group(book, "book club")}})
	return p
}

func group(gid, name string) node.GroupInfo {
	join, key := aliceID+"/"+gid, uint64(13)
	return node.GroupInfo{GroupID: gid, Name: name, Role: "owner", Members: 3, E2EE: true, Epoch: &key, Marked: "no", Join: &join}
}

func unread(g node.GroupInfo, n int) node.GroupInfo {
	g.Unread = n
	return g
}

// see hands the screen messages, and keeps what it wants done.
func (p *player) see(all ...tea.Msg) {
	p.t.Helper()
	for _, m := range all {
		p.step(m)
		p.did = append(p.did, p.flush()...)
		p.picture()
	}
}

// press presses keys by their names; a text is typed letter by letter.
func (p *player) press(keys ...string) {
	p.t.Helper()
	chords := map[string]tea.KeyPressMsg{
		"enter": {Code: tea.KeyEnter}, "tab": {Code: tea.KeyTab}, "esc": {Code: tea.KeyEscape}, "pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown},
		"up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown}, "f1": {Code: tea.KeyF1}, "f2": {Code: tea.KeyF2}, "f3": {Code: tea.KeyF3}, "space": {Code: ' ', Text: " "},
	}
	for _, k := range keys {
		if letter, ok := strings.CutPrefix(k, "ctrl+"); ok {
			p.see(tea.KeyPressMsg{Code: []rune(letter)[0], Mod: tea.ModCtrl})
		} else if msg, ok := chords[k]; ok {
			p.see(msg)
		} else {
			for _, r := range k {
				p.see(tea.KeyPressMsg{Code: r, Text: string(r)})
			}
		}
	}
}

// done are the actions since the last call that are not the screen's own
// reading.
func (p *player) done() string {
	var out []string
	for _, a := range p.did {
		switch a.(type) {
		case readSelf, readGroups, readAsked, readGroup, readPeople:
		default:
			out = append(out, fmt.Sprintf("%T%+v", a, a))
		}
	}
	p.did = nil
	return strings.ReplaceAll(strings.Join(out, "; "), "screen.", "")
}

func ptr[T any](v T) *T { return &v }

var serial int

func line(kind, sender, name, clock, text string) node.LogLine {
	serial++
	l := node.LogLine{GroupID: team, Kind: kind, Sender: &sender, Time: ptr("2026-11-20T" + clock + ":00.000Z"), Encrypted: true, Cursor: fmt.Sprintf("/o/%08d#0", serial), MessageID: ptr(fmt.Sprint(serial))}
	if name != "" {
		l.SenderName = &name
	}
	if kind == "message" {
		l.Text = &text
	} else {
		l.Reason = &text
	}
	return l
}

func conversation() []node.LogLine {
	delivered, open, held := line("message", aliceID, "", "09:12", "who brings the projector?"), line("message", aliceID, "", "09:16", "ok, 4.12"), line("message", aliceID, "", "09:17", "and bring cables")
	delivered.State, open.State, held.State = ptr("delivered"), ptr("sent"), ptr("held")
	open.Delivered, open.Recipients = ptr(1), ptr(2)
	held.Cursor, held.Reason = node.EndCursor, ptr("waiting for key 14")
	plain := line("message", carolID, "carol", "09:14", "the room is 4.12")
	plain.Encrypted = false
	gap := line("gap", bobID, "bob", "09:15", "3 messages from bob ·x81TaQ missing; carol has them")
	gap.Cursor, gap.Time = node.EndCursor, nil
	return []node.LogLine{delivered, line("message", bobID, "bob", "09:12", "me"), line("event", carolID, "carol", "09:13", "dave ·x1 left"), plain, open, gap, held}
}

func people() []node.Member {
	return []node.Member{
		{PeerID: aliceID, Name: "alice", Role: "owner", Online: true, Self: true, Epoch: ptr(uint64(13))},
		{PeerID: carolID, Name: "carol", Role: "member"},
		{PeerID: bobID, Name: "bob", Role: "deputy", Online: true, Verified: true, Epoch: ptr(uint64(13))},
	}
}

// talking is a screen in the middle of a conversation.
func talking(t *testing.T, width, height int) *player {
	p := newPlayer(t, width, height)
	serial = 0
	info := group(team, "team")
	info.CannotRead = []string{carolID}
	p.see(gotGroup{team, info}, gotPeople{team, people()}, gotLog{readLog{gid: team}, conversation()},
		gotAsked{requests: []node.Request{{GroupID: team, PeerID: frankID, Fingerprint: "1240 470c 4dd3 13f4", Note: "from the meetup"}}},
		gotGroups{[]node.GroupInfo{group(team, "team"), unread(group(book, "book club"), 12)}})
	p.done()
	return p
}

// What is typed leaves once, sealed unless the author says otherwise for that
// line.
func TestSend(t *testing.T) {
	p := talking(t, 80, 24)
	p.shows("sealed for 2 · carol ·p0LzVc has no key yet")
	p.press("hi bob", "enter")
	if got := p.done(); !strings.Contains(got, "send{gid:"+team+" text:hi bob plain:false}") {
		t.Errorf("did %s", got)
	}
	p.press("enter")
	if got := p.done(); strings.Contains(got, "send") {
		t.Errorf("an empty line: %s", got)
	}
	p.press("ctrl+p")
	p.shows("PLAIN · anyone relaying can read")
	p.press("in the open", "ctrl+j", "two", "enter")
	if got := p.done(); !strings.Contains(got, "text:in the open\ntwo plain:true}") {
		t.Errorf("did %s", got)
	}
	p.hides("PLAIN")
}

// A request is decided by a chord, never by a letter of a text.
func TestDecide(t *testing.T) {
	p := talking(t, 80, 24)
	p.shows("·Zq9e11 wants to join team, saying \"from the meetup\"")
	p.press("a y d n v yes")
	if got := p.done(); got != "" {
		t.Fatalf("letters did %s", got)
	}
	p.press("ctrl+v")
	if got := p.done(); got != "readNumber{peer:"+frankID+" mark:false}" {
		t.Errorf("did %s", got)
	}
	p.press("ctrl+y", "m")                                                              // there is no number yet
	p.see(gotNumber{readNumber{peer: bobID}, node.Verification{SafetyNumber: "99999"}}) // of somebody else
	p.hides("99999")
	p.see(gotNumber{readNumber{peer: frankID}, node.Verification{SafetyNumber: "12345 67890"}})
	p.shows("12345 67890")
	p.press("m", "y")
	if got := p.done(); got != "" {
		t.Errorf("letters did %s", got)
	}
	p.press("ctrl+y")
	if got := p.done(); got != "readNumber{peer:"+frankID+" mark:true}" {
		t.Errorf("did %s", got)
	}
	p.press("esc")
	p.see(gotNumber{readNumber{peer: frankID}, node.Verification{SafetyNumber: "12345 67890"}})
	p.hides("12345 67890")
	p.done()
	p.press("ctrl+y")
	if got := p.done(); got != "decide{gid:"+team+" peer:"+frankID+" approve:true}" {
		t.Errorf("did %s", got)
	}
	p.hides("wants to join")
}

// Nobody slides under the key that lets somebody else in.
func TestAnOfferKeepsItsPlace(t *testing.T) {
	request := func(peer string) node.Request { return node.Request{GroupID: team, PeerID: peer} }
	p := talking(t, 80, 24)
	p.see(gotAsked{requests: []node.Request{request(bobID), request(frankID)}})
	p.shows("·Zq9e11 wants to join")
	p.see(gotAsked{requests: []node.Request{request(bobID)}}) // frank's is gone
	p.shows("·x81TaQ wants to join")
	p.press("ctrl+y")
	if got := p.done(); got != "" {
		t.Fatalf("the key meant for frank did %s", got)
	}
	p.clock = p.clock.Add(time.Second)
	p.press("ctrl+n")
	if got := p.done(); got != "decide{gid:"+team+" peer:"+bobID+" approve:false}" {
		t.Errorf("did %s", got)
	}
}

// What could not be sent is where it was written, before what came since.
func TestNothingWrittenIsLost(t *testing.T) {
	p := talking(t, 80, 24)
	p.press("precious", "enter", "more")
	p.see(failed{send{team, "precious", false}, &node.Error{Kind: node.KindError, Message: "disk full"}})
	if got := p.compose.Value(); got != "precious\nmore" {
		t.Errorf("the line is %q", got)
	}
	p.shows("disk full")
	p.press("tab")
	if got := p.compose.Value(); got != "" {
		t.Errorf("in another group the line is %q", got)
	}
	p.see(failed{send{team, "first", false}, &node.Error{Kind: node.KindError, Message: "disk full"}})
	p.press("tab")
	if got := p.compose.Value(); got != "first\nprecious\nmore" {
		t.Errorf("back again the line is %q", got)
	}
	p.press("ctrl+c")
	p.shows("not sent")
	p.see(tea.PasteMsg{Content: strings.Repeat("x", 40<<10)})
	p.shows("not pasted")
}

// Encryption that is off is never taken for consent.
func TestAbuse_MO06_OffIsNoConsent(t *testing.T) {
	p := talking(t, 80, 24)
	open := group(team, "team")
	open.E2EE = false
	p.see(gotGroup{team, open})
	p.shows("team ·PLAIN")
	p.shows("PLAIN · anyone relaying can read")
	p.press("hello", "enter")
	if got := p.done(); !strings.Contains(got, "plain:false") {
		t.Errorf("did %s", got)
	}
	p.see(failed{send{team, "hello", false}, &node.Error{Kind: node.NotAllowed, Message: "off"}})
	p.shows("ctrl+p and enter send it PLAIN")
	p.shows("/encryption\naccept all that follow")
	p.press("ctrl+p", "enter")
	if got := p.done(); !strings.Contains(got, "text:hello plain:true") {
		t.Errorf("did %s", got)
	}
}

// Alike names are flagged wherever they stand.
func TestAbuse_NM13_AlikeNamesAreFlagged(t *testing.T) {
	p := talking(t, 100, 24)
	both := people()
	both[2].Name = "сarol" // its first letter is Cyrillic
	p.see(gotPeople{team, both}, gotAsked{requests: []node.Request{{GroupID: team, PeerID: frankID, Name: ptr("CAROL"), Alike: true}}})
	p.shows("≈carol ·p0LzVc")
	p.shows("≈сarol ·x81TaQ")
	p.shows("≈CAROL ·Zq9e11 wants to join team · careful: another has a name like this")
}

// A node that is gone is said to be gone, and what comes back is read again.
func TestNodeComesBack(t *testing.T) {
	p := talking(t, 80, 24)
	p.see(news{lost: &node.Error{Kind: node.NoNode, Message: "the node stopped", Hint: "run `conclave up`"}})
	p.shows("the node does not answer; trying again")
	p.done()
	p.see(news{all: true})
	p.hides("does not answer")
	if got := p.done(); !strings.Contains(got, "readLog{gid:"+team+" at:0") {
		t.Errorf("did %s", got)
	}
}

// A hundred thousand events amount to one reading, and reading that is under way
// is not begun again.
func TestNewsAmountToLittle(t *testing.T) {
	b := &letterbox{some: make(chan struct{}, 1), me: aliceID}
	l := line("message", bobID, "bob", "10:00", strings.Repeat("x", 1000))
	for range 100_000 {
		b.put(func(n *news) { n.add(node.Event{Kind: "log", GroupID: team, Line: &l}, b.me) })
	}
	n := b.take()
	if n.texts[team] != 100_000 || len(n.groups) != 1 {
		t.Fatalf("the news are %+v", n)
	}
	p := talking(t, 80, 24)
	p.see(n, n, n)
	count := 0
	for _, a := range p.did {
		if _, ok := a.(readLog); ok {
			count++
		}
	}
	if count != 1 {
		t.Errorf("the log is read %d times at once", count)
	}
	p.did = nil
	p.see(gotLog{readLog{gid: team}, conversation()})
	if got := p.done(); !strings.Contains(got, "readLog") {
		t.Errorf("what came meanwhile is not read: %q", got)
	}
}

// An invitation is accepted by the same key as a request, or put aside for good.
func TestInvitations(t *testing.T) {
	first := node.Invitation{InviteID: "11", GroupID: book, Name: "book\u202e club", From: bobID, FromName: ptr("bob")}
	second := node.Invitation{InviteID: "22", GroupID: book, Name: "chess", From: carolID}
	p := newPlayer(t, 80, 24)
	p.see(gotAsked{invitations: []node.Invitation{first, second}})
	p.done()
	p.shows("bob ·x81TaQ invites you to book club · 1 more wait")
	p.press("ctrl+n")
	p.see(gotAsked{invitations: []node.Invitation{first, second}})
	p.shows("·p0LzVc invites you to chess")
	p.hides("1 more")
	p.clock = p.clock.Add(time.Second)
	p.press("ctrl+y")
	if got := p.done(); got != "accept{invite:22}" {
		t.Errorf("did %s", got)
	}
}

// Who asked to be let in sees the conversation once that is done, and nothing is
// opened in its place before.
func TestJoining(t *testing.T) {
	p := &player{t: t, clock: noon}
	p.model = newModel(context.Background(), Config{Ask: &Ask{Peer: bobID, Group: "chess"}}, time.UTC, func() time.Time { return p.clock })
	p.see(tea.WindowSizeMsg{Width: 80, Height: 24}, news{all: true}, gotSelf{node.Profile{PeerID: aliceID, Name: ptr("alice"), Fingerprint: "9a1c 0f4e"}})
	if got := p.done(); got != "ask{Ask:{Peer:"+bobID+" Group:chess Note:}}" {
		t.Fatalf("did %s", got)
	}
	p.see(failed{ask{Ask{Peer: bobID, Group: "chess"}}, &node.Error{Kind: node.TimedOut, Message: "not found"}})
	p.shows("still looking")
	if got := p.done(); !strings.HasPrefix(got, "ask{") {
		t.Errorf("does not ask again: %q", got)
	}
	p.see(asked{node.JoinState{GroupID: ptr(book), State: "requested"}}, gotGroups{[]node.GroupInfo{group(team, "team")}})
	p.shows("waiting for the answer")
	p.see(gotGroups{[]node.GroupInfo{group(team, "team"), group(book, "chess")}})
	p.shows("chess ·sealed")
	p.hides("waiting for the answer")

	p.see(asked{node.JoinState{GroupID: ptr(frankID), State: "requested"}})
	p.see(gotAsked{joins: []node.JoinState{{GroupID: ptr(frankID), State: "declined", PeerID: bobID}}})
	p.shows("declined by ·x81TaQ")
}
