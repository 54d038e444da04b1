package screen

import (
	"strings"
	"testing"

	"conclave/node"
)

// look answers a find as the node would, a piece at a time.
func (l library) look(f find, piece int) found {
	to := l.at(f.before)
	from := max(0, to-piece)
	out := found{find: f, looked: to - from}
	for i := to - 1; i >= from; i-- {
		if matches(l[i], f.query) {
			out.lines = append(out.lines, l[i])
		}
	}
	if from > 0 {
		out.next = l[from].Cursor
	}
	return out
}

func (p *player) searches(lib *library) {
	p.t.Helper()
	for {
		did := p.did
		p.did = nil
		again := false
		for _, a := range did {
			switch a := a.(type) {
			case find:
				p.see(lib.look(a, 100))
				again = true
			case readAround:
				i := lib.at(a.cursor)
				p.see(gotAround{a, append([]node.LogLine{}, (*lib)[max(0, i-around):i]...), append([]node.LogLine{}, (*lib)[i:min(len(*lib), i+around)]...)})
			default:
				p.did = append(p.did, a)
			}
		}
		if !again {
			return
		}
	}
}

func TestSearch(t *testing.T) {
	lib := newLibrary(1000)
	p := reading(t, &lib)
	p.press("ctrl+f", "ENTRY 12", "enter")
	p.searches(&lib)
	p.shows("search: ENTRY 12")
	p.shows("11 lines in 1000 lines · all") // 12 and 120 to 129
	p.shows("▸ 20 Nov 10:00 bob ·x81TaQ  entry 129.")
	p.press("down", "down", "enter")
	p.searches(&lib)
	p.shows("entry 127.")
	p.shows("entry 126.")
	p.hides("search:")
	p.press("ctrl+g")
	p.serve(&lib)
	p.shows("entry 999.")

	p.press("ctrl+f", "nowhere", "enter")
	p.searches(&lib)
	p.shows("0 lines in 1000 lines · all")
	p.press("esc")
	p.press("still here")
	if got := p.compose.Value(); got != "still here" {
		t.Errorf("after a search the line is %q", got)
	}
	p.press("ctrl+f", strings.Repeat("世界\u0301", 100), "enter")
	p.press("esc")
}

// A search ends when nobody looks at it any more.
func TestSearchEnds(t *testing.T) {
	lib := newLibrary(1000)
	p := reading(t, &lib)
	p.press("ctrl+f", "entry", "enter")
	if got := p.done(); !strings.HasPrefix(got, "find{") {
		t.Fatalf("did %s", got)
	}
	p.press("esc")
	p.see(found{find: find{team, "entry", node.EndCursor}, looked: 10, next: lib[10].Cursor})
	if got := p.done(); got != "" {
		t.Errorf("went on with %s", got)
	}
}
