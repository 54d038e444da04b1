package node

import (
	"fmt"
	"testing"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// circle is five members, all connected, and a puppet that is one too.
func circle(t *testing.T, pace timing) (gid string, all []*player, x *puppet) {
	t.Helper()
	for i := range 5 {
		p := newPlayerAt(t, fmt.Sprint("p", i), pace, all...)
		if i == 0 {
			gid = newGroup(t, CreateGroup{History: "all"}, p)
		} else {
			letIn(t, all[0], p, gid)
		}
		all = append(all, p)
	}
	x = newPuppet(t)
	ok(t, x.know(all[0]))
	x.joins(all[0], gid)
	await(t, "one group", func() bool { return oneDigest(t, gid, all...) && len(all[4].roomOf(gid).others()) == 5 })
	agree(t, gid, all...)
	return gid, all, x
}

// newPlayerAt is inMemory at a pace of its own.
func newPlayerAt(t *testing.T, name string, pace timing, others ...*player) *player {
	t.Helper()
	p := inMemory(t, name)
	ok(t, p.down())
	p.cfg.timing = pace
	p.up(others...)
	return p
}

// oneDigest reports whether all hold the same.
func oneDigest(t *testing.T, gid string, all ...*player) bool {
	t.Helper()
	digests := map[keys.Hash]bool{}
	for _, p := range all {
		h, err := p.roomOf(gid).heights(within(t))
		ok(t, err)
		digests[h.Digest()] = true
	}
	return len(digests) == 1
}

// TestBeacon_BringsWhatWasLost: a record that four of five members took from the
// topic reaches the fifth, though nothing cites it and nobody asks by the clock.
func TestBeacon_BringsWhatWasLost(t *testing.T) {
	t.Parallel()
	gid, all, x := circle(t, timing{poll: time.Hour, beacon: beaconFirst, beaconMost: beaconMost})
	x.net.Close()           // nobody is to find it again, and ask
	time.Sleep(2 * settled) // whoever said something then asks the others
	for i, text := range []string{"the first", "the last"} {
		rd, err := x.step(line(text))
		ok(t, err)
		began := time.Now()
		for _, p := range all[:4] {
			for _, payload := range rd.Publish {
				if v := p.roomOf(gid).validate(p.me, payload); v == mesh.Reject {
					t.Fatal("rejected")
				}
			}
		}
		all[4].reads(gid, text)
		took := time.Since(began)
		t.Logf("record %d came after %s", i+1, took.Round(time.Millisecond))
	}
}

// TestBeacon_OneSpeaksForAll: where nothing happens, about one of five members
// speaks in each interval.
func TestBeacon_OneSpeaksForAll(t *testing.T) {
	t.Parallel()
	const span, spans = 2 * time.Second, 6
	_, all, x := circle(t, timing{poll: time.Hour, beacon: span, beaconMost: span})
	x.enters(all...)
	await(t, "the puppet's mesh", func() bool { return len(x.topic.Mesh()) > 0 })
	time.Sleep(2 * span) // what was said last settles
	count := func() (n int) {
		for _, payload := range x.listened() {
			if group.Kind(payload[0]) == group.KindSummary {
				n++
			}
		}
		return n
	}
	before := count()
	time.Sleep(spans * span)
	said := count() - before
	t.Logf("%d summaries in %d intervals of 5 members", said, spans)
	if said < spans/2 || said > 2*spans {
		t.Errorf("%d summaries in %d intervals", said, spans)
	}
}

// TestBeacon_IsBounded: of a member's summaries only newer ones count,
// and not many at a time; strangers' never do.
func TestBeacon_IsBounded(t *testing.T) {
	ann, x := member(t)
	stranger := newPuppet(t)
	r := ann.roomOf(x.gid.String())
	hears := func(by *puppet, seq uint64) mesh.Verdict {
		return r.validate(x.me(), group.SignSummary(by.id, x.gid, seq, keys.Hash{}))
	}
	later := func() {
		r.beacon.mu.Lock()
		defer r.beacon.mu.Unlock()
		s := r.beacon.heard[x.me()]
		s.at = s.at.Add(-beaconApart)
		r.beacon.heard[x.me()] = s
	}
	for i, want := range []struct {
		by    *puppet
		seq   uint64
		after bool
		then  mesh.Verdict
	}{
		{stranger, 5, false, mesh.Ignore},
		{x, 5, false, mesh.Accept},
		{x, 6, false, mesh.Ignore}, // too soon
		{x, 6, true, mesh.Accept},
		{x, 6, true, mesh.Ignore},
		{x, 5, true, mesh.Ignore},
	} {
		if want.after {
			later()
		}
		if v := hears(want.by, want.seq); v != want.then {
			t.Errorf("%d: verdict %v", i, v)
		}
	}
	if v := r.validate(x.me(), group.SignSummary(ann.self, x.gid, 5, keys.Hash{})); v != mesh.Ignore {
		t.Errorf("one's own: verdict %v", v)
	}
	for range 3 {
		hears(stranger, 7)
	}
	if n := len(r.beacon.heard); n > 1 {
		t.Errorf("%d are remembered", n)
	}
	r.beacon.mu.Lock()
	r.beacon.heard = map[keys.PeerID]heardSummary{}
	for i := range maxSummaries {
		r.beacon.heard[keys.PeerID{byte(i), byte(i >> 8)}] = heardSummary{judged: true}
	}
	r.beacon.mu.Unlock()
	if v := hears(x, 9); v != mesh.Ignore {
		t.Errorf("beyond what is remembered: verdict %v", v)
	}
}
