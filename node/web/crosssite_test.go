package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"conclave/node/api"
)

// foreignPage tries, from another port of this machine, whose cookies the
// browser shares with ours, all that a page can do to another without asking
// first. It says "tried" when the browser has carried everything out.
const foreignPage = `<!doctype html><iframe name=f></iframe>
<form id=form target=f method=post enctype=text/plain action="%[1]s/v1/groups"><input name='{"name":"by-form","x":"' value='"}'></form>
<script>
const tell = (type) => fetch("%[1]s/v1/groups", {method: "POST", mode: "no-cors", credentials: "include",
	headers: {"Content-Type": type}, body: '{"name":"by-fetch"}'}).catch(() => {});
const framed = new Promise((done) => document.querySelector("iframe").onload = done);
document.querySelector("#form").submit();
Promise.all([tell("text/plain"), tell("application/x-www-form-urlencoded"), tell("application/json"),
	fetch("%[1]s/v1/groups", {method: "POST", credentials: "include", headers: {"Content-Type": "application/json"}, body: '{"name":"by-cors"}'}).catch(() => {}),
	fetch("%[1]s/v1/groups", {credentials: "include"}).then((r) => r.text()).then((t) => document.title = "read " + t).catch(() => {}),
	navigator.sendBeacon("%[1]s/v1/groups", '{"name":"by-beacon"}'), framed]).then(() => document.body.append("tried"));
</script>`

// TestAbuse_LO04_CrossSite: what a page of another origin asks for, in a browser
// that is signed in, does not reach the API: no form, no fetch, no beacon.
func TestAbuse_LO04_CrossSite(t *testing.T) {
	var reached sync.Map
	d := opened(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Sec-Fetch-Site") != "same-origin" {
			reached.Store(r.Method+" of "+r.Header.Get("Content-Type"), true)
		}
		w.Write([]byte("{}"))
	}))
	ours := strings.TrimSuffix(d.URL(), "/")
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, foreignPage, ours)
	}))
	defer evil.Close()
	alice := &visitor{t: t, name: "alice", door: d}
	alice.open(1440, 880)
	alice.until("the session", `localStorage.length > 0`)
	must(t, chromedp.Do(alice.ctx, chromedp.Navigate(evil.URL)))
	alice.sees("tried")
	reached.Range(func(what, _ any) bool { t.Errorf("the other page has reached the API: %s", what); return true })
	if title := eval[string](alice, "document.title"); title != "" {
		t.Errorf("the other page has %s", title)
	}
}

// TestAbuse_LO04_FormsAreNotRead: even for who is signed in the API reads JSON
// alone, which no form can send.
func TestAbuse_LO04_FormsAreNotRead(t *testing.T) {
	alice := newVisitor(t, "alice")
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
		r := httptest.NewRequest("POST", "/v1/groups", strings.NewReader(`{"name":"team"}`))
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		api.Handler(alice.Node).ServeHTTP(w, r)
		if w.Code != http.StatusUnsupportedMediaType {
			t.Errorf("%s: %d %s", kind, w.Code, w.Body)
		}
	}
	groups, err := alice.Groups(t.Context(), true)
	must(t, err)
	if len(groups) != 0 {
		t.Errorf("a form has made %v", groups)
	}
}
