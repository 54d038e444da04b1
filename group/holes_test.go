package group

import (
	"fmt"
	"testing"
)

// A record that came before the one that it names, above a hole, is linked to it
// when it comes, also where that lies on another branch than what came first:
// the node then stands where it would after a restart.
func TestBranchesAcrossAHole(t *testing.T) {
	w := newTeam(t, openHistory(), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	say := func(seq uint64, prev Verified, text string) Verified {
		x := carol.nextMsg(nil, w.item(text))
		x.Seq, x.Prev = seq, prev.Hash
		return w.signMsg(carol, x)
	}
	one := w.signMsg(carol, carol.nextMsg(nil, w.item("one")))
	two, other := say(2, one, "two"), say(2, one, "other")
	three := say(3, other, "three")
	four := say(4, three, "four")
	for _, order := range [][]Verified{{two, three, four, other, one}, {other, three, two, four, one}, {three, four, two, other, one}, {three, two, other, one, four}} {
		dave := w.outsider(9)
		for _, e := range alice.disk.stored().Entries {
			w.must(dave, Received{Record: e})
		}
		for _, base := range []uint64{2, 1} {
			w.must(dave, Based{Author: carol.me, Base: base, Ord: 20})
		}
		for _, v := range order {
			w.must(dave, Received{Record: v})
		}
		if len(dave.msgs) != 5 {
			t.Fatalf("%d records of 5 are held", len(dave.msgs))
		}
		live := dave.logsAsHeld()
		w.restart(dave)
		if started := dave.logsAsHeld(); live != started {
			t.Errorf("live    %s\nstarted %s", live, started)
		}
		if n := w.offered(dave, bob); n < 5 {
			t.Errorf("bob is offered %d records", n)
		}
	}
}

// logsAsHeld tells of each message what it follows and what it is known to cite.
func (p *peer) logsAsHeld() string {
	s := fmt.Sprint(p.Heights().Logs)
	for _, r := range sortedByDisplay(collect(p.msgs)) {
		s += fmt.Sprintf(" %d/%s after %v, in part %v, %v", r.seq, r.hash.Short(), r.prev != nil, r.part, r.view)
	}
	return s
}

func collect(of map[Short]*message) (out []*message) {
	for _, r := range of {
		out = append(out, r)
	}
	return out
}
