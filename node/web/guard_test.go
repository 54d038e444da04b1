package web

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// opened runs a page before an API that answers every request.
func opened(t testing.TB, h http.Handler, change ...func(*Door)) *Door {
	t.Helper()
	d, err := Open("127.0.0.1:0", h, log.New(io.Discard, "", 0))
	must(t, err)
	for _, f := range change {
		f(d)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-ran)
	})
	return d
}

// unlimited lets a test be wrong as often as it likes.
func unlimited(d *Door) { d.wrong = rate.NewLimiter(rate.Inf, 1) }

var anything = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the API") })

// asker makes requests of one kind, and says what was answered.
type asker struct {
	t      testing.TB
	d      *Door
	cookie string
	word   string
}

// ask sends headers, each "Name: value"; one without a value takes a usual one
// away.
func (a *asker) ask(method, path string, headers ...string) (status int, body string) {
	a.t.Helper()
	req, err := http.NewRequest(method, strings.TrimSuffix(a.d.URL(), "/")+path, nil)
	must(a.t, err)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if method != http.MethodGet {
		req.Header.Set("Origin", strings.TrimSuffix(a.d.URL(), "/"))
	}
	if a.cookie != "" {
		req.Header.Set("Cookie", a.d.cookie+"="+a.cookie)
		req.Header.Set(wordHeader, a.word)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		switch {
		case name == "Host":
			req.Host = value
		case value == "":
			req.Header.Del(name)
		default:
			req.Header.Set(name, value)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	must(a.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(a.t, err)
	return resp.StatusCode, string(b)
}

// signIn opens a link and returns who may use the API.
func signIn(t testing.TB, d *Door) *asker {
	t.Helper()
	link, err := d.Link()
	must(t, err)
	_, key, _ := strings.Cut(link, "#")
	resp := trySignIn(t, d, key)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("sign-in: %d", resp.StatusCode)
	}
	c := resp.Cookies()
	if len(c) != 1 || !c[0].HttpOnly || c[0].SameSite != http.SameSiteStrictMode {
		t.Fatalf("cookies: %v", c)
	}
	var out struct{ Word string }
	must(t, json.NewDecoder(resp.Body).Decode(&out))
	return &asker{t: t, d: d, cookie: c[0].Value, word: out.Word}
}

func trySignIn(t testing.TB, d *Door, key string) *http.Response {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, d.URL()+"session", strings.NewReader(`{"link":"`+key+`"}`))
	must(t, err)
	req.Header.Set("Origin", strings.TrimSuffix(d.URL(), "/"))
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	return resp
}

// TestAbuse_LO02_NoTokenOrAWrongOne: without both halves of a session nothing of
// the API is answered, and who goes on guessing is slowed down.
func TestAbuse_LO02_NoTokenOrAWrongOne(t *testing.T) {
	d := opened(t, anything, unlimited)
	a := signIn(t, d)
	if status, body := a.ask("GET", "/v1/status"); status != 200 || body != "the API" {
		t.Fatalf("signed in: %d %q", status, body)
	}
	b := signIn(t, d)
	for name, headers := range map[string][]string{
		"no cookie":        {"Cookie: "},
		"no word":          {wordHeader + ": "},
		"a wrong cookie":   {"Cookie: " + d.cookie + "=" + strings.Repeat("0", 64)},
		"a wrong word":     {wordHeader + ": " + strings.Repeat("0", 64)},
		"another's word":   {wordHeader + ": " + b.word},
		"a wrong bearer":   {"Authorization: Bearer " + a.cookie + "." + b.word},
		"an empty bearer":  {"Authorization: Bearer ."},
		"half of a bearer": {"Authorization: Bearer " + a.cookie},
	} {
		if status, body := a.ask("GET", "/v1/status", headers...); status != http.StatusUnauthorized || strings.Contains(body, "the API") {
			t.Errorf("%s: %d %q", name, status, body)
		}
	}
	for _, path := range []string{"/v1/status", "/v1/", "/qr"} {
		method := "GET"
		if path == "/qr" {
			method = "POST"
		}
		if status, _ := (&asker{t: t, d: d}).ask(method, path); status != http.StatusUnauthorized {
			t.Errorf("%s for nobody: %d", path, status)
		}
	}
	if status, _ := a.ask("GET", "/v1/status", "Cookie: ", wordHeader+": ", "Sec-Fetch-Site: ", "Authorization: Bearer "+a.cookie+"."+a.word); status != 200 {
		t.Errorf("a bearer of both halves: %d", status)
	}
	d = opened(t, anything, func(d *Door) { d.wrong = rate.NewLimiter(0, 3) })
	a = signIn(t, d)
	var answers []int
	for range 5 {
		status, _ := (&asker{t: t, d: d}).ask("GET", "/v1/status")
		answers = append(answers, status)
	}
	if answers[2] != http.StatusUnauthorized || answers[3] != http.StatusTooManyRequests {
		t.Errorf("wrong tries are answered %v", answers)
	}
	if status, _ := a.ask("GET", "/v1/status"); status != 200 {
		t.Errorf("who is signed in pays for the others' tries: %d", status)
	}
}

// TestAbuse_LO03_Rebinding: a name that was bent to loopback reaches nothing.
func TestAbuse_LO03_Rebinding(t *testing.T) {
	d := opened(t, anything)
	a := signIn(t, d)
	_, port, _ := net.SplitHostPort(d.hosts[0])
	for _, host := range []string{"evil.example", "evil.example:" + port, "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:" + port, ""} {
		if host == "" {
			continue
		}
		for _, r := range [][2]string{{"GET", "/"}, {"GET", "/v1/status"}, {"GET", "/v1/events"}, {"POST", "/v1/send"}, {"POST", "/session"}, {"GET", "/words.json"}} {
			if status, body := a.ask(r[0], r[1], "Host: "+host, "Origin: http://"+host); status != http.StatusForbidden || strings.Contains(body, "the API") {
				t.Errorf("%s %s of %s: %d %q", r[0], r[1], host, status, body)
			}
		}
	}
	if status, _ := a.ask("GET", "/", "Host: localhost:"+port); status != 200 {
		t.Errorf("localhost: %d", status)
	}
}

// TestAbuse_LO05_OtherPages: what another page has the browser do is refused,
// though the browser brings the session along.
func TestAbuse_LO05_OtherPages(t *testing.T) {
	d := opened(t, anything)
	a := signIn(t, d)
	for _, r := range [][2]string{{"GET", "/v1/events"}, {"GET", "/v1/status"}, {"POST", "/v1/send"}, {"POST", "/session"}, {"POST", "/qr"}, {"DELETE", "/v1/x"}} {
		for name, headers := range map[string][]string{
			"origin null":      {"Origin: null"},
			"another site":     {"Origin: http://evil.example"},
			"another port":     {"Origin: http://127.0.0.1:1"},
			"https":            {"Origin: https://" + d.hosts[0]},
			"cross-site":       {"Origin: ", "Sec-Fetch-Site: cross-site"},
			"same-site":        {"Origin: ", "Sec-Fetch-Site: same-site"},
			"nothing is said":  {"Origin: ", "Sec-Fetch-Site: "},
			"not quite bearer": {"Origin: ", "Sec-Fetch-Site: cross-site", "Authorization: Basic x"},
		} {
			if status, body := a.ask(r[0], r[1], headers...); status != http.StatusForbidden || strings.Contains(body, "the API") {
				t.Errorf("%s %s, %s: %d %q", r[0], r[1], name, status, body)
			}
		}
	}
	if status, _ := a.ask("GET", "/", "Sec-Fetch-Site: cross-site"); status != 200 {
		t.Errorf("whoever follows a link to the page gets %d", status)
	}
}

// TestAbuse_LO06_NoChangeByGET: nothing of the door itself changes by GET.
func TestAbuse_LO06_NoChangeByGET(t *testing.T) {
	d := opened(t, anything)
	a := signIn(t, d)
	for _, path := range []string{"/session", "/qr"} {
		if status, _ := a.ask("GET", path); status != http.StatusMethodNotAllowed && status != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, status)
		}
	}
	if status, _ := a.ask("POST", "/"); status != http.StatusMethodNotAllowed {
		t.Errorf("POST /: %d", status)
	}
}

