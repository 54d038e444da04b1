package lantest

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"conclave/node/lantest/terminal"
)

// One command per person, on a network where nothing is configured: from Enter at
// the second person to a line that both read. A stop-watch: see the log. Whoever
// asks before there is anybody to answer gets in too.
func TestLAN_OneCommandPerPerson(t *testing.T) {
	bin := program(t, "")
	for _, order := range []string{"the owner is there", "the owner comes last"} {
		t.Run(order, func(t *testing.T) {
			var took []time.Duration
			for i := range 5 {
				t.Run(fmt.Sprint(i), func(t *testing.T) { took = append(took, playChat(t, bin, order)) })
			}
			slices.Sort(took)
			t.Logf("Enter at the second person to a line read at both: median of %d is %.2f s (%v)", len(took), took[len(took)/2].Seconds(), took)
		})
	}
}

func playChat(t *testing.T, bin, order string) time.Duration {
	l := newLAN(t)
	alice, bob := l.newcomer("alice", bin), l.newcomer("bob", bin)
	var a, b *terminal.Screen
	owner := func() {
		a = alice.screen("chat", "team", "--create")
		a.Shows("created the group")
	}
	guest := func() { b = bob.screen("chat", "--join", alice.one("init").text("peer_id")+"/team") }
	first, second := owner, guest
	if order == "the owner comes last" {
		first, second = func() { guest(); bob.one("status", "--wait") }, owner
	}
	first()
	began := time.Now()
	var laps []string
	lap := func(what string) { laps = append(laps, what+" "+time.Since(began).Round(time.Millisecond).String()) }
	second()
	a.Shows("wants to join")
	lap("offered")
	a.Press(approve)
	b.Shows("sealed for 2")
	lap("let in")
	b.Press("hello everybody\r")
	a.Shows("hello everybody")
	b.Shows("✓")
	lap("read at both")
	t.Log(strings.Join(laps, ", "))
	return time.Since(began)
}

// Whoever is on the network is listed as soon as both nodes run: nobody types a
// peer ID.
func TestLAN_NearbyAtOnce(t *testing.T) {
	bin := program(t, "")
	l := newLAN(t)
	alice, bob := l.person("alice", bin), l.person("bob", bin)
	alice.up()
	began := time.Now()
	bob.up()
	up := time.Since(began)
	bob.where("alice nearby", []string{"nearby"}, isPeer(alice))
	t.Logf("up after %v, alice listed at bob after %v", up.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	alice.where("bob nearby", []string{"nearby"}, isPeer(bob))
}

const approve = "\x19" // ctrl+y

// newcomer adds somebody who has no home yet.
func (l *lan) newcomer(name, bin string) *person {
	p := &person{t: l.t, name: name, bin: bin, home: filepath.Join(l.t.TempDir(), name), log: &lockedBuffer{}}
	p.ns, p.addr = l.host()
	return p
}

// screen runs a command on a terminal.
func (p *person) screen(args ...string) *terminal.Screen {
	return terminal.Start(p.t, inside(p.ns, p.bin, append([]string{"--home", p.home}, args...)...))
}
