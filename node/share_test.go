package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// supplier is a puppet that gives parts in catch-up, or only says so.
type supplier struct {
	*puppet
	ledger *ledger
	spoil  func(part int, l *ledger, st *mesh.Stream) bool // nil: it keeps to the protocol
}

// ledger counts what all suppliers together sent.
type ledger struct {
	mu      sync.Mutex
	sent    map[keys.Hash]int
	bytes   int // of frames
	records int
	by      map[*supplier]int
	spoilt  chan struct{} // closed once somebody who spoils it was asked; nil: nobody does
}

func (l *ledger) note(s *supplier, refs []group.MessageRef, b batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ref := range refs {
		l.sent[ref.Hash]++
	}
	l.by[s] += len(refs)
	l.records += len(refs)
	l.bytes += 4 + len(keys.Marshal(b))
}

// spoils notes that somebody failed to give a part.
func (l *ledger) spoils() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spoilt != nil && !closed(l.spoilt) {
		close(l.spoilt)
	}
}

// waits lets whoever is going to spoil it have its turn.
func (l *ledger) waits() {
	if l.spoilt != nil {
		select {
		case <-l.spoilt:
		case <-time.After(partSlow / 2):
		}
	}
}

func (s *supplier) serve(ctx context.Context, st *mesh.Stream) {
	miss, wants := s.greets(st)
	if !wants {
		return
	}
	var w want
	for i := 0; get(st, &w) == nil; i++ {
		if s.spoil != nil && s.spoil(i, s.ledger, st) {
			continue
		}
		if i > 0 && s.spoil == nil {
			s.ledger.waits()
		}
		if !s.gives(st, miss.Records, inPart(miss.Messages, w)) {
			return
		}
		miss.Records = nil
	}
}

// gives sends one part in batches.
func (s *supplier) gives(st *mesh.Stream, records [][]byte, refs []group.MessageRef) bool {
	b, size, from := batch{Records: records}, 0, 0
	var window []group.StoredMessage
	for i, ref := range refs {
		s.mu.Lock()
		payload := s.stored[ref.Hash]
		s.mu.Unlock()
		window = append(window, group.StoredMessage{Author: ref.Author, Lane: ref.Lane, Seq: ref.Seq, Hash: ref.Hash, Payload: payload})
		if size += len(payload); size < batchBytes && i < len(refs)-1 {
			continue
		}
		b.Last = i == len(refs)-1
		for _, log := range byLog(window) {
			var r [][]byte
			for _, m := range log {
				r = append(r, m.Payload)
			}
			b.Ranges = append(b.Ranges, r)
		}
		if put(st, b) != nil {
			return false
		}
		s.ledger.note(s, refs[from:i+1], b)
		if get(st, new(ack)) != nil {
			return false
		}
		b, window, size, from = batch{}, nil, 0, i+1
	}
	return len(refs) > 0 || put(st, batch{Records: records, Last: true}) == nil && get(st, new(ack)) == nil
}

// absence is bob, who missed what three others said.
type absence struct {
	bob  *player
	gid  string
	all  []*supplier
	said int
	ledger
}

