package api

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"conclave/node"
)

// losing is a transport that loses the first answers to sends.
type losing struct {
	next *http.Transport
	left int
}

func (l *losing) CloseIdleConnections() { l.next.CloseIdleConnections() }

func (l *losing) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err == nil && r.URL.Path == "/v1/send" && l.left > 0 {
		l.left--
		resp.Body.Close()
		return nil, io.ErrUnexpectedEOF
	}
	return resp, err
}

// A send whose answer is lost is asked for again, and sent once.
func TestSendWhoseAnswerIsLost(t *testing.T) {
	c := dialNode(t, runNode(t))
	g, err := c.CreateGroup(t.Context(), node.CreateGroup{Name: "team"})
	must(t, err)
	c.http.Transport = &losing{next: c.http.Transport.(*http.Transport), left: 2}
	sent, err := c.Send(t.Context(), Send{Group: g.GroupID, Texts: []string{"a", "b"}})
	must(t, err)
	var logged []string
	for l, err := range c.LogAfter(t.Context(), g.GroupID, "") {
		must(t, err)
		if l.MessageID != nil {
			logged = append(logged, *l.MessageID)
		}
	}
	if len(sent) != 2 || len(logged) != 2 || logged[0] != sent[0].MessageID || logged[1] != sent[1].MessageID {
		t.Errorf("answered %+v, logged %v", sent, logged)
	}
}

// The same key with another body is a problem of its own status, also for a
// conversation of two.
func TestKeyOfAnotherBody(t *testing.T) {
	home := runNode(t)
	c := dialNode(t, home)
	g, err := c.CreateGroup(t.Context(), node.CreateGroup{Name: "team"})
	must(t, err)
	ask := func(path, body string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://x"+path, strings.NewReader(body))
		must(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(keyHeader, "k")
		resp, err := c.http.Do(req)
		must(t, err)
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK && resp.Header.Get("Content-Type") != problemType {
			t.Errorf("%s: %s", path, resp.Header.Get("Content-Type"))
		}
		return resp.StatusCode
	}
	peer := `"12D3KooWJQHQ7uMDCMzm87kDsiU6KZdFp2weCNTQdYoizyh6zwnL"`
	for _, r := range []struct {
		path, body string
		want       int
	}{
		{"/v1/send", `{"group":"` + g.GroupID + `","texts":["a"]}`, http.StatusOK},
		{"/v1/send", `{"group":"` + g.GroupID + `","texts":["a"],"wait":true}`, http.StatusOK},
		{"/v1/send", `{"group":"` + g.GroupID + `","texts":["b"]}`, http.StatusUnprocessableEntity},
		{"/v1/send", `{"group":"` + g.GroupID + `","texts":["a"],"plain":true}`, http.StatusUnprocessableEntity},
		{"/v1/dm", `{"peer":` + peer + `,"text":"a"}`, http.StatusOK},
		{"/v1/dm", `{"peer":` + peer + `,"text":"a"}`, http.StatusOK},
		{"/v1/dm", `{"peer":` + peer + `,"text":"b"}`, http.StatusUnprocessableEntity},
	} {
		if got := ask(r.path, r.body); got != r.want {
			t.Errorf("%s %s: status %d, want %d", r.path, r.body, got, r.want)
		}
	}
}
