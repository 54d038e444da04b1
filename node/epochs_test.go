package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// rotates has a member replace the key on its own word, hands the epoch to the
// others, and returns what ann says of it.
func (p *puppet) rotates(ann *player, others ...*puppet) mesh.Verdict {
	p.t.Helper()
	rd, err := p.step(group.Rotate{})
	ok(p.t, err)
	for _, o := range others {
		v, err := group.Decode(p.gid, rd.Publish[0])
		ok(p.t, err)
		_, err = o.step(group.Received{Record: v})
		ok(p.t, err)
	}
	return ann.roomOf(p.gid.String()).validate(p.me(), rd.Publish[0])
}

// TestEpochs_SixAnHour: two members replace the key in turn, for no reason but
// that they wish to. From the seventh of each on it is kept, and shown, but not
// relayed. A deputy who may rotate is under no such limit.
func TestEpochs_SixAnHour(t *testing.T) {
	ann, x, y := inMemory(t, "ann"), newPuppet(t), newPuppet(t)
	gid := newGroup(t, CreateGroup{}, ann)
	for _, p := range []*puppet{x, y} {
		ok(t, p.know(ann))
		p.joins(ann, gid)
	}
	_, err := x.pulls(within(t), ann, nil)
	ok(t, err)
	epochs := func() int {
		ks, err := ann.Keys(within(t), gid)
		ok(t, err)
		return len(ks)
	}
	before := epochs()
	for i := range group.FreeEpochs + 1 {
		want := mesh.Accept
		if i == group.FreeEpochs {
			want = mesh.Ignore
		}
		if v := x.rotates(ann, y); v != want {
			t.Errorf("x's epoch %d: verdict %v", i+1, v)
		}
		if v := y.rotates(ann, x); v != want {
			t.Errorf("y's epoch %d: verdict %v", i+1, v)
		}
	}
	await(t, "all epochs", func() bool { return epochs() == before+2*(group.FreeEpochs+1) })
	shown := map[keys.PeerID]int{}
	lines, err := ann.Log(within(t), gid, LogQuery{})
	ok(t, err)
	for _, l := range lines {
		if l.Reason != nil && strings.Contains(*l.Reason, fmt.Sprintf("number %d of theirs within an hour", group.FreeEpochs+1)) {
			p, err := keys.ParsePeerID(*l.Sender)
			ok(t, err)
			shown[p]++
		}
	}
	if shown[x.me()] != 1 || shown[y.me()] != 1 || len(shown) != 2 {
		t.Errorf("shown for %v", shown)
	}
	_, err = ann.roomOf(gid).do(within(t), group.DeputyAdd{Peer: x.me(), Caps: group.CapRotate})
	ok(t, err)
	_, err = x.pulls(within(t), ann, nil)
	ok(t, err)
	if v := x.rotates(ann, y); v != mesh.Accept {
		t.Errorf("a deputy's epoch: verdict %v", v)
	}
}

// TestEpochs_HourSlides: so many pass within any hour, not within each hour by
// the clock.
func TestEpochs_HourSlides(t *testing.T) {
	var h hourly
	now := time.Now()
	for i := range group.FreeEpochs {
		if !h.allow(now.Add(time.Duration(i) * time.Minute)) {
			t.Fatalf("number %d is one too many", i+1)
		}
	}
	if h.allow(now.Add(59 * time.Minute)) {
		t.Error("one more passes within the hour")
	}
	if !h.allow(now.Add(60 * time.Minute)) {
		t.Error("none passes after the first one's hour")
	}
	if h.allow(now.Add(60*time.Minute + time.Second)) {
		t.Error("two pass for one")
	}
}
