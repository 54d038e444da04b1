package group

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"conclave/keys"
)

func TestMUST_12_WaitsForWhatIsCited(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	one := w.write(bob, TypeProfile, &Profile{Name: "one"}, 0)
	two := w.write(bob, TypeProfile, &Profile{Name: "two"}, 0)
	add := w.write(alice, TypeAdd, &Peer{Peer: crowd(1)[0].PeerID()}, 1, bob)
	three := w.write(bob, TypeProfile, &Profile{Name: "three"}, 0)
	for _, v := range []Verified{three, two} {
		if r := w.must(carol, Received{Record: v}); len(r.Batch.Entries) != 0 || !r.Want {
			t.Fatal("an entry was applied before what it cites")
		}
	}
	w.give(one, carol)
	if carol.Name(bob.me) != "two" {
		t.Errorf("after its prev came, the name is %q", carol.Name(bob.me))
	}
	if r := w.must(carol, Received{Record: add}); len(r.Batch.Entries) != 2 || r.Want {
		t.Errorf("%d entries applied of 2", len(r.Batch.Entries))
	}
	if carol.Name(bob.me) != "three" {
		t.Errorf("after what it has seen came, the name is %q", carol.Name(bob.me))
	}
	rotation := w.must(alice, Rotate{})
	epoch := w.decode(rotation.Publish[0])
	w.restart(carol)
	late := carol.next(TypeEpoch, &Epoch{Gen: 9, Parents: []Hash{{7}}, Suite: Suite, Reason: ReasonRequest}, 0)
	if r := w.must(alice, Received{Record: w.signEntry(carol, late)}); len(r.Batch.Entries) != 0 || !r.Want {
		t.Error("an EPOCH was applied before its parent")
	}
	if epoch.Entry().Type != TypeEpoch {
		t.Error("a rotation publishes its EPOCH first")
	}
}

