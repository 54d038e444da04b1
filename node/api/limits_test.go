package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"conclave/node"
)

// pipes is a listener of in-memory connections, so that a bubble's clock runs
// the deadlines.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p pipes) dial() net.Conn {
	here, there := net.Pipe()
	p <- there
	return here
}

// serveHere runs the server in the bubble until the test has run.
func serveHere(t *testing.T, h http.Handler, f func(t *testing.T, p pipes)) {
	synctest.Test(t, func(t *testing.T) {
		p := make(pipes)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- NewServer(p, h, log.New(io.Discard, "", 0)).Run(ctx) }()
		f(t, p)
		cancel()
		synctest.Wait()
		close(p)
		if err := <-done; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute) // of the bubble: handlers that ignored the end are gone
	})
}

// until returns how long the server kept the connection open, and what it said.
func until(c net.Conn) (time.Duration, string) {
	start := time.Now()
	b, _ := io.ReadAll(c)
	return time.Since(start), string(b)
}

func TestAbuse_LO08_SlowClientsAreClosed(t *testing.T) {
	half := "POST /v1/kick HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n"
	for name, sent := range map[string]string{
		"nothing":     "",
		"half header": half,
		"half body":   half + "\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			serveHere(t, newHandler(nil, nil), func(t *testing.T, p pipes) {
				c := p.dial()
				defer c.Close()
				go io.WriteString(c, sent)
				if d, said := until(c); d > 10*time.Second {
					t.Errorf("closed after %s with %q", d, said)
				}
			})
		})
	}
}

func TestAbuse_LO08_ReaderThatStopsIsClosed(t *testing.T) {
	mux := http.NewServeMux()
	var ended chan error // of the bubble
	mux.HandleFunc("GET /v1/much", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		for {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				ended <- err
				return
			}
		}
	})
	serveHere(t, guard(mux), func(t *testing.T, p pipes) {
		ended = make(chan error, 1)
		c := p.dial()
		defer c.Close()
		io.WriteString(c, "GET /v1/much HTTP/1.1\r\nHost: x\r\n\r\n")
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the answer ended with %v", err)
		}
	})
}

func TestAbuse_LO08_LargeRequestsAreRefused(t *testing.T) {
	h := newHandler(nil, nil)
	t.Run("body", func(t *testing.T) {
		body := &counted{r: io.LimitReader(zeros{}, 100<<20)}
		r := httptest.NewRequest(http.MethodPost, "/v1/kick", body)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("status %d", w.Code)
		}
		if body.n > 2*maxBody {
			t.Errorf("%d bytes were read", body.n)
		}
	})
	t.Run("header", func(t *testing.T) {
		serveHere(t, h, func(t *testing.T, p pipes) {
			c := p.dial()
			defer c.Close()
			go func() {
				io.WriteString(c, "GET /v1/status HTTP/1.1\r\nHost: x\r\n")
				for i := range 10_000 {
					if _, err := fmt.Fprintf(c, "X-%d: %d\r\n", i, i); err != nil {
						return
					}
				}
			}()
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("answer %v, %v", resp, err)
			}
		})
	})
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

type counted struct {
	r io.Reader
	n int
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += n
	return n, err
}

// The deadline of the body must not end an operation that waits for longer,
// and a client's own limit does.
func TestOperationOutlivesTheBodyDeadline(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/wait", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			writeProblem(w, problemOf(r.Context().Err()))
		case <-time.After(time.Hour):
			w.WriteHeader(http.StatusOK)
		}
	})
	for limit, want := range map[string]int{"": http.StatusOK, "30s": http.StatusGatewayTimeout} {
		serveHere(t, guard(mux), func(t *testing.T, p pipes) {
			c := p.dial()
			defer c.Close()
			go fmt.Fprintf(c, "POST /v1/wait HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConclave-Timeout: %s\r\nContent-Length: 2\r\n\r\n{}", limit)
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || resp.StatusCode != want {
				t.Errorf("limit %q: answer %v, %v", limit, resp, err)
			}
		})
	}
}