// TestAbuse_LO08_SlowAndLarge: headers without end, and bodies that are too
// large, are refused.
func TestAbuse_LO08_SlowAndLarge(t *testing.T) {
	d := opened(t, anything, unlimited)
	conn, err := net.Dial("tcp", d.hosts[0])
	must(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+d.hosts[0]+"\r\nX: ")
	must(t, err)
	conn.SetReadDeadline(time.Now().Add(time.Minute))
	if rest, err := io.ReadAll(conn); err != nil {
		t.Errorf("headers that never end: %q, %v", rest, err)
	}
	resp := trySignIn(t, d, strings.Repeat("a", 1<<20))
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a link of a megabyte: %d", resp.StatusCode)
	}
}

// TestLinkOpensOnce: a link opens the page once, and not when it is old.
func TestLinkOpensOnce(t *testing.T) {
	d := opened(t, anything)
	link, err := d.Link()
	must(t, err)
	_, key, _ := strings.Cut(link, "#")
	for i, want := range []int{http.StatusOK, http.StatusUnauthorized} {
		resp := trySignIn(t, d, key)
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("time %d: %d", i+1, resp.StatusCode)
		}
	}
	link, err = d.Link()
	must(t, err)
	_, key, _ = strings.Cut(link, "#")
	d.mu.Lock()
	d.now = func() time.Time { return time.Now().Add(linkLife) }
	d.mu.Unlock()
	resp := trySignIn(t, d, key)
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("an old link: %d", resp.StatusCode)
	}
}

// TestSessionsEnd: a session ends when it is not used, and only so many are kept.
func TestSessionsEnd(t *testing.T) {
	d := opened(t, anything, unlimited)
	a := signIn(t, d)
	for range maxSessions {
		signIn(t, d)
	}
	if status, _ := a.ask("GET", "/v1/status"); status != http.StatusUnauthorized {
		t.Errorf("the oldest of too many: %d", status)
	}
	b := signIn(t, d)
	d.mu.Lock()
	d.now = func() time.Time { return time.Now().Add(sessionLife + time.Minute) }
	d.mu.Unlock()
	if status, _ := b.ask("GET", "/v1/status"); status != http.StatusUnauthorized {
		t.Errorf("one that was not used: %d", status)
	}
}

// TestOnlyLoopback: the page is for this machine alone.
func TestOnlyLoopback(t *testing.T) {
	for _, addr := range []string{"", ":0", "0.0.0.0:0", "192.0.2.1:0", "example.org:80", "127.0.0.1", "[::]:0"} {
		if _, err := Open(addr, anything, nil); err != ErrAddress {
			t.Errorf("%q: %v", addr, err)
		}
	}
}
