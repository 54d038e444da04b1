package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"conclave/node"
)

// answerGrace is how much longer than the time limit a client waits, so that
// the node can say itself what it was waiting for.
const answerGrace = time.Second

// Client speaks to the node of one home. Its methods are safe to call from
// several goroutines; the errors they return are *node.Error.
type Client struct {
	http    *http.Client
	timeout time.Duration
}

// Dial returns a client of the node that runs on the home; its error is of
// kind no_node where none does. The timeout bounds each request by itself (a
// list is one per page) but no event stream; 0 is no bound.
func Dial(ctx context.Context, home string, timeout time.Duration) (*Client, error) {
	limited, cancel := within(ctx, timeout)
	defer cancel()
	first, err := dial(limited, home)
	if err != nil {
		return nil, dialError(home, err)
	}
	return &Client{http: &http.Client{Transport: transport(home, first)}, timeout: timeout}, nil
}

// Close closes the connections that no request uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// within bounds ctx by d, where d is a bound.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

// transport gives the first connection to the first request.
func transport(home string, first net.Conn) *http.Transport {
	kept := make(chan net.Conn, 1)
	kept <- first
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			select {
			case conn := <-kept:
				return conn, nil
			default:
			}
			conn, err := dial(ctx, home)
			if err != nil {
				return nil, dialError(home, err)
			}
			return conn, nil
		},
		DisableCompression: true,
	}
}

func dialError(home string, err error) error {
	var e *node.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return &node.Error{Kind: node.NoNode, Message: "no node runs on " + home, Hint: "run `conclave up`"}
	case errors.Is(err, fs.ErrPermission):
		return &node.Error{Kind: node.NotAllowed, Message: "this user may not enter " + home,
			Hint: "run the command as the user who ran `conclave up`"}
	case errors.Is(err, context.DeadlineExceeded):
		return &node.Error{Kind: node.TimedOut, Message: "the node on " + home + " takes no connection"}
	case errors.Is(err, context.Canceled):
		return &node.Error{Kind: node.Interrupted, Message: "interrupted"}
	}
	return &node.Error{Kind: node.KindError, Message: fmt.Sprintf("connect to the node: %v", err)}
}

// get asks for path with the given query.
func get[T any](ctx context.Context, c *Client, path string, q url.Values) (T, error) {
	return call[T](ctx, c, http.MethodGet, path+"?"+q.Encode(), nil)
}

// post sends body as JSON.
func post[T any](ctx context.Context, c *Client, path string, body any) (T, error) {
	return call[T](ctx, c, http.MethodPost, path, body)
}

func call[T any](ctx context.Context, c *Client, method, target string, body any) (T, error) {
	var out T
	limited, stop := within(ctx, c.timeout)
	defer stop()
	ctx, cancel := withGrace(limited)
	defer cancel()
	resp, err := c.do(ctx, method, target, body)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return out, brokenOff(ctx, err)
	}
	return out, nil
}

// do sends one request and returns its answer, or what the node said against it.
func (c *Client) do(ctx context.Context, method, target string, body any) (*http.Response, error) {
	req, err := newRequest(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, brokenOff(ctx, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var p problem
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(&p); err != nil || p.Name == "" {
		return nil, &node.Error{Kind: node.KindError, Message: "the node answered " + resp.Status}
	}
	return nil, p.asError()
}

// newRequest makes a request under a context of withGrace, or without deadline.
func newRequest(ctx context.Context, method, target string, body any) (*http.Request, error) {
	var text io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		text = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://conclave"+target, text)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if s, ok := body.(Send); ok && s.Key != "" {
		req.Header.Set(keyHeader, s.Key)
	}
	if deadline, ok := ctx.Deadline(); ok {
		limit := time.Until(deadline) - answerGrace
		req.Header.Set(timeoutHeader, max(limit, time.Millisecond).String())
		req.Header.Set(untilHeader, deadline.Add(-answerGrace).UTC().Format(time.RFC3339Nano))
	}
	return req, nil
}

// withGrace moves the deadline of ctx back by answerGrace; newRequest tells the
// node the true one. Cancelling ctx still ends the request at once.
func withGrace(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	late, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline.Add(answerGrace))
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	})
	return late, func() { stop(); cancel() }
}

// brokenOff says why no answer came: the time was up, somebody interrupted, or
// the node is gone.
func brokenOff(ctx context.Context, err error) error {
	var e *node.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &node.Error{Kind: node.TimedOut, Message: "the node did not answer in time"}
	case ctx.Err() != nil:
		return &node.Error{Kind: node.Interrupted, Message: "interrupted"}
	}
	return &node.Error{Kind: node.NoNode, Message: "the node stopped before it answered", Hint: "run `conclave up`"}
}

// pages walks a list from its first page to its last.
func pages[T any](ctx context.Context, c *Client, path string, q url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			p, err := get[page[T]](ctx, c, path, q)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range p.Items {
				if !yield(item, nil) {
					return
				}
			}
			if p.Next == nil {
				return
			}
			q.Set("after", *p.Next)
		}
	}
}
