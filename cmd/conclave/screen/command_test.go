package screen

import (
	"context"
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"conclave/node"
)

// caller has two commands of the kind that the screen leaves to others.
type caller struct{}

func (caller) List() []Command {
	return []Command{{"kick PEER", "remove a member", true}, {"keys", "every key", false}, {"link", "a link", false}, {"links", "all links", false}}
}

func (caller) Run(_ context.Context, gid, line string) (string, error) {
	return gid[:1] + " " + line, nil
}

// commanding is a screen in a conversation in which nobody asks for anything.
func commanding(t *testing.T, width int) *player {
	p := newPlayer(t, width, 24)
	p.see(gotGroup{team, group(team, "team")}, gotPeople{team, people()}, gotLog{readLog{gid: team}, conversation()})
	p.done()
	return p
}

// A line behind a slash is a command, is said to be one, and is never sent.
func TestCommands(t *testing.T) {
	p := commanding(t, 80)
	p.press("/")
	p.shows(" /create /dm /join /keys /kick /link /links /plain /quit")
	p.hides("sealed for")
	p.press("keys")
	p.shows("/keys · every key")
	p.press("enter")
	if got := p.done(); got != "perform{gid:"+team+" name:keys rest: by:{}}" {
		t.Fatalf("did %s", got)
	}
	a := perform{gid: team, name: "keys", by: caller{}}
	p.see(a.run(context.Background(), nil))
	p.shows("\n a keys\n")
	p.see(performed{perform: a, says: "removed\nnow key 14"})
	p.shows("\n removed\n now key 14\n")
	p.see(performed{perform: a, says: "one\ntwo \u202e \x1b[2J\n3\n4"})
	p.shows(" /keys · c copies, esc")
	p.shows("\none\ntwo")
	p.hides("team ·sealed · key 13\n") // the lists make way
	p.press("esc")
	p.hides("c copies")
}

// What cannot be carried out stays as it was written.
func TestCommandsThatFail(t *testing.T) {
	p := commanding(t, 80)
	for line, want := range map[string]string{"/nope x": "no such command: /nope", "/kick": "/kick PEER", "/create": "/create NAME"} {
		p.press(line, "enter")
		p.shows(want)
		if got := p.compose.Value(); got != line {
			t.Errorf("after %q the line is %q", line, got)
		}
		p.press("ctrl+u")
	}
	p.press("/link", "enter")
	p.done()
	p.see(failed{perform{gid: team, name: "link"}, &node.Error{Kind: node.NotAllowed, Message: "not the owner"}})
	p.shows("not the owner")
	if got := p.compose.Value(); got != "/link" {
		t.Errorf("the line is %q", got)
	}
	p.press("ctrl+u", "//etc", "enter")
	if got := p.done(); !strings.Contains(got, "text:/etc plain:false") {
		t.Errorf("two slashes: %s", got)
	}
	p.press("/etc", "ctrl+j", "and more", "enter")
	if got := p.done(); !strings.Contains(got, "text:/etc\nand more") {
		t.Errorf("several lines: %s", got)
	}
}

// What is not undone by another command is asked for twice, with the name of who
// it is about; whatever is written in between makes it a first time again.
func TestSureCommands(t *testing.T) {
	p := commanding(t, 80)
	kick := "perform{gid:" + team + " name:kick rest:x81TaQ by:{}}"
	p.press("/kick x81TaQ", "enter")
	p.shows("enter again does it · bob ·x81TaQ")
	p.press("z")
	p.see(tea.KeyPressMsg{Code: tea.KeyBackspace})
	p.press("enter")
	if got := p.done(); got != "" {
		t.Fatalf("asked once it did %s", got)
	}
	p.press("enter")
	if got := p.done(); got != kick {
		t.Errorf("asked twice it did %s", got)
	}
	p.see(tea.PasteMsg{Content: "/kick x81TaQ"})
	p.press("enter")
	p.see(tea.PasteMsg{Content: "2"})
	p.press("enter")
	if got := p.done(); got != "" {
		t.Errorf("the next time it did %s", got)
	}
}

