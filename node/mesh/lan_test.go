package mesh

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
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

// A node whose address changed, whose cable was out or that slept finds out by
// itself that its connections are dead, and makes others; so does the node that it
// left one at. Neither says anything meanwhile, so that only looking tells.
func TestNetworkComesAndGoes(t *testing.T) {
	l := newLAN(t)
	nsA, _ := l.host(true)
	nsB, n := l.host(true)
	a := l.run(nsA, "node", "a", "4001", "mute", "0.0.0.0")
	idA := a.expect("id", patience)
	b := l.run(nsB, "node", "b", "0", "mute", "0.0.0.0")
	b.expect("id", patience)
	b.ask("remember " + idA + " /ip4/10.77.0.1/tcp/4001")
	b.expect("up", patience)
	a.expect("up", patience)
	var began time.Time
	expect := func(word, what string) {
		t.Helper()
		b.expect(word, patience)
		t.Logf("%s: %s after %v", what, word, time.Since(began).Round(time.Millisecond))
	}

	began = time.Now()
	l.ip("-n", nsB, "addr", "del", fmt.Sprintf("10.77.0.%d/24", n), "dev", "eth0")
	l.ip("-n", nsB, "addr", "add", "10.77.0.99/24", "dev", "eth0")
	expect("down", "another address")
	expect("up", "another address")
	a.awaitOne()

	began = time.Now()
	l.ip("-n", nsB, "link", "set", "eth0", "down")
	expect("down", "cable out")
	began = time.Now()
	l.ip("-n", nsB, "link", "set", "eth0", "up")
	expect("up", "cable in")
	a.awaitOne()

	b.cmd.Process.Signal(syscall.SIGSTOP)
	l.ip("-n", nsA, "link", "set", "eth0", "down") // whatever a does, b is not told
	time.Sleep(10 * time.Second)                   // a shorter one is no sleep
	b.cmd.Process.Signal(syscall.SIGCONT)
	began = time.Now()
	expect("down", "awake")
	l.ip("-n", nsA, "link", "set", "eth0", "up")
	expect("up", "awake, and a is back")
	a.awaitOne()
}

// Nothing is sent with mDNS off, nor while listening on loopback alone;
// otherwise the peer ID, addresses and the name of the service.
func TestAbuse_NO06_WhatIsAnnounced(t *testing.T) {
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

// A thousand connections that never finish their handshake, from one address or
// from 125: whoever the node remembers connects within five seconds, and by QUIC
// so does somebody new.
func TestAbuse_NO03_HalfOpenConnections(t *testing.T) {
	needNamespaces(t)
	for _, addrs := range []int{1, 125} {
		t.Run(fmt.Sprint(addrs), func(t *testing.T) { halfOpen(t, addrs) })
	}
}

func halfOpen(t *testing.T, addrs int) {
	l := newLAN(t)
	nsNode, n := l.host(true)
	nsAttacker, _ := l.host(true)
	nsMember, k := l.host(true)
	nsNew, _ := l.host(true)
	var from []string
	for i := range addrs {
		from = append(from, fmt.Sprintf("10.77.0.%d", 100+i))
		l.ip("-n", nsAttacker, "addr", "add", from[i]+"/24", "dev", "eth0")
	}
	node := l.run(nsNode, "node", "a", "4001", "quiet", "0.0.0.0")
	id := node.expect("id", patience)
	member := l.run(nsMember, "node", "b", "0", "quiet", "0.0.0.0")
	node.ask(fmt.Sprintf("remember %s /ip4/10.77.0.%d/tcp/4001", member.expect("id", patience), k))
	newcomer := l.run(nsNew, "node", "c", "0", "quiet", "0.0.0.0")
	newcomer.expect("id", patience)
	before := number(t, node.ask("rss"))
	attacker := l.run(nsAttacker, "halfopen", append([]string{fmt.Sprintf("10.77.0.%d:4001", n)}, from...)...)
	t.Logf("the attacker opened %s connections", attacker.expect("open", 2*patience))
	connects := func(who string, p *process, transport string) {
		got := p.ask(fmt.Sprintf("dial %s /ip4/10.77.0.%d/%s", id, n, transport))
		t.Logf("a %s by %s: %s", who, transport, got)
		if !strings.HasPrefix(got, "<nil>") {
			t.Errorf("a %s cannot connect by %s", who, transport)
		}
	}
	connects("member", member, "tcp/4001")
	connects("newcomer", newcomer, "udp/4001/quic-v1")
	most := min(8*addrs, halfOpenTCP())
	left := 0
	for end := time.Now().Add(2 * time.Second); ; { // well below the time that a handshake may take
		attacker.in.Write([]byte("count\n"))
		left = number(t, attacker.expect("left", patience))
		if left <= most || time.Now().After(end) { // the last may be refused, and not heard of that yet
			break
		}
	}
	t.Logf("%d half-open connections are held", left)
	if left > most {
		t.Errorf("that is more than %d", most)
	}
	if grown := number(t, node.ask("rss")) - before; grown > 64<<10 {
		t.Errorf("RSS grew by %d KiB", grown)
	}
}

// halfOpenTCP is how many TCP connections may be in their handshake.
func halfOpenTCP() int {
	l := limits().ToPartialLimitConfig()
	return int(l.Transient.FD)
}

// 500 identities from one address, by either transport.
func TestAbuse_NO04_ManyIdentities(t *testing.T) {
	needNamespaces(t)
	for _, tr := range []string{"tcp/4001", "udp/4001/quic-v1"} {
		t.Run(tr[:3], func(t *testing.T) { manyIdentities(t, tr) })
	}
}

func manyIdentities(t *testing.T, transport string) {
	l := newLAN(t)
	nsNode, n := l.host(true)
	nsCrowd, _ := l.host(true)
	node := l.run(nsNode, "node", "a", "4001", "quiet", "0.0.0.0")
	id := node.expect("id", patience)
	before := number(t, node.ask("rss"))
	c := l.run(nsCrowd, "crowd", fmt.Sprintf("/ip4/10.77.0.%d/%s/p2p/%s", n, transport, id))
	got := number(t, c.expect("connected", 10*patience))
	conns := number(t, node.ask("conns"))
	if got == 0 || conns == 0 || conns > 8 {
		t.Errorf("%d of 500 identities found themselves connected, %d are", got, conns)
	}
	grown := number(t, node.ask("rss")) - before
	t.Logf("%d connections, RSS grew by %d KiB", conns, grown)
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
