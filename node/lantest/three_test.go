package lantest

import (
	"slices"
	"testing"
	"time"
)

// three are three people on one bridge who know no address of each other.
type three struct {
	t                 *testing.T
	lan               *lan
	alice, bob, carol *person
	began             time.Time
}

func (s *three) everyone() []*person { return []*person{s.alice, s.bob, s.carol} }

// newThree starts three nodes with these flags of `up` and waits until each is
// connected with both others, which multicast DNS alone brings about.
func newThree(t *testing.T, bin string, flags ...string) *three {
	t.Helper()
	l := newLAN(t)
	s := l.three(bin)
	for _, p := range s.everyone() {
		p.up(flags...)
	}
	s.began = time.Now()
	s.meet()
	t.Logf("found each other %v after the last was up", time.Since(s.began).Round(time.Millisecond))
	return s
}

// three adds three people whose nodes are down.
func (l *lan) three(bin string) *three {
	l.t.Helper()
	return &three{t: l.t, lan: l, alice: l.person("alice", bin), bob: l.person("bob", bin), carol: l.person("carol", bin), began: time.Now()}
}

func (s *three) meet() {
	s.t.Helper()
	for _, p := range s.everyone() {
		p.where("two peers", []string{"status", "--wait"}, func(o object) bool { return o.number("peers") == 2 })
	}
}

// done logs that an operation worked.
func (s *three) done(what string) {
	s.t.Logf("%6.1f s  %s", time.Since(s.began).Seconds(), what)
}

// letIn has a person ask the group of another, who approves.
func (s *three) letIn(owner, who *person, group string) {
	s.t.Helper()
	who.one("join", owner.id+"/"+group)
	owner.where("request of "+who.name, []string{"requests", group}, isPeer(who))
	owner.one("approve", group, who.id)
	who.where("membership", []string{"group", "list"}, func(o object) bool {
		return o.text("group_id") == group && o.text("role") == "member"
	})
}

func isPeer(p *person) func(object) bool {
	return func(o object) bool { return o.text("peer_id") == p.id }
}

// say sends a line that must leave at once or soon, and returns its answer.
func (s *three) say(p *person, group, text string, flags ...string) object {
	s.t.Helper()
	return p.one(append([]string{"send", group, text, "--wait"}, flags...)...)
}

// settle waits until everyone of some people holds the group's current key.
func (s *three) settle(group string, people ...*person) (current object) {
	s.t.Helper()
	for _, p := range people {
		k := p.where("key that all hold", []string{"keys", group}, func(o object) bool {
			return o["current"] == true && len(o.list("missing")) == 0 && len(o.list("holders")) == len(people)
		})
		if current != nil && k.text("eid") != current.text("eid") {
			s.t.Fatalf("%s has chosen key %s, another %s", p.name, k.text("eid"), current.text("eid"))
		}
		current = k
	}
	return current
}

// sameLog waits until people read the same messages in the same order.
func (s *three) sameLog(group string, people ...*person) {
	s.t.Helper()
	await(s.t, "log that is the same at all", patience, func() bool {
		first := people[0].order(group)
		return !slices.ContainsFunc(people[1:], func(p *person) bool { return !slices.Equal(p.order(group), first) })
	})
}

// order names the messages that this person reads, in the order shown.
func (p *person) order(group string) (out []string) {
	p.t.Helper()
	for _, m := range p.messages(group) {
		out = append(out, m.text("sender")+m.text("message_id"))
	}
	return out
}
