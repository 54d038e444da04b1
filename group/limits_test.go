package group

import (
	"math"
	"testing"

	"conclave/keys"
)

// crowd makes n identities that no world knows.
func crowd(n int) []*keys.Identity {
	out := make([]*keys.Identity, n)
	for i := range out {
		out[i] = keys.IdentityFromSeed(keys.Secret{0xc0, byte(i), byte(i >> 8)})
	}
	return out
}

// Bundles and reports of people who were never admitted are not kept, however
// many come.
func TestMUST_11_StrangersLatest(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob")
	alice := w.all[0]
	for _, id := range crowd(20) {
		b, _, err := keys.GenerateBundle(id, 1)
		if err != nil {
			t.Fatal(err)
		}
		r := w.must(alice, Received{Record: w.decode(append([]byte{byte(KindBundle)}, b.Raw()...))})
		rep := id.Sign(keys.LabelReport, w.gid, keys.Marshal(&Report{GID: w.gid, Author: id.PeerID(), Seq: 1}))
		r2 := w.must(alice, Received{Record: w.decode(payloadOf(KindReport, rep))})
		if len(r.Batch.Latest)+len(r2.Batch.Latest) != 0 {
			t.Fatal("a stranger's record was stored")
		}
	}
	if n := len(alice.bundles) + len(alice.reports); n > 2 {
		t.Errorf("%d records of strangers are held", n)
	}
}

// Under many citations a message still fits a payload.
func TestManyLeaversFitAMessage(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.admit(alice, bob)
	for _, id := range crowd(300) {
		admit := alice.next(TypeAdd, &Peer{Peer: id.PeerID()}, 1)
		w.must(alice, Received{Record: w.signEntry(alice, admit)})
		tip := alice.ownTip()
		leave := Entry{
			GID: w.gid, Type: TypeLeave, Author: id.PeerID(), Seq: 1, Ord: 1,
			Seen: []Head{{Author: alice.me, Lane: tip.Lane, Seq: tip.Seq, Hash: short(tip.eh)}},
			Body: keys.Marshal(&Leave{JID: tip.eh}),
		}
		rec := id.Sign(keys.LabelEntry, w.gid, keys.Marshal(&leave))
		w.must(alice, Received{Record: w.decode(payloadOf(KindEntry, rec))})
	}
	if n := len(alice.Members()); n != 2 {
		t.Fatalf("%d members, want 2", n)
	}
	big := string(make([]byte, MaxItemText))
	w.must(alice, Rotate{})
	r := w.must(alice, Send{Items: []Item{w.item(big), w.item(big), w.item("small")}})
	if len(r.Sent) != 3 {
		t.Fatalf("%d of 3 items left", len(r.Sent))
	}
	for _, p := range r.Publish {
		w.decode(p)
	}
	if left := alice.acks(alice.cited.view); len(left) >= 300 {
		t.Errorf("%d leavers are still not cited", len(left))
	}
}

// A claim about ord above a base counts up to what the base can hold.
func TestAbuse_MM09_ClaimedOrdAboveABase(t *testing.T) {
	w := newWorld(t, settingsFor("team"), "alice", "bob")
	alice, bob := w.all[0], w.all[1]
	w.admit(alice, bob)
	fresh := w.all[1]
	x := alice.nextMsg(alice.current(), w.item("pinned"))
	x.Seq, x.Prev, x.Ord = 6, Hash{1}, math.MaxUint64
	x = alice.seal(x, alice.held[alice.current().eh], []Item{w.item("pinned")})
	w.must(fresh, Based{Author: alice.me, Base: 5, Ord: 40})
	v := w.signMsg(alice, x)
	w.must(fresh, Received{Record: v})
	rec := fresh.msgs[short(v.Hash)]
	if rec == nil || rec.ord != 41 {
		t.Fatalf("record above a base: %+v", rec)
	}
	r := w.say(bob, "later")
	if m := w.decode(r.Publish[0]).Msg(); m.Ord != 42 {
		t.Errorf("the next message has ord %d", m.Ord)
	}
}

// An approval stands even where the approver may not mint: nothing is applied
// that is not stored and published.
func TestApprovalByDeputyWhoMayNotMint(t *testing.T) {
	s := settingsFor("team")
	s.RotateBy = RotateByOwner
	w := newWorld(t, s, "alice", "bob", "carol")
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.admit(alice, bob)
	w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapApprove})
	w.must(bob, JoinAsked{Request: Request{Peer: carol.me, Bundle: carol.bundle.Raw()}})
	r := w.must(bob, Approve{Peer: carol.me})
	if len(r.Batch.Entries) != 1 || len(r.Publish) == 0 {
		t.Errorf("the approval stored %d entries, published %d records", len(r.Batch.Entries), len(r.Publish))
	}
	if !alice.IsMember(carol.me) || !bob.IsMember(carol.me) {
		t.Error("carol is no member")
	}
}
