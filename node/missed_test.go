package node

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"conclave/group"
	"conclave/keys"
	"conclave/node/store"
)

// heard is a follower who loses the connection again and again, and comes back
// with the last ID that came.
type heard struct {
	p      *player
	gid    string
	last   uint64
	texts  []string
	resets int
}

// listen follows until so many events came, or enough says that nothing more is
// to come.
func (h *heard) listen(events int, enough func() bool) {
	h.p.t.Helper()
	ctx, cancel := context.WithCancel(within(h.p.t))
	defer cancel()
	c, err := h.p.Events(ctx, h.last)
	ok(h.p.t, err)
	for ; events > 0 && !enough(); events-- {
		e, open := <-c
		if !open {
			h.p.t.Fatal("the stream ended")
		}
		if e.ID < h.last && e.Kind != EventReset {
			h.p.t.Fatalf("event %d after %d", e.ID, h.last)
		}
		h.last = e.ID
		switch {
		case e.Kind == EventReset:
			h.resets++
		case e.Line != nil && e.GroupID == h.gid && e.Line.Kind == "message":
			h.texts = append(h.texts, *e.Line.Text)
		}
	}
}

// TestEveryLineExactlyOnce: 2,000 lines come while the follower's connection
// breaks at random moments and the node starts again; every line comes once, in
// the order of the log.
func TestEveryLineExactlyOnce(t *testing.T) {
	const total = 2000
	ann := newPlayer(t, "ann")
	gid := newGroup(t, CreateGroup{}, ann)
	other := newGroup(t, CreateGroup{}, ann)
	h := &heard{p: ann, gid: gid, last: ann.Position()}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	said, down := 0, []int{300, 900, 1500}
	for said < total {
		done := make(chan int)
		go func() {
			n := 0
			for n < 100 {
				var texts []string
				for range min(1+rnd.IntN(40), 100-n) {
					texts = append(texts, fmt.Sprint(said+n))
					n++
				}
				_, err := ann.Send(within(t), gid, texts, false, false)
				_, also := ann.Send(within(t), other, texts[:1], false, false)
				if err != nil || also != nil {
					t.Errorf("send: %v, %v", err, also)
					break
				}
			}
			done <- n
		}()
		for n := -1; n < 0; {
			select {
			case n = <-done:
				said += n
			default:
				h.listen(1+len(h.texts)%37, func() bool { return len(h.texts) == said+100 })
			}
		}
		if len(down) > 0 && said >= down[0] {
			down = down[1:]
			ok(t, ann.down())
			ann.up()
		}
	}
	for len(h.texts) < total {
		h.listen(50, func() bool { return len(h.texts) == total })
	}
	for i, text := range h.texts {
		if text != fmt.Sprint(i) {
			t.Fatalf("line %d is %q", i, text)
		}
	}
	if h.resets > 0 {
		t.Errorf("%d resets", h.resets)
	}
}

// TestResumeIsBounded: who was away for longer than the journal goes back is told
// to read the lists again, and so is one that comes with an ID of another home;
// the journal itself stays small.
func TestResumeIsBounded(t *testing.T) {
	ann := inMemory(t, "ann")
	gid := newGroup(t, CreateGroup{}, ann)
	r := ann.roomOf(gid)
	first := ann.Position()
	ann.says(gid, 0, 3, "")
	h := &heard{p: ann, gid: gid, last: first}
	h.listen(100, func() bool { return len(h.texts) == 3 })
	if h.resets > 0 {
		t.Fatal("a reset for three lines")
	}
	forget(t, r)
	h = &heard{p: ann, gid: gid, last: first}
	h.listen(100, func() bool { return h.resets > 0 })
	h = &heard{p: ann, gid: gid, last: eventID(1<<50, 0)}
	h.listen(100, func() bool { return h.resets > 0 })

	var b store.Batch
	j := journal{}
	for i := range uint64(journalRows + 10) {
		j = j.put(r.disk, &b, i+1, []showing{{ref: journalRef{Key: "x"}}})
	}
	if len(j.rows) != journalRows || b.Len() != journalRows+20 {
		t.Errorf("%d rows are kept, %d changes made", len(j.rows), b.Len())
	}
}

// forget takes all rows of a journal but the newest away.
func forget(t *testing.T, r *room) {
	t.Helper()
	var b store.Batch
	for rec, err := range r.disk.space.Scan(store.Query{Prefix: "/j", KeysOnly: true}) {
		ok(t, err)
		if rowNumber(rec.Key) != r.journal.rows[len(r.journal.rows)-1] {
			r.disk.space.Delete(&b, rec.Key)
		}
	}
	ok(t, r.n.db.Commit(&b))
}

// TestResumeAcrossAKey: a line that could not be read when it came is told again
// once its key is there, to a follower that was away for both as well: once.
func TestResumeAcrossAKey(t *testing.T) {
	ann := inMemory(t, "ann")
	gid := newGroup(t, CreateGroup{}, ann)
	ann.says(gid, 0, 2, "")
	r := ann.roomOf(gid)
	var eid keys.Hash
	ok(t, r.look(within(t), func(m *group.Machine) {
		cur, _ := m.Current()
		eid = cur.EID
	}))
	var shown []showing
	ok(t, r.look(within(t), func(m *group.Machine) { shown = r.showsAgain(eid, nil) }))
	if len(shown) != 2 {
		t.Fatalf("%d are shown again", len(shown))
	}
	// As if both had come before their key.
	blind := slices.Clone(shown)
	for i := range blind {
		blind[i].ref.Blind = true
	}
	before := ann.Position()
	var b store.Batch
	news := ann.bus.reserve(4)
	ok(t, r.look(within(t), func(*group.Machine) {
		r.journal = r.journal.put(r.disk, &b, news.first, append(blind, shown...))
	}))
	ok(t, ann.db.Commit(&b))
	ann.bus.settle(news, func() []Event { return nil })
	h := &heard{p: ann, gid: gid, last: before}
	h.listen(3, func() bool { return false })
	if !slices.Equal(h.texts, []string{"line 0 of many", "line 1 of many"}) {
		t.Errorf("told %q", h.texts)
	}
}

// TestTurnsAreToldInOrder: a turn that is durable first waits for one that took
// its numbers before, and one that failed holds nobody up.
func TestTurnsAreToldInOrder(t *testing.T) {
	ann := inMemory(t, "ann")
	b := ann.bus
	a, failed, last := b.reserve(1), b.reserve(2), b.reserve(1)
	tell := func(n *told) func() []Event {
		return func() []Event { return []Event{{ID: eventID(n.first, 0)}} }
	}
	b.settle(last, tell(last))
	b.settle(failed, func() []Event { return nil })
	c, at := b.subscribe(t.Context()) // after all were settled, before any was told
	b.settle(a, tell(a))
	for _, want := range []*told{a, last} {
		if e := take(t, "an event", c); e.ID != eventID(want.first, 0) || e.ID <= at {
			t.Errorf("event %d at %d, not %d", e.ID, at, eventID(want.first, 0))
		}
	}
	if b.position() != eventID(last.last, lastItem) {
		t.Errorf("it stands at %d", b.position())
	}
}
