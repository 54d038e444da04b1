package lantest

import (
	"testing"
	"time"
)

// A member whose node was down during 500 lines and two rotations gets all of
// it from the one other member whose node is up. The owner's is not.
func TestLAN_BackAfterDown(t *testing.T) {
	s := newThree(t, program(t, ""))
	team := s.team()
	s.bob.down()
	text := realText(t, 500)
	s.alice.sendLines(team, text[:200], 0)
	s.carol.awaitMessages(team, 1+200)
	first := s.alice.one("rotate", team)
	s.carol.where("first new key", []string{"keys", team}, isHeld(s.carol, first.text("eid")))
	s.carol.sendLines(team, text[200:400], 0)
	s.alice.awaitMessages(team, 1+400)
	second := s.alice.one("rotate", team)
	s.carol.where("second new key", []string{"keys", team}, isHeld(s.carol, second.text("eid")))
	s.alice.sendLines(team, text[400:], 0)
	s.carol.awaitMessages(team, 1+len(text))
	s.alice.down()
	began := time.Now()
	s.bob.up()
	up := time.Since(began)
	s.bob.awaitMessages(team, 1+len(text))
	all := time.Since(began)
	t.Logf("up after %v, all 500 lines and both keys after %v", up.Round(time.Millisecond), all.Round(time.Millisecond))
	if all > 10*time.Second {
		t.Error("that is not within seconds")
	}
	for i, m := range s.bob.messages(team)[1:] {
		if m.text("text") != text[i] {
			t.Fatalf("line %d reads %q, said was %q", i, m.text("text"), text[i])
		}
	}
	for _, r := range []object{first, second} {
		s.bob.where("key", []string{"keys", team}, isHeld(s.bob, r.text("eid")))
	}
	sent := s.say(s.bob, team, "thank you, carol")
	if sent.text("eid") != second.text("eid") {
		t.Errorf("bob speaks under %v, the current key is %v", sent, second)
	}
	s.carol.follow(team).expect("thank you, carol")
	for _, o := range s.bob.all("log", team) {
		if o.text("kind") == "gap" || o.text("kind") == "unreadable" {
			t.Errorf("left over: %v", o)
		}
	}
}

// isHeld fits the key with an ID once a person holds it.
func isHeld(p *person, eid string) func(object) bool {
	return func(o object) bool {
		for _, id := range o.list("holders") {
			if id == p.id && o.text("eid") == eid {
				return true
			}
		}
		return false
	}
}

// awaitMessages waits until this person reads so many messages.
func (p *person) awaitMessages(group string, want int) {
	p.t.Helper()
	got := 0
	defer func() {
		if got < want {
			p.t.Logf("%s reads %d of %d messages; the log ends%s", p.name, got, want, brief(p.all("log", group)))
		}
	}()
	await(p.t, p.name+": all messages", patience, func() bool {
		got = len(p.messages(group))
		return got >= want
	})
}
