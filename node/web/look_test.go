package web

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// axeVersion is the accessibility checker's, from npm.
const axeVersion = "axe-core@4.10.3"

// axe is its text, "" where it cannot be had. It is fetched once, and only for
// the full run.
var axe = sync.OnceValues(func() (string, error) {
	if _, err := exec.LookPath("npm"); err != nil || os.Getenv("CONCLAVE_TEST") != "all" {
		return "", nil
	}
	dir, err := os.MkdirTemp("", "axe")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	fetch := exec.Command("npm", "pack", "--silent", axeVersion)
	fetch.Dir = dir
	name, err := fetch.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", axeVersion, err)
	}
	text, err := exec.Command("tar", "-xzOf", filepath.Join(dir, string(name[:len(name)-1])), "package/axe.min.js").Output()
	return string(text), err
})

// scheme sets what the system is said to prefer, light or dark.
func (v *visitor) scheme(value string) {
	v.t.Helper()
	must(v.t, chromedp.Do(v.ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}}})
		return err
	})))
}

// look checks a view for what shuts people out, in light and dark, wide and
// narrow, and keeps pictures of it where somebody wants to look: CONCLAVE_SHOTS
// names a folder.
func (v *visitor) look(name string) {
	v.t.Helper()
	shots := os.Getenv("CONCLAVE_SHOTS")
	checker, err := axe()
	if err != nil {
		v.t.Logf("%s is not judged: %v", name, err) // without the network, or npm, there is no checker
	}
	if shots == "" && checker == "" {
		return
	}
	for _, width := range []int64{390, 1440} {
		must(v.t, chromedp.Do(v.ctx, chromedp.EmulateViewport(width, 880)))
		for _, scheme := range []string{"light", "dark"} {
			v.scheme(scheme)
			time.Sleep(100 * time.Millisecond) // it is drawn
			at := fmt.Sprintf("%s-%s-%d-%s", name, v.name, width, scheme)
			if shots != "" {
				b, err := chromedp.Run(v.ctx, chromedp.CaptureScreenshot())
				must(v.t, err)
				must(v.t, os.WriteFile(filepath.Join(shots, at+".png"), b, 0o600))
			}
			if checker != "" {
				v.judge(checker, at)
			}
		}
	}
	v.scheme("light")
	if wide := eval[bool](v, `document.documentElement.scrollWidth > innerWidth`); wide {
		v.t.Errorf("%s: something is wider than the window", name)
	}
}

// judge lets no finding through that is serious.
func (v *visitor) judge(checker, at string) {
	v.t.Helper()
	if !eval[bool](v, `typeof axe === "object"`) {
		eval[bool](v, checker+"; true")
	}
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`axe.run(document).then((r) => JSON.stringify(r.violations.map((x) => ({id: x.id, impact: x.impact, help: x.help, at: x.nodes.map((n) => n.html.slice(0, 120)).slice(0, 3)}))))`, chromedp.EvalAwaitPromise))
	must(v.t, err)
	var found []struct {
		ID, Impact, Help string
		At               []string
	}
	must(v.t, json.Unmarshal([]byte(text), &found))
	for _, f := range found {
		if f.Impact == "serious" || f.Impact == "critical" {
			v.t.Errorf("%s: %s: %s: %q", at, f.ID, f.Help, f.At)
		}
	}
}

// TestFirstPaint: with 100,000 messages the conversation is there about as soon
// as with none, and scrolling never holds more than a window of them.
func TestFirstPaint(t *testing.T) {
	if testing.Short() || os.Getenv("CONCLAVE_TEST") != "all" {
		t.Skip("with CONCLAVE_TEST=all")
	}
	const many = 100_000
	ann := newVisitor(t, "ann")
	ann.fill(ann.group("team"), many)
	static := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "<!doctype html><title>empty</title><p>nothing")
	}))
	defer static.Close()
	ann.browse(1440, 900)
	fastest := func(url, mark string) time.Duration {
		best := patience
		for range 5 {
			must(t, chromedp.Do(ann.ctx, chromedp.Navigate(url)))
			entry := `performance.getEntriesByName("` + mark + `")[0]`
			ann.until("the page", entry)
			best = min(best, time.Duration(eval[float64](ann, entry+".startTime")*float64(time.Millisecond)))
		}
		return best
	}
	bare, full := patience, patience
	for tries := 1; ; tries++ { // what else the machine does only adds to both: the fastest of each counts
		bare, full = min(bare, fastest(static.URL, "first-contentful-paint")), min(full, fastest(ann.door.URL(), "conversation"))
		t.Logf("the conversation is painted after %s, an empty static page after %s", full, bare)
		if full <= 2*bare+200*time.Millisecond {
			break
		}
		if tries == 12 {
			t.Fatal("too late, sixty times")
		}
	}
	ann.until("a page of lines", `document.querySelectorAll(".log .message").length >= 90`)
	for range 12 {
		first := eval[string](ann, `document.querySelector(".log li[data-c]").dataset.c`)
		eval[bool](ann, `(document.querySelector(".log").scrollTop = 0, true)`)
		ann.until("older lines", `document.querySelector(".log li[data-c]").dataset.c !== `+quoted(first))
		if n := eval[int](ann, `document.querySelectorAll(".log li").length`); n > 500 {
			t.Fatalf("the page holds %d lines", n)
		}
	}
	ann.press("To the newest")
	ann.sees(fmt.Sprintf("line %d", many-1))
}
