package web

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// place is what stands at the upper edge of the conversation: the line's text,
// and how many pixels below the edge it begins.
type place struct {
	Text string
	Top  float64
}

// reading is a JavaScript expression for the place of somebody who reads.
const reading = `(() => {
	const log = document.querySelector(".log"), edge = log.getBoundingClientRect().top;
	const e = [...log.querySelectorAll("li.message")].find((e) => e.getBoundingClientRect().bottom > edge);
	return {Text: e.querySelector(".text").innerText, Top: e.getBoundingClientRect().top - edge};
})()`

// stays sees that what was read is where it was.
func (v *visitor) stays(when string, was place) {
	v.t.Helper()
	top := eval[float64](v, `(() => {
		const log = document.querySelector(".log");
		const e = [...log.querySelectorAll("li.message")].find((e) => e.querySelector(".text").innerText === `+quoted(was.Text)+`);
		return e ? e.getBoundingClientRect().top - log.getBoundingClientRect().top : 1e6;
	})()`)
	if math.Abs(top-was.Top) > 2 {
		v.t.Errorf("%s: %.40q stood at %.0f, and now at %.0f", when, was.Text, was.Top, top)
	}
}

// TestScrolling: one reads back through a long conversation and forward again, and
// lines come in meanwhile. What is being read does not move, and the page holds a
// window of the lines.
func TestScrolling(t *testing.T) {
	ann := newVisitor(t, "ann")
	group := ann.group("team")
	say := func(from, to int) {
		var texts []string
		for i := from; i < to; i++ {
			texts = append(texts, fmt.Sprintf("line %d%s", i, strings.Repeat(" and more of it", i*7%40))) // of one row to several
		}
		for len(texts) > 0 {
			n := min(len(texts), 250)
			_, err := ann.Send(t.Context(), group, texts[:n], false, false)
			must(t, err)
			texts = texts[n:]
		}
	}
	say(0, 1000)
	ann.browse(1000, 700)
	ann.sees("line 999")
	first := `document.querySelector(".log li[data-c]").dataset.c`
	last := `[...document.querySelectorAll(".log li[data-c]")].at(-1).dataset.c`
	few := func() {
		t.Helper()
		if n := eval[int](ann, `document.querySelectorAll(".log li").length`); n > 450 {
			t.Errorf("the page holds %d lines", n)
		}
	}
	scroll := func(what, how, edge string) {
		t.Helper()
		before := eval[string](ann, edge)
		was := eval[place](ann, `(document.querySelector(".log").scrollTop = `+how+`, `+reading+`)`)
		ann.until(what, edge+` !== `+quoted(before))
		ann.stays(what, was)
		few()
	}
	for range 6 {
		scroll("older lines", "120", first)
	}

	was := eval[place](ann, `(document.querySelector(".log").scrollTop = 2000, `+reading+`)`)
	say(1000, 1003)
	ann.until("that there is more", `document.querySelector(".newest").offsetParent`)
	ann.stays("three lines come in", was)

	for tries := 0; tries < 20 && !eval[bool](ann, `document.querySelector("c-talk").atEnd`); tries++ {
		scroll("later lines", `(document.querySelector(".log").scrollHeight - document.querySelector(".log").clientHeight - 150)`, last)
	}
	ann.sees("line 1002")

	// Near the end, but not at it: what comes in is more than the window.
	was = eval[place](ann, `(document.querySelector(".log").scrollTop -= 1500, `+reading+`)`)
	say(1003, 1600)
	ann.until("that there is more", `!document.querySelector("c-talk").atEnd && document.querySelector(".newest").offsetParent`)
	ann.stays("six hundred lines come in", was)
	few()
	ann.press("To the newest")
	ann.sees("line 1599")
	few()
}
