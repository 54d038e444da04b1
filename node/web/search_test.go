package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// admit lets somebody into a group of v's, without pages.
func (v *visitor) admit(group string, o *visitor) {
	v.t.Helper()
	_, err := o.Join(v.t.Context(), v.ID().PeerID, group, "", false)
	must(v.t, err)
	v.await("the request", func() bool {
		_, err := v.Approve(v.t.Context(), group, o.ID().PeerID)
		return err == nil
	})
	o.await("the group", func() bool {
		g, err := o.Group(v.t.Context(), group)
		return err == nil && g.Epoch != nil
	})
}

// TestSearch: one looks for words in a long conversation, sees what was found in
// its place, and comes back; from a line one gets to its key and readers, and from
// a key to its lines.
func TestSearch(t *testing.T) {
	ann := newVisitor(t, "ann")
	bob := newVisitor(t, "bob", ann)
	group := ann.group("team")
	ann.admit(group, bob)
	must(t, say(ann, group, "the Projector is in <i>4.12</i>"))
	ann.fill(group, 2300)
	must(t, say(ann, group, "no projector today"))
	_, err := ann.Rotate(t.Context(), group)
	must(t, err)
	must(t, say(ann, group, "another key"))
	ann.browse(1440, 900)
	ann.sees("another key")

	ann.press("Search")
	ann.hit("projector\r")
	ann.sees("2 found in")
	hits := `[...document.querySelectorAll(".hits .row")].map((e) => e.querySelector("mark").innerText).join()`
	if marked := eval[string](ann, hits); marked != "projector,Projector" {
		t.Errorf("marked in what was found: %q", marked)
	}
	ann.look("search")
	at := `(() => { const e = document.activeElement.closest("li.hit"), l = document.querySelector(".log"); return e && e.getBoundingClientRect().top >= l.getBoundingClientRect().top && e.getBoundingClientRect().bottom <= l.getBoundingClientRect().bottom && e.innerText; })()`
	eval[bool](ann, `([...document.querySelectorAll(".hits .row")].at(-1).click(), true)`)
	ann.until("the line in its place", at+`?.includes("in <i>4.12</i>")`)
	if !eval[bool](ann, `[...document.querySelectorAll(".log .text")].some((e) => e.innerText === "line 3")`) {
		t.Error("the line stands without its neighbours")
	}
	ann.look("found")
	ann.press("Back to what was found")
	ann.sees("2 found in")
	ann.press("you") // the newest that was found
	ann.until("the other line in its place", at+`?.includes("no projector today")`)
	ann.press("To the newest")
	ann.until("no line to be marked as found", `!document.querySelector(".log .hit")`)

	ann.press("key 2")
	ann.press("Show its lines")
	ann.until("the last line under key 2", at+`?.includes("no projector today")`)
	if eval[bool](ann, `[...document.querySelectorAll(".log li.message")].some((e) => e.innerText.includes("another key") && e.classList.contains("marked"))`) {
		t.Error("a line under key 3 is marked for key 2")
	}
	ann.press("To the newest")
	ann.until("the newest", `[...document.querySelectorAll(".log .message")].at(-1).innerText.includes("another key")`)
	eval[bool](ann, `([...document.querySelectorAll(".log .time")].at(-1).click(), true)`)
	ann.sees("All lines under it are marked.")
	ann.until("key 3 in the timeline", `document.querySelector(".timeline .chosen").innerText.includes("key 3")`)
}