func TestMUST_13_ContradictsWhatItCites(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.write(bob, TypeProfile, &Profile{Name: "one"}, 0, alice)
	w.write(bob, TypeProfile, &Profile{Name: "two"}, 0, alice)
	first := bob.g.byHash[short(bob.ownTip().Prev)]
	alices := alice.ownTip()
	wrong := map[string]func(e *Entry){
		"prev is not the one before":  func(e *Entry) { e.Prev = first.eh },
		"prev is another's":           func(e *Entry) { e.Prev = alices.eh },
		"prev in another lane":        func(e *Entry) { e.Lane = 7 },
		"seen by another author":      func(e *Entry) { e.Seen[0].Author = bob.me },
		"seen in another lane":        func(e *Entry) { e.Seen[0].Lane++ },
		"seen under another number":   func(e *Entry) { e.Seen[0].Seq++ },
		"prev right in its half only": func(e *Entry) { e.Prev[31] ^= 1 },
	}
	for name, change := range wrong {
		e := bob.next(TypeProfile, &Profile{Name: "three"}, 0)
		change(&e)
		if _, err := w.step(alice, Received{Record: w.signEntry(bob, e)}); !errors.Is(err, ErrDependency) {
			t.Errorf("%s: %v", name, err)
		}
	}
	body, _ := bob.epochBody(ReasonRequest)
	for name, change := range map[string]func(b *Epoch){
		"a parent that is no EPOCH":          func(b *Epoch) { b.Parents = []Hash{w.gid} },
		"an ack that is no LEAVE or JOIN":    func(b *Epoch) { b.Acks = []Hash{first.eh} },
		"a parent right in its half only":    func(b *Epoch) { b.Parents = []Hash{b.Parents[0]}; b.Parents[0][31] ^= 1 },
		"an ack that is the group's GENESIS": func(b *Epoch) { b.Acks = []Hash{w.gid} },
	} {
		b := *body
		change(&b)
		if _, err := w.step(alice, Received{Record: w.signEntry(bob, bob.next(TypeEpoch, &b, 0))}); !errors.Is(err, ErrDependency) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMUST_14_ExactOrd(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	for _, claim := range []uint64{0, 1, math.MaxUint64} {
		e := bob.next(TypeProfile, &Profile{Name: "b"}, 0)
		exact := e.Ord
		e.Ord = claim
		v := w.signEntry(bob, e)
		r := w.must(alice, Received{Record: v})
		if got := alice.at(v).ord; got != exact || r.Batch.Entries[0].Ord != exact {
			t.Errorf("ord %d claimed: %d counts, %d stored, want %d", claim, got, r.Batch.Entries[0].Ord, exact)
		}
		w.give(v, bob)
	}
	w.restart(alice)
	if after := w.write(alice, TypeProfile, &Profile{Name: "a"}, 0); alice.at(after).ord > 100 {
		t.Errorf("the next entry has ord %d", alice.at(after).ord)
	}
}

func TestMUST_15_FirstEntries(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	genesis := *alice.genesis().Entry
	for name, change := range map[string]func(e *Entry){
		"lane":  func(e *Entry) { e.Lane = 1 },
		"seq":   func(e *Entry) { e.Seq, e.Prev = 2, Hash{1} },
		"term":  func(e *Entry) { e.Term = 2 },
		"prev":  func(e *Entry) { e.Prev = Hash{1} },
		"seen":  func(e *Entry) { e.Seen = []Head{{Author: alice.me, Seq: 1}} },
		"owner": func(e *Entry) { e.Author = PeerID{} },
	} {
		g := genesis
		change(&g)
		rec := alice.id.Sign(keys.LabelEntry, Hash{}, keys.Marshal(&g))
		if _, err := Decode(rec.Hash(), payloadOf(KindEntry, rec)); !errors.Is(err, ErrBody) {
			t.Errorf("GENESIS with another %s: %v", name, err)
		}
	}
	e := bob.next(TypeProfile, &Profile{Name: "b"}, 0)
	e.Seq, e.Prev = 1, Hash{1}
	w.refused("lane 0 opened over a prev", w.rawEntry(bob, e), ErrBody)
	e.Seq, e.Prev = 2, Hash{}
	w.refused("number 2 without a prev", w.rawEntry(bob, e), ErrBody)
	e.Seq = 0
	w.refused("number 0", w.rawEntry(bob, e), ErrBody)
}

func TestMUST_16_CitesAuthorities(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	alice, bob, carol, dave := w.all[0], w.all[1], w.all[2], w.all[3]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapKick})
	w.must(bob, SetName{Name: "bob"})
	w.must(dave, SetName{Name: "dave"})
	w.must(alice, DeputyRemove{Peer: bob.me}) // once a deputy, cited for ever
	w.must(bob, SetName{Name: "bob again"})
	want := map[Short]bool{short(alice.ownTip().eh): true, short(bob.ownTip().eh): true}
	for name, seen := range map[string][]Head{
		"an entry":  carol.next(TypeProfile, &Profile{Name: "c"}, 0).Seen,
		"a message": carol.nextMsg(nil, w.item("x")).Ctrl.Seen,
	} {
		if len(seen) != len(want) {
			t.Errorf("%s cites %d heads, want %d", name, len(seen), len(want))
		}
		for _, h := range seen {
			if !want[h.Hash] {
				t.Errorf("%s cites number %d of %s", name, h.Seq, h.Author.Short())
			}
		}
	}
}

// numbers collects what a person signed, by log, lane and seq.
func (w *world) numbers(signed map[link]Hash, r Ready) {
	w.t.Helper()
	for _, p := range r.Publish {
		v := w.decode(p)
		at, _ := v.link()
		if h, ok := signed[at]; ok && h != v.Hash && at.seq > 0 {
			w.t.Errorf("number %d of lane %d was signed twice", at.seq, at.lane)
		}
		signed[at] = v.Hash
	}
}

