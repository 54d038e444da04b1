package mesh

import (
	"testing"
	"testing/synctest"
	"time"

	ma "github.com/multiformats/go-multiaddr"
)

func TestBoundTo(t *testing.T) {
	own := []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1"), ma.StringCast("/ip4/10.0.0.7"), ma.StringCast("/ip6/fd00::7")}
	for addr, want := range map[string]bool{
		"/ip4/10.0.0.7/tcp/4001": true, "/ip4/10.0.0.8/tcp/4001": false, "/ip4/0.0.0.0/udp/4001/quic-v1": true,
		"/ip6/fd00::7/tcp/1": true, "/ip6/fd00::8/tcp/1": false, "/dns4/example.org/tcp/1": true,
	} {
		if boundTo(own, ma.StringCast(addr)) != want {
			t.Errorf("%s: not %v", addr, want)
		}
	}
}

// What does not answer is closed within seconds where there is a reason to doubt
// it, and what answers is left alone. By itself QUIC takes 30 s.
func TestDeadConnectionsAreClosed(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		a, b, c := w.node(), w.node(), w.node()
		connect(t, a, b)
		connect(t, a, c)
		w.cut(b)
		time.Sleep(aliveWithin + time.Second)
		if n := len(a.Connected()); n != 2 {
			t.Fatalf("connected to %d: the test proves nothing", n)
		}
		a.checkFrom(a.host.Network().ListenAddresses())
		time.Sleep(aliveWithin + time.Second)
		if got := a.Connected(); len(got) != 1 || got[0] != c.ID() {
			t.Errorf("a is connected to %v", got)
		}
	})
}

// An address that the machine has no more brings nothing: nobody is asked.
func TestConnectionsOfAFormerAddressAreClosed(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		a, b := w.node(), w.node()
		connect(t, a, b)
		a.checkFrom([]ma.Multiaddr{ma.StringCast("/ip4/10.0.0.7")})
		synctest.Wait()
		if n := len(a.host.Network().Conns()); n != 0 {
			t.Errorf("%d connections", n)
		}
	})
}

// A peer that comes back from elsewhere leaves a dead connection behind, to which
// half of what is sent would go.
func TestConnectionThatAPeerLeftBehindIsClosed(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		a, id := w.node(), identity(t)
		b := w.nodeOf(id)
		connect(t, b, a)
		w.cut(b)
		connect(t, w.nodeOf(id), a)
		time.Sleep(aliveWithin + time.Second)
		if n := len(a.host.Network().ConnsToPeer(libID(b.ID()))); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}
