package node

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

const week = 7 * 24 * time.Hour

// upLater starts p's node again so much later, with nobody to find but others.
func (p *player) upLater(by time.Duration, others ...*player) *atomic.Int64 {
	p.t.Helper()
	p.cfg.Peers = nil
	for _, o := range others {
		p.cfg.Peers = append(p.cfg.Peers, o.addr())
	}
	n, err := Open(p.cfg)
	ok(p.t, err)
	offset := new(atomic.Int64)
	offset.Store(int64(by))
	n.now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	ok(p.t, n.ensureBundle()) // as at a start on that day
	p.Node = n
	p.launch()
	take(p.t, "the start of "+p.name, p.Ready())
	return offset
}

// TestWeeks_AnyOneMemberIsEnough: who was away for weeks, while the key was
// replaced again and again, somebody came and somebody was removed, needs one
// other member, who is not the owner: it reads everything, knows who belongs to
// the group, and speaks under the present key.
func TestWeeks_AnyOneMemberIsEnough(t *testing.T) {
	ann, annClock := shifted(t, "ann", 0)
	bob, bobClock := shifted(t, "bob", 0, ann)
	cem, eve := inMemory(t, "cem"), inMemory(t, "eve")
	ok(t, cem.net.Remember(ann.me, ann.net.Addrs()...))
	ok(t, eve.net.Remember(ann.me, ann.net.Addrs()...))
	gid := newGroup(t, CreateGroup{}, ann, bob, cem, eve)
	agree(t, gid, ann, bob, cem, eve)
	ok(t, cem.down())
	var said []string
	say := func(p *player, text string) {
		said = append(said, text)
		p.say(gid, text)
	}
	for i := range 3 {
		annClock.Add(int64(week))
		bobClock.Add(int64(week))
		_, err := ann.Rotate(within(t), gid)
		ok(t, err)
		agree(t, gid, ann, bob)
		say(ann, fmt.Sprint("ann in week ", i))
		bob.reads(gid, said...)
		say(bob, fmt.Sprint("bob in week ", i))
		ann.reads(gid, said...)
	}
	_, err := ann.Kick(within(t), gid, eve.id())
	ok(t, err)
	dan, _ := shifted(t, "dan", 3*week, ann)
	letIn(t, ann, dan, gid)
	agree(t, gid, ann, bob, dan)
	say(dan, "dan is new")
	bob.reads(gid, said...)
	for _, p := range []*player{ann, dan, eve} {
		ok(t, p.down())
	}
	say(bob, "bob alone")
	cem.upLater(3*week, bob)
	cem.reads(gid, said...)
	agree(t, gid, bob, cem)
	members := func(p *player) string {
		ms, err := p.Members(within(t), gid)
		ok(t, err)
		var out []string
		for _, m := range ms {
			out = append(out, m.PeerID)
		}
		return fmt.Sprint(out)
	}
	if a, b := members(bob), members(cem); a != b {
		t.Errorf("bob's group is %s, cem's %s", a, b)
	}
	say(cem, "cem is back")
	bob.reads(gid, said...)
}
