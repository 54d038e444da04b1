package screen

import (
	"context"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"conclave/node"
	"conclave/node/api"
)

// news is what events since the last news amount to. However many there were,
// it stays small: it says what has to be read again.
type news struct {
	all    bool           // the connection is new: everything
	texts  map[string]int // messages of others, by group
	groups map[string]bool
	asked  bool // requests, invitations or answers to own requests
	alarm  string
	lost   error // the node does not answer
}

func (n *news) add(e node.Event, me string) {
	if n.texts == nil {
		n.texts, n.groups = map[string]int{}, map[string]bool{}
	}
	n.groups[e.GroupID] = true
	switch e.Kind {
	case "log":
		if l := e.Line; l != nil && l.Kind == "message" && value(l.Sender) != me {
			n.texts[e.GroupID]++
		}
	case "request", "invitation", "join":
		n.asked = true
	case "reset":
		n.all = true
	case "alarm":
		n.alarm = string(e.Data)
	}
}

// letterbox collects news while the screen is busy with others.
type letterbox struct {
	mu   sync.Mutex
	me   string
	held news
	some chan struct{}
}

func (b *letterbox) put(change func(*news)) {
	b.mu.Lock()
	change(&b.held)
	b.mu.Unlock()
	select {
	case b.some <- struct{}{}:
	default:
	}
}

func (b *letterbox) take() news {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.held
	b.held = news{}
	return out
}

// retry is how long after a lost connection the node is asked again.
const retry = 500 * time.Millisecond

// follow hands the node's news to send until ctx ends. A node that goes away is
// waited for.
func follow(ctx context.Context, c *api.Client, send func(tea.Msg)) {
	b := &letterbox{some: make(chan struct{}, 1)}
	var readers sync.WaitGroup
	readers.Go(func() {
		for ctx.Err() == nil {
			err := b.listen(ctx, c)
			if ctx.Err() != nil {
				return
			}
			b.put(func(n *news) { n.lost = err })
			pause(ctx, retry)
		}
	})
	for ctx.Err() == nil {
		select {
		case <-b.some:
			send(b.take())
		case <-ctx.Done():
		}
	}
	readers.Wait()
}

// listen collects news until the stream ends.
func (b *letterbox) listen(ctx context.Context, c *api.Client) error {
	events, err := c.Events(ctx, 0)
	if err != nil {
		return err
	}
	if s, err := c.Status(ctx); err == nil {
		b.me = s.PeerID
	}
	b.put(func(n *news) { *n = news{all: true} })
	for e, err := range events {
		if err != nil {
			return err
		}
		b.put(func(n *news) { n.add(e, b.me) })
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// value is the string that may be absent.
func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
