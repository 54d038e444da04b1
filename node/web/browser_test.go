package web

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"conclave/node"
	"conclave/node/api"
)

// patience is more time than anything takes that a test waits for.
const patience = 2 * time.Minute

// chromium finds the browser. Only the full run insists on it.
func chromium(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CONCLAVE_TEST") == "all" {
			t.Fatal("chromium is not installed")
		}
		t.Skip("chromium is not installed")
	}
	return path
}

// visitor is somebody with a node of their own and a browser before its page.
type visitor struct {
	*node.Node
	t    testing.TB
	name string
	door *Door
	ctx  context.Context // of the browser's tab
	api  *answers
	home string
}

func newVisitor(t testing.TB, name string, others ...*visitor) *visitor {
	t.Helper()
	v := &visitor{t: t, name: name, home: filepath.Join(t.TempDir(), name)}
	cfg := node.Config{Home: v.home, Listen: []string{"/ip4/127.0.0.1/tcp/0"}}
	for _, o := range others {
		s, err := o.Status(t.Context())
		must(t, err)
		cfg.Peers = append(cfg.Peers, s.Addrs[0]+"/p2p/"+s.PeerID)
	}
	n, err := node.Open(cfg)
	must(t, err)
	v.Node = n
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- n.Run(ctx) }()
	<-n.Ready()
	v.api = &answers{next: api.Handler(n)}
	v.door, err = Open("127.0.0.1:0", v.api, log.New(io.Discard, "", 0))
	must(t, err)
	doorCtx, closeDoor := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- v.door.Run(doorCtx) }()
	t.Cleanup(func() {
		closeDoor()
		must(t, <-served)
		cancel()
		must(t, <-ran)
	})
	return v
}

// browse opens the page in a browser of its own.
func (v *visitor) browse(width, height int, flags ...chromedp.ExecAllocatorOption) {
	v.t.Helper()
	v.open(width, height, flags...)
	v.sees("you are")
}

// open goes to the page by its link.
func (v *visitor) open(width, height int, flags ...chromedp.ExecAllocatorOption) {
	v.t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath(chromium(v.t)), chromedp.WindowSize(width, height))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(opts, flags...)...)
	v.t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithLogf(v.t.Logf))
	v.t.Cleanup(cancel)
	v.ctx = ctx
	link, err := v.door.Link()
	must(v.t, err)
	must(v.t, chromedp.Do(ctx, chromedp.Navigate(link)))
}

// eval returns what an expression is in the page.
func eval[T any](v *visitor, expression string) T {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	out, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		v.t.Fatalf("%s: %s: %v", v.name, expression, err)
	}
	return out
}

