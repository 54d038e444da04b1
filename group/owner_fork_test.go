package group

import (
	"errors"
	"testing"

	"conclave/keys"
)

// forkedOwner returns a group whose owner gave bob and carol different entries
// under one number, before they met.
func forkedOwner(t *testing.T) (w *world, alice, bob, carol *peer) {
	t.Helper()
	w = newWorld(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	alice, bob, carol = w.all[0], w.all[1], w.all[2]
	w.admit(alice, bob)
	w.admit(alice, carol)
	w.sync(alice, bob)
	one := alice.next(TypeAdd, &Peer{Peer: w.all[3].me}, 1)
	other := alice.next(TypeSet, &Set{Settings: settingsFor("other")}, 1)
	w.must(bob, Received{Record: w.signEntry(alice, one)})
	w.must(carol, Received{Record: w.signEntry(alice, other)})
	alice.off = true
	return w, alice, bob, carol
}

func TestAbuse_MO01_OwnerSignsTwice(t *testing.T) {
	w, alice, bob, carol := forkedOwner(t)
	w.sync(bob, carol)
	w.sync(carol, bob)
	for _, p := range []*peer{bob, carol} {
		if len(p.alarms) != 1 || p.alarms[0].Author != alice.me {
			t.Fatalf("alarms: %+v", p.alarms)
		}
		f, err := VerifyFork(w.gid, [][]byte{p.alarms[0].First}, [][]byte{p.alarms[0].Record})
		if err != nil || f.Author != alice.me {
			t.Errorf("the proof shows %v, %v", f.Author, err)
		}
	}
	if !bob.IsMember(w.all[3].me) || carol.IsMember(w.all[3].me) || carol.Settings().Name != "other" || bob.Settings().Name != "team" {
		t.Error("what was applied before the fork was seen did not stay")
	}
	w.say(bob, "still here")
	w.say(carol, "me too")
	w.now += softWait // bob would rather have an epoch that serves dave
	w.must(bob, Tick{})
	w.must(carol, Tick{})
	if got := len(w.reads(bob)); got != 2 {
		t.Errorf("bob reads %d lines of 2", got)
	}
	if got := len(w.reads(carol)); got != 2 {
		t.Errorf("carol reads %d lines of 2", got)
	}
	if r := w.must(carol, Rotate{}); r.Epoch == (Hash{}) {
		t.Error("a member cannot rotate any more")
	}
	w.say(bob, "under one key or another")
	w.say(carol, "we read each other")
	if b, c := len(w.reads(bob)), len(w.reads(carol)); b != 4 || c != 4 {
		t.Errorf("bob reads %d lines of 4, carol %d", b, c)
	}
}

// An epoch that the owner minted after the fork counts no more, but its key is asked
// for, handed on and read with like any other: others may speak under it who have
// not seen the fork.
func TestAStoppedEpochIsRead(t *testing.T) {
	w, alice, bob, carol := forkedOwner(t)
	w.sync(bob, carol)
	w.sync(carol, bob)
	key, salt, old := keys.Secret{7}, Hash{7}, alice.current()
	later := alice.next(TypeEpoch, &Epoch{
		Gen: old.body.(*Epoch).Gen + 1, Parents: []Hash{old.eh}, KC: keys.Commitment(key, salt, w.gid), Salt: salt, Suite: Suite, Reason: ReasonRequest,
	}, 1)
	v := w.signEntry(alice, later)
	w.give(v, bob, carol)
	w.must(carol, KeyReceived{Commit: keys.Commitment(key, salt, w.gid), Key: key})
	if carol.counts(v) || bob.counts(v) {
		t.Fatal("an owner's epoch after the fork counts")
	}
	w.sync(carol, bob)
	if k, ok := bob.Key(v.Hash); !ok || !k.Equal(key) {
		t.Error("bob has no key to read what is said under it")
	}
}

// What the fork stopped stays stopped, and what was applied stays applied,
// across a restart and for every later entry of the term.
func TestMUST_47_OwnerForkStays(t *testing.T) {
	w, alice, bob, carol := forkedOwner(t)
	w.sync(bob, carol)
	w.sync(carol, bob)
	later := alice.next(TypeSet, &Set{Settings: settingsFor("later")}, 1)
	for range 2 {
		for _, p := range []*peer{bob, carol} {
			w.restart(p)
			w.must(p, Received{Record: w.signEntry(alice, later)})
		}
		if bob.Settings().Name != "team" || carol.Settings().Name != "other" {
			t.Fatalf("settings are %q and %q", bob.Settings().Name, carol.Settings().Name)
		}
		if !bob.IsMember(carol.me) || !bob.IsMember(w.all[3].me) || carol.IsMember(w.all[3].me) {
			t.Fatal("members changed by a restart")
		}
	}
}

func TestForkedOwnerIsToldSettingsAreFrozen(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob")
	alice := w.all[0]
	twin := alice.next(TypeSet, &Set{Settings: settingsFor("twin")}, 1)
	w.must(alice, Change{Settings: settingsFor("mine")})
	w.must(alice, Received{Record: w.signEntry(alice, twin)})
	if _, err := w.step(alice, Change{Settings: settingsFor("again")}); !errors.Is(err, ErrFrozen) {
		t.Errorf("change after a fork: %v", err)
	}
	if alice.Settings().Name != "mine" {
		t.Errorf("name is %q", alice.Settings().Name)
	}
}

func TestMUST_48_ForkProof(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	entry := func(p *peer, name string) Verified {
		return w.signEntry(p, p.next(TypeProfile, &Profile{Name: name}, 0))
	}
	message := func(p *peer, text string) Verified { return w.signMsg(p, p.nextMsg(nil, w.item(text))) }
	pairs := [][2]Verified{{entry(bob, "one"), entry(bob, "two")}, {message(bob, "one"), message(bob, "two")}}
	for _, pair := range pairs {
		w.give(pair[0], alice)
		r := w.must(alice, Received{Record: pair[1]})
		if len(r.Batch.Alarms) != 1 || r.Batch.Alarms[0].Held != pair[0].Hash || string(r.Batch.Alarms[0].Record) != string(pair[1].Payload) {
			t.Fatalf("alarms of a fork: %+v", r.Batch.Alarms)
		}
		if a := r.Batch.Alarms[0]; a.Author != bob.me || a.Seq != 1 || a.Lane != 0 {
			t.Errorf("the alarm names %+v", a)
		}
		if f, err := VerifyFork(w.gid, [][]byte{pair[0].Payload}, [][]byte{pair[1].Payload}); err != nil || f.Author != bob.me {
			t.Errorf("the proof shows %v, %v", f.Author, err)
		}
	}
	one := pairs[0][0].Payload
	unsigned := append([]byte{}, pairs[0][1].Payload...)
	unsigned[len(unsigned)-1] ^= 1
	for name, other := range map[string][]byte{
		"the same record":                one,
		"a record of another":            entry(carol, "one").Payload,
		"a record of another log":        pairs[1][0].Payload,
		"a record under another number":  alice.g.byHash[short(w.gid)].payload,
		"a record without its signature": unsigned,
		"nothing":                        nil,
		"what stands in no log":          bundleRecord(bob.bundle).Payload,
	} {
		if _, err := VerifyFork(w.gid, [][]byte{one}, [][]byte{other}); err == nil {
			t.Errorf("%s proves a fork", name)
		}
	}
	_, newer := w.bundleOf(bob, w.now+1)
	if _, err := VerifyFork(w.gid, [][]byte{bundleRecord(bob.bundle).Payload}, [][]byte{newer.Payload}); err == nil {
		t.Error("two bundles prove a fork")
	}
	if _, err := VerifyFork(Hash{1}, [][]byte{one}, [][]byte{pairs[0][1].Payload}); err == nil {
		t.Error("the records of one group prove a fork in another")
	}
}

// An owner who forks the chain by an entry that needs no authority is stopped
// at that moment, so that a restart, which reads entries in another order, stops
// no others.
func TestOwnerForksAsAMember(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob := w.all[0], w.all[1]
	twin := alice.next(TypeProfile, &Profile{Name: "twin"}, 0)
	twin.Seq, twin.Prev = 1, Hash{}
	w.give(w.signEntry(alice, twin), bob)
	before := bob.fingerprint()
	w.restart(bob)
	if after := bob.fingerprint(); after != before || len(bob.Members()) != 3 {
		t.Fatalf("before a restart\n%s\nafter\n%s", before, after)
	}
	if v := w.write(alice, TypeSet, &Set{Settings: settingsFor("later")}, 1, bob); bob.counts(v) {
		t.Error("an owner's entry after the fork counts")
	}
}
