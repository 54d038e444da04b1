package group

import (
	"slices"
	"testing"
)

// An epoch made by someone who took a void admission for good is not used: that
// person may hold its key.
func TestEligibleExcludesTheVoidlyAdmitted(t *testing.T) {
	w, mallory, admit, _ := revokedApprover(t)
	alice, bob, carol := w.all[0], w.all[1], w.all[2]
	w.apart(func() { w.must(alice, Rotate{}) }, bob) // after the REVOKE, of which bob does not know
	w.sync(alice, carol)
	epoch := w.mintAs(bob)
	w.give(admit, carol)
	w.give(epoch, carol)
	if carol.IsMember(mallory.me) || !carol.counts(epoch) || len(carol.Eligible()) == 0 {
		t.Fatal("the admission counts, or an epoch does not")
	}
	if slices.Contains(carol.Eligible(), epoch.Hash) {
		t.Error("an epoch in whose view mallory is a member is eligible")
	}
}

// The rank of an epoch's author is that in the epoch's own view: it does not
// change when the author is a deputy no more.
func TestRankInItsOwnView(t *testing.T) {
	for i := range uint32(32) {
		w := newTeam(t, settingsFor("team"), "alice", "bob", "carol", "dave")
		alice, bob, carol, dave := w.all[0], w.all[1], w.all[2], w.all[3]
		w.must(alice, DeputyAdd{Peer: bob.me, Caps: CapRotate})
		w.n += 100 * i // other keys
		var deputys, members Verified
		w.apart(func() {
			deputys = w.decode(w.must(bob, Rotate{}).Publish[0])
			members = w.decode(w.must(carol, Rotate{}).Publish[0])
		}, alice, bob, carol, dave)
		if deputys.Hash.Compare(members.Hash) < 0 {
			continue // would be preferred by its hash
		}
		w.give(deputys, alice, dave)
		w.give(members, alice, dave)
		w.must(alice, DeputyRemove{Peer: bob.me})
		if dave.Role(bob.me) != "member" || len(dave.Eligible()) < 2 {
			t.Fatal("bob is a deputy still, or an epoch is not eligible")
		}
		if dave.Eligible()[0] != deputys.Hash {
			t.Error("the epoch of who was a deputy then ranks as that of a member")
		}
		return
	}
	t.Fatal("32 times the deputy's epoch had the lower hash")
}

// Of many epochs the best by generation are asked, and with one all that share
// its generation: which of them came first shows nowhere.
func TestGenerationsAreCutWhole(t *testing.T) {
	var cands []*entry
	for i := range scanEpochs + 20 {
		gen := uint64(1000 - i)
		if i >= scanEpochs-3 && i < scanEpochs+5 {
			gen = 500
		}
		if i >= scanEpochs+5 {
			gen = uint64(200 - i)
		}
		cands = append(cands, &entry{Entry: &Entry{body: &Epoch{Gen: gen}}})
	}
	if got := len(cutGenerations(cands)); got != scanEpochs+5 {
		t.Errorf("%d epochs are asked, want %d", got, scanEpochs+5)
	}
}
