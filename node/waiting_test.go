package node

import (
	"fmt"
	"testing"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
	"conclave/node/store"
	"conclave/node/store/storetest"
)

// TestWaiting_IsNotFetchedAgain: the power fails while many records wait for the
// first of them. That one is all that is fetched afterwards.
func TestWaiting_IsNotFetchedAgain(t *testing.T) {
	const count = 200
	rng := seed(t)
	ann, bob := inMemory(t, "ann"), inMemory(t, "bob")
	ok(t, bob.net.Remember(ann.me, ann.net.Addrs()...))
	gid := newGroup(t, CreateGroup{}, ann, bob)
	s := &supplier{puppet: newPuppet(t), ledger: &ledger{sent: map[keys.Hash]int{}, by: map[*supplier]int{}}}
	ok(t, s.know(ann))
	s.joins(ann, gid)
	before := bob.cfg.disk.database.FS.(*storetest.Disk)
	(&stage{t: t, disk: before, ann: bob}).standHome()
	r := bob.roomOf(gid)
	await(t, "bob to know the puppet", func() bool { return len(r.others()) == 2 })
	agree(t, gid, ann, bob)
	ok(t, ann.down())
	waits := func(r *room) (n int) {
		ok(t, r.look(within(t), func(m *group.Machine) {
			for _, h := range m.Waiting(maxHeads) {
				n += int(h.Seq - h.Base)
			}
		}))
		return n
	}
	for i := range count {
		rd, err := s.step(line(fmt.Sprint("line ", i)))
		ok(t, err)
		for _, payload := range rd.Publish {
			if i > 0 && r.validate(s.me(), payload) == mesh.Reject {
				t.Fatal("rejected")
			}
		}
	}
	await(t, "all but one to wait", func() bool { return waits(r) == count-1 })
	disk := before.PowerLoss(0, rng)
	ok(t, bob.down())
	bob.cfg.disk.database = store.Options{FS: disk}
	s.net.Handle(protoSync, s.serve)
	bob.up()
	if n := waits(bob.roomOf(gid)); n != count-1 {
		t.Errorf("%d records wait after the power failure", n)
	}
	ok(t, s.know(bob))
	await(t, "all lines", func() bool {
		h, err := bob.roomOf(gid).heights(within(t))
		ok(t, err)
		return len(h.Logs) == 1 && h.Logs[0].Seq == count
	})
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	t.Logf("%d of %d records were fetched", s.ledger.records, count)
	if s.ledger.records != 1 {
		t.Errorf("%d records were fetched, not 1", s.ledger.records)
	}
}
