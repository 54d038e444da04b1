package group

import (
	"fmt"
	"testing"
)

func TestMUST_95_HardMarkHolds(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	if r := w.say(bob, "at once"); len(r.Sent) != 1 || len(r.Batch.OutPut)+len(r.Batch.OutDel) != 0 {
		t.Errorf("a line that left at once was in the outbox: %d put, %d deleted", len(r.Batch.OutPut), len(r.Batch.OutDel))
	}
	w.apart(func() { w.must(carol, Quit{}) }, alice)
	if bob.Marked(w.now) != HardMark {
		t.Fatalf("mark %s after a LEAVE", bob.Marked(w.now))
	}
	r := w.say(bob, "held")
	if len(r.Sent)+len(r.Publish) != 0 || len(r.Batch.OutPut) != 1 || len(bob.Held()) != 1 {
		t.Fatalf("a line in a hard-marked group: sent %d, published %d, stored %d", len(r.Sent), len(r.Publish), len(r.Batch.OutPut))
	}
	if twin := New(Config{GID: w.gid, Self: bob.id, Bundle: bob.bundle}, bob.stored()); len(twin.Held()) != 1 {
		t.Fatal("the held line would be lost in a restart")
	}
	w.sync(bob, alice)
	r = w.must(alice, Rotate{})
	if cur, ok := bob.Current(); !ok || cur.EID != r.Epoch {
		t.Fatal("bob has no new key")
	}
	if len(bob.Held()) != 0 {
		t.Error("the line did not leave with the new key")
	}
	if twin := New(Config{GID: w.gid, Self: bob.id, Bundle: bob.bundle}, bob.stored()); len(twin.Held()) != 0 {
		t.Error("what has left would leave again after a restart")
	}
	if got := fmt.Sprint(w.reads(alice)); got != "[at once held]" {
		t.Errorf("alice reads %s", got)
	}
	if x := bob.logs[chain{bob.me, 0}].top(); x.epoch.eh != r.Epoch {
		t.Error("the line left under another epoch")
	}
}

func TestMUST_96_RemovalMints(t *testing.T) {
	for _, ban := range []bool{false, true} {
		w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
		alice, bob, carol := w.all[0], w.all[1], w.all[2]
		w.apart(func() { w.must(bob, Quit{}) }, alice, carol)
		before, _ := alice.Current()
		r := w.must(alice, Remove{Peer: carol.me, Ban: ban})
		if len(r.Batch.Entries) != 2 || r.Epoch == (Hash{}) || len(r.Keys) != 1 {
			t.Fatalf("%d entries, epoch %v in the step of the removal", len(r.Batch.Entries), r.Epoch != Hash{})
		}
		if cur, _ := alice.Current(); cur.EID == before.EID || cur.EID != r.Epoch {
			t.Error("the old key is still used")
		}
		for _, job := range r.Seal {
			for _, b := range job.To {
				if b.Peer == carol.me {
					t.Error("the new key is sealed to who was removed")
				}
			}
		}
		if err := alice.Covers(carol.me, r.Epoch); err == nil {
			t.Error("the new key may be handed to who was removed")
		}
	}
}

func TestMUST_97_SwitchMints(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	for _, s := range []Settings{openHistory(), settingsFor("team")} {
		before, _ := alice.Current()
		if r := w.must(alice, Change{Settings: s}); r.Epoch == (Hash{}) {
			t.Errorf("history %d: no new epoch", s.History)
		}
		r := w.say(bob, "x")
		if len(r.Sent) != 1 || r.Sent[0].EID == before.EID {
			t.Errorf("history %d: a line left under the epoch before", s.History)
		}
	}
	before, _ := alice.Current()
	w.must(alice, Change{Settings: encryptionOff()})
	r := w.must(alice, Change{Settings: settingsFor("team")})
	if cur, _ := alice.Current(); r.Epoch == (Hash{}) || cur.EID == before.EID || cur.Reason != ReasonEncryptionOn {
		t.Errorf("after off and on the key is %+v", cur)
	}
	same := settingsFor("another name")
	if r := w.must(alice, Change{Settings: same}); r.Epoch != (Hash{}) {
		t.Error("a new name made a new epoch")
	}
}

// minted counts the epochs that a sequence of steps made.
func (w *world) minted(p *peer, ev Event, times int, apart uint64) (n int) {
	w.t.Helper()
	for range times {
		if r := w.must(p, ev); r.Epoch != (Hash{}) {
			n++
		}
		w.now += apart
	}
	return n
}

