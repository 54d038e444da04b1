package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
)

// answers stands between a page and its node, and changes what some paths answer:
// for what a node seldom says, or never would.
type answers struct {
	next    http.Handler
	mu      sync.Mutex
	changes map[string]func(answer map[string]any)
}

// change has f change the answers to GET of a path, from now on; nil for no more.
func (a *answers) change(path string, f func(map[string]any)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.changes == nil {
		a.changes = map[string]func(map[string]any){}
	}
	a.changes[path] = f
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	f := a.changes[r.URL.Path]
	a.mu.Unlock()
	if f == nil || r.Method != http.MethodGet {
		a.next.ServeHTTP(w, r)
		return
	}
	rec := httptest.NewRecorder()
	a.next.ServeHTTP(rec, r)
	var answer map[string]any
	if rec.Code != http.StatusOK || json.Unmarshal(rec.Body.Bytes(), &answer) != nil {
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes())
		return
	}
	a.mu.Lock()
	f(answer)
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}
