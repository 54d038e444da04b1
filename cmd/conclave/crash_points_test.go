package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"conclave/node"
)

// faultNames are the names in the environment that the build with the tag
// faults listens to.
var faultNames = []string{"CONCLAVE_KILL_AT", "CONCLAVE_CLOCK_OFFSET"}

// TestOrdinaryProgramHasNoFaults: only the build with the tag knows the names.
func TestOrdinaryProgramHasNoFaults(t *testing.T) {
	for _, build := range []struct {
		path string
		has  bool
	}{{withFaults(t), true}, {ordinary(t), false}} {
		program, err := os.ReadFile(build.path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range faultNames {
			if bytes.Contains(program, []byte(name)) != build.has {
				t.Errorf("faults build: %v, and %s is in it: %v", build.has, name, !build.has)
			}
		}
	}
}

// TestAbuse_FA01_KillPoints: a node ends by SIGKILL between two steps of a turn:
// after the protocol has stepped, between the two writes, after both, and before
// the answer. Whatever it was about (a rotation, an admission, a removal, lines,
// a key from somebody else), it starts again and goes on, nothing that was
// answered is lost, and nobody ever sees two records under one number.
func TestAbuse_FA01_KillPoints(t *testing.T) {
	rng := seed(t)
	c := newTeam(t, withFaults(t), "ann", "bob")
	cem := newCrewMember(c, "cem")
	k := &killPoints{crew: c, cem: cem, ledger: newLedger()}
	for place, most := range map[string]int{"stepped": 40, "keys-saved": 4, "removed": 2, "saved": 40, "sent": 40} {
		for _, n := range counts(most) {
			k.killAt(c.all[rng.IntN(2)], place, n)
		}
	}
	c.settled(processBound)
	for _, s := range c.all[:2] {
		k.ledger.check(t, s)
	}
	c.unharmed()
}

// counts returns at which passing of the point to kill.
func counts(most int) (out []int) {
	for n := 1; n <= most; n += 1 + most/20 {
		out = append(out, n)
	}
	return out
}

type killPoints struct {
	*crew
	cem    *sailor // comes and goes
	ledger *ledger
	rounds int
}

// newCrewMember starts one more node, which is in no group.
func newCrewMember(c *crew, name string) *sailor {
	s := c.sailor(name)
	s.up()
	return s
}

// killAt starts the victim with a kill point, has everyone do things until it
// is dead, and looks whether it goes on.
func (k *killPoints) killAt(victim *sailor, place string, n int) {
	k.t.Helper()
	victim.down()
	victim.env = []string{fmt.Sprintf("CONCLAVE_KILL_AT=%s:%d", place, n)}
	err := victim.start()
	victim.env = nil
	if err == nil {
		k.busyUntilDead(victim, place, n)
	}
	if status, ok := victim.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		k.t.Fatalf("%s at %s:%d ended with %v", victim.name, place, n, victim.cmd.ProcessState)
	}
	victim.up()
	k.goesOn(victim, place, n)
}

func (k *killPoints) busyUntilDead(victim *sailor, place string, n int) {
	for end := time.Now().Add(60 * time.Second); ; k.rounds++ {
		for _, act := range k.acts() {
			act()
			select {
			case <-victim.gone:
				return
			default:
			}
		}
		if time.Now().After(end) {
			k.t.Fatalf("%s never came by %s:%d", victim.name, place, n)
		}
	}
}

// acts are what two members and one who comes and goes do. Any of them may
// fail: somebody dies.
func (k *killPoints) acts() []func() {
	ann, bob := k.all[0], k.all[1]
	say := func(s *sailor) func() {
		return func() {
			k.ledger.say(s, k.rounds, 3, func() int { return 2 }, func(int) {})
			k.rounds++ // each text is said once
		}
	}
	return []func(){
		func() { ann.run("rotate", "team") },
		say(ann), say(bob),
		func() { k.cem.run("join", ann.id+"/team", "--timeout", "2s") },
		func() { ann.run("approve", "team", k.cem.id) },
		func() { bob.run("rotate", "team") },
		func() { ann.run("kick", "team", k.cem.id) },
		say(bob), say(ann),
	}
}

// goesOn holds a node that came back to everything that a person may want of
// it, at once.
func (k *killPoints) goesOn(s *sailor, place string, n int) {
	k.t.Helper()
	k.ledger.sayOut(s, fmt.Sprintf("%s is back from %s:%d, round %d", s.name, place, n, k.rounds))
	k.agreed()
	for _, o := range k.all {
		if log := o.log.String(); strings.Contains(log, "signed two different records") {
			k.t.Fatalf("after %s at %s:%d: %s", s.name, place, n, lastLines(log, 5))
		}
	}
}

