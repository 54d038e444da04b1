package group

import "testing"

// An EPOCH and a message wait for the LEAVE that they acknowledge.
func TestWaitsForWhatIsAcknowledged(t *testing.T) {
	w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
	alice, bob, carol, dave := w.all[0], w.all[1], w.all[2], w.all[3]
	var leave, epoch, said Verified
	w.apart(func() { leave = w.decode(w.must(carol, Quit{}).Publish[0]) }, alice, dave)
	w.apart(func() {
		w.must(bob, Rotate{})
		r := w.must(bob, Send{Items: []Item{w.item("she left")}})
		said = w.decode(r.Publish[len(r.Publish)-1])
	}, alice, carol, dave)
	cur, _ := bob.Current()
	epoch = bob.entries[cur.EID]
	if len(epoch.Entry().body.(*Epoch).Acks) == 0 {
		t.Fatal("the EPOCH acknowledges nothing")
	}
	w.give(epoch, dave)
	w.give(said, dave)
	if dave.g.byHash[short(epoch.Hash)] != nil {
		t.Error("the EPOCH is applied before the LEAVE")
	}
	plain := bob.nextMsg(nil, w.item("in the open"))
	plain.Ctrl = &Ctrl{Seen: bob.g.heads(PeerID{}), Acks: []Hash{leave.Hash}}
	open := w.signMsg(bob, plain)
	w.give(open, alice)
	w.give(w.decode(said.Payload), alice)
	if len(alice.msgs) != 0 {
		t.Error("a message is held before the LEAVE that it acknowledges")
	}
	for _, p := range []*peer{alice, dave} {
		w.give(leave, p)
	}
	w.give(epoch, alice)
	if !dave.counts(epoch) || !dave.Visible(said.Hash) || !alice.Visible(said.Hash) || !alice.Visible(open.Hash) {
		t.Error("what waited for the LEAVE does not come in after it")
	}
}
