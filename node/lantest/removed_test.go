package lantest

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// secretLine is in every line that the removed must not read.
const secretLine = "said-after-the-removal"

var foulPlay = flag.Duration("foul", time.Minute, "how long the removed node plays foul")

// A removed member keeps home and keys, dials again at once, speaks every
// protocol and asks everyone for everything: it loses its connections within a
// second and reads nothing that is said from then on. (RM-02, RM-03, NM-12)
func TestAbuse_RM02_RemovedNodePlaysFoul(t *testing.T) {
	s := newThree(t, program(t, ""))
	team := s.team()
	nodes := reach(s.alice, s.bob)
	s.carol.down()
	h := s.lan.start(s.carol.ns, "foul", append([]string{s.carol.home, team, topicOf(t, team)}, nodes...)...)
	h.expect("here", patience)
	// While it is a member everything works for it, by gossip and by catch-up.
	f := s.alice.follow(team)
	for _, p := range []*person{s.alice, s.bob} {
		s.say(p, team, "before, by "+p.name)
		f.expect("before, by " + p.name)
	}
	s.alice.one("rotate", team)
	s.say(s.alice, team, "before, under a new key")
	h.heard("read before, by alice", "read before, by bob", "read before, under a new key")
	h.said = nil

	began := time.Now()
	s.alice.one("kick", team, s.carol.id)
	for _, p := range []*person{s.alice, s.bob} {
		at, err := strconv.ParseInt(h.expect("closed "+p.id, patience), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		took := time.Unix(0, at).Sub(began)
		t.Logf("%s closed the connection %v after the command was given", p.name, took.Round(time.Millisecond))
		if took > 10*time.Second { // a busy machine's second
			t.Errorf("that is more than a second, by far")
		}
	}
	s.bob.where("removal", []string{"group", "show", team}, func(o object) bool { return o.number("members") == 2 })
	h.heard("entry KICK") // of which everyone tells it who is asked
	had := sizes(t, h)
	h.said = nil
	lines := s.talkOn(team, h, began.Add(*foulPlay))
	has := sizes(t, h)
	for _, line := range h.said {
		if word, _, _ := strings.Cut(line, " "); word != "ask" && word != "size" && word != "closed" {
			t.Errorf("the removed node: %s", line)
		}
	}
	if has.messages != had.messages || has.entries != had.entries || has.keys != had.keys {
		t.Errorf("it had %+v, now %+v", had, has)
	}
	if has.frames == had.frames {
		t.Error("it was never answered: the test proves nothing")
	}
	t.Logf("%d lines were said; it had %+v, now %+v", lines, had, has)
	s.sameLog(team, s.alice, s.bob)
	if r := s.alice.all("requests", team); len(r) > 1 {
		t.Errorf("%d requests of one person", len(r))
	}
}

// talkOn has two people talk until a moment, under changing keys, and tells h
// which keys there are. It returns how many lines were said.
func (s *three) talkOn(team string, h *helper, until time.Time) (said int) {
	s.t.Helper()
	f := s.alice.follow(team)
	for pace := time.NewTicker(250 * time.Millisecond); time.Now().Before(until); <-pace.C {
		said++
		p := []*person{s.alice, s.bob}[said%2]
		text := fmt.Sprint(secretLine, " ", said)
		switch {
		case said%40 == 0:
			s.say(p, team, text, "--plain")
		case said%30 == 0:
			r := s.alice.one("rotate", team)
			fmt.Fprintln(h.in, "ask", r.text("eid"))
			s.say(p, team, text)
		default:
			sent := s.say(p, team, text)
			fmt.Fprintln(h.in, "ask", sent.text("eid"))
		}
		f.expect(text)
	}
	return said
}

// holdings are what a foul node says that it has.
type holdings struct{ frames, bytes, messages, entries, keys int }

func sizes(t *testing.T, h *helper) (out holdings) {
	t.Helper()
	if _, err := fmt.Sscan(h.ask("size"), &out.frames, &out.bytes, &out.messages, &out.entries, &out.keys); err != nil {
		t.Fatal(err)
	}
	return out
}
