package node

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestLeave_NextLineDoesNotWait: somebody leaves, and a member who is not the
// owner speaks at once. The owner is there, and is asked: the line leaves under a
// key that the owner minted, and one epoch comes of each LEAVE. Everybody's clock
// stands still meanwhile: the owner's wait for an idle moment never ends, and
// neither do the ranks' waits.
func TestLeave_NextLineDoesNotWait(t *testing.T) {
	clock := new(atomic.Int64)
	clock.Store(time.Now().UnixNano())
	ann := atRest(t, "ann", clock)
	all := []*player{ann}
	for _, name := range []string{"bob", "cem", "dan", "eve"} {
		p := atRest(t, name, clock)
		for _, o := range all {
			ok(t, p.net.Remember(o.me, o.net.Addrs()...))
		}
		all = append(all, p)
	}
	gid := newGroup(t, CreateGroup{}, ann, all[1:]...)
	agree(t, gid, all...)
	bob := all[1]
	for left := len(all) - 1; left > 1; left-- {
		before, err := bob.Keys(within(t), gid)
		ok(t, err)
		clock.Add(int64(time.Hour))
		_, err = all[left].Leave(within(t), gid, false)
		ok(t, err)
		await(t, "the news at bob", func() bool {
			g, err := bob.Group(within(t), gid)
			ok(t, err)
			return g.Members == left
		})
		began := time.Now()
		sent := bob.say(gid, "who is left?")
		took := time.Since(began)
		agree(t, gid, all[:left]...)
		after, err := bob.Keys(within(t), gid)
		ok(t, err)
		t.Logf("%d remain: %v until the line left, %d epochs", left, took.Round(time.Millisecond), len(after)-len(before))
		if len(after) != len(before)+1 || *sent.EID != after[len(after)-1].EID || after[len(after)-1].MintedBy != ann.id() {
			t.Errorf("with %d left: %d epochs more, the last by %s", left, len(after)-len(before), after[len(after)-1].MintedBy)
		}
	}
}

// atRest makes a player whose clock stands still until the test moves it.
func atRest(t *testing.T, name string, clock *atomic.Int64) *player {
	t.Helper()
	p := inMemory(t, name)
	ok(t, p.down())
	n, err := Open(p.cfg)
	ok(t, err)
	n.now = func() time.Time { return time.Unix(0, clock.Load()) }
	p.Node = n
	p.launch()
	take(t, "the start of "+p.name, p.Ready())
	return p
}
