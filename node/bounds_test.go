package node

import (
	"context"
	"fmt"
	"testing"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// TestBounds_Outlet: what waits to be published is bounded in number and in
// bytes; the oldest go, and are counted.
func TestBounds_Outlet(t *testing.T) {
	ann := inMemory(t, "ann")
	o := newOutlet(ann.roomOf(newGroup(t, CreateGroup{}, ann))) // nobody empties it
	big := make([]byte, 64<<10)
	for range 2 * outletBytes / len(big) {
		o.add([][]byte{big})
	}
	if n := o.len(); n != outletBytes/len(big) {
		t.Errorf("%d payloads of 64 KiB wait", n)
	}
	last := [][]byte{[]byte("last")}
	o.add(make([][]byte, outletBacklog))
	o.add(last)
	if n := o.len(); n != outletBacklog || o.bytes != len(last[0]) {
		t.Errorf("%d payloads of %d bytes wait", n, o.bytes)
	}
	if lost := ann.counts.unpublished.Load(); lost != 2*outletBytes/uint64(len(big))+1 {
		t.Errorf("%d are counted", lost)
	}
	if left := o.take(); string(left[len(left)-1]) != "last" || o.bytes != 0 {
		t.Error("the newest is not there, or bytes remain")
	}
}

// TestBounds_RecordsBeforeTheLoop: records from the topic that wait for the loop
// are bounded in bytes, and no longer count once it takes them.
func TestBounds_RecordsBeforeTheLoop(t *testing.T) {
	ann, x := member(t)
	v, err := group.Decode(x.gid, x.speech(1)[0])
	ok(t, err)
	r := &room{n: ann.Node, syncer: newSyncer(ann.roomOf(x.gid.String())), jobs: make(chan job, jobBacklog)}
	r.queued.Store(jobBytes - 2*int64(len(v.Payload)))
	for i := range 4 {
		if taken := r.postRecord(v); taken != (i < 2) {
			t.Errorf("record %d: taken is %v", i+1, taken)
		}
	}
	if !r.post(group.Tick{}) {
		t.Error("what is no record finds no room")
	}
	if js := r.gather(<-r.jobs); len(js) != 3 || r.queued.Load() != jobBytes-2*int64(len(v.Payload)) {
		t.Errorf("%d jobs are taken, %d bytes remain", len(js), r.queued.Load())
	}
	if left := ann.counts.backlog.Load(); left != 2 {
		t.Errorf("%d records are counted", left)
	}
}

// TestBounds_Invitations: one peer, and all of them, leave so many invitations
// and no more; new ones are heard of whatever strangers sent before.
func TestBounds_Invitations(t *testing.T) {
	ann, x, y := inMemory(t, "ann"), newPuppet(t), newPuppet(t)
	invite := func(p *puppet, i int) {
		s := p.open(ann, protoOffer)
		ok(t, put(s, offer{GID: keys.Sum([]byte(fmt.Sprint(i))), Name: "team"}))
		var a ack
		ok(t, get(s, &a))
	}
	count := func() int {
		all, err := ann.Invitations(within(t))
		ok(t, err)
		return len(all)
	}
	ok(t, x.know(ann))
	for i := range maxInvitationsOf + 2 {
		invite(x, i)
	}
	if n := count(); n != maxInvitationsOf {
		t.Errorf("%d invitations of one peer", n)
	}
	ok(t, ann.change(func(d *directory) {
		for i := len(d.Invitations); i < maxInvitations; i++ {
			d.Invitations = append(d.Invitations, invitationRef{ID: keys.Sum([]byte{byte(i), byte(i >> 8)}), Name: "noise"})
		}
	}))
	ok(t, y.know(ann))
	invite(y, 1)
	all, err := ann.Invitations(within(t))
	ok(t, err)
	heard := false
	for _, i := range all {
		heard = heard || i.From == y.me().String()
	}
	if !heard || len(all) != maxInvitations {
		t.Errorf("of %d invitations the newest is there: %v", len(all), heard)
	}
}

// TestBounds_Events: what waits for a follower that does not read is bounded in
// bytes of text; then it is cut off.
func TestBounds_Events(t *testing.T) {
	ann := inMemory(t, "ann")
	events, err := ann.Events(t.Context(), 0)
	ok(t, err)
	text := string(make([]byte, 32<<10))
	for range 4 * busBytes / len(text) {
		ann.bus.publish(Event{Kind: "log", Line: &LogLine{Text: &text}})
	}
	waiting := 0
	for range events { // it ends
		waiting++
	}
	if bytes := waiting * len(text); bytes < busBytes || bytes > busBytes+2*len(text) {
		t.Errorf("%d events waited, %d bytes", waiting, bytes)
	}
}

// TestBounds_Book: addresses of people who no longer matter go once there are
// many.
func TestBounds_Book(t *testing.T) {
	ann, x := member(t)
	ann.book.mu.Lock()
	for i := range 2 * maxBook {
		ann.book.addrs[keys.PeerID{byte(i), byte(i >> 8), 1}] = []string{"/ip4/192.0.2.1/tcp/1"}
	}
	delete(ann.book.addrs, x.me())
	ann.book.mu.Unlock()
	ann.book.note(x.me())
	if n := len(ann.book.addrs); n != 1 {
		t.Errorf("%d peers are remembered", n)
	}
}

// TestCatchUp_GoesPastWhoStalls: a member takes this node's question and never
// answers. What another member has comes all the same, long before that stream
// is given up.
func TestCatchUp_GoesPastWhoStalls(t *testing.T) {
	t.Parallel()
	ann, bob := newPlayer(t, "ann"), newPlayer(t, "bob")
	ok(t, bob.net.Remember(ann.me, ann.net.Addrs()...))
	gid := newGroup(t, CreateGroup{}, ann, bob)
	x := newPuppet(t)
	ok(t, x.know(ann))
	x.joins(ann, gid)
	agree(t, gid, ann, bob)
	await(t, "x at bob", func() bool { return len(bob.roomOf(gid).others()) == 2 })
	stalled := make(chan struct{}, 100)
	x.net.Handle(protoSync, func(ctx context.Context, s *mesh.Stream) {
		stalled <- struct{}{}
		<-ctx.Done()
	})
	ok(t, bob.down())
	ann.say(gid, "while bob was away")
	ok(t, ann.down())
	for len(stalled) > 0 {
		<-stalled
	}
	bob.up()
	ok(t, x.net.Connect(within(t), bob.me, bob.net.Addrs()...))
	select {
	case <-stalled:
	case <-time.After(patience):
		t.Fatal("bob does not ask x")
	}
	began := time.Now()
	ann.up(bob)
	bob.reads(gid, "while bob was away")
	if took := time.Since(began); took > 60*time.Second {
		t.Errorf("it came after %v", took)
	}
}
