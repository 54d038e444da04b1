package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"conclave/node"
)

// clientOf returns a client that reaches the server of p.
func clientOf(p pipes, timeout time.Duration) *Client {
	dial := func(context.Context, string, string) (net.Conn, error) { return p.dial(), nil }
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}, timeout: timeout}
}

func answering(f func(w http.ResponseWriter, r *http.Request)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", f)
	return guard(mux)
}

func TestClientGetsTheNodesOwnError(t *testing.T) {
	for _, k := range []node.Kind{node.KindError, node.KindUsage, node.NoNode, node.NotFound, node.NotAllowed, node.Passphrase, node.TimedOut, node.Interrupted} {
		want := &node.Error{Kind: k, Message: "what <is> wrong", Hint: "what to do"}
		h := answering(func(w http.ResponseWriter, _ *http.Request) { writeProblem(w, problemOf(want)) })
		serveHere(t, h, func(t *testing.T, p pipes) {
			_, err := clientOf(p, 0).Status(t.Context())
			if !reflect.DeepEqual(err, want) {
				t.Errorf("got %#v", err)
			}
		})
	}
}

// The node is told the time limit and answers itself; the client gives up only
// when it does not.
func TestClientTimeout(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		want   string
		after  time.Duration
	}{
		"the node answers": {
			func(w http.ResponseWriter, r *http.Request) {
				<-r.Context().Done()
				writeProblem(w, newProblem(node.TimedOut, "no path to bob", ""))
			}, "no path to bob", 3 * time.Second,
		},
		"the node hangs": {
			func(_ http.ResponseWriter, r *http.Request) { time.Sleep(10 * time.Second) },
			"the node did not answer in time", 3*time.Second + answerGrace,
		},
	} {
		t.Run(name, func(t *testing.T) {
			serveHere(t, answering(c.answer), func(t *testing.T, p pipes) {
				start := time.Now()
				_, err := clientOf(p, 3*time.Second).Status(context.Background())
				if node.KindOf(err) != node.TimedOut || err.Error() != c.want || time.Since(start) != c.after {
					t.Errorf("%v after %s", err, time.Since(start))
				}
			})
		})
	}
}

func TestClientInterrupted(t *testing.T) {
	serveHere(t, answering(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), func(t *testing.T, p pipes) {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		if _, err := clientOf(p, time.Minute).Status(ctx); node.KindOf(err) != node.Interrupted {
			t.Errorf("got %v", err)
		}
	})
}

func TestClientOfANodeThatGoesAway(t *testing.T) {
	h := answering(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	serveHere(t, h, func(t *testing.T, p pipes) {
		if _, err := clientOf(p, 0).Status(context.Background()); node.KindOf(err) != node.NoNode {
			t.Errorf("got %v", err)
		}
	})
}

func TestListsArePaged(t *testing.T) {
	var all []node.Member
	for i := range 25 {
		all = append(all, node.Member{PeerID: fmt.Sprintf("peer-%d", i)})
	}
	key := func(m node.Member) string { return m.PeerID }
	mux := http.NewServeMux()
	asked := 0
	mux.HandleFunc("GET /v1/members", func(w http.ResponseWriter, r *http.Request) {
		asked++
		out, err := cut(all, Paging{After: r.URL.Query().Get("after"), Limit: 10}, key)
		must(t, err)
		// A member before the position leaves between two pages.
		all = all[1:]
		w.WriteHeader(http.StatusOK)
		json.NewEncoder(w).Encode(out)
	})
	serveHere(t, guard(mux), func(t *testing.T, p pipes) {
		var got []string
		for m, err := range clientOf(p, 0).Members(t.Context(), "team") {
			must(t, err)
			got = append(got, m.PeerID)
		}
		if len(got) != 25 || got[24] != "peer-24" || asked != 3 {
			t.Errorf("%d requests brought %v", asked, got)
		}
	})
}

func TestCut(t *testing.T) {
	key := func(s string) string { return s }
	all := []string{"a", "b", "c.d", "e"}
	p, err := cut(all, Paging{Limit: 3}, key)
	must(t, err)
	if p.Next == nil || *p.Next != "2.c.d" {
		t.Fatalf("next %v", p.Next)
	}
	// The last item handed out is gone: its index stands in.
	p, err = cut([]string{"a", "b", "e"}, Paging{After: *p.Next, Limit: 3}, key)
	must(t, err)
	if !reflect.DeepEqual(p.Items, []string{"e"}) || p.Next != nil {
		t.Errorf("after a removal: %v", p)
	}
	if p, err := cut([]string{}, Paging{After: "9.z", Limit: 3}, key); err != nil || len(p.Items) != 0 || p.Items == nil {
		t.Errorf("past the end: %v, %v", p, err)
	}
	for _, bad := range []string{"x", "-1.a", "9999999999999999999999.a"} {
		if _, err := cut(all, Paging{After: bad, Limit: 3}, key); node.KindOf(err) != node.KindUsage {
			t.Errorf("after %q: %v", bad, err)
		}
	}
}

func TestSendKeepsWhatIsDurable(t *testing.T) {
	full := &node.Error{Kind: node.KindError, Message: "disk full"}
	out, err := sendAnswer([]node.Sent{{MessageID: "1"}}, full)
	if err != nil || len(out.Sent) != 1 || out.Problem == nil || out.Problem.Detail != "disk full" {
		t.Errorf("got %+v, %v", out, err)
	}
	if _, err := sendAnswer(nil, full); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

func TestStream(t *testing.T) {
	const text = "event: ready\ndata: {\"after\":0}\n\n" +
		": a comment\n\nid: 7\ndata: {\"id\":7,\"kind\":\"log\"}\n\n"
	s := newStream(strings.NewReader(text))
	must(t, s.awaitReady())
	e, err := s.event()
	if err != nil || e.ID != 7 || e.Kind != "log" {
		t.Fatalf("got %+v, %v", e, err)
	}
	if _, err := s.event(); node.KindOf(err) != node.NoNode {
		t.Errorf("the end of the stream: %v", err)
	}
	s = newStream(strings.NewReader("event: problem\ndata: {\"error\":\"not_found\",\"detail\":\"gone\"}\n\n"))
	if err := s.awaitReady(); node.KindOf(err) != node.NotFound {
		t.Errorf("a problem in place of ready: %v", err)
	}
	s = stream{bufio.NewScanner(strings.NewReader("data: " + strings.Repeat("x", 100<<10)))}
	if _, err := s.event(); err == nil || node.KindOf(err) == node.NoNode {
		t.Errorf("an endless line: %v", err)
	}
}
