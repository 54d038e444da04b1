package node

import (
	"context"
	"testing"
	"time"

	"conclave/group"
	"conclave/keys"
)

// TestBeacon_Judges: each summary is judged once, by what is held now. One that
// differs where catch-up brought nothing agrees from then on; a former member's is
// forgotten; and nothing is judged before gossip has settled.
func TestBeacon_Judges(t *testing.T) {
	ann, x := member(t)
	r := ann.roomOf(x.gid.String())
	b, err := newBeacon(r) // of nobody's goroutine
	ok(t, err)
	other := group.Heights{Logs: []group.LogHead{{Author: x.me(), Seq: 7}}}
	judged := func(what string, agrees, differs bool, with func(mine group.Heights)) {
		t.Helper()
		await(t, what, func() bool {
			mine, err := r.heights(within(t))
			ok(t, err)
			with(mine)
			isSame, isOther := b.judge(within(t))
			if now, err := r.heights(within(t)); err != nil || now.Digest() != mine.Digest() {
				return false // something came meanwhile
			}
			if isSame != agrees || isOther != differs {
				t.Errorf("%s: agrees %v, differs %v", what, isSame, isOther)
			}
			return true
		})
	}
	says := func(h keys.Hash) { b.heard[x.me()] = heardSummary{digest: h} }
	judged("one that agrees", true, false, func(mine group.Heights) { says(mine.Digest()) })
	judged("the same again", false, false, func(group.Heights) {})
	judged("one that differs", false, true, func(group.Heights) { says(other.Digest()) })
	judged("the same again", false, false, func(group.Heights) {})
	judged("one that differs, of which something came", false, true, func(group.Heights) {
		ok(t, b.compared(within(t), group.Heights{}, other))
		says(other.Digest())
	})
	judged("one that differs, of which nothing came", true, false, func(mine group.Heights) {
		ok(t, b.compared(within(t), mine, other))
		says(other.Digest())
	})
	judged("a former member's", false, false, func(mine group.Heights) { b.heard[keys.PeerID{1}] = heardSummary{digest: mine.Digest()} })
	if len(b.heard) != 1 {
		t.Errorf("%d are remembered", len(b.heard))
	}
	b.last = time.Now().Add(time.Hour)
	mine, err := r.heights(within(t))
	ok(t, err)
	says(mine.Digest())
	soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if agrees, differs := b.judge(soon); agrees || differs {
		t.Error("it is judged while gossip still brings something")
	}
}

// TestBeacon_Intervals: they grow while nothing happens, and begin anew at once
// where somebody holds something else; only a member tells, and no number twice.
func TestBeacon_Intervals(t *testing.T) {
	pace := timing{beacon: 2 * time.Second, beaconMost: 5 * time.Second}
	for _, c := range []struct {
		span  time.Duration
		quiet bool
		want  time.Duration
	}{{2, true, 4}, {4, true, 5}, {5, true, 5}, {5, false, 2}, {2, false, 2}} {
		if got := pace.afterInterval(c.span*time.Second, c.quiet); got != c.want*time.Second {
			t.Errorf("after %d s, quiet: %v: %s", c.span, c.quiet, got)
		}
	}
	ann, x := member(t)
	gid := x.gid.String()
	b, err := newBeacon(ann.roomOf(gid))
	ok(t, err)
	ctx := within(t)
	b.heard[x.me()] = heardSummary{digest: keys.Hash{1}}
	wake(b.news)
	if b.interval(ctx, 4*patience) || ctx.Err() != nil {
		t.Error("the interval goes on though a member holds something else")
	}
	b.touch()
	if b.interval(ctx, 4*patience) || ctx.Err() != nil {
		t.Error("the interval goes on though a record was taken in")
	}
	const far = 1 << 60
	b.seq = far
	b.tell(within(t))
	if b.seq != far+1 {
		t.Errorf("the number is %d after %d", b.seq, uint64(far))
	}
	_, err = ann.Leave(within(t), gid, true)
	ok(t, err)
	if b.tell(within(t)); b.seq != far+1 {
		t.Error("who is no member tells what it holds")
	}
}
