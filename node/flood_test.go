package node

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// speech has a member seal so many lines, each a record of its own, and returns
// the payloads. Nothing is sent.
func (p *puppet) speech(count int) (payloads [][]byte) {
	p.t.Helper()
	for i := range count {
		id, err := keys.NewItemID()
		ok(p.t, err)
		entropy, err := keys.NewEntropy()
		ok(p.t, err)
		p.look(func(m *group.Machine) {
			send := group.Send{Items: []group.Item{{ID: id, Text: fmt.Sprintf("flood %d", i)}}}
			rd, err := m.Step(group.Input{Now: uint64(time.Now().UnixMilli()), Entropy: entropy, Event: send})
			ok(p.t, err)
			payloads = append(payloads, rd.Publish...)
		})
	}
	if len(payloads) != count {
		p.t.Fatalf("%d records of %d lines", len(payloads), count)
	}
	return payloads
}

// verdicts counts what a node says of payloads that from brings.
func verdicts(r *room, from keys.PeerID, payloads [][]byte) map[mesh.Verdict]int {
	out := map[mesh.Verdict]int{}
	for _, p := range payloads {
		out[r.validate(from, p)]++
	}
	return out
}

// TestFlood_IsKeptButNotRelayed: what a member says beyond its budget is not
// handed on to others, and yet taken: gossip offers no payload twice. What
// somebody else says meanwhile is relayed, and so is what the flooder does as a
// member.
func TestFlood_IsKeptButNotRelayed(t *testing.T) {
	ann, x, y := inMemory(t, "ann"), newPuppet(t), newPuppet(t)
	gid := newGroup(t, CreateGroup{}, ann)
	for _, p := range []*puppet{x, y} {
		ok(t, p.know(ann))
		p.joins(ann, gid)
	}
	r := ann.roomOf(gid)
	ok(t, r.look(within(t), func(*group.Machine) {}))
	flood := x.speech(messageBurst + lateRecords/2)
	began := time.Now()
	got := verdicts(r, x.me(), flood)
	refilled := int(messageRate*time.Since(began).Seconds()) + 1
	if n := got[mesh.Accept]; n < messageBurst || n > messageBurst+refilled || n+got[mesh.Ignore] != len(flood) {
		t.Errorf("of %d records %d are relayed, %d ignored", len(flood), n, got[mesh.Ignore])
	}
	if v := r.validate(x.me(), y.speech(1)[0]); v != mesh.Accept {
		t.Errorf("what y says meanwhile: verdict %v", v)
	}
	rd, err := x.step(group.SetName{Name: "xaver"})
	ok(t, err)
	if v := r.validate(x.me(), rd.Publish[0]); v != mesh.Accept {
		t.Errorf("what x does as a member: verdict %v", v)
	}
	await(t, "every line of the flood", func() bool { return len(ann.texts(gid)) == len(flood)+1 })
}

// TestFlood_RepeatingCostsWhoRepeats: a member who repeats what another said
// long ago does not use up what that one may say.
func TestFlood_RepeatingCostsWhoRepeats(t *testing.T) {
	ann, x, y := inMemory(t, "ann"), newPuppet(t), newPuppet(t)
	gid := newGroup(t, CreateGroup{}, ann)
	for _, p := range []*puppet{x, y} {
		ok(t, p.know(ann))
		p.joins(ann, gid)
	}
	r := ann.roomOf(gid)
	said := y.speech(messageBurst / 2)
	verdicts(r, y.me(), said)
	await(t, "all of it", func() bool { return len(ann.texts(gid)) == len(said) })
	for range 4 {
		verdicts(r, x.me(), said)
	}
	if got := verdicts(r, x.me(), y.speech(messageBurst/4)); got[mesh.Accept] != messageBurst/4 {
		t.Errorf("of what is new %d of %d records are relayed", got[mesh.Accept], messageBurst/4)
	}
}

// TestLate_IsBounded: records that come too fast wait up to a limit, the oldest
// leave first, a few at a time, and whoever takes the last learns whether some
// found no room.
func TestLate_IsBounded(t *testing.T) {
	x := newPuppet(t)
	ann := inMemory(t, "ann")
	ok(t, x.know(ann))
	x.joins(ann, newGroup(t, CreateGroup{}, ann))
	var records []group.Verified
	for _, p := range x.speech(lateRecords + 1) {
		v, err := group.Decode(x.gid, p)
		ok(t, err)
		records = append(records, v)
	}
	l := newLate()
	for i, v := range records {
		if kept := l.add(v); kept != (i < lateRecords) {
			t.Fatalf("record %d: kept is %v", i, kept)
		}
	}
	for taken := 0; taken < lateRecords; {
		take(t, "word of more", l.more)
		evs, behind := l.take()
		for _, ev := range evs {
			if ev.(group.Received).Record.Hash != records[taken].Hash {
				t.Fatalf("record %d is another", taken)
			}
			taken++
		}
		if len(evs) > lateTurn || behind != (taken == lateRecords) {
			t.Fatalf("%d at a time, after %d: behind is %v", len(evs), taken, behind)
		}
	}
	if l.add(records[0]); l.bytes != len(records[0].Payload) {
		t.Errorf("%d bytes are counted", l.bytes)
	}
	if _, behind := l.take(); behind {
		t.Error("nothing was lost since")
	}
}

