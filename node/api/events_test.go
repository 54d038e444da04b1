package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"conclave/node"
)

// listener reads a stream as an event source does: what broke off within an event
// does not count, and it comes back with the last ID it has.
type listener struct {
	t     *testing.T
	home  string
	last  string
	seen  map[string]int // message IDs
	texts []string
}

// listen reads at most so many bytes of a stream, until done is closed.
func (l *listener) listen(bytes int64, done <-chan struct{}) {
	l.t.Helper()
	conn, err := net.Dial("unix", node.SocketPath(l.home))
	if err != nil {
		return // the node is starting again
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-done:
		case <-ended:
		}
		conn.Close()
	}()
	fmt.Fprintf(conn, "GET /v1/events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: %s\r\n\r\n", l.last)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return
	}
	var id string
	var e node.Event
	lines := bufio.NewScanner(io.LimitReader(resp.Body, bytes))
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			id = value
		case "data":
			e = node.Event{}
			if json.Unmarshal([]byte(value), &e) != nil {
				return // cut off within it
			}
		case "":
			l.take(id, e)
			if l.texts != nil && l.texts[len(l.texts)-1] == "end" {
				return
			}
		}
	}
}

func (l *listener) take(id string, e node.Event) {
	l.last = id
	if e.Kind == node.EventReset {
		l.t.Error("a reset")
	}
	if e.Line != nil && e.Line.Kind == "message" {
		l.seen[*e.Line.MessageID]++
		l.texts = append(l.texts, *e.Line.Text)
	}
}

// A bot lists the log and goes on from there. While 2,000 lines come its
// connection breaks at random places, and the node starts again: every line comes
// exactly once.
func TestStreamLosesNothing(t *testing.T) {
	const total = 2000
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	home := privateHome(t)
	stop := startNode(t, home)
	defer func() { stop() }()
	c := dialNode(t, home)
	g, err := c.CreateGroup(t.Context(), node.CreateGroup{Name: "team"})
	must(t, err)
	_, err = c.Send(t.Context(), Send{Group: g.GroupID, Texts: []string{"listed"}})
	must(t, err)
	p, err := get[page[node.LogLine]](t.Context(), c, "/v1/log", map[string][]string{"group": {g.GroupID}})
	must(t, err)
	if n := len(p.Items); n == 0 || *p.Items[n-1].Text != "listed" {
		t.Fatalf("%d lines are listed", n)
	}
	l := &listener{t: t, home: home, last: strconv.FormatUint(p.Events, 10), seen: map[string]int{}}
	for said := 0; said < total; {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for end := said + 500; said < end; {
				var texts []string
				for range min(1+rnd.IntN(30), end-said) {
					texts = append(texts, strconv.Itoa(said))
					said++
				}
				if _, err := c.Send(context.Background(), Send{Group: g.GroupID, Texts: texts}); err != nil {
					t.Error(err)
				}
			}
			if said == total {
				c.Send(context.Background(), Send{Group: g.GroupID, Texts: []string{"end"}})
			}
		}()
		for ended := false; !ended; {
			l.listen(rand.Int64N(40_000), done)
			select {
			case <-done:
				ended = true
			default:
			}
		}
		stop()
		stop = startNode(t, home)
		c = dialNode(t, home)
	}
	await(t, "the last line", func() bool {
		if len(l.texts) <= total {
			l.listen(200_000, t.Context().Done())
		}
		return len(l.texts) > total
	})
	for i, text := range l.texts[:total] {
		if text != strconv.Itoa(i) {
			t.Fatalf("line %d is %q", i, text)
		}
	}
	if len(l.seen) != total+1 {
		t.Errorf("%d different lines", len(l.seen))
	}
}
