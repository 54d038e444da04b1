package group

import "testing"

// newTalk makes a conversation of two.
func newTalk(t *testing.T) (w *world, first, second *peer) {
	t.Helper()
	w = newWorld(t, settingsFor("unused"), "alice", "bob")
	gid, pair := DirectID(w.all[0].me, w.all[1].me)
	w.gid = gid
	for _, p := range w.all {
		p.Machine = New(Config{GID: gid, Self: p.id, Direct: &pair, Bundle: p.bundle}, Stored{})
	}
	for i, p := range w.all {
		q := w.all[1-i]
		v, err := Decode(gid, append([]byte{byte(KindBundle)}, q.bundle.Raw()...))
		if err != nil {
			t.Fatal(err)
		}
		w.must(p, Received{Record: v})
		w.must(p, Online{Peer: q.me, Up: true})
	}
	first, second = w.seen[pair[0]], w.seen[pair[1]]
	return w, first, second
}

// The person who stands as author of the implied GENESIS has a chain of their
// own all the same: nothing of it repeats a number.
func TestTalkNumbersOwnEntries(t *testing.T) {
	w, first, second := newTalk(t)
	for range 3 {
		for _, p := range []*peer{first, second} {
			r := w.must(p, Rotate{})
			if len(r.Batch.Alarms) != 0 {
				t.Fatalf("an honest rotation raised %+v", r.Batch.Alarms)
			}
		}
	}
	for _, p := range []*peer{first, second} {
		if n := len(p.g.tips[chain{p.me, 0}]); n != 1 {
			t.Errorf("own chain has %d tips", n)
		}
		if tip := p.g.tip(p.me, 0); tip.Seq != 3 {
			t.Errorf("newest own entry is number %d, want 3", tip.Seq)
		}
	}
}
