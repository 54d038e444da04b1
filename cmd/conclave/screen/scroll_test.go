package screen

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"conclave/node"
)

// library is a log that answers what a screen reads.
type library []node.LogLine

func newLibrary(n int) library {
	serial = 0
	lib := make(library, n)
	for i := range lib {
		lib[i] = line("message", bobID, "bob", "10:00", fmt.Sprintf("entry %d.", i))
	}
	return lib
}

func (l library) at(cursor string) int {
	for i, x := range l {
		if x.Cursor == cursor {
			return i
		}
	}
	return len(l)
}

func (l library) answer(r readLog) gotLog {
	from, to := max(0, len(l)-pageLines), len(l)
	switch r.at {
	case before:
		to = l.at(r.cursor)
		from = max(0, to-pageLines)
	case after:
		from = l.at(r.cursor) + 1
		to = min(len(l), from+pageLines)
	}
	return gotLog{r, append([]node.LogLine{}, l[from:to]...)}
}

// reading is a screen on a log, whose reading is answered after every message.
func reading(t *testing.T, lib *library) *player {
	p := newPlayer(t, 80, 24)
	p.see(gotGroup{team, group(team, "team")}, gotPeople{team, people()})
	p.serve(lib)
	return p
}

func (p *player) serve(lib *library) {
	p.t.Helper()
	for len(p.did) > 0 {
		did := p.did
		p.did = nil
		for _, a := range did {
			switch a := a.(type) {
			case readLog:
				p.see(lib.answer(a))
			case readGroup:
				p.see(gotGroup{a.gid, group(a.gid, "team")})
			case readPeople:
				p.see(gotPeople{a.gid, people()})
			case readGroups:
				p.see(gotGroups{[]node.GroupInfo{group(team, "team")}})
			case readAsked:
				p.see(gotAsked{})
			case readSelf:
				p.see(gotSelf{node.Profile{PeerID: aliceID, Name: ptr("alice"), Fingerprint: "9a1c 0f4e"}})
			}
		}
	}
}

// All history is reached by scrolling, up and down again, line after line
// without a hole, and the screen never holds more than its window.
func TestScrollThroughAll(t *testing.T) {
	lib := newLibrary(1200)
	p := reading(t, &lib)
	p.shows("entry 1199.")
	for want := len(lib) - 1; want >= 0; {
		p.shows(fmt.Sprintf("entry %d.", want))
		if want--; want >= 0 && !strings.Contains(p.picture(), fmt.Sprintf("entry %d.", want)) {
			p.press("pgup")
			p.serve(&lib)
		}
		if len(p.log.lines) > mostLines {
			t.Fatalf("%d lines are held", len(p.log.lines))
		}
	}
	for want := 0; want < len(lib); {
		p.shows(fmt.Sprintf("entry %d.", want))
		if want++; want < len(lib) && !strings.Contains(p.picture(), fmt.Sprintf("entry %d.", want)) {
			p.press("pgdown")
			p.serve(&lib)
		}
		if len(p.log.lines) > mostLines {
			t.Fatalf("%d lines are held", len(p.log.lines))
		}
	}
	if !p.log.following() {
		t.Error("the view does not follow at the end")
	}
}

// Who reads what came before is not moved by what comes, and is told of it.
func TestReadingIsNotMoved(t *testing.T) {
	lib := newLibrary(1000)
	p := reading(t, &lib)
	p.press("pgup", "pgup")
	p.serve(&lib)
	before := strings.Split(p.picture(), "\n")[2:10]
	for i := range 5 {
		lib = append(lib, line("message", bobID, "bob", "11:00", fmt.Sprintf("new %d.", i)))
		p.see(news{texts: map[string]int{team: 1}, groups: map[string]bool{team: true}})
		p.serve(&lib)
	}
	if after := strings.Split(p.picture(), "\n")[2:10]; strings.Join(before, "\n") != strings.Join(after, "\n") {
		t.Errorf("the view moved from\n%s\nto\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
	p.shows("5 new messages below · ctrl+g")
	p.hides("new 4.")
	p.press("ctrl+g")
	p.serve(&lib)
	p.shows("new 4.")
	p.hides("below")
}

// What is in view is read, and the node is told; what is not in view is
// counted, here and where another door reads it.
func TestUnread(t *testing.T) {
	lib := newLibrary(1000)
	p := reading(t, &lib)
	p.did = nil
	p.see(gotGroup{team, unread(group(team, "team"), 3)})
	if got, want := p.done(), fmt.Sprintf("sayRead{gid:%s cursor:%s}", team, lib[999].Cursor); got != want {
		t.Errorf("did %q, not %q", got, want)
	}
	p.see(gotGroup{team, unread(group(team, "team"), 2)})
	if got := p.done(); got != "" {
		t.Errorf("while the node is being told: %q", got)
	}
	p.see(saidRead{})
	if got := p.done(); !strings.Contains(got, "sayRead") {
		t.Errorf("more came while the node was told, and it was not told of that: %q", got)
	}
	p.see(saidRead{}, gotGroup{team, group(team, "team")})
	if got := p.done(); got != "" {
		t.Errorf("with nothing unread: %q", got)
	}
	p.press("pgup", "pgup")
	p.did = nil
	all := []node.GroupInfo{unread(group(team, "team"), 1), unread(group(book, "book club"), 100)}
	p.see(gotGroup{team, all[0]}, gotGroups{all})
	if got := p.done(); strings.Contains(got, "sayRead") {
		t.Errorf("out of view: %q", got)
	}
	p.shows("team         1 ")
	p.shows("book club  99+ ")
	if got := p.View().WindowTitle; got != "conclave (99+)" {
		t.Errorf("the window is called %q", got)
	}
	all[1].Unread = 0 // read elsewhere
	p.see(gotGroups{all})
	p.hides("99+")
}

// A wheel of a mouse, or an impatient finger, costs no more than what is seen.
func BenchmarkKeys(b *testing.B) {
	lib := newLibrary(800)
	p := reading(&testing.T{}, &lib)
	for b.Loop() {
		p.step(tea.KeyPressMsg{Code: 'x', Text: "x"})
		p.View()
	}
}
