package group

import (
	"slices"
	"testing"
)

// left makes a group of which the last member has gone: bob knows, alice learns
// it from the payload returned.
func left(t *testing.T, names ...string) (w *world, leave []byte) {
	w = newTeam(t, settingsFor("team"), names...)
	gone := w.all[len(names)-1]
	w.apart(func() { leave = w.must(gone, Quit{}).Publish[0] }, w.all[:len(names)-1]...)
	w.must(w.all[1], Received{Record: w.decode(leave)})
	return w, leave
}

func TestWish_SpeakerAsksTheOwner(t *testing.T) {
	w, _ := left(t, "alice", "bob", "carol", "dave")
	alice, bob := w.all[0], w.all[1]
	if r := w.must(bob, Tick{}); len(r.Wish) > 0 {
		t.Error("nobody speaks, and a key is asked for")
	}
	var r Ready
	w.apart(func() { r = w.say(bob, "held") }, alice, w.all[2])
	if !slices.Equal(r.Wish, []PeerID{alice.me}) {
		t.Errorf("bob asks %d peers for a key", len(r.Wish))
	}
	w.now += 500
	w.apart(func() { r = w.say(bob, "held too") }, alice, w.all[2])
	if len(r.Wish) > 0 {
		t.Error("bob asks twice")
	}
}

func TestWish_RanksKeepTheirOrder(t *testing.T) {
	for name, c := range map[string]struct {
		speaker int
		online  []int
		asked   int // -1: nobody
	}{
		"the owner is there":                 {3, []int{0, 1, 2, 3}, 0},
		"two deputies are":                   {3, []int{1, 2, 3}, 1},
		"a deputy speaks, the owner is":      {2, []int{0, 1, 2, 3}, 0},
		"a deputy speaks, one before him is": {2, []int{1, 2, 3}, 1},
		"a deputy speaks, one after him is":  {1, []int{1, 2, 3}, -1},
		"no rank is":                         {3, []int{3, 4}, -1},
	} {
		w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave", "erin", "frank")
		w.must(w.all[0], DeputyAdd{Peer: w.all[1].me, Caps: CapRotate})
		w.must(w.all[0], DeputyAdd{Peer: w.all[2].me, Caps: CapRotate})
		speaker := w.all[c.speaker]
		for i, p := range w.all {
			w.must(speaker, Online{Peer: p.me, Up: slices.Contains(c.online, i)})
		}
		leave := w.must(w.all[5], Quit{}).Publish[0]
		w.must(speaker, Received{Record: w.decode(leave)})
		others := slices.DeleteFunc(slices.Clone(w.all), func(p *peer) bool { return p == speaker })
		var r Ready
		w.apart(func() { r = w.say(speaker, "held") }, others...)
		var want []PeerID
		if c.asked >= 0 {
			want = []PeerID{w.all[c.asked].me}
		}
		if !slices.Equal(r.Wish, want) {
			t.Errorf("%s: the wish goes to %d peers", name, len(r.Wish))
		}
	}
}

func TestWish_OwnerMintsAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		before, after uint64 // ms between the wish, the news and the last Tick
		from          int
		want          bool
	}{
		"with the news":                {0, 0, 1, true},
		"before the news":              {rankWait - 1, 0, 1, true},
		"long before the news":         {rankWait, 0, 1, false},
		"of somebody who is no member": {0, 0, 3, false},
		"not at all":                   {0, 0, -1, false},
		"not at all, but idle":         {0, idleWait, -1, true},
	} {
		w, leave := left(t, "alice", "bob", "carol", "dave")
		alice := w.all[0]
		minted := false
		step := func(ev Event) { minted = minted || w.must(alice, ev).Epoch != (Hash{}) }
		stranger := w.person(99)
		switch c.from {
		case 3:
			step(Wished{From: stranger.id.PeerID()})
		case 1:
			step(Wished{From: w.all[1].me})
		}
		w.now += c.before
		step(Received{Record: w.decode(leave)})
		w.now += c.after
		step(Tick{})
		if minted != c.want {
			t.Errorf("wished %s: minted %v", name, minted)
		}
	}
	w, leave := left(t, "alice", "bob", "carol", "dave")
	w.must(w.all[0], Received{Record: w.decode(leave)})
	if r := w.must(w.all[0], Wished{From: w.all[1].me}); r.Epoch == (Hash{}) {
		t.Error("a wish after the news mints nothing")
	}
	if r := w.must(w.all[0], Wished{From: w.all[1].me}); r.Epoch != (Hash{}) {
		t.Error("a second wish mints again")
	}
}

// TestWish_TwoLeaveAtOnce: two leave at one instant of a clock that stands still,
// and bob speaks after each. Each of his lines has the owner asked for a key.
func TestWish_TwoLeaveAtOnce(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave", "erin")
	alice, bob := w.all[0], w.all[1]
	for _, gone := range []*peer{w.all[4], w.all[3]} {
		w.must(gone, Quit{})
		w.restart(alice) // and forgets that she was asked
		var r Ready
		w.apart(func() { r = w.say(bob, "held") }, alice)
		if !slices.Equal(r.Wish, []PeerID{alice.me}) {
			t.Fatalf("bob asks %d peers for a key", len(r.Wish))
		}
		if r := w.must(alice, Wished{From: bob.me}); r.Epoch == (Hash{}) {
			t.Fatal("alice mints no key")
		}
		if len(bob.Held()) > 0 {
			t.Fatal("bob's line is held still")
		}
	}
}