func TestMUST_98_SoftRotationsApart(t *testing.T) {
	s := settingsFor("team")
	s.MaxMessages = 1
	w := newTeam(t, s, "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	one := func() Event { return Send{Items: []Item{w.item("x")}} }
	w.say(alice, "fills the first epoch")
	n := 0
	for range 30 {
		n += w.minted(alice, one(), 1, 1000)
	}
	if n == 0 || n > 4 {
		t.Errorf("%d soft rotations of a speaker in 30 s", n)
	}
	w.say(bob, "x")
	w.say(bob, "x")
	n = 0
	for range 30 {
		n += w.minted(alice, Wished{From: bob.me}, 1, 1000)
		w.say(alice, "x")
	}
	if n > 4 {
		t.Errorf("%d soft rotations on wishes in 30 s", n)
	}
}

func TestMUST_99_AskBeforeRescue(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob := w.all[0], w.all[1]
	var epoch, kick []byte
	w.apart(func() {
		r := w.must(alice, Remove{Peer: w.all[2].me})
		kick, epoch = r.Publish[0], r.Publish[1]
	}, bob)
	w.must(bob, Received{Record: w.decode(kick)})
	w.must(bob, Received{Record: w.decode(epoch)}) // its key got lost
	if len(bob.eligible()) != 1 || bob.Marked(w.now) != HardMark || len(bob.Wanted()) == 0 {
		t.Fatal("bob does not know of the key that he lacks")
	}
	w.say(bob, "held")
	start := w.now
	for w.now < start+askWait-1 {
		w.now += 999
		w.now = min(w.now, start+askWait-1)
		if r := w.must(bob, Tick{}); r.Epoch != (Hash{}) {
			t.Fatalf("bob minted after %d ms", w.now-start)
		}
	}
	w.now = start + askWait
	r := w.must(bob, Tick{})
	if cur, ok := bob.Current(); r.Epoch == (Hash{}) || !ok || cur.Reason != ReasonRescue || len(bob.Held()) != 0 {
		t.Errorf("after 10 s: minted %v, %+v", r.Epoch != Hash{}, cur)
	}
}

func TestMUST_100_RanksGoFirst(t *testing.T) {
	for name, c := range map[string]struct {
		speaker int
		online  []int
		wait    uint64
	}{
		"the owner":                       {0, []int{1, 2, 3, 4}, 0},
		"the first deputy":                {1, []int{0, 2, 3, 4}, 2000},
		"the second deputy":               {2, []int{0, 1, 3, 4}, 4000},
		"a member with deputies online":   {3, []int{0, 1, 2, 4}, 6000},
		"a member with one of them":       {3, []int{1, 4}, 4000},
		"a member with members online":    {3, []int{4}, 2000},
		"a member alone":                  {3, nil, 0},
		"the second deputy, alone online": {2, nil, 0},
	} {
		w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave", "erin", "frank")
		alice := w.all[0]
		w.must(alice, DeputyAdd{Peer: w.all[1].me, Caps: CapRotate})
		w.must(alice, DeputyAdd{Peer: w.all[2].me, Caps: CapRotate})
		speaker := w.all[c.speaker]
		for _, p := range w.all {
			w.must(speaker, Online{Peer: p.me, Up: false})
		}
		for _, i := range c.online {
			w.must(speaker, Online{Peer: w.all[i].me, Up: true})
		}
		var others []*peer
		for _, p := range w.all {
			if p != speaker {
				others = append(others, p)
			}
		}
		leave := w.must(w.all[5], Quit{}).Publish[0]
		w.must(speaker, Received{Record: w.decode(leave)})
		w.apart(func() {
			r := w.say(speaker, "held")
			for waited := uint64(0); ; waited += 500 {
				if minted := r.Epoch != (Hash{}); minted != (waited >= c.wait) {
					t.Errorf("%s minted after %d ms: %v, want after %d", name, waited, minted, c.wait)
				}
				if waited >= c.wait {
					return
				}
				if r.Wake != w.now+c.wait-waited {
					t.Errorf("%s wakes in %d ms, want %d", name, int64(r.Wake-w.now), c.wait-waited)
				}
				w.now += 500
				r = w.must(speaker, Tick{})
			}
		}, others...)
	}
}
