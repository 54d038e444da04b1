package node

import (
	"testing"
	"time"

	"conclave/keys"
)

// TestShare_WhatCounts: a giver is given time by full batches of its own part, a
// part counts for who was asked last, what no source holds is waited for no longer,
// and who leaves leaves its parts to others.
func TestShare_WhatCounts(t *testing.T) {
	ann, x := member(t)
	sh := newShare(ann.roomOf(x.gid.String()))
	a := &source{s: x.open(ann, protoSync), peer: keys.PeerID{1}}
	b := &source{s: x.open(ann, protoSync), peer: keys.PeerID{2}}
	ok(t, sh.enter(a, parts{List: []part{{From: 0, Count: 1}, {From: 10, Count: 10}}}))
	ok(t, sh.enter(b, parts{}))
	picks := func(src *source, want int) {
		t.Helper()
		if i := sh.pick(src); i != want {
			t.Fatalf("picks %d, not %d", i, want)
		}
	}
	picks(a, 0)
	old := time.Now().Add(-time.Hour)
	since := func(by *source, records int) time.Time {
		sh.list[0].since = old
		sh.came(by, 0, records, batch{})
		return sh.list[0].since
	}
	if !since(a, 1).Equal(old) || !since(b, maxBatchRecords).Equal(old) || since(a, maxBatchRecords).Equal(old) {
		t.Error("other than a full batch of who was asked gives time")
	}
	sh.finish(b, 0, 1)
	if sh.list[0].by != a || sh.list[0].done {
		t.Error("a part is taken as given by somebody else")
	}
	sh.finish(a, 0, 0)
	if sh.list[0].done || sh.complete() {
		t.Error("nothing is taken as the whole of a small part")
	}
	picks(b, 0)
	sh.finish(b, 0, 0)
	picks(a, 1)
	if sh.complete() {
		t.Error("complete while a part is being given")
	}
	sh.leave(a)
	picks(b, 1)
	sh.finish(b, 1, 10)
	if !sh.complete() {
		t.Error("what nobody holds is waited for")
	}
}
