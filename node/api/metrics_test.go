package api

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"conclave/node"
)

// The metrics are there for whoever may use the socket, and tell of numbers
// alone.
func TestMetrics(t *testing.T) {
	home := runNode(t)
	c := dialNode(t, home)
	g, err := c.CreateGroup(t.Context(), node.CreateGroup{Name: "secret plans"})
	must(t, err)
	me, err := c.Status(t.Context())
	must(t, err)
	web := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", node.SocketPath(home))
	}}
	defer web.CloseIdleConnections()
	answer, err := (&http.Client{Transport: web}).Get("http://conclave/v1/metrics")
	must(t, err)
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	must(t, err)
	text := string(b)
	if answer.StatusCode != http.StatusOK {
		t.Errorf("status %d: %s", answer.StatusCode, text)
	}
	for _, want := range []string{"\nconclave_groups 1\n", "\nconclave_peers 0\n", "\nconclave_gossip_outbound_dropped_total 0\n", "\ngo_goroutines "} {
		if !strings.Contains(text, want) {
			t.Errorf("no line %q", strings.TrimSpace(want))
		}
	}
	for _, not := range []string{me.PeerID, g.GroupID, g.Name} {
		if strings.Contains(text, not) {
			t.Errorf("the metrics tell of %q", not)
		}
	}
}
