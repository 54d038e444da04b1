package lantest

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"
)

// Who is on the network is listed, with what this node knows of them already; the
// announcements themselves say no more than before (see NO-06).
func TestLAN_Nearby(t *testing.T) {
	s := newThree(t, program(t, ""))
	team := s.alice.one("group", "create", "team").text("group_id")
	s.letIn(s.alice, s.bob, team)
	s.bob.one("name", "Bob")
	isBob := func(o object) bool { return o.text("peer_id") == s.bob.id && o.text("name") == "Bob" }
	near := s.alice.where("bob nearby", []string{"nearby"}, isBob)
	if shared := near.list("shared"); !slices.Equal(shared, []string{team}) || near["online"] != true {
		t.Errorf("bob is %v", near)
	}
	if fp := s.bob.one("id").text("fingerprint"); near.text("fingerprint") != fp {
		t.Errorf("bob is %v", near)
	}
	at := fmt.Sprintf("/ip4/%s/tcp/", s.bob.addr)
	if !slices.ContainsFunc(near.list("addrs"), func(a string) bool { return len(a) > len(at) && a[:len(at)] == at }) {
		t.Errorf("bob is not found at %s: %v", at, near)
	}
	carol := s.alice.where("carol nearby", []string{"nearby"}, isPeer(s.carol))
	if carol["name"] != nil || len(carol.list("shared")) != 0 {
		t.Errorf("a stranger is %v", carol)
	}
	if all := s.alice.all("nearby"); len(all) != 2 {
		t.Errorf("%d are near: %v", len(all), all)
	}
	s.carol.down()
	s.carol.up("--no-mdns")
	s.carol.fails(1, "nearby")
}

// A person whose address changes, one whose cable was out, one whose machine slept
// and one who is found at another port are back by themselves. Over TCP: nothing
// tells either end that the old connection is dead, where QUIC goes on from the new
// address.
func TestLAN_MovesAndSleeps(t *testing.T) {
	s := newThree(t, program(t, ""), "--listen", "/ip4/0.0.0.0/tcp/0")
	team := s.alice.one("group", "create", "team").text("group_id")
	s.letIn(s.alice, s.bob, team)
	s.letIn(s.alice, s.carol, team)
	s.settle(team, s.everyone()...)
	back := func(what string) {
		began := time.Now()
		s.say(s.alice, team, what+", says alice")
		await(t, "alice's line at bob", patience, func() bool { return s.bob.reads(team, what+", says alice") })
		first := time.Since(began)
		s.say(s.bob, team, what+", says bob")
		for _, p := range []*person{s.alice, s.carol} {
			await(t, "bob's line at "+p.name, patience, func() bool { return p.reads(team, what+", says bob") })
		}
		t.Logf("%s: alice's line at bob after %v, bob's at both after %v", what, first.Round(100*time.Millisecond), time.Since(began).Round(100*time.Millisecond))
	}
	back("at rest")

	s.lan.hosts++
	next := fmt.Sprintf("10.77.0.%d", s.lan.hosts)
	s.lan.ip("-n", s.bob.ns, "addr", "del", s.bob.addr+"/24", "dev", "eth0")
	s.lan.ip("-n", s.bob.ns, "addr", "add", next+"/24", "dev", "eth0")
	s.bob.addr = next
	back("bob has another address")

	s.lan.ip("-n", s.bob.ns, "link", "set", "eth0", "down")
	time.Sleep(40 * time.Second) // longer than a connection lives, and than any back-off
	s.lan.ip("-n", s.bob.ns, "link", "set", "eth0", "up")
	s.lan.ip("-n", s.bob.ns, "addr", "replace", next+"/24", "dev", "eth0")
	back("bob's cable was out")

	began := time.Now()
	s.bob.node.Process.Signal(syscall.SIGSTOP)
	s.alice.where("bob away", []string{"members", team}, func(o object) bool { return o.text("peer_id") == s.bob.id && o["online"] == false })
	s.bob.node.Process.Signal(syscall.SIGCONT)
	back(fmt.Sprintf("bob slept for %.0f s", time.Since(began).Seconds()))

	s.bob.down()
	s.bob.up("--listen", "/ip4/0.0.0.0/tcp/0")
	back("bob has another port")
}