// until waits for an expression to be true in the page.
func (v *visitor) until(what, expression string) {
	v.t.Helper()
	for end := time.Now().Add(patience); !eval[bool](v, "!!("+expression+")"); time.Sleep(30 * time.Millisecond) {
		if time.Now().After(end) {
			v.t.Fatalf("%s still waits for %s; the page says\n%s", v.name, what, eval[string](v, "document.body.innerText"))
		}
	}
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// sees waits for a text that can be seen.
func (v *visitor) sees(text string) {
	v.t.Helper()
	v.until(fmt.Sprintf("%q", text), "document.body.innerText.includes("+quoted(text)+")")
}

// press presses the button with this text or name: in the dialog on top, where one
// is open. It is the button that is pressed and not a place on the screen, which
// may move in that moment.
func (v *visitor) press(label string) {
	v.t.Helper()
	v.until("the button "+label, `(() => {
		const top = [...document.querySelectorAll("dialog[open]")].at(-1) || document;
		const named = (b) => b.innerText.trim().replace(/^[★◆●○]\s*/, "").startsWith(`+quoted(label)+`) || b.getAttribute("aria-label") === `+quoted(label)+`;
		const b = [...top.querySelectorAll("button")].find((b) => !b.disabled && b.offsetParent !== null && named(b));
		b?.focus();
		b?.click();
		return b;
	})()`)
}

// types writes into the field with this label, by the keyboard.
func (v *visitor) types(label, text string) {
	v.t.Helper()
	field := `[...document.querySelectorAll("dialog[open] label")].find((l) => l.innerText.startsWith(` + quoted(label) + `))?.querySelector("input,select,textarea")`
	v.until("the field "+label, field)
	eval[bool](v, "("+field+".focus(), true)")
	must(v.t, chromedp.Do(v.ctx, chromedp.KeyEvent(text)))
}

// says writes a line into the conversation and sends it by Enter.
func (v *visitor) says(text string) {
	v.t.Helper()
	v.until("no panel lies over the conversation", `!document.querySelector("dialog[open]")`)
	eval[bool](v, `(document.querySelector("textarea").focus(), true)`)
	must(v.t, chromedp.Do(v.ctx, chromedp.KeyEvent(text+"\r")))
}

// TestTwoBrowsers: two people, each with a node and a browser, make a group, join,
// let in, talk, replace the key and leave, by mouse and keyboard alone.
func TestTwoBrowsers(t *testing.T) {
	ann := newVisitor(t, "ann")
	bob := newVisitor(t, "bob", ann)
	ann.browse(1440, 900)
	bob.browse(1440, 900)
	bob.sees("No group yet")
	bob.look("empty")
	ann.press("New group")
	ann.types("Name", "team")
	ann.look("create")
	ann.press("Create")
	ann.sees("Nobody else is here")
	ann.look("alone")

	bob.press("you are")
	bob.types("Name", "bob")
	bob.press("Keep")
	bob.sees("you are bob")

	bob.press("Join")
	bob.types("Link, or peer ID", ann.ID().PeerID+"/team")
	bob.types("A line for who decides", "from the meetup")
	bob.look("join")
	bob.press("Ask")
	bob.sees("waiting for the answer")
	ann.sees("from the meetup")
	ann.look("request")
	ann.press("Approve")
	bob.sees("sealed · key 2")

	ann.says("who brings the <b>projector</b>?")
	bob.sees("who brings the <b>projector</b>?")
	bob.says("I bring it")
	ann.sees("I bring it")
	ann.sees("bob ·" + bob.ID().PeerID[len(bob.ID().PeerID)-6:])
	ann.until("that it is read by bob", `document.querySelector(".own .tick")?.textContent === "✓✓"`)
	ann.look("talk")

	ann.press("Who could read this")
	ann.sees("has the message")
	ann.sees("Has it")
	ann.look("readers")
	ann.press("Close")

	ann.press("key 2") // no more marked
	ann.press("key 2") // in the timeline
	ann.sees("held by")
	ann.until("both lines, and the one that says that the key came, to be marked", `document.querySelectorAll(".log .marked").length === 3`)
	ann.look("timeline")
	ann.press("key 2")

	ann.press("Invite")
	ann.press("Make a link")
	ann.sees("Shown once")
	ann.look("invite")
	ann.press("Close")
	ann.press("bob ·" + bob.ID().PeerID[len(bob.ID().PeerID)-6:])
	ann.sees("Read this number")
	ann.look("verify")
	ann.press("We compared them")
	ann.press("Health of this node")
	ann.sees("takes what is written")
	ann.look("health")
	ann.press("Close")
	ann.press("Group")
	ann.press("Turn encryption off")
	ann.press("Yes")
	ann.sees("PLAIN · anyone relaying can read")
	ann.until("the box is there", `document.querySelector(".plainly input")?.offsetParent`)
	eval[bool](ann, `(document.querySelector(".plainly input").click(), true)`)
	ann.says("the room is 4.12")
	bob.sees("the room is 4.12")
	if !eval[bool](bob, `[...document.querySelectorAll(".plainline")].some((l) => l.innerText.toUpperCase().startsWith("PLAIN"))`) {
		t.Error("a plain line looks like any other")
	}
	for _, v := range []*visitor{ann, bob} {
		if !eval[bool](v, `getComputedStyle(document.querySelector(".plainline")).backgroundImage.includes("gradient")`) {
			t.Errorf("a plain line has no background of its own at %s", v.name)
		}
	}
	ann.look("plain")
	ann.press("Group")
	ann.press("Turn encryption on")
	ann.sees("sealed · key 3")
	ann.says("sealed again")
	bob.sees("sealed again")
	if n := eval[int](bob, `document.querySelectorAll(".plainline").length`); n != 1 {
		t.Errorf("%d lines are plain", n)
	}
	if eval[bool](ann, `document.querySelector(".compose").classList.contains("plain")`) {
		t.Error("the place to write still says that it is plain")
	}

	bob.press("Group")
	bob.press("Leave the group")
	bob.press("Yes")
	ann.sees("sealed · key 4")
	ann.look("left")
	if errs := eval[string](ann, `document.querySelectorAll(".problem").length + ""`); errs != "0" {
		t.Errorf("%s problems are shown", errs)
	}
}

// TestSignedOut: without a session, or after the node has forgotten it, the page
// says how to come in.
func TestSignedOut(t *testing.T) {
	ann := newVisitor(t, "ann")
	ann.browse(1000, 700)
	ann.door.mu.Lock()
	clear(ann.door.sessions)
	ann.door.mu.Unlock()
	must(t, chromedp.Do(ann.ctx, chromedp.Reload()))
	ann.sees("conclave web")
	if text := eval[string](ann, "document.body.innerText"); strings.Contains(text, ann.ID().PeerID[:12]) {
		t.Error("it tells who this is")
	}
}

// group makes a group without the page.
func (v *visitor) group(name string) string {
	v.t.Helper()
	g, err := v.CreateGroup(v.t.Context(), node.CreateGroup{Name: name})
	must(v.t, err)
	return g.GroupID
}

// await waits for what is not in the page.
func (v *visitor) await(what string, done func() bool) {
	v.t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			v.t.Fatalf("%s still waits for %s", v.name, what)
		}
	}
}

// say says a line without the page.
func say(v *visitor, group, text string) error {
	_, err := v.Send(v.t.Context(), group, []string{text}, false, true)
	return err
}

// fill says many lines without the page.
func (v *visitor) fill(group string, many int) {
	v.t.Helper()
	for i := 0; i < many; {
		var texts []string
		for len(texts) < 250 && i < many {
			texts = append(texts, fmt.Sprintf("line %d", i))
			i++
		}
		_, err := v.Send(v.t.Context(), group, texts, false, false)
		must(v.t, err)
	}
}
