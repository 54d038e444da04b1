package group

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
)

func encryptionOff() Settings {
	s := settingsFor("team")
	s.E2EE = false
	return s
}

func TestMUST_86_SealedStaysSealed(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.apart(func() { w.must(carol, Quit{}) }, alice)
	r := w.say(bob, "for encryption")
	if len(r.Sent) != 0 {
		t.Fatal("the line was not held")
	}
	w.must(alice, Change{Settings: encryptionOff()})
	w.must(bob, AcceptPlain{})
	for _, ev := range []Event{Tick{}, Send{Items: []Item{w.item("plain")}, Plain: true}} {
		w.now += 60_000
		for _, p := range w.must(bob, ev).Publish {
			if x := w.decode(p).Msg(); x != nil && bytes.Contains(x.Data, []byte("for encryption")) {
				t.Fatal("the held line left as plaintext")
			}
		}
	}
	if len(bob.Held()) != 1 {
		t.Fatalf("%d lines held", len(bob.Held()))
	}
	w.restart(bob)
	w.meet(alice, bob)
	w.must(alice, Change{Settings: settingsFor("team")})
	w.must(bob, Tick{})
	if len(bob.Held()) != 0 || !slices.Contains(w.reads(alice), "for encryption") {
		t.Error("the line does not leave when encryption is on again")
	}
}

func TestMUST_87_PlaintextByChoice(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	line := func() Event { return Send{Items: []Item{w.item("x")}} }
	plain := func() Event { return Send{Items: []Item{w.item("x")}, Plain: true} }
	for round := range 2 {
		w.must(alice, Change{Settings: encryptionOff()})
		if _, err := w.step(bob, line()); !errors.Is(err, ErrOff) {
			t.Errorf("round %d, a line without a choice: %v", round, err)
		}
		if r := w.must(bob, plain()); len(r.Sent) != 1 || r.Sent[0].EID != (Hash{}) {
			t.Errorf("round %d, a line chosen for plaintext: %+v", round, r.Sent)
		}
		w.must(bob, AcceptPlain{})
		if r := w.must(bob, line()); len(r.Sent) != 1 || r.Sent[0].EID != (Hash{}) {
			t.Errorf("round %d, a line after the acknowledgement: %+v", round, r.Sent)
		}
		w.restart(bob)
		w.must(bob, line())
		w.must(alice, Change{Settings: settingsFor("team")})
		if r := w.must(bob, line()); len(r.Sent) != 1 || r.Sent[0].EID == (Hash{}) {
			t.Errorf("round %d, a line after encryption is on again: %+v", round, r.Sent)
		}
	}
}

func TestMUST_88_RequiredEncryption(t *testing.T) {
	w := newRequiring(t, "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	if _, err := w.step(bob, Send{Items: []Item{w.item("x")}, Plain: true}); !errors.Is(err, ErrRequired) {
		t.Errorf("plaintext: %v", err)
	}
	if _, err := w.step(alice, Change{Settings: encryptionOff()}); !errors.Is(err, ErrRequired) {
		t.Errorf("switching off: %v", err)
	}
	v := w.signMsg(bob, bob.nextMsg(nil, w.item("plain")))
	if r := w.must(alice, Received{Record: v}); len(r.Show)+len(r.Batch.Messages) != 0 {
		t.Error("plaintext was shown or stored")
	}
}

func TestMUST_89_PlaintextGivenTo(t *testing.T) {
	for history, wantAll := range map[History]bool{HistoryNone: false, HistoryAll: true} {
		s := settingsFor("team")
		s.History = history
		w := newTeam(t, s, "alice", "bob", "carol", "dave")
		alice, bob, carol := w.all[0], w.all[1], w.all[2]
		w.must(alice, Remove{Peer: carol.me})
		v := w.decode(w.must(bob, Send{Items: []Item{w.item("plain")}, Plain: true}).Publish[0])
		newcomer := w.person(9)
		w.all = append(w.all, newcomer)
		newcomer.Machine = New(Config{GID: w.gid, Self: newcomer.id, Bundle: newcomer.bundle}, Stored{})
		w.admit(alice, newcomer)
		w.admit(alice, carol)
		own := w.decode(w.must(carol, Send{Items: []Item{w.item("plain")}, Plain: true}).Publish[0])
		w.must(alice, Remove{Peer: carol.me})
		w.admit(alice, carol)
		if miss, err := alice.MissingAt(carol.me, Heights{}); err != nil || !slices.ContainsFunc(miss.Messages, func(r MessageRef) bool { return r.Hash == own.Hash }) {
			t.Errorf("history %d: plaintext is withheld from its author: %v", history, err)
		}
		given := func(to *peer) bool {
			miss, err := alice.MissingAt(to.me, Heights{})
			if err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(miss.Messages, func(r MessageRef) bool { return r.Hash == v.Hash })
		}
		if !given(bob) || !given(w.all[3]) {
			t.Error("plaintext is withheld from its author or from who was there")
		}
		if given(newcomer) != wantAll {
			t.Errorf("history %d: plaintext of before is given to a newcomer: %v", history, given(newcomer))
		}
		if given(carol) {
			t.Errorf("history %d: plaintext is given to who was removed when it was said", history)
		}
	}
}

func TestMUST_90_TalkOfTwo(t *testing.T) {
	w, one, two := newTalk(t)
	third := w.outsider(9)
	third.Machine = New(Config{GID: w.gid, Self: third.id, Direct: one.g.direct, Bundle: third.bundle}, Stored{})
	gid, _ := DirectID(two.me, one.me)
	if gid != w.gid {
		t.Error("the conversation has two IDs")
	}
	void := map[string]Verified{
		"ADD":              w.write(one, TypeAdd, &Peer{Peer: third.me}, 0, two),
		"KICK":             w.write(two, TypeKick, &Removal{Peer: one.me}, 0, one),
		"LEAVE":            w.write(two, TypeLeave, &Leave{JID: w.gid}, 0, one),
		"SET":              w.write(one, TypeSet, &Set{Settings: encryptionOff()}, 1, two),
		"GRANT":            w.write(one, TypeGrant, &Grant{Peer: two.me, Caps: allCaps}, 1, two),
		"PROFILE of third": w.write(third, TypeProfile, &Profile{Name: "third"}, 0, one, two),
	}
	b, _ := third.epochBody(ReasonCreate)
	void["EPOCH of a third"] = w.write(third, TypeEpoch, b, 0, one, two)
	for name, v := range void {
		if one.counts(v) || two.counts(v) {
			t.Errorf("%s counts in a conversation", name)
		}
	}
	if !one.IsMember(two.me) || one.IsMember(third.me) || !one.Settings().E2EE {
		t.Error("the conversation changed")
	}
	if v := w.write(one, TypeProfile, &Profile{Name: "one"}, 0, two); !two.counts(v) || two.Name(one.me) != "one" {
		t.Error("a PROFILE is void")
	}
	w.say(one, "hello")
	w.say(two, "hello yourself")
	if a, b := fmt.Sprint(w.reads(one)), fmt.Sprint(w.reads(two)); a != "[hello hello yourself]" || a != b {
		t.Errorf("they read %s and %s", a, b)
	}
}
