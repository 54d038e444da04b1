package mesh

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestLANNodesFindEachOther(t *testing.T) {
	l := newLAN(t)
	nsA, _ := l.host(true)
	nsB, _ := l.host(true)
	a := l.run(nsA, "node", "a", "4001", "mdns", "0.0.0.0")
	idA := a.expect("id", patience)
	b := l.run(nsB, "node", "b", "4001", "mdns", "0.0.0.0")
	idB := b.expect("id", patience)
	began := time.Now()
	if got := a.expect("up", patience); got != idB {
		t.Fatalf("a found %s", got)
	}
	if got := b.expect("up", patience); got != idA {
		t.Fatalf("b found %s", got)
	}
	t.Logf("connected %v after the second node was up", time.Since(began))
	if n := a.ask("conns"); n != "1" {
		t.Errorf("%s connections: both sides dialled", n)
	}
	b.stop()
	if got := a.expect("down", patience); got != idB {
		t.Fatalf("a lost %s", got)
	}
	b = l.run(nsB, "node", "b", "4002", "mdns", "0.0.0.0")
	b.expect("up", patience)
	if got := a.expect("up", patience); got != idB {
		t.Fatalf("a found %s after the restart", got)
	}
}

// The cable is plugged in when the node runs already: it announces itself then.
func TestLateCableIsNoticed(t *testing.T) {
	l := newLAN(t)
	nsA, n := l.host(false)
	nsB, _ := l.host(true)
	a := l.run(nsA, "node", "a", "4001", "mdns", "0.0.0.0")
	a.expect("id", patience)
	b := l.run(nsB, "node", "b", "4001", "mdns", "0.0.0.0")
	b.expect("id", patience)
	if err := a.ask("mdns"); err == "<nil>" {
		t.Error("no interface, and nothing to say about it")
	}
	l.plug(nsA, n)
	a.expect("up", 3*patience)
	b.expect("up", patience)
	if err := a.ask("mdns"); err != "<nil>" {
		t.Errorf("announced, and still: %s", err)
	}
}

// Nothing is sent with mDNS off, nor while listening on loopback alone;
// otherwise the peer ID, addresses and the name of the service.
func TestWhatAnObserverOfTheLANSees(t *testing.T) {
	l := newLAN(t)
	nsObserver, _ := l.host(true)
	nsNode, n := l.host(true)
	o := l.run(nsObserver, "observer")
	o.expect("listening", patience)
	for _, args := range [][]string{{"a", "4001", "quiet", "0.0.0.0"}, {"a", "4002", "mdns", "127.0.0.1"}} {
		p := l.run(nsNode, "node", args...)
		p.expect("id", patience)
		time.Sleep(3 * time.Second) // an announcement would come at once
		p.stop()
	}
	o.in.Write([]byte("mark\n"))
	for line := range o.lines {
		if line == "mark 1" {
			break
		}
		if strings.Contains(line, fmt.Sprintf("10.77.0.%d:", n)) {
			t.Errorf("with mDNS off: %s", line)
		}
	}
	p := l.run(nsNode, "node", "a", "4003", "mdns", "0.0.0.0")
	id := p.expect("id", patience)
	time.Sleep(2 * time.Second)
	o.in.Write([]byte("mark\n"))
	records := 0
	for line := range o.lines {
		if line == "mark 1" {
			break
		}
		records++
		checkAnnouncement(t, line, id)
	}
	if records == 0 {
		t.Error("nothing is announced")
	}
}

// checkAnnouncement fails unless line says no more than it must. A line is
// packet, sender, type, name, content.
func checkAnnouncement(t *testing.T, line, id string) {
	t.Helper()
	f := strings.Fields(line)
	switch {
	case f[2] == "text":
		for _, txt := range f[4:] {
			if !strings.HasPrefix(txt, "dnsaddr=/ip4/10.77.0.") || !strings.HasSuffix(txt, "/p2p/"+id) {
				t.Errorf("text record: %s", line)
			}
		}
	case strings.HasSuffix(f[3], "_conclave._udp.local."), f[3] == "_services._dns-sd._udp.local.":
	case f[2] == "TypeA", f[2] == "TypeAAAA":
		if len(f[3]) < 32+len(".local.") { // random, with no relation to the host's
			t.Errorf("a name that is not random: %s", line)
		}
	default:
		t.Errorf("unexpected: %s", line)
	}
}

// Connections that never finish their handshake.
func TestHalfOpenConnectionsKeepNobodyOut(t *testing.T) {
	l := newLAN(t)
	nsNode, n := l.host(true)
	nsAttacker, _ := l.host(true)
	nsMember, _ := l.host(true)
	node := l.run(nsNode, "node", "a", "4001", "quiet", "0.0.0.0")
	id := node.expect("id", patience)
	before := number(t, node.ask("rss"))
	attacker := l.run(nsAttacker, "halfopen", fmt.Sprintf("10.77.0.%d:4001", n))
	t.Logf("the attacker opened %s connections", attacker.expect("open", 2*patience))
	member := l.run(nsMember, "node", "b", "4001", "quiet", "0.0.0.0")
	for _, tr := range []string{"tcp/4001", "udp/4001/quic-v1"} {
		m := l.run(nsMember, "node", tr[:1], "0", "quiet", "0.0.0.0")
		m.expect("id", patience)
		got := m.ask(fmt.Sprintf("dial %s /ip4/10.77.0.%d/%s", id, n, tr))
		t.Logf("a member by %s: %s", tr, got)
		if !strings.HasPrefix(got, "<nil>") {
			t.Errorf("a member cannot connect by %s: %s", tr, got)
		}
	}
	member.expect("id", patience)
	attacker.in.Write([]byte("count\n"))
	left := number(t, attacker.expect("left", patience))
	if left > 8 {
		t.Errorf("%d half-open connections of one address are held", left)
	}
	if grown := number(t, node.ask("rss")) - before; grown > 64<<10 {
		t.Errorf("RSS grew by %d KiB", grown)
	}
}

// 500 identities from one address.
func TestOneAddressGetsEightConnections(t *testing.T) {
	l := newLAN(t)
	nsNode, n := l.host(true)
	nsCrowd, _ := l.host(true)
	node := l.run(nsNode, "node", "a", "4001", "quiet", "0.0.0.0")
	id := node.expect("id", patience)
	before := number(t, node.ask("rss"))
	c := l.run(nsCrowd, "crowd", fmt.Sprintf("/ip4/10.77.0.%d/tcp/4001/p2p/%s", n, id))
	got := number(t, c.expect("connected", 10*patience))
	if got == 0 || got > 8 {
		t.Errorf("%d of 500 identities are connected", got)
	}
	if conns := number(t, node.ask("conns")); conns > 8 {
		t.Errorf("%d connections", conns)
	}
	grown := number(t, node.ask("rss")) - before
	t.Logf("RSS grew by %d KiB", grown)
	if grown > 64<<10 {
		t.Error("that is more than 64 MiB")
	}
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
