package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"conclave/node"
)

const maxEvent = 1 << 20 // bytes of one line of the stream

// errLost ends a stream that the node, or the way to it, broke off.
var errLost = &node.Error{Kind: node.NoNode, Message: "the node stopped", Hint: "run `conclave up`"}

// Events follows the node from the event after the given ID, 0 for those to
// come. When it returns the node is already listening: what happens from then
// on is in the sequence, which ends with an error of kind no_node when the
// connection does, and without one when ctx does. It is for one range.
func (c *Client) Events(ctx context.Context, after uint64) (iter.Seq2[node.Event, error], error) {
	q := url.Values{"after": {strconv.FormatUint(after, 10)}}
	resp, err := c.do(ctx, http.MethodGet, "/v1/events?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	s := newStream(resp.Body)
	if err := s.awaitReady(); err != nil {
		resp.Body.Close()
		return nil, brokenOff(ctx, err)
	}
	return func(yield func(node.Event, error) bool) {
		defer resp.Body.Close()
		for {
			e, err := s.event()
			if ctx.Err() != nil {
				return
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}, nil
}

// stream reads server-sent events.
type stream struct{ lines *bufio.Scanner }

func newStream(r io.Reader) stream {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEvent)
	return stream{lines}
}

// next returns the name and the data of the next event.
func (s stream) next() (name string, data []byte, err error) {
	for s.lines.Scan() {
		field, value, _ := bytes.Cut(s.lines.Bytes(), []byte(": "))
		switch {
		case len(field) == 0 && data != nil:
			return name, data, nil
		case string(field) == "event":
			name = string(value)
		case string(field) == "data":
			data = bytes.Clone(value)
		}
	}
	if errors.Is(s.lines.Err(), bufio.ErrTooLong) {
		return "", nil, fmt.Errorf("an event is longer than %d bytes", maxEvent)
	}
	return "", nil, errLost
}

func (s stream) awaitReady() error {
	name, data, err := s.next()
	if err != nil {
		return err
	}
	if name == "ready" {
		return nil
	}
	var p problem
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	return p.asError()
}

func (s stream) event() (node.Event, error) {
	var e node.Event
	_, data, err := s.next()
	if err != nil {
		return e, err
	}
	err = json.Unmarshal(data, &e)
	return e, err
}
