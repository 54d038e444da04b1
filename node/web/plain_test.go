package web

import "testing"

// TestPlainOnce: in a sealed group a line goes out plain where somebody chose so
// for that line: not the next one, and not in another group.
func TestPlainOnce(t *testing.T) {
	ann := newVisitor(t, "ann")
	bob := newVisitor(t, "bob", ann)
	group := ann.group("crew")
	ann.admit(group, bob)
	ann.group("team")
	ann.browse(1000, 700)
	ann.sees("sealed for 2")
	choose := func() {
		t.Helper()
		eval[bool](ann, `(document.querySelector(".plainly input").click(), true)`)
		ann.sees("PLAIN · anyone relaying can read")
		ann.sees("Send PLAIN")
	}
	said := func(line, plain string) {
		t.Helper()
		ann.says(line)
		ann.until(line, `[...document.querySelectorAll(".log .message.own")].some((l) => l.querySelector(".text").innerText === `+quoted(line)+` && l.classList.contains("plainline") === `+plain+`)`)
		ann.until("the choice to be over", `!document.querySelector(".plainly input").checked && !document.querySelector(".compose").classList.contains("plain")`)
	}
	said("sealed as ever", "false")
	choose()
	said("plain by choice", "true")
	said("sealed again", "false")
	choose()
	ann.press("team")
	ann.until("the other group", `document.querySelector(".bar h2").innerText === "team"`)
	said("sealed there", "false")
	ann.press("crew")
	ann.until("the first group", `document.querySelector(".bar h2").innerText === "crew"`)
	said("and here", "false")
}
