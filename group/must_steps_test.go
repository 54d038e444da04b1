package group

import (
	"fmt"
	"testing"
)

// snapshot is what a later step could store or publish: all of the machine's
// state that shows.
func (p *peer) snapshot() string {
	return fmt.Sprintf("%s\n%+v\n%v\n%+v\n%d\n%v", p.fingerprint(), p.Local(), p.Held(), p.Heights(), p.clock, p.Wanted())
}

func TestMUST_108_AllOrNothing(t *testing.T) {
	s := settingsFor("team")
	s.RotateBy = RotateByOwner
	w := newTeam(t, s, "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.must(alice, DeputyAdd{Peer: carol.me, Caps: CapApprove})
	stranger := w.outsider(9)
	long := string(make([]byte, MaxItemText+1))
	older, _ := w.bundleOf(carol, 1)
	contradiction := bob.next(TypeProfile, &Profile{Name: "b"}, 0)
	contradiction.Seen[0].Seq++
	bad := []Event{
		Approve{Peer: stranger.me}, Decline{Peer: stranger.me}, Invite{Peer: bob.me}, Unban{Peer: bob.me},
		Remove{Peer: stranger.me}, Remove{Peer: alice.me}, Rotate{}, Change{}, Change{Settings: settingsFor("x")},
		SetName{Name: "a/b"}, DeputyAdd{Peer: stranger.me, Caps: allCaps}, DeputyRemove{Peer: stranger.me}, Quit{},
		Send{}, Send{Items: []Item{{Text: long}}}, JoinAsked{Request: Request{Peer: stranger.me}},
		JoinAsked{Request: Request{Peer: stranger.me, Bundle: bob.bundle.Raw()}},
		JoinAsked{Request: Request{Peer: carol.me, Bundle: older.Raw()}},
		Received{Record: w.signEntry(bob, contradiction)}, KeyReceived{Commit: alice.current().body.(*Epoch).KC},
	}
	failed := 0
	for _, p := range []*peer{alice, bob, carol, stranger} {
		for _, ev := range bad {
			if _, quits := ev.(Quit); quits && p != alice {
				continue
			}
			before := p.snapshot()
			r, err := p.Step(Input{Now: w.now, Entropy: w.entropy(), Event: ev})
			if err == nil {
				p.keep(t, w.gid, r)
				continue
			}
			failed++
			if after := p.snapshot(); after != before {
				t.Errorf("%T failed with %v and changed\n%s\nto\n%s", ev, err, before, after)
			}
			if !r.Batch.Empty() || len(r.Publish)+len(r.Keys)+len(r.Show)+len(r.Seal) != 0 {
				t.Errorf("%T failed with %v and asks for %+v", ev, err, r)
			}
		}
	}
	if failed < 30 {
		t.Errorf("only %d steps failed", failed)
	}
}

func TestMUST_109_Restart(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	check := func() {
		t.Helper()
		for _, p := range w.all {
			before := p.snapshot()
			w.restart(p)
			if after := p.snapshot(); after != before {
				t.Fatalf("before a restart\n%s\nafter\n%s", before, after)
			}
		}
	}
	w.say(alice, "one")
	w.say(bob, "two")
	check()
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: allCaps})
	w.must(alice, Invite{Peer: w.outsider(9).me})
	w.must(alice, JoinAsked{Request: Request{Peer: w.outsider(8).me, Bundle: w.outsider(8).bundle.Raw()}})
	check()
	w.must(bob, Online{Peer: alice.me, Up: true})
	w.apart(func() { w.must(carol, Quit{}) }, alice)
	w.say(bob, "held")
	if len(bob.Held()) != 1 {
		t.Fatal("the line was not held")
	}
	check()
	w.must(alice, Change{Settings: encryptionOff()})
	w.must(bob, AcceptPlain{})
	w.must(bob, Send{Items: []Item{w.item("plain")}, Plain: true})
	check()
}

func TestMUST_110_SameInputsSameBytes(t *testing.T) {
	run := func() [][]byte {
		w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
		alice, bob := w.all[0], w.all[1]
		var out [][]byte
		add := func(r Ready) { out = append(out, r.Publish...) }
		add(w.say(alice, "one"))
		add(w.must(alice, DeputyAdd{Peer: bob.me, Caps: allCaps}))
		add(w.must(bob, Remove{Peer: w.all[3].me}))
		add(w.say(w.all[2], "two"))
		add(w.must(alice, Remove{Peer: w.all[2].me, Ban: true}))
		add(w.must(alice, Rotate{}))
		return out
	}
	first := run()
	for range 5 {
		again := run()
		for i := range first {
			if first[i][0] == byte(KindChunk) { // sealed with HPKE's own randomness
				continue
			}
			if string(first[i]) != string(again[i]) {
				t.Fatalf("record %d, a %c, has other bytes", i, first[i][0])
			}
		}
	}
}