// newAbsence makes a group of ann and bob and three puppets, who talk while ann
// and bob are away: each cites what the others said.
func newAbsence(t *testing.T, lines int) *absence {
	ann, bob := inMemory(t, "ann"), inMemory(t, "bob")
	ok(t, bob.net.Remember(ann.me, ann.net.Addrs()...))
	a := &absence{bob: bob, said: lines, ledger: ledger{sent: map[keys.Hash]int{}, by: map[*supplier]int{}}}
	a.gid = newGroup(t, CreateGroup{}, ann, bob)
	for range 3 {
		s := &supplier{puppet: newPuppet(t), ledger: &a.ledger}
		ok(t, s.know(ann))
		s.joins(ann, a.gid)
		a.all = append(a.all, s)
	}
	for _, s := range a.all {
		_, err := s.pulls(within(t), ann, nil)
		ok(t, err)
		re, err := s.net.Open(within(t), ann.me, protoKey)
		ok(t, err)
		var want []keys.Hash
		s.look(func(m *group.Machine) { want = m.Wanted() })
		ok(t, put(re, keyAsk{GID: s.gid, Bundle: s.bundle.Raw(), EIDs: want}))
		ok(t, s.takeKeys(re))
		re.Close()
	}
	await(t, "bob to know everybody", func() bool {
		var mine, theirs group.Heights
		ok(t, bob.roomOf(a.gid).look(within(t), func(m *group.Machine) { mine = m.Heights() }))
		a.all[0].look(func(m *group.Machine) { theirs = m.Heights() })
		return len(bob.roomOf(a.gid).others()) == 4 && fmt.Sprint(mine.Control) == fmt.Sprint(theirs.Control)
	})
	ok(t, ann.down())
	ok(t, bob.down())
	for i := range lines {
		speaker := a.all[i%3]
		rd, err := speaker.step(line(fmt.Sprintf("line %d %s", i, strings.Repeat("x", 1500))))
		ok(t, err)
		if len(rd.Batch.Messages) != 1 {
			t.Fatalf("line %d is held", i)
		}
		for _, m := range rd.Batch.Messages {
			v, err := group.DecodeOwn(speaker.gid, m.Payload)
			ok(t, err)
			for _, s := range a.all {
				if s != speaker {
					_, err := s.step(group.Received{Record: v})
					ok(t, err)
				}
			}
		}
	}
	return a
}

// returns has bob come back and waits until he has everything.
func (a *absence) returns(t *testing.T) (took time.Duration) {
	t.Helper()
	for _, s := range a.all {
		s.net.Handle(protoSync, s.serve)
	}
	began := time.Now()
	a.bob.up()
	for _, s := range a.all {
		ok(t, s.know(a.bob))
	}
	await(t, "all lines", func() bool {
		var h group.Heights
		ok(t, a.bob.roomOf(a.gid).look(within(t), func(m *group.Machine) { h = m.Heights() }))
		n := 0
		for _, l := range h.Logs {
			n += int(l.Seq)
		}
		return n == a.said
	})
	took = time.Since(began)
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, s := range a.all {
		t.Logf("supplier %d gave %d records", i, a.by[s])
	}
	t.Logf("%d records sent for %d, %.3f times; %d bytes; %s", a.records, a.said, a.ratio(), a.bytes, took.Round(time.Millisecond))
	return took
}

func (a *absence) ratio() float64 { return float64(a.records) / float64(a.said) }

// TestShare_EachGivesAPart: who was away long fetches from three members at once,
// no record twice, and each gives a good part of it.
func TestShare_EachGivesAPart(t *testing.T) {
	a := newAbsence(t, 3000)
	a.returns(t)
	a.mu.Lock()
	defer a.mu.Unlock()
	for h, n := range a.sent {
		if n > 1 {
			t.Fatalf("record %s came %d times", h.Short(), n)
		}
	}
	if a.ratio() > 1.05 {
		t.Errorf("%.3f records for each", a.ratio())
	}
	for i, s := range a.all {
		if a.by[s] < a.said/10 {
			t.Errorf("supplier %d gave %d of %d", i, a.by[s], a.said)
		}
	}
}

