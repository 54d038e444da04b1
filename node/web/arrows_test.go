package web

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// TestArrows: the keys up and down walk over lines, groups and people, Enter opens,
// Escape leads back, and the focus is where it was.
func TestArrows(t *testing.T) {
	ann := newVisitor(t, "ann")
	group := ann.group("b")
	ann.group("a")
	ann.group("c")
	must(t, say(ann, group, "first"))
	must(t, say(ann, group, "second"))
	ann.browse(800, 700)
	at := func(want string) {
		t.Helper()
		ann.until("the focus at "+want, `(document.activeElement.dataset.c ? document.activeElement.querySelector(".text, .reason").innerText : `+named+`(document.activeElement)) === `+quoted(want))
	}

	ann.tabTo("a")
	ann.hit(kb.ArrowDown)
	at("b")
	ann.hit(kb.ArrowDown + kb.ArrowDown)
	at("c")
	ann.hit(kb.ArrowUp)
	at("b")
	ann.hit(kb.Enter)
	ann.until("the conversation", `document.querySelectorAll(".log .message").length === 2 && document.activeElement.id === "text"`)

	ann.tabTo("Messages")
	ann.hit(kb.ArrowUp)
	at("second")
	ann.hit(kb.ArrowUp)
	at("first")
	ann.hit(kb.Enter)
	ann.sees("Who could read this")
	must(t, say(ann, group, "third"))
	ann.until("a third line", `document.querySelectorAll(".log .message").length === 3`)
	ann.hit(kb.Escape)
	at("first")
	ann.hit(kb.ArrowDown + kb.ArrowDown)
	at("third")

	ann.tabTo("1 person")
	ann.hit(kb.Enter)
	ann.until("the focus among the people", `document.activeElement.closest("c-people")`)
	ann.tabTo("Group")
	ann.hit(kb.Enter)
	ann.sees("Replace the key now")
	ann.hit(kb.Escape)
	ann.closed()
	at("Group")
	ann.hit(kb.Escape)
	at("1 person")
}
