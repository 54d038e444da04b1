package node

import (
	"encoding/json"
	"testing"
	"time"
)

// TestProgress: a catch-up that takes several batches tells how far it has come,
// upwards to the number of what was missing.
func TestProgress(t *testing.T) {
	ann := inMemory(t, "ann")
	bob := newPlayer(t, "bob", ann)
	gid := newGroup(t, CreateGroup{}, ann, bob)
	agree(t, gid, ann, bob)
	ok(t, bob.down())
	const missed = 3 * maxBatchRecords
	ann.says(gid, 0, missed, "")
	n, err := Open(bob.cfg)
	ok(t, err)
	bob.Node = n
	events, err := n.Events(t.Context(), 0)
	ok(t, err)
	bob.cfg.Peers = []string{ann.addr()}
	bob.launch()
	var last Progress
	for deadline := time.After(60 * time.Second); last.Done == 0 || last.Done < last.Total; {
		select {
		case e := <-events:
			if e.Kind != "progress" {
				continue
			}
			var p Progress
			ok(t, json.Unmarshal(e.Data, &p))
			if e.GroupID != gid || p.Done <= last.Done || p.Total < p.Done {
				t.Fatalf("%+v after %+v", p, last)
			}
			last = p
		case <-deadline:
			t.Fatalf("after a minute at %+v", last)
		}
	}
	if last.Total < missed/2 || last.Total > missed+10 { // gossip may bring some of the last
		t.Errorf("%d records of progress, %d were missing", last.Total, missed)
	}
	await(t, "the end of progress", func() bool { return n.allRooms()[0].progress.Load() == nil })
}
