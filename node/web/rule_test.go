package web

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"

	"conclave/node"
)

func (v *visitor) print() string { id := v.ID().PeerID; return "·" + id[len(id)-6:] }

// unfold opens a part of the dialog on top.
func (v *visitor) unfold(title string) {
	v.t.Helper()
	v.until("the part "+title, `(() => {
		const s = [...[...document.querySelectorAll("dialog[open]")].at(-1)?.querySelectorAll("summary") || []].find((s) => s.innerText === `+quoted(title)+`);
		if (s && !s.parentElement.open) s.click();
		return s;
	})()`)
}

// pick chooses from the list with this label, or ticks the box.
func (v *visitor) pick(label, value string) {
	v.t.Helper()
	v.until("the choice "+label, `(() => {
		const l = [...document.querySelectorAll("dialog[open] label")].find((l) => l.innerText.trim().startsWith(`+quoted(label)+`));
		const e = l?.querySelector("select,input");
		if (e?.type === "checkbox") e.click();
		else if (e) e.value = `+quoted(value)+`;
		return e;
	})()`)
}

// closed waits until no dialog is open.
func (v *visitor) closed() {
	v.t.Helper()
	v.until("no panel lies over the page", `!document.querySelector("dialog[open]")`)
}

// downloads returns a folder where what the page gives as a file goes.
func (v *visitor) downloads() string {
	v.t.Helper()
	dir := v.t.TempDir()
	must(v.t, chromedp.Do(v.ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir})
		return err
	})))
	return dir
}

// downloaded waits for the one file whose name ends so. Its name is there before
// what it holds, which comes at once.
func (v *visitor) downloaded(dir, suffix string) (text []byte) {
	v.t.Helper()
	v.await("a file "+suffix, func() bool {
		found, _ := filepath.Glob(filepath.Join(dir, "*"+suffix))
		if len(found) == 1 {
			text, _ = os.ReadFile(found[0])
		}
		return len(text) > 0
	})
	return text
}

// TestRuling: what an owner does, from the page: settings, deputies, removal with
// its proof, handing over; then what is left to a member.
func TestRuling(t *testing.T) {
	ann := newVisitor(t, "ann")
	bob, cleo, dora := newVisitor(t, "bob", ann), newVisitor(t, "cleo", ann), newVisitor(t, "dora", ann)
	ann.browse(1440, 900)
	files := ann.downloads()
	member := func(o *visitor) (m node.Member) {
		all, err := ann.Members(t.Context(), "crew")
		must(t, err)
		for _, x := range all {
			if x.PeerID == o.ID().PeerID {
				m = x
			}
		}
		return m
	}

	ann.press("New group")
	ann.types("Name", "team")
	ann.unfold("More")
	ann.pick("The key is replaced by", "owner")
	ann.pick("A key serves for", "168h")
	ann.look("create-more")
	ann.press("Create")
	ann.sees("Nobody else is here")
	g, err := ann.Group(t.Context(), "team")
	must(t, err)
	if s := g.Settings; s.RotateBy != "owner" || s.MaxAge != "168h0m0s" {
		t.Errorf("the group is set so: %+v", s)
	}
	ann.admit("team", bob)
	ann.admit("team", cleo)

	ann.press("Group")
	ann.unfold("Settings")
	eval[bool](ann, `(document.querySelector("dialog input").select(), true)`)
	ann.types("Name", "crew")
	ann.look("settings")
	ann.press("Change")
	ann.closed()
	ann.until("the new name", `document.querySelector(".groups [aria-current]").innerText === "crew"`)
	ann.press("Group")
	ann.unfold("How long messages stay here")
	ann.pick("Keep", "30d")
	ann.press("Keep so")
	ann.await("what is kept", func() bool {
		g, err := ann.Group(t.Context(), "crew")
		return err == nil && g.Keep != nil && *g.Keep == "30d"
	})
	ann.closed()

	ann.press(bob.print())
	ann.unfold("Make a deputy")
	ann.pick("remove people", "")
	ann.look("deputy")
	ann.press("Make a deputy")
	ann.await("a deputy", func() bool {
		m := member(bob)
		return m.Role == "deputy" && strings.Join(m.Can, " ") == "approve rotate invite"
	})
	ann.until("the deputy's mark", `document.querySelector(".members").innerText.includes("deputy")`)
	ann.press(bob.print())
	ann.sees("may let people in who ask, replace the key, invite people")
	ann.unfold("What this deputy may")
	ann.press("Take it back")
	ann.await("no deputy", func() bool { return member(bob).Role == "member" })
	ann.closed()

	ann.press("Invite")
	ann.types("Peer ID", dora.ID().PeerID)
	ann.press("Invite")
	ann.sees("Invited: " + dora.print())
	ann.press("Take it back")
	ann.until("no invitation", `!document.querySelector("dialog").innerText.includes(`+quoted(dora.print())+`)`)
	ann.press("Close")

	ann.press(cleo.print())
	ann.press("Remove from the group")
	ann.press("Yes")
	ann.closed()
	ann.await("cleo to be out", func() bool { return member(cleo).PeerID == "" })
	ann.press("Group")
	ann.unfold("Who is out")
	ann.sees("left, or was removed")
	ann.look("out")
	ann.press("Proof")
	ann.sees("made without them since")
	x, err := node.VerifyRemoval(ann.downloaded(files, ".proof"))
	must(t, err)
	if x.PeerID != cleo.ID().PeerID || x.State != "removed" {
		t.Errorf("the file proves %+v", x)
	}
	ann.press("Close")
	ann.types("Peer ID of somebody to keep out", dora.ID().PeerID)
	ann.press("Ban")
	ann.sees("banned")
	ann.press("Allow again")
	ann.until("nobody banned", `!document.querySelector("dialog").innerText.includes("banned")`)
	ann.press("Close")

	_, err = bob.TakeOver(t.Context(), "crew")
	must(t, err)
	ann.sees("is ready to take the group over")
	ann.press(bob.print())
	ann.unfold("Hand the group over")
	ann.press("Make this person the owner")
	ann.await("another owner", func() bool { return member(bob).Role == "owner" })
	ann.closed()
	ann.press("Group")
	ann.unfold("Who owns it")
	ann.look("owner")
	ann.press("I am ready to take it over")
	ann.closed()
	ann.press("Group")
	ann.unfold("Who owns it")
	ann.press("Begin a new group in its place")
	ann.types("Name", "crew again")
	ann.press("Begin")
	bob.await("the invitation", func() bool {
		all, err := bob.Invitations(t.Context())
		return err == nil && len(all) == 1 && all[0].Name == "crew again"
	})
	ann.until("the new group", `document.querySelector(".groups [aria-current]").innerText === "crew again"`)
}

