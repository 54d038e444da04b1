package web

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"conclave/node/api"
)

const wordHeader = "Conclave-Page"

// policy lets the page load its own files, talk to its own origin, and nothing
// else. Styles of single elements are set by script, which it allows.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guard stands before every route: it answers to this machine's names alone, so
// that a name that was bent to loopback reaches nothing, and to no other page.
func (d *Door) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case !slices.Contains(d.hosts, r.Host):
			api.Refuse(w, http.StatusForbidden, "not a name of this page")
		case !d.fromHere(r):
			api.Refuse(w, http.StatusForbidden, "another page asks")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// fromHere reports whether no other page is behind a request. Whoever follows a
// link to the page itself gets files that hold nothing.
func (d *Door) fromHere(r *http.Request) bool {
	if o, sent := r.Header["Origin"]; sent {
		return len(o) == 1 && o[0] == "http://"+r.Host
	}
	if _, is := bearer(r); is || isPage(r) {
		return true
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "same-origin" || site == "none"
}

func isPage(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.Path != "/v1" && !strings.HasPrefix(r.URL.Path, "/v1/")
}

// signedIn lets requests of a session through.
func (d *Door) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.knows(r) {
			next.ServeHTTP(w, r)
			return
		}
		d.refuseStranger(w)
	})
}

// refuseStranger answers who has no secret, or a wrong one. Who goes on guessing
// is not even told so.
func (d *Door) refuseStranger(w http.ResponseWriter) {
	if !d.wrong.Allow() {
		api.Refuse(w, http.StatusTooManyRequests, "too many tries")
		return
	}
	api.Refuse(w, http.StatusUnauthorized, "this page is not signed in, or no more: run `conclave web`")
}

// knows reports whether a request brings both halves of a session: as a page, or
// as a bearer token, one after the other with a dot between.
func (d *Door) knows(r *http.Request) bool {
	cookie, word := secret(""), secret(r.Header.Get(wordHeader))
	if c, err := r.Cookie(d.cookie); err == nil {
		cookie = secret(c.Value)
	}
	if token, is := bearer(r); is {
		a, b, _ := strings.Cut(token, ".")
		cookie, word = secret(a), secret(b)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for c, s := range d.sessions {
		if same(c, cookie) && same(s.word, word) && d.now().Sub(s.used) < sessionLife {
			s.used = d.now()
			return true
		}
	}
	return false
}

func bearer(r *http.Request) (token string, is bool) {
	return strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// same takes the same time wherever two secrets differ.
func same(a, b secret) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// serveSession makes a session of a one-time link.
func (d *Door) serveSession(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Link secret `json:"link"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&in); err != nil {
		api.Refuse(w, http.StatusBadRequest, "not a sign-in")
		return
	}
	if !d.redeem(in.Link) {
		d.refuseStranger(w)
		return
	}
	cookie, err := newSecret()
	word, err2 := newSecret()
	if err != nil || err2 != nil {
		api.Refuse(w, http.StatusInternalServerError, "no randomness")
		return
	}
	d.enter(cookie, word)
	http.SetCookie(w, &http.Cookie{Name: d.cookie, Value: string(cookie), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]secret{"word": word})
}

// redeem uses a link up.
func (d *Door) redeem(given secret) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for l, end := range d.links {
		if same(l, given) {
			delete(d.links, l)
			return d.now().Before(end)
		}
	}
	return false
}

func (d *Door) enter(cookie, word secret) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.sessions) >= maxSessions {
		oldest := cookie
		for c, s := range d.sessions {
			if o := d.sessions[oldest]; o == nil || s.used.Before(o.used) {
				oldest = c
			}
		}
		delete(d.sessions, oldest)
	}
	d.sessions[cookie] = &session{word: word, used: d.now()}
}