// What a client gave up on is not done when the node wakes up and finds it.
func TestNothingIsDoneTooLate(t *testing.T) {
	done := 0
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/do", func(http.ResponseWriter, *http.Request) { done++ })
	for name, c := range map[string]struct {
		until        string
		status, done int
	}{
		"in time":     {time.Now().Add(time.Hour).UTC().Format(time.RFC3339Nano), http.StatusOK, 1},
		"too late":    {time.Now().Add(-time.Millisecond).UTC().Format(time.RFC3339Nano), http.StatusGatewayTimeout, 0},
		"no time":     {"soon", http.StatusBadRequest, 0},
		"not limited": {"", http.StatusOK, 1},
	} {
		done = 0
		r := httptest.NewRequest(http.MethodPost, "/v1/do", nil)
		r.Header.Set(untilHeader, c.until)
		w := httptest.NewRecorder()
		guard(mux).ServeHTTP(w, r)
		if w.Code != c.status || done != c.done {
			t.Errorf("%s: status %d, done %d times", name, w.Code, done)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	late, stop := withGrace(ctx)
	defer stop()
	req, err := newRequest(late, http.MethodPost, "/v1/do", nil)
	must(t, err)
	end, err := time.Parse(time.RFC3339Nano, req.Header.Get(untilHeader))
	if deadline, _ := ctx.Deadline(); err != nil || !end.Equal(deadline) {
		t.Errorf("the client waits until %v, and says %v", deadline, end)
	}
}

// document is what of the OpenAPI document the tests read.
type document struct {
	OpenAPI string
	Paths   map[string]map[string]struct{ OperationID, Summary string }
}

func readDocument(t *testing.T, h http.Handler) (document, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/openapi.json", nil))
	var d document
	must(t, json.Unmarshal(w.Body.Bytes(), &d))
	return d, w.Body.String()
}

func TestDocument(t *testing.T) {
	h := newHandler(nil, nil)
	d, text := readDocument(t, h)
	if d.OpenAPI != "3.1.0" || len(d.Paths) < 20 {
		t.Errorf("OpenAPI %q with %d paths", d.OpenAPI, len(d.Paths))
	}
	for _, not := range []string{"$schema", "http://", "https://", "ErrorModel"} {
		if strings.Contains(text, not) {
			t.Errorf("the document contains %q", not)
		}
	}
	for path, methods := range d.Paths {
		for method, op := range methods {
			if op.OperationID == "" || op.Summary == "" {
				t.Errorf("%s %s has no name or summary", method, path)
			}
		}
	}
}

// Every route refuses the methods it does not list: nothing that changes
// something answers a GET.
func TestAbuse_LO06_OtherMethodsAreRefused(t *testing.T) {
	h := newHandler(nil, nil)
	d, _ := readDocument(t, h)
	for path, methods := range d.Paths {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			if _, listed := methods[strings.ToLower(method)]; listed {
				continue
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
				t.Errorf("%s %s: status %d, Allow %q", method, path, w.Code, w.Header().Get("Allow"))
			}
		}
	}
	for _, read := range []string{"/v1/status", "/v1/groups", "/v1/log", "/v1/keys"} {
		if _, ok := d.Paths[read]["get"]; !ok {
			t.Errorf("%s is not a GET", read)
		}
	}
}

func TestAbuse_LO07_OverridesAreRefused(t *testing.T) {
	h := newHandler(nil, nil)
	for _, c := range []struct {
		method, target, body string
		status               int
	}{
		{"POST", "/v1/groups", `{"name":"x","home":"/etc"}`, http.StatusUnprocessableEntity},
		{"POST", "/v1/kick", `{"group":"x","peer":"y","keybag":"/tmp/k"}`, http.StatusUnprocessableEntity},
		{"GET", "/v1/groups?home=/etc", "", http.StatusUnprocessableEntity},
		{"GET", "/v1/%2e%2e/%2e%2e/etc/passwd", "", http.StatusNotFound},
		{"GET", "/v1/schemas/Status.json", "", http.StatusNotFound},
		{"GET", "/docs", "", http.StatusNotFound},
		{"POST", "/v1/kick", "{\"group\":\"\xff\"}", http.StatusBadRequest},
	} {
		r := httptest.NewRequest(c.method, c.target, bytes.NewReader([]byte(c.body)))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var p problem
		err := json.Unmarshal(w.Body.Bytes(), &p)
		if w.Code != c.status && !(w.Code == http.StatusTemporaryRedirect && c.status == http.StatusNotFound) {
			t.Errorf("%s %s: status %d, want %d", c.method, c.target, w.Code, c.status)
		}
		if w.Code == c.status && (err != nil || p.Name != string(node.KindUsage) || p.Status != c.status || w.Header().Get("Content-Type") != problemType) {
			t.Errorf("%s %s: body %s", c.method, c.target, w.Body)
		}
	}
}
