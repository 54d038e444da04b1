package group

import (
	"math"
	"testing"
)

// Times near the end of the scale are times like others: sums do not wrap.
func TestTimesNearTheEndOfTheScale(t *testing.T) {
	s := settingsFor("team")
	s.MaxAge = math.MaxUint64
	w := newWorld(t, s, "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.admit(alice, bob)
	if got := alice.Marked(w.now); got != Unmarked {
		t.Errorf("a key that never ages is marked %s", got)
	}
	body, _ := bob.epochBody(ReasonAge)
	e := bob.next(TypeEpoch, body, 0)
	v := w.signEntry(bob, e)
	w.must(alice, Received{Record: v})
	if info, _ := alice.Epoch(v.Hash); !alice.st.isVoid(alice.g.byHash[short(v.Hash)]) {
		t.Errorf("an epoch that says age counts: %+v", info)
	}
	link := &InviteLink{Key: [32]byte{1}, Uses: 1, Expires: math.MaxUint64, PreApproved: true}
	if expired(link, w.now) {
		t.Error("a link for ever has expired")
	}
}