// TestOneself: what one does on one's own: a conversation of two, a request that
// is taken back, a group that is left and erased.
func TestOneself(t *testing.T) {
	ann := newVisitor(t, "ann")
	bob, cleo := newVisitor(t, "bob", ann), newVisitor(t, "cleo", ann)
	group := bob.group("team")
	bob.group("club")
	bob.admit(group, ann)
	ann.browse(1440, 900)
	ann.sees("sealed for 2")

	ann.press(bob.print())
	ann.press("Talk to them alone")
	ann.closed()
	ann.until("the conversation", `location.hash && !location.hash.includes(`+quoted(group)+`)`)
	ann.says("just us")
	bob.await("the conversation", func() bool { all, err := bob.Groups(t.Context(), false); return err == nil && len(all) == 3 })

	ann.press("Talk")
	ann.types("Peer ID", cleo.ID().PeerID)
	ann.press("Open")
	ann.closed()
	ann.says("you do not know me")
	cleo.browse(1000, 800)
	cleo.press("Invitation")
	cleo.sees("wants to talk to you alone")
	cleo.look("stranger")
	cleo.press("Accept")
	cleo.sees("you do not know me")

	ann.press("Join")
	ann.types("Link, or peer ID", bob.ID().PeerID+"/club")
	ann.press("Ask")
	ann.press("asked")
	ann.look("asked")
	ann.press("Take it back")
	ann.await("no request", func() bool {
		all, err := ann.Joins(t.Context())
		must(t, err)
		for _, j := range all {
			if j.State == "requested" {
				return false
			}
		}
		return true
	})
	ann.closed()

	ann.press("team")
	ann.press("Group")
	ann.press("Leave the group")
	ann.press("Yes")
	ann.sees("you are not a member any more")
	if eval[bool](ann, `document.body.innerText.includes("Nobody else is here")`) {
		t.Error("who has left is to invite others")
	}
	ann.look("not-in")
	ann.press("Erase it here")
	ann.press("Yes")
	ann.await("the group to be gone", func() bool { _, err := ann.Group(t.Context(), group); return node.KindOf(err) == node.NotFound })
	ann.until("it is gone from the list", `![...document.querySelectorAll(".groups .row")].some((e) => e.innerText.includes("team"))`)
}

// TestAlarm: somebody signed two things under one number: the page says so in plain
// words, what to do, and gives the proof as a file. So it does of lines that wait
// since a backup.
func TestAlarm(t *testing.T) {
	ann := newVisitor(t, "ann")
	bob := newVisitor(t, "bob", ann)
	group := ann.group("team")
	ann.admit(group, bob)
	ann.api.change("/v1/group", func(a map[string]any) {
		a["alarms"] = []any{map[string]any{"peer_id": bob.ID().PeerID, "name": "", "log": "messages", "lane": 0, "seq": 5,
			"says": bob.print() + " signed two different messages under number 5", "hint": "`conclave kick GROUP PEER` removes them"}}
	})
	ann.api.change("/v1/evidence", func(a map[string]any) { a["evidence"] = "both records" })
	ann.api.change("/v1/held", func(a map[string]any) {
		a["items"] = []any{map[string]any{"kind": "message", "text": "left over", "cursor": "end"}}
	})
	ann.browse(1440, 900)
	files := ann.downloads()
	ann.sees("One line waited to leave when the backup was made")
	ann.look("alarm")
	ann.press("What this means")
	ann.sees("signed two different messages under number 5")
	ann.sees("An honest node never does")
	ann.sees("You can remove them.")
	if strings.Contains(eval[string](ann, `document.querySelector("dialog").innerText`), "conclave kick") {
		t.Error("it speaks of commands")
	}
	ann.look("alarm-meaning")
	ann.press("Save the proof")
	if text := string(ann.downloaded(files, ".evidence")); text != "both records" {
		t.Errorf("the file is %q", text)
	}
	ann.api.change("/v1/held", nil)
	ann.press("Close")
	ann.press("Forget them")
	ann.press("Yes")
	ann.until("nothing left over", `!document.body.innerText.includes("left over")`)
}
