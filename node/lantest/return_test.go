package lantest

import (
	"fmt"
	"testing"
	"time"
)

// What is said right after somebody was let in again comes at once, also while
// gossip does not yet reach that person.
func TestLAN_NothingIsLateAfterReturn(t *testing.T) {
	s := newThree(t, program(t, ""))
	team := s.team()
	slowest := time.Duration(0)
	for round := range 5 {
		s.carol.one("leave", team)
		s.bob.where("carol gone", []string{"group", "show", team}, func(o object) bool { return o.number("members") == 2 })
		s.say(s.bob, team, fmt.Sprint("without carol ", round))
		s.letIn(s.alice, s.carol, team)
		s.settle(team, s.everyone()...)
		for _, p := range s.everyone() {
			began := time.Now()
			text := fmt.Sprint("with carol, by ", p.name, round)
			s.say(p, team, text)
			for _, q := range s.everyone() {
				q.follow(team).expect(text)
				slowest = max(slowest, time.Since(began))
			}
		}
	}
	t.Logf("the slowest line took %v", slowest.Round(time.Millisecond))
	if slowest > 5*time.Second {
		t.Error("that is too slow")
	}
}

// A conversation with somebody who is connected begins at once.
func TestLAN_ConversationBeginsAtOnce(t *testing.T) {
	s := newThree(t, program(t, ""))
	began := time.Now()
	dm := s.bob.one("dm", s.carol.id, "are you there?").text("group_id")
	s.carol.where("conversation", []string{"group", "list", "--all"}, func(o object) bool { return o.text("group_id") == dm })
	s.carol.follow(dm).expect("are you there?")
	took := time.Since(began)
	t.Logf("read %v after the command was given", took.Round(time.Millisecond))
	if took > 1500*time.Millisecond {
		t.Error("that is too slow")
	}
}
