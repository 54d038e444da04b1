package group

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"conclave/keys"
)

func TestAbuse_MO02_TwoKeysUnderOneRecord(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	var epoch Verified
	w.apart(func() { epoch = w.decode(w.must(alice, Rotate{}).Publish[0]) }, bob, carol)
	body := epoch.Entry().body.(*Epoch)
	key, _ := alice.Key(epoch.Hash)
	w.give(epoch, bob, carol)
	w.must(carol, KeyReceived{Commit: body.KC, Key: key})
	if _, err := w.step(bob, KeyReceived{Commit: body.KC, Key: keys.Secret{1}}); !errors.Is(err, keys.ErrCommitment) {
		t.Errorf("another key under the same record: %v", err)
	}
	if _, ok := bob.Key(epoch.Hash); ok {
		t.Error("bob holds another key than carol")
	}
}

func TestAbuse_MO03_HiddenMember(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	if w.epochCounts(alice, bob, ReasonRequest, func(b *Epoch) { b.N = uint64(len(bob.Members())) + 1 }) {
		t.Error("an EPOCH with an envelope too many counts")
	}
}

func TestAbuse_MO04_RollBack(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	for range 3 {
		w.must(alice, Rotate{})
	}
	w.must(alice, Change{Settings: settingsFor("renamed")})
	before, state := bob.current().eh, bob.fingerprint()
	for _, e := range alice.entries {
		w.give(e, bob)
	}
	if bob.current().eh != before || bob.fingerprint() != state {
		t.Error("records that are held changed something")
	}
	fresh := w.outsider(200)
	var old []Verified
	for _, e := range alice.entries {
		old = append(old, e)
	}
	for _, v := range old {
		w.give(v, fresh)
	}
	if fresh.Settings().Name != "renamed" {
		t.Error("an older SET counts")
	}
}

func TestAbuse_MO05_Generations(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	cur := alice.current().body.(*Epoch)
	for name, change := range map[string]func(b *Epoch){
		"gen too great":    func(b *Epoch) { b.Gen++ },
		"gen repeated":     func(b *Epoch) { b.Gen-- },
		"gen near the end": func(b *Epoch) { b.Gen = math.MaxUint64 },
		"kc seen before":   func(b *Epoch) { b.KC = cur.KC },
		"salt seen before": func(b *Epoch) { b.Salt = cur.Salt },
	} {
		if w.epochCounts(alice, bob, ReasonRequest, change) {
			t.Errorf("an owner's EPOCH with a %s counts", name)
		}
	}
}

func TestAbuse_MO07_OldKeyAfterOffAndOn(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	old := alice.current()
	w.write(alice, TypeSet, &Set{Settings: encryptionOff()}, 1, bob)
	w.write(alice, TypeSet, &Set{Settings: settingsFor("team")}, 1, bob)
	again := func(b *Epoch) { b.KC, b.Salt = old.body.(*Epoch).KC, old.body.(*Epoch).Salt }
	if w.epochCounts(alice, bob, ReasonEncryptionOn, again) {
		t.Error("an EPOCH with the old key counts")
	}
	if _, ok := bob.Current(); ok {
		t.Error("the old EPOCH is used")
	}
}

func TestAbuse_MO08_OffWhereRequired(t *testing.T) {
	w := newRequiring(t, "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	v := w.write(alice, TypeSet, &Set{Settings: encryptionOff()}, 1, bob)
	if bob.counts(v) || !bob.Settings().E2EE {
		t.Error("encryption was switched off where it is required")
	}
	if r := w.say(bob, "x"); len(r.Sent) != 1 || r.Sent[0].EID == (Hash{}) {
		t.Error("a line left in plaintext")
	}
}

func TestAbuse_MO10_ForgedHistory(t *testing.T) {
	w := newTeam(t, openHistory(), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	r := rangeOf(w, bob, 3)
	joiner := w.person(9)
	w.all = append(w.all, joiner)
	joiner.Machine = New(Config{GID: w.gid, Self: joiner.id, Bundle: joiner.bundle}, Stored{})
	w.admit(alice, joiner)
	x := *w.decode(r[1]).Msg()
	x.Time++
	planted := payloadOf(KindMessage, keys.Record{Body: keys.Marshal(&x), Sig: make([]byte, 64)})
	signed := payloadOf(KindMessage, alice.id.Sign(keys.LabelMessage, w.gid, keys.Marshal(&x)))
	for name, b := range map[string][]byte{"unsigned": planted, "signed by the owner": signed} {
		w.refused("a line of bob's, "+name, b, keys.ErrSignature)
		if _, err := DecodeRange(w.gid, [][]byte{r[0], b, r[2]}); err == nil {
			t.Errorf("a range with a line of bob's, %s, is taken", name)
		}
	}
	w.sync(alice, joiner)
	if got := fmt.Sprint(w.reads(joiner)); got != "[0 1 2]" {
		t.Errorf("the joiner reads %s", got)
	}
}

func TestAbuse_MO11_TooMuch(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.refused("a record of 10 MB", append([]byte{'E'}, make([]byte, 10<<20)...), ErrSize)
	start := time.Now()
	bob.off = true
	var epochs []Verified
	for range 1000 {
		epochs = append(epochs, w.decode(w.must(alice, Rotate{}).Publish[0]))
	}
	bob.off = false
	for _, v := range epochs {
		w.give(v, bob)
	}
	if len(bob.g.folds) > maxFolds {
		t.Errorf("%d folds are kept", len(bob.g.folds))
	}
	r := w.say(bob, "x")
	t.Logf("1,000 rotations minted and received in %v; bob's line: sent %d", time.Since(start), len(r.Sent))
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("1,000 rotations took %v", took)
	}
	if len(bob.Wanted()) > MaxSeen {
		t.Errorf("%d keys are asked for at once", len(bob.Wanted()))
	}
}

func TestAbuse_MO11_ManyMembers(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	start := time.Now()
	e := alice.next(TypeAdd, &Peer{}, 1)
	for _, id := range crowd(1000) {
		e.Body = keys.Marshal(&Peer{Peer: id.PeerID()})
		v := w.signEntry(alice, e)
		w.must(bob, Received{Record: v})
		e.Prev, e.Seq, e.Ord = v.Hash, e.Seq+1, e.Ord+1
	}
	if n := len(bob.Members()); n != 1002 {
		t.Errorf("%d members", n)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("1,000 admissions took %v", took)
	}
	if r := w.must(bob, Rotate{}); r.Epoch == (Hash{}) {
		t.Error("no rotation among 1,000 members")
	}
}

func TestAbuse_MO12_WrongTimes(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	real := w.now
	for i, at := range []uint64{0, real * 4, 1, real} {
		w.now = at
		w.say(alice, fmt.Sprint(i))
		w.must(alice, SetName{Name: fmt.Sprint("alice", i)})
	}
	w.now = real
	for _, p := range w.all {
		if got := fmt.Sprint(w.reads(p)); got != "[0 1 2 3]" {
			t.Errorf("reads %s", got)
		}
		if p.Name(alice.me) != "alice3" {
			t.Errorf("the name is %q", p.Name(alice.me))
		}
	}
	if r := w.say(bob, "later"); len(r.Sent) != 1 {
		t.Error("bob's line is held up")
	}
}