// pace says a line every gap for as long as d, and returns how long each took to
// come to the other side.
func pace(t *testing.T, from, to *player, gid string, gap, d time.Duration) (took []time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events, err := to.Events(ctx, 0)
	ok(t, err)
	said := make(chan int, 1)
	began := time.Now()
	go func() {
		n := 0
		for ; time.Since(began) < d; n++ {
			_, err := from.Send(ctx, gid, []string{fmt.Sprintf("line %d", time.Now().UnixNano())}, false, false)
			if err != nil {
				t.Error(err)
				break
			}
			time.Sleep(gap)
		}
		said <- n
	}()
	want := -1
	late := time.After(d + 60*time.Second)
	for len(took) != want {
		select {
		case e := <-events:
			var at int64
			if e.Line != nil && e.Line.Text != nil && *e.Line.Sender == from.id() {
				if _, err := fmt.Sscanf(*e.Line.Text, "line %d", &at); err == nil {
					took = append(took, time.Since(time.Unix(0, at)))
				}
			}
		case want = <-said:
		case <-late:
			t.Fatalf("%d lines of %d came", len(took), want)
		}
	}
	slices.Sort(took)
	return took
}

func percentile(of []time.Duration, p int) time.Duration { return of[len(of)*p/100] }

// TestAbuse_MM10_MessageFlood: a member publishes a thousand records a second.
// What others say comes through, all of it; most of the flood is not relayed.
func TestAbuse_MM10_MessageFlood(t *testing.T) {
	t.Parallel()
	const rate, lasts = 1000, 3 * time.Second
	ann, bob := inMemory(t, "ann"), inMemory(t, "bob")
	ok(t, bob.net.Remember(ann.me, ann.net.Addrs()...))
	gid := newGroup(t, CreateGroup{}, ann, bob)
	x := newPuppet(t)
	ok(t, x.know(ann))
	ok(t, x.know(bob))
	x.joins(ann, gid)
	agree(t, gid, ann, bob)
	flood := x.speech(rate * int(lasts/time.Second))
	x.m = nil
	topic, err := x.net.Join(mesh.TopicPrefix+group.Topic(x.gid).String(), []keys.PeerID{ann.me, bob.me},
		func(keys.PeerID, []byte) mesh.Verdict { return mesh.Accept })
	ok(t, err)
	x.topic = topic
	await(t, "x in both meshes", func() bool { return len(topic.Mesh()) == 2 })
	pace(t, ann, bob, gid, 10*time.Millisecond, time.Second)
	quiet := pace(t, ann, bob, gid, 10*time.Millisecond, lasts)
	ended := make(chan time.Duration, 1)
	go func() {
		began := time.Now()
		for i, p := range flood {
			time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / rate)))
			if err := topic.Publish(t.Context(), p); err != nil {
				t.Error(err)
				break
			}
		}
		ended <- time.Since(began)
	}()
	loud := pace(t, ann, bob, gid, 10*time.Millisecond, lasts)
	took := take(t, "the end of the flood", ended)
	t.Logf("p50 %v, p95 %v; in a flood of %d records/s p50 %v, p95 %v", percentile(quiet, 50), percentile(quiet, 95),
		int(float64(len(flood))/took.Seconds()), percentile(loud, 50), percentile(loud, 95))
	// How late lines are says more of the machine than of the node, and is not
	// judged. Where the flooder cannot keep its pace the rate says nothing either.
	if took < lasts+lasts/20 {
		beyond := float64(len(flood)-messageBurst) - messageRate*took.Seconds()
		for _, p := range []*player{ann, bob} {
			await(t, p.name+" to ignore most of the flood", func() bool { // it may still be on its way
				return float64(p.net.Drops().Ignored) >= beyond/2
			})
		}
	}
	await(t, "the flood at both", func() bool {
		return len(ann.texts(gid)) == len(bob.texts(gid)) && len(bob.texts(gid)) >= len(flood)
	})
}
