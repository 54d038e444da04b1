package web

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// named is a JavaScript function: what a control is called.
const named = `((e) => (e.getAttribute("aria-label") || e.labels?.[0]?.innerText || e.innerText).trim().replace(/^[★◆●○]\s*/, ""))`

// hit presses keys.
func (v *visitor) hit(keys string) {
	v.t.Helper()
	must(v.t, chromedp.Do(v.ctx, chromedp.KeyEvent(keys)))
}

// tabTo goes by Tab to the control whose text or name begins with label, and sees
// that every stop on the way can be seen to have the focus.
func (v *visitor) tabTo(label string) {
	v.t.Helper()
	const stops = 80
	v.until("the control "+label, `[...document.querySelectorAll("button,input,textarea,select,[tabindex]")].some((e) =>
		!e.disabled && e.offsetParent !== null && `+named+`(e).startsWith(`+quoted(label)+`))`)
	for range stops {
		v.hit(kb.Tab)
		at := eval[struct {
			Name string
			Seen bool
		}](v, `(() => {
			const e = document.activeElement, s = getComputedStyle(e);
			const name = `+named+`(e);
			return {Name: name.startsWith(`+quoted(label)+`) ? `+quoted(label)+` : name, Seen: e === document.body || s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 1};
		})()`)
		if !at.Seen {
			v.t.Errorf("nobody sees that the focus is at %q", at.Name)
		}
		if at.Name == label {
			return
		}
	}
	v.t.Fatalf("%d times Tab, and %q is not reached", stops, label)
}

// focus is what has it: its tag, and its name.
func (v *visitor) focus() string {
	v.t.Helper()
	return eval[string](v, `document.activeElement.tagName + " " + `+named+`(document.activeElement)`)
}

// TestKeyboardAlone: a group is made, somebody let in, a line said, people and
// keys looked at, without a mouse. A panel that closes gives the focus back, and
// what comes in from outside does not take it.
func TestKeyboardAlone(t *testing.T) {
	ann := newVisitor(t, "ann")
	bob := newVisitor(t, "bob", ann)
	ann.browse(1440, 900)

	ann.tabTo("New group")
	ann.hit(kb.Enter)
	ann.sees("History")
	ann.hit("team" + kb.Enter) // the first field has the focus
	ann.sees("Nobody else is here")
	ann.until("the focus where one writes", `document.activeElement.tagName === "TEXTAREA"`)
	ann.hit("alone so far" + kb.Enter)
	ann.until("the line", `document.querySelector(".log .own .text")?.innerText === "alone so far"`)

	ann.tabTo("Group")
	ann.hit(kb.Enter)
	ann.sees("Replace the key now")
	ann.hit(kb.Escape)
	ann.until("the panel to be gone", `!document.querySelector("dialog")`)
	if f := ann.focus(); f != "BUTTON Group" {
		t.Errorf("after a panel the focus is at %q", f)
	}

	_, err := bob.Join(t.Context(), ann.ID().PeerID, "team", "it is me", false)
	must(t, err)
	ann.sees("it is me")
	if f := ann.focus(); f != "BUTTON Group" {
		t.Errorf("after a request came in the focus is at %q", f)
	}
	ann.tabTo("Approve")
	ann.hit(kb.Enter)
	ann.sees("sealed for 2")
	ann.tabTo("·" + bob.ID().PeerID[len(bob.ID().PeerID)-6:])
	ann.hit(kb.Enter)
	ann.sees("Read this number")
	ann.hit(kb.Escape)
	ann.until("the panel to be gone", `!document.querySelector("dialog")`)
	_, err = bob.SetName(t.Context(), "bob")
	must(t, err)
	ann.until("bob's name among the people", `document.querySelector("c-people .members").innerText.includes("bob")`)
	if f := ann.focus(); !strings.HasPrefix(f, "BUTTON bob") {
		t.Errorf("after bob has a name the focus is at %q", f)
	}
	ann.tabTo("sealed for 2")
	ann.hit("hello bob" + kb.Enter)
	ann.until("the line", `[...document.querySelectorAll(".log .own .text")].at(-1)?.innerText === "hello bob"`)
}