// TestShare_OthersTakeOver: one of three takes a part to give and then stalls, or
// breaks off, or gives nothing, or something else. What it was to give comes from
// the others, without much delay, and nothing comes a second time.
func TestShare_OthersTakeOver(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(part int, l *ledger, st *mesh.Stream) bool{
		"stalls": func(_ int, l *ledger, st *mesh.Stream) bool {
			l.spoils()
			st.ReadFrame(0) // until the other end has had enough
			return true
		},
		"stalls in its middle": func(part int, l *ledger, st *mesh.Stream) bool {
			if part == 0 {
				return false
			}
			l.spoils()
			st.ReadFrame(0)
			return true
		},
		"breaks off": func(_ int, l *ledger, st *mesh.Stream) bool {
			l.spoils()
			st.Reset()
			return true
		},
		"gives nothing": func(_ int, l *ledger, st *mesh.Stream) bool {
			l.spoils()
			put(st, batch{Last: true})
			get(st, new(ack))
			return true
		},
		"gives garbage": func(_ int, l *ledger, st *mesh.Stream) bool {
			l.spoils()
			put(st, batch{Ranges: [][][]byte{{{2, 1, 2, 3}}}, Last: true})
			get(st, new(ack))
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAbsence(t, 2000)
			a.all[1].spoil, a.spoilt = spoil, make(chan struct{})
			took := a.returns(t)
			a.mu.Lock()
			defer a.mu.Unlock()
			if !closed(a.spoilt) {
				t.Error("nobody spoilt it")
			}
			if a.ratio() > 1.05 {
				t.Errorf("%.3f records for each", a.ratio())
			}
			if took > 5*partSlow {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestShare_PartsFitAFrame: however much is missing, its parts can be told, follow
// one another and hold it all; records of one ord are in one part.
func TestShare_PartsFitAFrame(t *testing.T) {
	for _, n := range []int{0, 1, 100, 100_000} {
		refs := make([]group.MessageRef, n)
		for i := range refs {
			refs[i] = group.MessageRef{Ord: uint64(5 + i/3), Size: group.MaxPayload}
		}
		frame := keys.Marshal(partsOf(group.Missing{Messages: refs}))
		var back parts
		ok(t, keys.Unmarshal(frame, &back))
		list, records, err := divide(back)
		ok(t, err)
		if len(frame) > maxFrame || records != uint64(n) {
			t.Errorf("%d bytes for %d of %d records", len(frame), records, n)
		}
		held := 0
		for _, p := range list {
			got := len(inPart(refs, p.want))
			if uint64(got) != p.count || n > 0 && len(list) > 1 && got%3 != 0 && held+got != n {
				t.Fatalf("%d records in a part of %d", got, p.count)
			}
			held += got
		}
		if held != n {
			t.Errorf("%d of %d records are in parts", held, n)
		}
	}
	if _, records, err := divide(parts{List: []part{{Count: 1 << 63}, {From: 1, Count: 1 << 63}}}); err != nil || records < 1<<33 {
		t.Errorf("of very many records %d are told, %v", records, err)
	}
	many := make([]part, maxParts+1)
	for i := range many {
		many[i].From = uint64(i)
	}
	for _, bad := range []parts{{}, {List: []part{{From: 1}}}, {List: []part{{}, {From: 5}, {From: 5}}}, {List: many}} {
		if _, _, err := divide(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// TestShare_WhoGivesWhat: parts are given out oldest first and not far ahead, each
// to one; what was given short goes to another, and so does what is slow, whose
// giver has no further turn in this catch-up.
func TestShare_WhoGivesWhat(t *testing.T) {
	ann, x := member(t)
	sh := newShare(ann.roomOf(x.gid.String()))
	var have parts
	for i := range 2 * partsAhead {
		have.List = append(have.List, part{From: uint64(10 * i), Count: 10})
	}
	a := &source{s: x.open(ann, protoSync), peer: keys.PeerID{1}}
	b := &source{s: x.open(ann, protoSync), peer: keys.PeerID{2}}
	ok(t, sh.enter(a, have))
	ok(t, sh.enter(b, parts{}))
	picks := func(src *source, want int) {
		t.Helper()
		if i := sh.pick(src); i != want {
			t.Fatalf("picks %d, not %d", i, want)
		}
	}
	picks(a, 0)
	picks(b, 1)
	sh.finish(a, 0, 4)
	picks(a, 2)
	sh.finish(b, 1, 10)
	picks(b, 0)
	for i := 3; i < partsAhead; i++ {
		picks(b, i)
	}
	picks(b, -1)
	sh.finish(b, 0, 10)
	picks(b, partsAhead)
	picks(b, partsAhead+1)
	picks(b, -1)
	sh.list[2].since = time.Now().Add(-2 * partSlow)
	picks(b, 2)
	if err := sh.enter(&source{peer: a.peer}, have); !errors.Is(err, errFailed) || !sh.hasFailed(a.peer) || sh.hasFailed(b.peer) {
		t.Errorf("who was slow comes again: %v", err)
	}
	if _, err := a.s.ReadFrame(10); err == nil || !errors.Is(err, mesh.ErrReset) {
		t.Errorf("the stream of who was slow: %v", err)
	}
	sh.list[3].began = time.Now().Add(-2 * partLong)
	sh.sources = append(sh.sources, a)
	picks(a, 3)
}