// TestAbuse_RM06_RemovalThenCrash: somebody leaves, and the owner's node, which
// alone may replace the key, dies when it has kept the news and nothing more, or
// the new key and not its epoch. What another member says meanwhile is held. The
// next start completes the rotation, and the line leaves under the new key.
func TestAbuse_RM06_RemovalThenCrash(t *testing.T) {
	program := withFaults(t)
	for name, at := range map[string]string{"BeforeTheKey": "removed:1", "BeforeTheEpoch": "keys-saved:1"} {
		t.Run(name, func(t *testing.T) { removalThenCrash(t, program, at) })
	}
}

func removalThenCrash(t *testing.T, program, at string) {
	c := newCrew(t, program, "ann", "bob", "cem")
	c.founds("team", "--rotate-by", "owner")
	ann, bob, cem := c.all[0], c.all[1], c.all[2]
	before := decodeLines[node.Key](t, ann.must("keys", "team"))
	ann.down()
	ann.env = []string{"CONCLAVE_KILL_AT=" + at}
	ann.up()
	ann.env = nil
	await(t, processBound, "everybody beside everybody", func() bool { // bob hears it from cem
		for _, s := range c.all {
			if decodeLines[node.Status](t, s.must("status"))[0].Peers < 2 {
				return false
			}
		}
		return true
	})
	cem.must("leave", "team")
	ann.awaitEnd()
	c.all = c.all[:2]
	await(t, processBound, "the news at bob", func() bool {
		return decodeLines[node.GroupInfo](t, bob.must("group", "show", "team"))[0].Members == 2
	})
	held := decodeLines[node.Sent](t, bob.must("send", "team", "who is still here?"))[0]
	if held.State != "held" {
		t.Errorf("without a new key the line is %s", held.State)
	}
	ann.up()
	c.agreed()
	bob.must("send", "team", "--wait", "I am")
	c.settled(processBound)
	for _, m := range bob.messages() {
		for _, k := range before {
			if *m.EID == k.EID {
				t.Errorf("%q left under key %d, which cem holds", *m.Text, k.Epoch)
			}
		}
	}
	if got := ann.messages(); len(got) != 2 || *got[0].MessageID != held.MessageID {
		t.Errorf("ann shows %d messages", len(got))
	}
	c.unharmed()
}

// TestRetentionThenCrash: a node dies when the keys of old lines are erased and
// the lines are not. The next start, or the next word, completes it: nothing is
// shown that cannot be read, nothing comes back, and the talk goes on.
func TestRetentionThenCrash(t *testing.T) {
	c := newTeam(t, withFaults(t), "ann", "bob")
	ann, bob := c.all[0], c.all[1]
	for _, text := range []string{"one", "two", "three"} {
		ann.must("send", "team", "--wait", text)
		ann.must("rotate", "team")
	}
	bob.must("send", "team", "--wait", "four")
	c.settled(processBound)
	bob.down()
	bob.env = []string{"CONCLAVE_KILL_AT=keys-erased:1"}
	bob.up()
	bob.env = nil
	await(t, processBound, "the end of bob", func() bool {
		bob.run("retention", "team", "--keep", "1s") // until something is old enough
		select {
		case <-bob.gone:
			return true
		default:
			return false
		}
	})
	if status, ok := bob.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("bob ended with %v", bob.cmd.ProcessState)
	}
	bob.up()
	await(t, processBound, "what is old to be gone", func() bool {
		bob.must("retention", "team", "--keep", "1s")
		return len(bob.messages()) <= 1 // bob's own, under the key in use
	})
	bob.must("retention", "team", "--keep", "forever")
	for _, l := range decodeLines[node.LogLine](t, bob.must("log", "team")) {
		if l.Kind == "gap" || l.Kind == "unreadable" {
			t.Errorf("bob is shown a line of kind %s", l.Kind)
		}
	}
	ann.must("send", "team", "--wait", "five")
	await(t, processBound, "the next line at bob", func() bool {
		m := bob.messages()
		return len(m) > 0 && *m[len(m)-1].Text == "five"
	})
	if len(ann.messages()) != 5 {
		t.Errorf("ann shows %d messages", len(ann.messages()))
	}
}
