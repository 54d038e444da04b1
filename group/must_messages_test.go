package group

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"conclave/keys"
)

func TestMUST_73_SealedOrPlain(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice")
	alice := w.all[0]
	sealed := alice.nextMsg(alice.current(), w.item("x"))
	plain := alice.nextMsg(nil, w.item("x"))
	w.decode(w.rawMsg(alice, sealed))
	w.decode(w.rawMsg(alice, plain))
	for name, change := range map[string]func(x *Msg){
		"without eid":        func(x *Msg) { x.EID = nil },
		"with a short eid":   func(x *Msg) { x.EID = x.EID[:31] },
		"without salt":       func(x *Msg) { x.Salt = nil },
		"with a long salt":   func(x *Msg) { x.Salt = append(x.Salt, 0) },
		"without commit":     func(x *Msg) { x.Commit = nil },
		"without data":       func(x *Msg) { x.Data = nil },
		"with data of 127":   func(x *Msg) { x.Data = make([]byte, 127+16) },
		"with data of 129":   func(x *Msg) { x.Data = make([]byte, 129+16) },
		"with data of 6,000": func(x *Msg) { x.Data = make([]byte, 6000+16) },
	} {
		x := sealed
		change(&x)
		w.refused("sealed "+name, w.rawMsg(alice, x), ErrBody)
	}
	for _, n := range []int{128, 256, 512, 1024, 2048, 4096, 8192, 12288, 65536} {
		x := sealed
		x.Data = make([]byte, n+16)
		w.decode(w.rawMsg(alice, x))
	}
	for name, change := range map[string]func(x *Msg){
		"with an eid":     func(x *Msg) { x.EID = sealed.EID },
		"with a salt":     func(x *Msg) { x.Salt = sealed.Salt },
		"with a commit":   func(x *Msg) { x.Commit = sealed.Commit },
		"without items":   func(x *Msg) { x.Data = keys.Marshal([]Item{}) },
		"with no content": func(x *Msg) { x.Data = nil },
	} {
		x := plain
		change(&x)
		if _, err := Decode(w.gid, w.rawMsg(alice, x)); !errors.Is(err, ErrBody) && !errors.Is(err, ErrEncoding) {
			t.Errorf("plaintext %s: %v", name, err)
		}
	}
}

func TestMUST_74_FirstMessage(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice")
	alice := w.all[0]
	for name, change := range map[string]func(x *Msg){
		"number 1 without ctrl":       func(x *Msg) { x.Ctrl = nil },
		"number 1 of lane 0 over one": func(x *Msg) { x.Prev = Hash{1} },
		"number 2 without prev":       func(x *Msg) { x.Seq = 2 },
		"number 0":                    func(x *Msg) { x.Seq = 0 },
	} {
		x := alice.nextMsg(nil, w.item("x"))
		change(&x)
		w.refused(name, w.rawMsg(alice, x), ErrBody)
	}
	first := w.decode(w.say(alice, "one").Publish[0]).Msg()
	second := w.decode(w.say(alice, "two").Publish[0]).Msg()
	if first.Ctrl == nil || second.Ctrl != nil || second.Seq != 2 {
		t.Errorf("first message ctrl %v, second %v", first.Ctrl, second.Ctrl)
	}
}

func TestMUST_75_WaitsForWhatItCites(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	var prev, dep, epoch, last Verified
	w.apart(func() {
		prev = w.decode(w.say(bob, "one").Publish[0])
		dep = w.decode(w.say(alice, "two").Publish[0])
		epoch = w.decode(w.must(alice, Rotate{}).Publish[0])
		w.must(bob, Received{Record: dep})
		w.must(bob, Received{Record: epoch})
		key, _ := alice.Key(epoch.Hash)
		w.must(bob, KeyReceived{Commit: epoch.Entry().body.(*Epoch).KC, Key: key})
		last = w.decode(w.say(bob, "three").Publish[0])
	}, w.all...)
	if x := last.Msg(); x.Prev != prev.Hash || len(x.Deps) != 1 || !bytes.Equal(x.EID, epoch.Hash[:]) {
		t.Fatalf("the last message does not cite all: %+v", x)
	}
	before := carol.copy()
	for _, missing := range []Verified{epoch, dep, prev} {
		carol.disk = before.copy()
		w.restart(carol)
		r := w.must(carol, Received{Record: last})
		for _, v := range []Verified{prev, dep, epoch} {
			if v.Hash != missing.Hash {
				r = w.must(carol, Received{Record: v})
			}
		}
		if carol.msgs[short(last.Hash)] != nil || len(carol.pend.missing()) == 0 {
			t.Errorf("a message was held before the %c that it cites", missing.Kind())
		}
		r = w.must(carol, Received{Record: missing})
		if carol.msgs[short(last.Hash)] == nil || r.Want {
			t.Error("a message is not held when all that it cites is")
		}
	}
}

func TestMUST_76_OwnIncarnation(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	mallory := w.outsider(9)
	profile := w.write(bob, TypeProfile, &Profile{Name: "bob"}, 0, alice)
	for name, jid := range map[string]Hash{
		"another's admission": alice.st.incarnation(alice.me).eh,
		"no admission":        alice.ownTip().eh,
		"the own PROFILE":     profile.Hash,
		"half an admission":   func(h Hash) Hash { h[31] ^= 1; return h }(alice.st.incarnation(bob.me).eh),
	} {
		x := bob.nextMsg(bob.current(), w.item("x"))
		x.JID = jid
		x = bob.seal(x, bob.held[bob.current().eh], []Item{w.item("x")})
		if _, err := w.step(alice, Received{Record: w.signMsg(bob, x)}); !errors.Is(err, ErrDependency) {
			t.Errorf("%s as jid: %v", name, err)
		}
	}
	x := bob.nextMsg(bob.current(), w.item("x"))
	x.Author = mallory.me
	if _, err := w.step(alice, Received{Record: w.signMsg(mallory, x)}); !errors.Is(err, ErrDependency) {
		t.Errorf("a stranger under bob's jid: %v", err)
	}
}

// reseal signs and opens x as the author's own node would after a change.
func (w *world) opens(p *peer, x Msg, key keys.Secret) error {
	w.t.Helper()
	v, err := Decode(w.gid, w.rawMsg(p, x))
	if err != nil {
		return err
	}
	_, err = v.Msg().Items(key)
	return err
}

func TestMUST_77_HeaderIsBound(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapKick})
	w.must(bob, SetName{Name: "bob"})
	w.say(bob, "something to cite")
	old, _ := alice.Current()
	w.must(alice, Rotate{})
	key := alice.held[alice.current().eh]
	good := alice.nextMsg(alice.current(), w.item("secret"))
	if err := w.opens(alice, good, key); err != nil {
		t.Fatal(err)
	}
	changes := map[string]func(x *Msg){
		"lane":           func(x *Msg) { x.Lane++; x.Seq = 2; x.Prev = Hash{1} },
		"seq":            func(x *Msg) { x.Seq, x.Prev = 2, Hash{1} },
		"ord":            func(x *Msg) { x.Ord++ },
		"time":           func(x *Msg) { x.Time++ },
		"no deps":        func(x *Msg) { x.Deps = nil },
		"dep's author":   func(x *Msg) { x.Deps[0].Author[3] ^= 1 },
		"dep's number":   func(x *Msg) { x.Deps[0].Seq++ },
		"jid":            func(x *Msg) { x.JID[0] ^= 1 },
		"no ctrl.seen":   func(x *Msg) { x.Ctrl = &Ctrl{Acks: x.Ctrl.Acks} },
		"ctrl.acks":      func(x *Msg) { x.Ctrl = &Ctrl{Seen: x.Ctrl.Seen, Acks: []Hash{{1}}} },
		"another epoch":  func(x *Msg) { x.EID = old.EID[:] },
		"salt":           func(x *Msg) { x.Salt[0] ^= 1 },
		"commit":         func(x *Msg) { x.Commit[0] ^= 1 },
		"data":           func(x *Msg) { x.Data[0] ^= 1 },
		"data's tag":     func(x *Msg) { x.Data[len(x.Data)-1] ^= 1 },
		"another author": nil,
	}
	for name, change := range changes {
		x := good
		x.Deps, x.Salt, x.Commit, x.Data = slices.Clone(x.Deps), slices.Clone(x.Salt), slices.Clone(x.Commit), slices.Clone(x.Data)
		by := alice
		if change == nil {
			x.Author, by = bob.me, bob
		} else {
			change(&x)
		}
		err := w.opens(by, x, key)
		if !errors.Is(err, keys.ErrCommitment) && !errors.Is(err, keys.ErrOpen) {
			t.Errorf("with another %s: %v", name, err)
		}
	}
}

func TestMUST_78_CommitmentFirst(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice")
	alice := w.all[0]
	key := alice.held[alice.current().eh]
	x := alice.nextMsg(alice.current(), w.item("secret"))
	other := keys.Secret{1}
	if err := w.opens(alice, x, other); !errors.Is(err, keys.ErrCommitment) {
		t.Errorf("under another key: %v", err)
	}
	x.Commit[0] ^= 1 // the ciphertext alone would open
	if err := w.opens(alice, x, key); !errors.Is(err, keys.ErrCommitment) {
		t.Errorf("with another commitment: %v", err)
	}
}

func TestMUST_79_FreshSalts(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice")
	alice := w.all[0]
	seen := map[string]bool{}
	for range 3 {
		w.apart(func() {
			var items []Item
			for i := range 600 { // three messages in one step
				items = append(items, w.item(fmt.Sprint(i)))
			}
			for _, p := range w.must(alice, Send{Items: items}).Publish {
				x := w.decode(p).Msg()
				if seen[string(x.Salt)] {
					t.Fatal("a salt was used twice")
				}
				seen[string(x.Salt)] = true
			}
		})
		w.restart(alice)
	}
	if len(seen) != 9 {
		t.Errorf("%d messages, want 9", len(seen))
	}
	// A home that was rolled back gives the same number and header again.
	backup := alice.copy()
	first := w.decode(w.say(alice, "one").Publish[0]).Msg()
	alice.disk = backup
	w.restart(alice)
	second := w.decode(w.say(alice, "two").Publish[0]).Msg()
	if first.headerHash() != second.headerHash() || bytes.Equal(first.Salt, second.Salt) {
		t.Error("a rolled-back home used a salt again, or another header")
	}
}

func TestMUST_80_Items(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	key := alice.held[alice.current().eh]
	many := make([]Item, MaxItems+1)
	bad := map[string][]Item{
		"none":      {},
		"too many":  many,
		"too long":  {{Text: strings.Repeat("x", MaxItemText+1)}},
		"not UTF-8": {{Text: "\xff"}},
	}
	for name, items := range bad {
		x := alice.nextMsg(alice.current(), w.item("x"))
		x = alice.seal(x, key, items)
		v, err := Decode(w.gid, w.rawMsg(alice, x))
		if err != nil {
			t.Fatalf("sealed items are judged before they are opened: %v", err)
		}
		if _, err := v.Msg().Items(key); !errors.Is(err, ErrBody) && !errors.Is(err, ErrEncoding) {
			t.Errorf("%s sealed items: %v", name, err)
		}
		x = alice.nextMsg(nil, w.item("x"))
		x.Data = keys.Marshal(items)
		if _, err := Decode(w.gid, w.rawMsg(alice, x)); !errors.Is(err, ErrBody) && !errors.Is(err, ErrEncoding) {
			t.Errorf("%s plain items: %v", name, err)
		}
		if _, err := w.step(bob, Send{Items: items}); err == nil && name != "too many" {
			t.Errorf("%s items are taken for sending", name)
		}
	}
	if _, err := w.step(bob, Send{Items: many[:MaxItems]}); err != nil {
		t.Errorf("256 items: %v", err)
	}
}

func TestMUST_81_DuplicatesAndForks(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	v := w.signMsg(bob, bob.nextMsg(bob.current(), w.item("once")))
	twin := w.signMsg(bob, bob.nextMsg(bob.current(), w.item("twin")))
	if r := w.must(alice, Received{Record: v}); len(r.Show) != 1 {
		t.Fatalf("shown %d times", len(r.Show))
	}
	for range 2 {
		if r := w.must(alice, Received{Record: v}); len(r.Show)+len(r.Batch.Messages)+len(r.Batch.Alarms) != 0 {
			t.Error("a duplicate was shown or stored")
		}
		w.restart(alice)
	}
	r := w.must(alice, Received{Record: twin})
	if len(r.Batch.Alarms) != 1 || r.Batch.Alarms[0].Held != v.Hash {
		t.Fatalf("a fork of messages: alarms %+v", r.Batch.Alarms)
	}
	if f, err := VerifyFork(w.gid, [][]byte{v.Payload}, [][]byte{r.Batch.Alarms[0].Record}); err != nil || f.Author != bob.me {
		t.Errorf("the proof shows %v, %v", f.Author, err)
	}
	if r := w.must(alice, Received{Record: twin}); len(r.Show)+len(r.Batch.Alarms) != 0 {
		t.Error("the twin was shown again")
	}
}

func TestMUST_82_BeyondTheCut(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.say(carol, "within")
	var late []byte
	w.apart(func() { late = w.say(carol, "beyond").Publish[0] }, alice, bob)
	w.apart(func() { w.must(alice, Remove{Peer: carol.me}) }, carol)
	w.apart(func() { w.say(carol, "after") }, alice, bob)
	for _, p := range []*peer{alice, bob} {
		r := w.must(p, Received{Record: w.decode(late)})
		if len(r.Show)+len(r.Batch.Messages) != 0 {
			t.Error("a message beyond the cut was shown or stored")
		}
		if got := fmt.Sprint(w.reads(p)); got != "[within]" {
			t.Errorf("reads %s", got)
		}
	}
	id := crowd(1)[0]
	x := alice.nextMsg(alice.current(), w.item("x"))
	x.Author = id.PeerID()
	x.JID = w.write(alice, TypeAdd, &Peer{Peer: id.PeerID()}, 1).Hash
	mallory := &peer{id: id, w: w, Machine: &Machine{me: id.PeerID()}}
	x = mallory.seal(x, alice.held[alice.current().eh], []Item{w.item("x")})
	v := w.signMsg(mallory, x)
	w.must(alice, Remove{Peer: id.PeerID(), Ban: true})
	if r := w.must(alice, Received{Record: v}); len(r.Show) != 0 {
		t.Error("a message of a banned person without a cut was shown")
	}
}

func TestMUST_83_HiddenButCited(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	var beyond, answer []byte
	w.apart(func() { w.must(alice, Remove{Peer: carol.me}) }, bob, carol)
	w.apart(func() {
		beyond = w.say(carol, "beyond").Publish[0]
		answer = w.say(bob, "an answer").Publish[0]
	}, alice)
	for _, order := range [][][]byte{{beyond, answer}, {answer, beyond}} {
		for _, p := range order {
			w.must(alice, Received{Record: w.decode(p)})
		}
		if got := fmt.Sprint(w.reads(alice)); got != "[an answer]" {
			t.Errorf("reads %s", got)
		}
		if h := w.decode(beyond).Hash; alice.msgs[short(h)] == nil || alice.Visible(h) {
			t.Error("what an answer cites is not held, or is shown")
		}
	}
}

func TestMUST_84_DisplayOrder(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	said := []*peer{alice, bob, carol, bob, alice, alice, carol}
	for i, p := range said {
		w.now -= 1000 // clocks order nothing
		w.say(p, fmt.Sprint(i))
	}
	want := "[0 1 2 3 4 5 6]"
	for _, p := range w.all {
		if got := fmt.Sprint(w.reads(p)); got != want {
			t.Errorf("reads %s", got)
		}
	}
	// Concurrent lines: by author, wherever they came first, whatever ord they claim.
	x, y := alice.nextMsg(nil, w.item("x")), bob.nextMsg(nil, w.item("y"))
	y.Ord, x.Ord = 1, math.MaxUint64
	a, b := w.signMsg(alice, x), w.signMsg(bob, y)
	w.give(a, carol)
	w.give(b, carol)
	w.give(b, alice)
	w.give(a, alice)
	if alice.msgs[short(a.Hash)].ord != alice.msgs[short(b.Hash)].ord {
		t.Error("claims about ord count")
	}
	if p, q := fmt.Sprint(w.reads(alice)), fmt.Sprint(w.reads(carol)); p != q {
		t.Errorf("alice reads %s, carol %s", p, q)
	}
}

func TestMUST_85_DurableWithPublishing(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob")
	alice := w.all[0]
	w.must(alice, DeputyAdd{Peer: w.all[1].me, Caps: CapKick})
	for _, ev := range []Event{
		Send{Items: []Item{w.item("x")}}, Send{Items: []Item{w.item("x")}, Plain: true}, Rotate{}, SetName{Name: "a"},
		Change{Settings: openHistory()}, Remove{Peer: w.all[1].me}, Unban{Peer: w.all[1].me},
	} {
		r, err := alice.Step(Input{Now: w.now, Entropy: w.entropy(), Event: ev})
		if err != nil {
			continue
		}
		alice.keep(t, w.gid, r)
		stored := map[Hash]bool{}
		for _, e := range r.Batch.Entries {
			stored[e.Hash] = true
		}
		for _, m := range r.Batch.Messages {
			stored[m.Hash] = true
		}
		for _, v := range r.Batch.Latest {
			stored[w.decode(v.Payload).Hash] = true
		}
		for _, p := range r.Publish {
			if v := w.decode(p); !stored[v.Hash] {
				t.Errorf("%T publishes a %c that it does not store", ev, v.Kind())
			}
		}
		if e := r.Epoch; e != (Hash{}) && (len(r.Keys) != 1 || r.Keys[0].EID != e) {
			t.Errorf("%T mints and does not store the key", ev)
		}
	}
}
