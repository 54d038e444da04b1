package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"conclave/node/api"
)

// TestPage: every file names only its own, nothing is run or styled from within
// the markup, and it is all small.
func TestPage(t *testing.T) {
	d := opened(t, anything)
	size := 0
	entries, err := files.ReadDir("page")
	must(t, err)
	for _, e := range entries {
		text, err := files.ReadFile("page/" + e.Name())
		must(t, err)
		size += len(text)
		for _, never := range []string{"https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "style=", "onclick="} {
			if bytes.Contains(text, []byte(never)) {
				t.Errorf("%s has %q", e.Name(), never)
			}
		}
		if i := bytes.Index(text, []byte("http://")); i >= 0 && !bytes.HasPrefix(text[i:], []byte("http://www.w3.org/2000/svg")) {
			t.Errorf("%s names another place", e.Name())
		}
	}
	if size > 150<<10 {
		t.Errorf("the page has %d bytes", size)
	}
	resp, err := http.Get(d.URL())
	must(t, err)
	resp.Body.Close()
	if got := resp.Header.Get("Content-Security-Policy"); got != policy || !strings.HasPrefix(got, "default-src 'none'") {
		t.Errorf("policy: %q", got)
	}
}

// TestWordsOfThePage: the page asks for no word that the table lacks.
func TestWordsOfThePage(t *testing.T) {
	table := wordTable()
	entries, err := files.ReadDir("page")
	must(t, err)
	asked := 0
	for _, e := range entries {
		text, err := files.ReadFile("page/" + e.Name())
		must(t, err)
		for rest := string(text); ; {
			_, after, found := strings.Cut(rest, ` w("`)
			if !found {
				break
			}
			key, _, _ := strings.Cut(after, `"`)
			rest = after
			asked++
			known := table[key] != ""
			for k := range table {
				known = known || strings.HasSuffix(key, ".") && strings.HasPrefix(k, key)
			}
			if !known {
				t.Errorf("%s asks for %q", e.Name(), key)
			}
		}
	}
	if asked < 20 {
		t.Errorf("only %d words were found", asked)
	}
}

// calls are the page's functions by which it asks for something, by method.
var calls = map[string][]string{
	"get":   {"get", "all"},
	"post":  {"post", "change", "decide"},
	"put":   {"put"},
	"patch": {"patch"},
}

// TestPageReachesTheAPI: what the API has, a person reaches from the page, but for
// what ends or copies the node, or is for programs.
func TestPageReachesTheAPI(t *testing.T) {
	elsewhere := []string{"/v1/backup", "/v1/events", "/v1/metrics", "/v1/openapi.json", "/v1/page", "/v1/stop"}
	page := ""
	index, err := files.ReadFile("page/index.html")
	must(t, err)
	entries, err := files.ReadDir("page")
	must(t, err)
	for _, e := range entries {
		text, err := files.ReadFile("page/" + e.Name())
		must(t, err)
		page += string(text)
		if strings.HasSuffix(e.Name(), ".js") && !bytes.Contains(index, []byte(`"`+e.Name()+`"`)) {
			t.Errorf("%s is not named in index.html: it is loaded after those that need it", e.Name())
		}
	}
	rec := httptest.NewRecorder()
	api.Handler(newVisitor(t, "ann").Node).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/v1/openapi.json", nil))
	var document struct{ Paths map[string]map[string]any }
	must(t, json.Unmarshal(rec.Body.Bytes(), &document))
	if len(document.Paths) < 30 {
		t.Fatalf("%d paths", len(document.Paths))
	}
	for path, methods := range document.Paths {
		for method := range methods {
			reaches := func(call string) bool { return strings.Contains(page, call+`("`+path+`"`) }
			if !slices.Contains(elsewhere, path) && !slices.ContainsFunc(calls[method], reaches) {
				t.Errorf("nobody gets to %s %s", method, path)
			}
		}
	}
}
