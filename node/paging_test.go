package node

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	"conclave/group"
)

// TestPagingReadsAPage: a log of 100,000 lines (20,000 in the fast suite) is read in pages, forwards and
// backwards, while lines arrive: those of before come exactly once each, in
// order, and a page costs what is on it, wherever it is.
func TestPagingReadsAPage(t *testing.T) {
	total := 20_000
	if thorough() {
		total = 100_000
	}
	ann := inMemory(t, "ann")
	gid := newGroup(t, CreateGroup{}, ann)
	for n := 0; n < total; {
		var texts []string
		for range min(MaxTexts, total-n) {
			texts = append(texts, fmt.Sprint(n))
			n++
		}
		_, err := ann.Send(within(t), gid, texts, false, false)
		ok(t, err)
	}
	page := func(q LogQuery) []LogLine {
		t.Helper()
		q.Limit = 1000
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		lines, err := ann.Log(within(t), gid, q)
		ok(t, err)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 32<<20 {
			t.Errorf("a page took %d MiB", used>>20)
		}
		return lines
	}
	check := func(way string, lines []LogLine) {
		t.Helper()
		n := 0
		for _, l := range lines {
			if l.Kind == "message" && *l.Text != "new" {
				if *l.Text != fmt.Sprint(n) {
					t.Fatalf("%s: line %d is %q", way, n, *l.Text)
				}
				n++
			}
		}
		if n != total {
			t.Errorf("%s: %d lines", way, n)
		}
	}
	var forth, back []LogLine
	for lines := page(LogQuery{}); len(lines) > 0; lines = page(LogQuery{After: lines[len(lines)-1].Cursor}) {
		forth = append(forth, lines...)
		if len(forth) < total { // or it would never end
			ann.say(gid, "new")
		}
	}
	check("forwards", forth)
	for lines := page(LogQuery{Last: true}); len(lines) > 0; lines = page(LogQuery{Before: lines[0].Cursor}) {
		back = append(slices.Clone(lines), back...)
		ann.say(gid, "new")
	}
	check("backwards", back)
}

// TestPagingBringsWhatIsHeld: the lines that have no place in the order come with
// the last page, also where they are more than the page has room for.
func TestPagingBringsWhatIsHeld(t *testing.T) {
	ann := newPlayer(t, "ann")
	gid := newGroup(t, CreateGroup{}, ann, newPlayer(t, "bob", ann))
	ann.say(gid, "left")
	r := ann.roomOf(gid)
	ok(t, r.look(within(t), func(*group.Machine) {
		r.compared.Store(false)
		ok(t, r.reload(ann.ownBundle())) // as after a start: held until it has compared
		for i := range 5 {
			r.turn([]job{{events: []group.Event{line(fmt.Sprint(i))}}})
		}
	}))
	held := 0
	after := ""
	for {
		lines, err := ann.Log(within(t), gid, LogQuery{After: after, Limit: 3})
		ok(t, err)
		for _, l := range lines {
			if l.State != nil && *l.State == "held" {
				held++
			}
		}
		if len(lines) < 3 {
			break
		}
		after = lines[len(lines)-1].Cursor
	}
	if held != 5 {
		t.Errorf("%d held lines of 5", held)
	}
	r.compared.Store(true)
}