func TestMUST_17_NoNumberTwice(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice := w.all[0]
	signed := map[link]Hash{}
	act := func() {
		w.now += softApart
		for _, ev := range []Event{
			SetName{Name: "alice"}, Rotate{}, Send{Items: []Item{w.item("hi")}}, Send{Items: []Item{w.item("plain")}, Plain: true},
		} {
			w.numbers(signed, w.must(alice, ev))
		}
	}
	act()
	backup := alice.copy()
	w.restart(alice)
	act()
	newest, said := alice.ownTip().eh, alice.ownTop().hash
	lost := alice.entries[newest]

	alice.disk = backup // the home of a day ago
	w.restart(alice)
	r := w.must(alice, Received{Record: lost})
	if r.Batch.Local == nil || alice.lane == 0 {
		t.Fatal("no new lane was begun and stored when an own record came that the home had lost")
	}
	w.restart(alice)
	first := w.decode(w.must(alice, SetName{Name: "restored"}).Publish[0]).Entry()
	if first.Lane == 0 || first.Seq != 1 || first.Prev == (Hash{}) {
		t.Errorf("the new lane begins at lane %d, seq %d, prev %s", first.Lane, first.Seq, first.Prev.Short())
	}
	if x := alice.nextMsg(nil, w.item("x")); x.Lane != first.Lane || x.Seq != 1 || x.Prev == (Hash{}) || x.Prev == said || x.Ctrl == nil {
		t.Errorf("the new lane of messages begins at %+v", x)
	}
	act()
	w.restart(alice)
	act()
}

func TestMUST_18_VoidEntriesAreHeld(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	void := w.write(bob, TypeSet, &Set{Settings: settingsFor("mine")}, 1, alice)
	after := w.write(bob, TypeProfile, &Profile{Name: "bob"}, 0, alice)
	if alice.counts(void) || !alice.counts(after) || alice.Settings().Name != "team" {
		t.Fatal("a member's SET counts, or what follows it does not")
	}
	w.sync(alice, carol)
	if carol.Name(bob.me) != "bob" || carol.counts(void) {
		t.Error("a void entry was not handed on")
	}
	w.restart(carol)
	if carol.Name(bob.me) != "bob" || carol.counts(void) {
		t.Error("a void entry did not survive a restart")
	}
}

// TestMUST_17_DamagedRecords: a disk that no longer tells what this node signed
// last, or what that rests on, does not make it use the number again, though
// nobody is in reach who would know.
func TestMUST_17_DamagedRecords(t *testing.T) {
	for name, damage := range map[string]func(p *peer) (unreadable []uint64){
		"the newest entry": func(p *peer) []uint64 {
			delete(p.entries, p.ownTip().eh)
			return []uint64{p.lane}
		},
		"the newest message": func(p *peer) []uint64 {
			delete(p.messages, p.ownTop().hash)
			return []uint64{p.lane}
		},
		"the entry before the newest": func(p *peer) []uint64 {
			delete(p.entries, p.ownTip().Prev)
			return nil
		},
		"an entry that the newest message cites": func(p *peer) []uint64 {
			delete(p.entries, p.ownTop().epoch.eh)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTeam(t, settingsFor("team"), "alice", "bob")
			alice, bob := w.all[0], w.all[1]
			signed := map[link]Hash{}
			w.say(alice, "one")
			w.must(alice, Rotate{})
			w.numbers(signed, w.say(alice, "two"))
			w.numbers(signed, w.must(alice, SetName{Name: "alice"}))
			w.say(alice, "three")
			bob.off = true
			unreadable := damage(alice)
			for range 2 { // the lane is kept
				stored := alice.stored()
				stored.Damaged = unreadable
				alice.Machine = New(Config{GID: w.gid, Self: alice.id, Bundle: alice.bundle}, stored)
				before := alice.lane
				w.must(alice, Tick{})
				if alice.lane == 0 || before > 0 && alice.lane != before {
					t.Fatalf("lane %d after lane %d", alice.lane, before)
				}
			}
			bob.off = false
			w.sync(bob, alice)
			w.sync(alice, bob)
			w.numbers(signed, w.must(alice, SetName{Name: "again"}))
			w.numbers(signed, w.say(alice, "four"))
			w.sync(alice, bob)
			if got := fmt.Sprint(w.reads(bob)); !strings.Contains(got, "four") {
				t.Errorf("bob reads %s", got)
			}
			if len(bob.alarms)+len(alice.alarms) != 0 {
				t.Error("a number was used twice")
			}
		})
	}
}
