package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"conclave/node"
)

// listedMux notes which routes there are.
type listedMux struct {
	http.ServeMux
	routes []string
}

func (m *listedMux) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	m.routes = append(m.routes, pattern)
	m.ServeMux.HandleFunc(pattern, h)
}

// The document lists exactly the routes that are there.
func TestDocumentListsEveryRoute(t *testing.T) {
	var mux listedMux
	register(&mux, nil, nil)
	d, _ := readDocument(t, guard(&mux.ServeMux))
	var listed []string
	for path, methods := range d.Paths {
		for method := range methods {
			listed = append(listed, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(listed)
	slices.Sort(mux.routes)
	if !slices.Equal(listed, mux.routes) {
		t.Errorf("the document lists\n%s\nand the routes are\n%s", strings.Join(listed, "\n"), strings.Join(mux.routes, "\n"))
	}
}

// checked is a client's transport that holds each answer, and each body sent,
// against the document.
type checked struct {
	t   *testing.T
	doc map[string]any
	c   *jsonschema.Compiler

	mu   sync.Mutex
	seen map[string]bool // "METHOD PATH" that were answered with success
}

func newChecked(t *testing.T) *checked {
	t.Helper()
	_, text := readDocument(t, newHandler(nil, nil))
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	must(t, err)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	must(t, c.AddResource("mem:///openapi.json", doc))
	return &checked{t: t, doc: doc.(map[string]any), c: c, seen: map[string]bool{}}
}

// through returns a client of the home whose answers are all checked.
func (k *checked) through(home string) *Client {
	k.t.Helper()
	c, err := Dial(k.t.Context(), home, time.Minute)
	must(k.t, err)
	k.t.Cleanup(c.Close)
	c.http.Transport = &checkedTrip{checked: k, next: c.http.Transport}
	return c
}

type checkedTrip struct {
	*checked
	next http.RoundTripper
}

func (k *checkedTrip) CloseIdleConnections() {
	k.next.(*http.Transport).CloseIdleConnections()
}

func (k *checkedTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	at := "#/paths/" + pointer(r.URL.Path) + "/" + strings.ToLower(r.Method)
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		text, _ := io.ReadAll(body)
		k.valid(at+"/requestBody/content/application~1json/schema", text)
	}
	resp, err := k.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	k.answered(r, resp, at)
	return resp, nil
}

func (k *checked) answered(r *http.Request, resp *http.Response, at string) {
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	status := strconv.Itoa(resp.StatusCode)
	if resp.StatusCode == http.StatusOK {
		k.mu.Lock()
		k.seen[r.Method+" "+r.URL.Path] = true
		k.mu.Unlock()
	} else {
		status = "default"
	}
	schema := at + "/responses/" + status + "/content/" + pointer(mediaType) + "/schema"
	switch mediaType {
	case "application/json", problemType, documentType:
		text, err := io.ReadAll(resp.Body)
		must(k.t, err)
		resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(text))
		k.valid(schema, text)
	case "text/event-stream":
		resp.Body = &checkedStream{checked: k, ReadCloser: resp.Body, schema: schema}
	default:
		_, err := k.c.Compile("mem:///openapi.json" + schema)
		must(k.t, err)
	}
}

// checkedStream holds every event against the document.
type checkedStream struct {
	*checked
	io.ReadCloser
	schema string
	rest   []byte
}

func (s *checkedStream) Read(b []byte) (int, error) {
	n, err := s.ReadCloser.Read(b)
	s.rest = append(s.rest, b[:n]...)
	for {
		event, rest, ok := bytes.Cut(s.rest, []byte("\n\n"))
		if !ok {
			return n, err
		}
		fields := map[string]any{}
		for l := range bytes.Lines(event) {
			name, value, _ := bytes.Cut(bytes.TrimSuffix(l, []byte("\n")), []byte(": "))
			fields[string(name)] = string(value)
			if string(name) == "data" || string(name) == "id" {
				fields[string(name)] = json.RawMessage(bytes.Clone(value))
			}
		}
		text, _ := json.Marshal([]any{fields})
		s.valid(s.schema, text)
		s.rest = rest
	}
}

// valid holds a JSON text against the schema at that place of the document.
func (k *checked) valid(schema string, text []byte) {
	k.t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	s, err := k.c.Compile("mem:///openapi.json" + schema)
	if err != nil {
		k.t.Errorf("%s: %v", schema, err)
		return
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err == nil {
		err = s.Validate(v)
	}
	if err != nil {
		k.t.Errorf("%s\n%.300s\n%v", schema, text, err)
	}
}

func pointer(s string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(s) }

// unseen lists the operations that were never answered with success.
func (k *checked) unseen() (out []string) {
	for path, methods := range k.doc["paths"].(map[string]any) {
		for method := range maps.Keys(methods.(map[string]any)) {
			if name := strings.ToUpper(method) + " " + path; !k.seen[name] {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// all reads a list to its end.
func all[T any](t *testing.T, list func(func(T, error) bool)) (out []T) {
	t.Helper()
	for v, err := range list {
		must(t, err)
		out = append(out, v)
	}
	return out
}

// await looks again and again until done reports true.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %s still waiting for %s", patience, what)
		}
	}
}

// patience is more time than anything takes that a test waits for.
const patience = 2 * time.Minute

// A conversation of two people that uses every operation of the document: what
// is sent and what is answered is as the document says.
func TestDocumentIsTrue(t *testing.T) {
	k := newChecked(t)
	annHome := runNode(t)
	ann := k.through(annHome)
	s, err := ann.Status(t.Context())
	must(t, err)
	bob := k.through(runNode(t, s.Addrs[0]+"/p2p/"+s.PeerID))
	b, err := bob.Status(t.Context())
	must(t, err)
	talk(t, ann, bob, s.PeerID, b.PeerID)
	rule(t, ann, bob, s.PeerID, b.PeerID)
	life(t, ann, bob, s.PeerID, b.PeerID)
	_, err = ann.Group(t.Context(), "no such group")
	if node.KindOf(err) != node.NotFound {
		t.Errorf("no such group: %v", err)
	}
	for _, path := range []string{"/v1/metrics", "/v1/openapi.json"} {
		resp, err := ann.do(t.Context(), http.MethodGet, path, nil)
		must(t, err)
		resp.Body.Close()
	}
	_, err = ann.OpenPage(t.Context())
	must(t, err)
	_, err = ann.Stop(t.Context())
	must(t, err)
	k.seen["GET /v1/nearby"] = true // on a network alone, not on loopback
	if unseen := k.unseen(); len(unseen) > 0 {
		t.Errorf("not one answer of\n%s", strings.Join(unseen, "\n"))
	}
}

// talk is about messages, and about coming in.
func talk(t *testing.T, ann, bob *Client, annID, bobID string) {
	ctx := t.Context()
	following, stop := context.WithCancel(ctx)
	defer stop()
	events, err := ann.Events(following, 0)
	must(t, err)
	g, err := ann.CreateGroup(ctx, node.CreateGroup{Name: "team"})
	must(t, err)
	_, err = bob.Join(ctx, Join{Peer: annID, Group: g.GroupID, Note: "it is me"})
	must(t, err)
	await(t, "bob's request", func() bool { return len(all(t, ann.Requests(ctx, ""))) == 1 })
	_, err = ann.Approve(ctx, g.GroupID, bobID)
	must(t, err)
	await(t, "bob's join", func() bool {
		joins := all(t, bob.Joins(ctx))
		return len(joins) == 1 && joins[0].State == "joined"
	})
	sent, err := ann.Send(ctx, Send{Group: g.GroupID, Texts: []string{"hello", "bob"}, Wait: true})
	must(t, err)
	all(t, ann.Message(ctx, g.GroupID, sent[0].MessageID))
	await(t, "the line at bob", func() bool {
		lines, err := bob.Log(ctx, g.GroupID, node.LogQuery{Last: true, Limit: 50})
		return err == nil && slices.ContainsFunc(lines, func(l node.LogLine) bool { return l.Text != nil && *l.Text == "bob" })
	})
	_, err = bob.Read(ctx, g.GroupID, "")
	must(t, err)
	all(t, ann.LogAfter(ctx, g.GroupID, ""))
	all(t, ann.Members(ctx, g.GroupID))
	all(t, ann.Keys(ctx, g.GroupID))
	all(t, ann.Doctor(ctx))
	_, err = ann.Evidence(ctx, g.GroupID, "")
	must(t, err)
	_, err = ann.DM(ctx, bobID, "a word")
	must(t, err)
	_, err = ann.Verify(ctx, bobID, false)
	must(t, err)
	_, err = ann.Verify(ctx, bobID, true)
	must(t, err)
	for e, err := range events {
		must(t, err)
		if e.Line != nil && e.Line.Kind == "message" {
			stop()
		}
	}
	offered, err := ann.CreateGroup(ctx, node.CreateGroup{Name: "offered"})
	must(t, err)
	_, err = ann.Invite(ctx, offered.GroupID, bobID)
	must(t, err)
	await(t, "the invitation", func() bool { return len(all(t, bob.Invitations(ctx))) == 1 })
	_, err = bob.Accept(ctx, all(t, bob.Invitations(ctx))[0].InviteID, true)
	must(t, err)
	secret, err := ann.CreateGroup(ctx, node.CreateGroup{Name: "secret"})
	must(t, err)
	_, err = bob.Join(ctx, Join{Peer: annID, Group: secret.GroupID})
	must(t, err)
	await(t, "a request to turn down", func() bool { return len(all(t, ann.Requests(ctx, secret.GroupID))) == 1 })
	_, err = ann.Decline(ctx, secret.GroupID, bobID)
	must(t, err)
}

// rule is about what owners do, and about the node itself.
func rule(t *testing.T, ann, bob *Client, annID, bobID string) {
	ctx := t.Context()
	g, err := ann.Group(ctx, "team")
	must(t, err)
	do := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	hour := time.Hour
	_, err = ann.SetGroup(ctx, g.GroupID, node.SetGroup{MaxAge: &hour})
	do("set", err)
	_, err = ann.Rotate(ctx, g.GroupID)
	do("rotate", err)
	link, err := ann.CreateLink(ctx, g.GroupID, node.LinkOptions{Uses: 2, PreApproved: true})
	do("link", err)
	all(t, ann.Links(ctx, g.GroupID))
	_, err = ann.RevokeLink(ctx, g.GroupID, link.InviteID)
	do("revoke", err)
	_, err = ann.AddDeputy(ctx, g.GroupID, bobID, []string{"kick"})
	do("deputy", err)
	_, err = ann.RemoveDeputy(ctx, g.GroupID, bobID)
	do("no deputy", err)
	_, err = ann.Encryption(ctx, g.GroupID, "off")
	do("encryption off", err)
	_, err = ann.Encryption(ctx, g.GroupID, "on")
	do("encryption on", err)
	all(t, ann.Groups(ctx, true))
	_, err = ann.Retain(ctx, g.GroupID, "90d")
	do("retention", err)
	all(t, ann.Held(ctx, g.GroupID))
	_, err = ann.SendHeld(ctx, g.GroupID)
	do("held", err)
	do("backup", ann.Backup(ctx, []string{recipient(t)}, io.Discard))
	_, err = ann.Fork(ctx, g.GroupID, "team, again")
	do("fork", err)
	_, err = bob.TakeOver(ctx, "offered")
	do("take over", err)
	await(t, "the transfer", func() bool { _, err := ann.Transfer(ctx, "offered", bobID); return err == nil })
	_, err = ann.Leave(ctx, "offered", false)
	do("leave", err)
	_, err = ann.Kick(ctx, g.GroupID, bobID)
	do("kick", err)
	_, err = ann.Ban(ctx, g.GroupID, bobID)
	do("ban", err)
	if out := all(t, ann.Outsiders(ctx, g.GroupID)); len(out) != 1 || out[0].PeerID != bobID || out[0].State != "banned" || !out[0].Member {
		t.Errorf("who is out: %+v", out)
	}
	_, err = ann.Unban(ctx, g.GroupID, bobID)
	do("unban", err)
	_, err = ann.ProveRemoval(ctx, g.GroupID, bobID)
	do("proof", err)
}

func recipient(t *testing.T) string {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	must(t, err)
	return fmt.Sprint(id.Recipient())
}
