package web

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// inside is a JavaScript expression: what is wider than its place, or leaves its
// line, one to a line of text.
const inside = `(() => {
	const bad = [], said = (e) => e.tagName + "." + e.className + " " + e.textContent.slice(0, 30);
	if (document.scrollingElement.scrollWidth > innerWidth) bad.push("the page is wider than the window");
	for (const e of document.querySelectorAll(".groups, .log, .bar, c-people, .cards, .compose, dialog, .hits")) {
		if (e.checkVisibility() && e.scrollWidth > e.clientWidth + 1) bad.push("wider than its place: " + said(e));
	}
	for (const line of document.querySelectorAll(".log li, .members li, .groups .row, .hits li")) {
		if (!line.checkVisibility()) continue;
		const place = line.getBoundingClientRect();
		for (const e of line.querySelectorAll("*")) {
			const r = e.getBoundingClientRect();
			if (e.closest(".name")) continue; // of a group: it ends in dots
			if (r.width && (r.left < place.left - 1 || r.right > place.right + 1 || r.top < place.top - 3 || r.bottom > place.bottom + 3)) bad.push("out of its line: " + said(e));
		}
	}
	if (/[\u202a-\u202e\u2066-\u2069]/.test(document.body.textContent)) bad.push("what reorders text reaches the page");
	return bad.slice(0, 5).join("\n");
})()`

// TestAbuse_MM14_NothingLeavesItsLine: a line of a megabyte, marks that pile up,
// text and names that run the other way, a name of one long word and one like
// another's: nothing is wider than the window, leaves its line, or stands in
// another order than the page's own.
func TestAbuse_MM14_NothingLeavesItsLine(t *testing.T) {
	ann := newVisitor(t, "ann")
	bob := newVisitor(t, "bob", ann)
	group := ann.group("team")
	ann.admit(group, bob)
	must(t, say(bob, group, "the line that the others are made of"))
	ann.await("bob's line", func() bool { g, err := ann.Group(t.Context(), group); return err == nil && g.Unread == 1 })

	const hebrew, override = "שלום עולם", "\u202egnp.exe\u202c\u2066"
	long := strings.Repeat("W", 64)
	lines := []struct{ name, text string }{
		{"bob", strings.Repeat("M", 1<<20)},
		{"bob", strings.Repeat("two\n", 3000)},
		{"bob", "a" + strings.Repeat("\u0301\u0323\u0489", 300) + " and on"},
		{"bob", strings.Repeat("👩‍👩‍👧‍👦🏳️‍🌈", 200)},
		{hebrew, hebrew + " 12:30 (abc) " + override + " and english"},
		{override + "bob", override + "text"},
		{long, "from " + long + strings.Repeat("\u200d", 50)},
		{"b\u043eb", "the o is not an o"},
	}
	ann.api.change("/v1/log", func(a map[string]any) {
		items := a["items"].([]any)
		last := items[len(items)-1].(map[string]any)
		for i, l := range lines {
			x := maps.Clone(last)
			x["cursor"], x["message_id"] = fmt.Sprintf("%s-%d", last["cursor"], i), fmt.Sprintf("%032d", i)
			x["sender_name"], x["text"] = l.name, l.text
			items = append(items, x)
		}
		event := maps.Clone(last)
		event["kind"], event["cursor"], event["text"] = "event", "event", nil
		event["reason"] = hebrew + " " + bob.print() + " joined, let in by " + long + " " + ann.print()
		a["items"] = append(items, event)
	})
	rename := func(a map[string]any) {
		for _, m := range a["items"].([]any) {
			if m := m.(map[string]any); m["peer_id"] == bob.ID().PeerID {
				m["name"], m["alike"] = override+hebrew+long, true
			}
		}
	}
	ann.api.change("/v1/members", rename)
	ann.api.change("/v1/groups", func(a map[string]any) { a["items"].([]any)[0].(map[string]any)["name"] = long })
	ann.api.change("/v1/requests", func(a map[string]any) {
		a["items"] = []any{map[string]any{"group_id": group, "peer_id": bob.ID().PeerID, "fingerprint": "abcd efgh", "name": long, "alike": true, "note": override + long + long + hebrew, "state": "pending", "epoch": nil}}
	})
	ann.browse(1440, 900)
	ann.until("all lines", fmt.Sprintf(`document.querySelectorAll(".log .message").length === %d`, len(lines)+1))
	ann.until("that two names are alike", `document.querySelector(".members .tag") && document.querySelector(".card .tag")`)

	order := func(width int64) {
		t.Helper()
		must(t, chromedp.Do(ann.ctx, chromedp.EmulateViewport(width, 880)))
		for _, view := range []string{"talk", "people", "groups"} {
			eval[bool](ann, `(document.dispatchEvent(new CustomEvent("show", {detail: `+quoted(view)+`})), true)`)
			if bad := eval[string](ann, inside); bad != "" {
				t.Errorf("%s at %d:\n%s", view, width, bad)
			}
		}
		eval[bool](ann, `(document.dispatchEvent(new CustomEvent("show", {detail: "talk"})), true)`)
		if bad := eval[string](ann, `[...document.querySelectorAll(".log .message")].flatMap((li) => {
			const [time, from, name, print, text] = ["time", ".from", ".from bdi", ".from .print", ".text"].map((s) => [...li.querySelector(s)?.getClientRects() || []].at(-1));
			const after = name?.right <= print?.left + 1 || print?.top >= name?.bottom - 3;
			return name && !(time.right <= from.left && after && (text.left >= from.right - 1 || text.top >= from.bottom - 3)) ? [li.textContent.slice(0, 40)] : [];
		}).join("\n")`); bad != "" {
			t.Errorf("time, name, fingerprint and text are in another order at %d:\n%s", width, bad)
		}
		if !eval[bool](ann, `(() => {
			const reason = [...document.querySelectorAll(".log .event .reason")].at(-1), range = document.createRange();
			range.setStart(reason.firstChild, 0), range.setEnd(reason.firstChild, 4);
			const name = range.getBoundingClientRect(), print = reason.querySelector("bdi").getBoundingClientRect();
			return name.right <= print.left && getComputedStyle(reason).direction === "ltr";
		})()`) {
			t.Errorf("a fingerprint stands before its name at %d", width)
		}
	}
	for _, width := range []int64{390, 800, 1440} {
		order(width)
	}
	ann.look("hostile")
	if eval[string](ann, `getComputedStyle(document.querySelector(".log li.message")).contain`) != "paint" {
		t.Error("marks that pile up are drawn over other lines")
	}

	most := `Math.max(...[...document.querySelectorAll(".log .text")].map((e) => e.textContent.length))`
	if n := eval[int](ann, most); n > 4000 {
		t.Errorf("%d characters of one line are shown unasked", n)
	}
	must(t, chromedp.Do(ann.ctx, chromedp.EmulateViewport(390, 880)))
	for _, n := range []int{20_000, 40_000} {
		ann.press("… more of 1,048,576 characters")
		ann.until("more of the line", fmt.Sprintf(`(n => n > %d && n < %d + 100)(`+most+`)`, n, n))
		if bad := eval[string](ann, inside); bad != "" {
			t.Errorf("with %d characters unfolded:\n%s", n, bad)
		}
	}
}