// TestWhatIsMissing: gaps stand as lines of their own, with whose, how many, who
// has them and that they are asked for; who has a line and who has not; and how
// far catching up has come.
func TestWhatIsMissing(t *testing.T) {
	ann := newVisitor(t, "ann")
	bob := newVisitor(t, "bob", ann)
	cleo := newVisitor(t, "cleo", ann)
	group := ann.group("team")
	for _, o := range []*visitor{bob, cleo} {
		ann.admit(group, o)
	}
	must(t, say(ann, group, "who has this?"))
	short := "·" + bob.ID().PeerID[len(bob.ID().PeerID)-6:]
	ann.api.change("/v1/log", func(a map[string]any) {
		lines := a["items"].([]any)
		gap := map[string]any{"kind": "gap", "cursor": "end", "sender": bob.ID().PeerID, "sender_name": nil, "group_id": group, "encrypted": false,
			"reason": "3 messages or more from " + short + " missing (41-43); cleo has them; asked 10 s ago · trying",
			"gap":    map[string]any{"from": 41, "to": 43, "held_by": []string{cleo.ID().PeerID}, "asked": "2026-01-02T15:04:05.000Z"}}
		a["items"] = append(lines, gap)
	})
	ann.api.change("/v1/group", func(a map[string]any) { a["catching_up"] = map[string]any{"done": 1200, "total": 5000} })
	ann.api.change("/v1/message", func(a map[string]any) {
		for _, r := range a["items"].([]any)[0].(map[string]any)["readers"].([]any) {
			if r := r.(map[string]any); r["peer_id"] == cleo.ID().PeerID {
				r["delivered"], r["holds_key"] = false, false
			}
		}
	})
	ann.browse(1440, 900)
	ann.until("the gap as a line", `document.querySelector(".log .gap")?.innerText.trim() === `+quoted("3 messages or more from "+short+" missing (41-43); cleo has them; asked 10 s ago · trying"))
	ann.until("the bar", `document.querySelector(".catching progress")?.value === 1200 && document.querySelector(".catching").innerText.includes("1,200 of 5,000")`)
	ann.press("Who could read this")
	ann.sees("Not known to have it yet")
	parts := eval[string](ann, `[...document.querySelectorAll("dialog h3")].map((e) => e.innerText + ": " + [...e.nextElementSibling.querySelectorAll(".print")].map((p) => p.innerText).join()).join("; ")`)
	if want := "Not known to have it yet: ·" + cleo.ID().PeerID[len(cleo.ID().PeerID)-6:]; !strings.HasSuffix(parts, want) || !strings.Contains(parts, "Has it: ") || !strings.Contains(parts, short) {
		t.Errorf("who has it: %q", parts)
	}
	ann.look("missing")
	ann.press("Close")
	ann.api.change("/v1/group", nil)
	must(t, say(bob, group, "news"))
	ann.until("the bar to be gone", `!document.querySelector(".catching")`)
}

// TestUnread: what was not read is counted by the node: it outlives the page, and
// reading says so.
func TestUnread(t *testing.T) {
	ann := newVisitor(t, "ann")
	bob := newVisitor(t, "bob", ann)
	ann.group("a quiet one")
	busy := ann.group("busy")
	ann.admit(busy, bob)
	ann.browse(1440, 900)
	ann.sees("Nobody else is here")
	for i := range 3 {
		must(t, say(bob, busy, fmt.Sprintf("news %d", i)))
	}
	badge := `document.querySelector('[data-key="` + busy + `"] .badge')?.innerText`
	ann.until("three unread", badge+` === "3"`)
	must(t, chromedp.Do(ann.ctx, chromedp.Reload()))
	ann.until("three unread, on a new page", badge+` === "3"`)
	ann.press("busy")
	ann.sees("news 2")
	read := func() {
		t.Helper()
		ann.await("that the node knows", func() bool { g, err := ann.Group(t.Context(), busy); return err == nil && g.Unread == 0 })
		ann.until("nothing unread", badge+` === undefined`)
	}
	read()
	must(t, say(bob, busy, "said aloud"))
	ann.until("the line to be announced, and no other", `document.querySelector("c-talk [aria-live=polite]").textContent === `+quoted(bob.print()+": said aloud. "))
	read()
	ann.press("a quiet one")
	must(t, say(bob, busy, "one more"))
	ann.until("one unread", badge+` === "1"`)
}
