package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"time"
	"unicode/utf8"

	"conclave/node"
)

// timeoutHeader carries the client's time limit, so that the operation can say
// what it was waiting for in place of a connection that just breaks off.
const timeoutHeader = "Conclave-Timeout"

// untilHeader carries the moment at which the client gives up, by the clock of
// the machine that both run on. A node that slept, or was stopped, finds what was
// asked meanwhile when it wakes: nobody waits for that any more, and somebody may
// have said something else since.
const untilHeader = "Conclave-Until"

// guard stands before every operation: it bounds what a client may send and
// how long it may take over it, and gives 404 and 405 the body of all other
// failures.
func guard(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w = &promptWriter{ResponseWriter: w}
		h, pattern := mux.Handler(r)
		if pattern == "" {
			refuseRoute(w, r, h)
			return
		}
		if p := readWhole(w, r); p != nil {
			writeProblem(w, p)
			return
		}
		ctx, cancel, p := withClientTimeout(r)
		if p != nil {
			writeProblem(w, p)
			return
		}
		defer cancel()
		mux.ServeHTTP(w, r.WithContext(ctx))
	})
}

// refuseRoute lets the mux decide between 404 and 405 and writes our body.
func refuseRoute(w http.ResponseWriter, r *http.Request, h http.Handler) {
	verdict := &statusOnly{header: w.Header(), status: http.StatusNotFound}
	h.ServeHTTP(verdict, r)
	w.Header().Del("X-Content-Type-Options")
	detail := "no such route"
	if verdict.status == http.StatusMethodNotAllowed {
		detail = "this route does not take " + r.Method
	}
	writeProblem(w, usageStatus(verdict.status, detail))
}

func usageStatus(status int, detail string) *problem {
	p := newProblem(node.KindUsage, detail, "")
	p.Status, p.Title = status, http.StatusText(status)
	return p
}

// readWhole reads the body into memory within its limits and hands the
// operation a copy. The read deadline has to go afterwards: left in place it
// would end, in the middle of its wait, an operation that takes longer. After a
// failure it stays, since the server still reads what is left of the body.
func readWhole(w http.ResponseWriter, r *http.Request) *problem {
	if r.ContentLength == 0 {
		return nil
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return usageStatus(http.StatusUnsupportedMediaType, "the body has to be application/json")
	}
	c := http.NewResponseController(w)
	c.SetReadDeadline(in(bodyTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return usageStatus(http.StatusRequestEntityTooLarge, "the body is larger than 2 MiB")
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		return usageStatus(http.StatusRequestTimeout, "the body took too long")
	case err != nil:
		return usageStatus(http.StatusBadRequest, "the body broke off")
	case !utf8.Valid(body):
		// JSON decoding would put replacement characters into the text.
		return usageStatus(http.StatusBadRequest, "the body is not UTF-8")
	}
	c.SetReadDeadline(time.Time{})
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

func withClientTimeout(r *http.Request) (context.Context, context.CancelFunc, *problem) {
	if h := r.Header.Get(untilHeader); h != "" {
		end, err := time.Parse(time.RFC3339Nano, h)
		switch {
		case err != nil:
			return nil, nil, newProblem(node.KindUsage, untilHeader+" is not a time", "for example 2026-01-02T15:04:05Z")
		case !time.Now().Before(end):
			return nil, nil, newProblem(node.TimedOut, "timed out", "nothing was done: the node was asleep")
		}
	}
	h := r.Header.Get(timeoutHeader)
	if h == "" {
		return r.Context(), func() {}, nil
	}
	d, err := time.ParseDuration(h)
	if err != nil || d <= 0 {
		return nil, nil, newProblem(node.KindUsage, timeoutHeader+" is not a duration", "for example 30s")
	}
	ctx, cancel := context.WithTimeout(r.Context(), d)
	return ctx, cancel, nil
}

// promptWriter gives a client a bounded time to take its answer. The time
// starts with the answer: an operation may wait for as long as it was asked to.
type promptWriter struct{ http.ResponseWriter }

func (w *promptWriter) WriteHeader(status int) {
	http.NewResponseController(w.ResponseWriter).SetWriteDeadline(in(writeTimeout))
	w.ResponseWriter.WriteHeader(status)
}

func (w *promptWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// statusOnly keeps the status and headers of an answer and drops its body.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }
