package node

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"conclave/group"
	"conclave/keys"
	"conclave/node/store"
	"conclave/node/store/storetest"
)

func ids(sent []Sent) (out []string) {
	for _, s := range sent {
		out = append(out, s.MessageID)
	}
	return out
}

// TestSendOnce: a repeat under the same key answers for the lines of the first
// time, also after a restart and from several at once, and sends nothing.
func TestSendOnce(t *testing.T) {
	ann := newPlayer(t, "ann")
	gid := newGroup(t, CreateGroup{}, ann)
	texts := []string{"one", "two"}
	send := func(key string, texts []string) ([]Sent, error) {
		return ann.SendOnce(within(t), key, gid, texts, false, true)
	}
	first, err := send("k", texts)
	ok(t, err)
	same := func(when string) {
		t.Helper()
		again, err := send("k", texts)
		ok(t, err)
		if !slices.Equal(ids(again), ids(first)) {
			t.Errorf("%s: %v in place of %v", when, ids(again), ids(first))
		}
		for _, s := range again {
			if s.State != "sent" || s.EID == nil || *s.EID != *first[0].EID || !s.Encrypted {
				t.Errorf("%s: answered %+v", when, s)
			}
		}
		if got := ann.texts(gid); !slices.Equal(got, texts) {
			t.Errorf("%s: the log is %q", when, got)
		}
	}
	same("at once")
	ok(t, ann.down())
	ann.up()
	same("after a restart")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if again, err := send("k", texts); err != nil || !slices.Equal(ids(again), ids(first)) {
				t.Errorf("at the same time: %v, %v", ids(again), err)
			}
		})
	}
	all.Wait()
	same("after that")
	if _, err := send("k", texts[:1]); !errors.Is(err, ErrOtherBody) {
		t.Errorf("other lines under the key: %v", err)
	}
	if other, err := send("l", texts[:1]); err != nil || slices.Contains(ids(first), other[0].MessageID) {
		t.Errorf("another key: %v, %v", other, err)
	}
}

// keyed is a job of a send with a key.
func keyed(t *testing.T, key, text string) job {
	t.Helper()
	ev := line(text)
	o, err := newOnce(key, []string{text}, false, ev.Items)
	ok(t, err)
	return job{events: []group.Event{ev}, once: o, done: make(chan outcome, 1)}
}

// TestSendOnceWithinATurn: two sends under one key that wait side by side are one;
// where it fails, both fail, and the key is free again.
func TestSendOnceWithinATurn(t *testing.T) {
	d := storetest.NewMemDisk()
	r := still(t, d)
	ok(t, r.takes(group.Compared{}))
	a, b, c := keyed(t, "k", "x"), keyed(t, "k", "x"), keyed(t, "k", "y")
	r.turn([]job{a, b, c})
	ok(t, (<-a.done).err)
	ok(t, (<-b.done).err)
	if err := (<-c.done).err; !errors.Is(err, ErrOtherBody) {
		t.Errorf("other lines: %v", err)
	}
	if !b.once.repeat || b.once.row.IDs[0] != a.once.row.IDs[0] || len(r.used) != 1 {
		t.Errorf("the second is of its own: %+v", b.once)
	}
	before := r.used
	off := job{events: []group.Event{group.Send{}}, once: keyed(t, "z", "z").once, done: make(chan outcome, 1)}
	twin := keyed(t, "z", "z")
	r.turn([]job{off, twin})
	if first, second := (<-off.done).err, (<-twin.done).err; first == nil || second == nil {
		t.Errorf("a send that is refused: %v, its twin: %v", first, second)
	}
	if !slices.Equal(r.used, before) {
		t.Error("a key is taken by what was refused")
	}
}

// TestSendOnceIsBounded: so many keys of a group are kept, for a day.
func TestSendOnceIsBounded(t *testing.T) {
	r := still(t, storetest.NewMemDisk())
	var u usedKeys
	var b store.Batch
	for i := range onceKept + 5 {
		u = u.put(r.disk, &b, 1000, []*once{{key: keys.Sum(fmt.Append(nil, i))}})
	}
	if len(u) != onceKept || b.Len() != onceKept+10 {
		t.Errorf("%d keys are kept, %d changes made", len(u), b.Len())
	}
	if u = u.put(r.disk, &b, 1001+onceAge, []*once{{}}); len(u) != 1 {
		t.Errorf("%d are kept after a day", len(u))
	}
	if _, err := newOnce(string(make([]byte, MaxOnceKey+1)), nil, false, nil); KindOf(err) != KindUsage {
		t.Errorf("a long key: %v", err)
	}
}

// TestSendOnceHeld: what is still held is answered as held, and who waits under
// the same key is told when it leaves.
func TestSendOnceHeld(t *testing.T) {
	ann := newPlayer(t, "ann")
	r := ann.roomOf(newGroup(t, CreateGroup{}, ann, newPlayer(t, "bob", ann)))
	ok(t, r.look(within(t), func(*group.Machine) {
		r.compared.Store(false)
		ok(t, r.reload(ann.ownBundle())) // as after a start: held until it has compared
		a, b := keyed(t, "k", "x"), keyed(t, "k", "x")
		r.turn([]job{a})
		ok(t, (<-a.done).err)
		b.wait = make(chan group.SentItem, 1)
		r.turn([]job{b})
		ok(t, (<-b.done).err)
		if held := heldAmong(r.m, b.once.row.IDs); !b.once.repeat || len(held) != 1 {
			t.Fatalf("the second is of its own: %+v, %v", b.once, held)
		}
		r.compared.Store(true)
		r.turn([]job{{events: []group.Event{group.Compared{}}}})
		if s := take(t, "the line", b.wait); s.ID != a.once.row.IDs[0] {
			t.Errorf("another line left: %v", s.ID)
		}
		if len(r.waiters) != 0 {
			t.Errorf("%d are still waited for", len(r.waiters))
		}
	}))
}

// TestSendOnceForADay: a key that was used long ago is free again, and then known
// once; whether a send is plain is part of what it is.
func TestSendOnceForADay(t *testing.T) {
	r := still(t, storetest.NewMemDisk())
	ok(t, r.takes(group.Compared{}))
	was := keyed(t, "k", "x")
	r.turn([]job{was})
	ok(t, (<-was.done).err)
	was.once.row.Made -= onceAge + 1
	var b store.Batch
	r.disk.space.Put(&b, onceKey(was.once.key), keys.Marshal(was.once.row))
	for i, made := range []uint64{9, 5} {
		r.disk.space.Put(&b, onceKey(keys.Hash{byte(i)}), keys.Marshal(onceRow{Made: made}))
	}
	ok(t, r.n.db.Commit(&b))
	used, err := r.disk.loadOnce()
	ok(t, err)
	if len(used) != 3 || used[0].made != 5 || used[1].made != 9 {
		t.Errorf("the oldest is not the first: %v", used)
	}
	r.used = usedKeys{{was.once.key, was.once.row.Made}}
	now := keyed(t, "k", "y")
	r.turn([]job{now})
	if err := (<-now.done).err; err != nil || now.once.repeat || len(r.used) != 1 || r.used[0].made != now.once.row.Made {
		t.Errorf("after a day: %v, a repeat: %v, %v", err, now.once.repeat, r.used)
	}
	if _, err := r.disk.space.Get(onceKey(now.once.key)); err != nil {
		t.Errorf("the row of its new use: %v", err)
	}
	plain, err := newOnce("k", []string{"y"}, true, nil)
	ok(t, err)
	if plain.row.Body == now.once.row.Body {
		t.Error("a plain send is taken for a sealed one")
	}
}

// TestSendOnceFindsItsLines: a repeat is answered for the lines of its key alone,
// whatever left beside them, and for those that were erased since as sent.
func TestSendOnceFindsItsLines(t *testing.T) {
	ann := newPlayer(t, "ann")
	gid := newGroup(t, CreateGroup{}, ann)
	r := ann.roomOf(gid)
	one, two := line("one"), line("two")
	two.Items = append(line("beside it").Items, two.Items...)
	for _, ev := range []group.Send{one, two} {
		_, err := r.act(within(t), ev)
		ok(t, err)
	}
	gone, err := keys.NewItemID()
	ok(t, err)
	row := onceRow{IDs: []keys.ItemID{one.Items[0].ID, two.Items[1].ID, gone}, Made: ann.clock()}
	left, err := r.leftAs(within(t), onceRow{IDs: row.IDs[:2], Made: row.Made}, nil)
	ok(t, err)
	if len(left) != 2 || left[0].ID != row.IDs[1] || left[1].ID != row.IDs[0] {
		t.Errorf("%+v", left)
	}
	out, err := r.recalled(within(t), row, nil, false)
	ok(t, err)
	for i, s := range out {
		if s.State != "sent" || s.Hint != "" || (s.EID == nil) != (i == 2) {
			t.Errorf("line %d: %+v", i, s)
		}
	}
}
