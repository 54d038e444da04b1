package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"conclave/node"
)

// runNode runs a node on loopback with its API, and returns its home.
func runNode(t *testing.T, peers ...string) string {
	t.Helper()
	home := privateHome(t)
	t.Cleanup(startNode(t, home, peers...))
	return home
}

// startNode runs the node of a home with its API, until it is told to stop.
func startNode(t *testing.T, home string, peers ...string) (stop func()) {
	t.Helper()
	n, err := node.Open(node.Config{Home: home, Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Peers: peers})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ran, served := make(chan error, 1), make(chan error, 1)
	go func() { ran <- n.Run(ctx) }()
	server, err := Listen(home, n, func(context.Context) (string, error) { return "http://127.0.0.1:1/#", nil }, log.New(io.Discard, "", 0))
	must(t, err)
	<-n.Ready()
	doors, closeDoors := context.WithCancel(ctx)
	go func() { served <- server.Run(doors) }()
	return sync.OnceFunc(func() {
		closeDoors()
		if err := <-served; err != nil {
			t.Errorf("the API ended with %v", err)
		}
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("the node ended with %v", err)
		}
	})
}

func dialNode(t *testing.T, home string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), home, 30*time.Second)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// Nothing that a server or a client started outlives it.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What the node answers reaches the client unchanged, texts to the byte.
func TestOperationsOfANode(t *testing.T) {
	c := dialNode(t, runNode(t))
	ctx := t.Context()
	g, err := c.CreateGroup(ctx, node.CreateGroup{Name: "a?b&c=d #%2f+"})
	must(t, err)
	if shown, err := c.Group(ctx, g.Name); err != nil || shown.GroupID != g.GroupID {
		t.Errorf("show: %+v, %v", shown, err)
	}
	age := time.Hour
	if _, err := c.SetGroup(ctx, g.GroupID, node.SetGroup{MaxAge: &age}); err != nil {
		t.Error(err)
	}
	texts := []string{"<b>&amp;</b>", "\x1b[2J\u202e\u2028\x00", strings.Repeat("\x01", 32<<10)}
	sent, err := c.Send(ctx, Send{Group: g.GroupID, Texts: texts})
	if err != nil || len(sent) != len(texts) {
		t.Fatalf("send: %d, %v", len(sent), err)
	}
	lines, err := c.Log(ctx, g.GroupID, node.LogQuery{Last: true, Limit: 100})
	must(t, err)
	lines = slices.DeleteFunc(lines, func(l node.LogLine) bool { return l.Kind != "message" })
	for i, l := range lines {
		if len(lines) != len(texts) || *l.Text != texts[i] || *l.MessageID != sent[i].MessageID {
			t.Errorf("message %d of %d is %.80q", i, len(lines), *l.Text)
		}
	}
	for k, err := range c.Keys(ctx, g.GroupID) {
		must(t, err)
		if k.Missing == nil || len(k.Holders) != 1 {
			t.Errorf("key %+v", k)
		}
	}
	if _, err := c.Kick(ctx, "nosuch", g.GroupID); node.KindOf(err) != node.NotFound {
		t.Errorf("kick in no group: %v", err)
	}
}

// A log that is longer than a page comes whole and once.
func TestLogIsPaged(t *testing.T) {
	c := dialNode(t, runNode(t))
	g, err := c.CreateGroup(t.Context(), node.CreateGroup{Name: "team", Plain: true})
	must(t, err)
	const total = 3 * MaxTexts
	for i := 0; i < total; i += MaxTexts {
		texts := make([]string, MaxTexts)
		for j := range texts {
			texts[j] = fmt.Sprint(i + j)
		}
		_, err := c.Send(t.Context(), Send{Group: g.GroupID, Texts: texts})
		must(t, err)
	}
	next := 0
	for l, err := range c.LogAfter(t.Context(), g.GroupID, "") {
		must(t, err)
		if l.Kind != "message" {
			continue
		}
		if *l.Text != fmt.Sprint(next) {
			t.Fatalf("message %d is %q", next, *l.Text)
		}
		next++
	}
	if next != total {
		t.Errorf("%d messages of %d", next, total)
	}
}

// A stream misses nothing that happens after it was opened, and one that comes
// back with the last ID it has goes on from there.
func TestEventsOfANode(t *testing.T) {
	home := runNode(t)
	c := dialNode(t, home)
	g, err := c.CreateGroup(t.Context(), node.CreateGroup{Name: "team"})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events, err := c.Events(ctx, 0)
	must(t, err)
	_, err = c.Send(t.Context(), Send{Group: g.GroupID, Texts: []string{"one", "two"}})
	must(t, err)
	var ids []uint64
	for e, err := range events {
		must(t, err)
		if e.Line == nil || e.Line.Kind != "message" {
			continue
		}
		if ids = append(ids, e.ID); *e.Line.Text == "two" {
			cancel()
		}
	}
	if len(ids) != 2 {
		t.Fatalf("events %v", ids)
	}
	if text := firstAfter(t, home, ids[0]); text != "two" {
		t.Errorf("after the first comes %q", text)
	}
}

// firstAfter asks as a browser's event source does, and returns the text of the
// first line that comes.
func firstAfter(t *testing.T, home string, id uint64) string {
	t.Helper()
	conn, err := net.Dial("unix", node.SocketPath(home))
	must(t, err)
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v1/events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: %d\r\n\r\n", id)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	s := newStream(resp.Body)
	must(t, s.awaitReady())
	for {
		_, data, err := s.next()
		must(t, err)
		var e node.Event
		must(t, json.Unmarshal(data, &e))
		if e.Line != nil {
			return *e.Line.Text
		}
	}
}