// Tab ends a command's name, and a member's by the end of the peer ID.
func TestCommandsAreCompleted(t *testing.T) {
	p := commanding(t, 80)
	for _, s := range []struct{ typed, want string }{
		{"/ke", "/keys "}, {"/l", "/link"}, {"/k", "/k"}, {"/kick B", "/kick x81TaQ "}, {"/kick x8", "/kick x81TaQ "}, {"/kick nobody", "/kick nobody"}, {"/zz", "/zz"},
	} {
		p.press(s.typed, "tab")
		if got := p.compose.Value(); got != s.want {
			t.Errorf("%q becomes %q", s.typed, got)
		}
		p.press("ctrl+u")
	}
	if p.open != team {
		t.Error("tab left the group")
	}
}

// A group that was made is opened, and so is a conversation of two.
func TestCommandsOpenGroups(t *testing.T) {
	p := commanding(t, 80)
	p.press("/create the club", "enter")
	if got := p.done(); got != "perform{gid:"+team+" name:create rest:the club by:{}}" {
		t.Fatalf("did %s", got)
	}
	p.see(performed{perform: perform{name: "create"}, open: book}, gotGroups{[]node.GroupInfo{group(team, "team"), group(book, "the club")}})
	p.shows("the club ·sealed")
	p.press("/join "+bobID+"/chess", "enter")
	if got := p.done(); !strings.Contains(got, fmt.Sprintf("ask{Ask:{Peer:%s Group:chess Note:}}", bobID)) {
		t.Errorf("did %s", got)
	}
	p.see(failed{ask{Ask{Peer: bobID, Group: "chess"}}, &node.Error{Kind: node.TimedOut, Message: "nobody found"}})
	p.shows("nobody found")
	p.press("/quit")
	if cmd := p.onKey(tea.KeyPressMsg{Code: tea.KeyEnter}); cmd == nil || cmd() != (tea.QuitMsg{}) {
		t.Error("/quit does not leave")
	}
}

// What is pasted is seen to its end, with the cursor behind it; what the line
// could not hold whole is refused.
func TestPasteOfManyLines(t *testing.T) {
	p := commanding(t, 80)
	p.see(tea.PasteMsg{Content: strings.Repeat("row\n", 40) + "the last"})
	p.shows("\n  the last\n")
	if c := p.View().Cursor; c == nil || c.X != len("  the last") || c.Y != p.height-1 {
		t.Errorf("the cursor is at %+v", c)
	}
	before := p.compose.Value()
	p.see(tea.PasteMsg{Content: strings.Repeat("x\n", mostRows)})
	p.shows("too many lines")
	if p.compose.Value() != before {
		t.Error("a part was pasted")
	}
}

// What the node has not answered for is said to be here, and is not left behind.
func TestUnansweredTexts(t *testing.T) {
	p := commanding(t, 100)
	p.press("precious", "enter")
	p.see(news{lost: &node.Error{Kind: node.NoNode, Message: "stopped"}})
	p.shows("1 message waits here, not sent")
	if cmd := p.leave(); cmd != nil {
		t.Error("leaves at once")
	}
	p.see(sent{team})
	p.hides("waits here")
	if cmd := p.onKey(tea.KeyPressMsg{Code: 'd', Mod: tea.ModCtrl}); cmd == nil {
		t.Error("the end of the input does not leave")
	}
}

// Who is out of a group is not told how others come in.
func TestOutsiderIsNotTheDoor(t *testing.T) {
	p := commanding(t, 80)
	alone := group(team, "team")
	alone.Members = 1
	p.see(gotGroup{team, alone})
	p.shows("others join with this")
	alone.Role = "none"
	p.see(gotGroup{team, alone})
	p.hides("others join with this")
	p.shows("not a member any more")
}

// Where there is no list of groups the title says that others have something new.
func TestNarrowTitleCounts(t *testing.T) {
	p := talking(t, 40, 24)
	p.shows("+12 ? help")
	p = talking(t, 80, 24)
	p.hides("+12")
}
