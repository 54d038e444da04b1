package node

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"conclave/group"
)

// shifted makes a player whose clock a test moves.
func shifted(t *testing.T, name string, by time.Duration, others ...*player) (*player, *atomic.Int64) {
	t.Helper()
	offset := new(atomic.Int64)
	offset.Store(int64(by))
	p := inMemory(t, name)
	ok(t, p.down())
	for _, o := range others {
		p.cfg.Peers = append(p.cfg.Peers, o.addr())
	}
	n, err := Open(p.cfg)
	ok(t, err)
	n.now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	p.Node = n
	p.launch()
	take(t, "the start of "+p.name, p.Ready())
	return p, offset
}

const year = 365 * 24 * time.Hour

// TestAbuse_FA05_Clocks: clocks a year ahead and a year behind, and clocks that jump
// while the group talks. Everybody reads everything in one order, a jump marks
// the group softly at most, and nobody's records are doubted.
func TestAbuse_FA05_Clocks(t *testing.T) {
	ann, annClock := shifted(t, "ann", 0)
	bob, bobClock := shifted(t, "bob", year, ann)
	cem, _ := shifted(t, "cem", -year, ann)
	all := []*player{ann, bob, cem}
	gid := newGroup(t, CreateGroup{}, ann, bob, cem)
	talk := func(word string) {
		t.Helper()
		var said []string
		for _, p := range all {
			said = append(said, word+" by "+p.name)
			p.say(gid, said[len(said)-1])
			for _, q := range all {
				q.reads(gid, said...)
			}
		}
	}
	agree(t, gid, all...)
	talk("a year apart")
	annClock.Store(-int64(time.Hour))
	talk("ann's clock went back an hour")
	annClock.Store(int64(year))
	bobClock.Store(-int64(year))
	for _, p := range all {
		g, err := p.Group(within(t), gid)
		ok(t, err)
		if g.Marked == "hard" {
			t.Errorf("%s: a jump of the clock marks the group hard", p.name)
		}
	}
	talk("two clocks jumped")
	annClock.Store(0)
	bobClock.Store(0)
	talk("clocks are right again")
	for _, p := range all {
		ks, err := p.Keys(within(t), gid)
		ok(t, err)
		if len(ks) > 8 {
			t.Errorf("%s: %d keys were made", p.name, len(ks))
		}
		if log := p.log.String(); strings.Contains(log, "WARN") || strings.Contains(log, "ERROR") {
			t.Errorf("%s: %s", p.name, log)
		}
	}
}

// TestAbuse_FA05_BundleSurvivesAJump: a node whose clock jumps a year ahead replaces
// its bundle and erases old ones. Keys that were sealed to the old one while the
// news travelled come by asking.
func TestAbuse_FA05_BundleSurvivesAJump(t *testing.T) {
	ann := inMemory(t, "ann")
	bob, clock := shifted(t, "bob", 0, ann)
	gid := newGroup(t, CreateGroup{}, ann, bob)
	agree(t, gid, ann, bob)
	old := bob.ownBundle()
	clock.Store(int64(year))
	bob.mu.Lock()
	err := bob.ensureBundle()
	bob.mu.Unlock()
	ok(t, err)
	if bob.ownBundle().Seq <= old.Seq {
		t.Fatal("the bundle was not replaced")
	}
	_, err = ann.Rotate(within(t), gid) // sealed to the old one
	ok(t, err)
	agree(t, gid, ann, bob)
	ann.say(gid, "still with us?")
	bob.reads(gid, "still with us?")
	clock.Store(0)
	bob.say(gid, "yes")
	ann.reads(gid, "yes")
	ok(t, ann.roomOf(gid).look(within(t), func(m *group.Machine) {
		if b, held := m.Bundle(bob.me); !held || b.Seq <= old.Seq {
			t.Error("ann does not know bob's new bundle")
		}
	}))
}
