package node

import (
	"slices"
	"strings"
	"testing"
)

func TestProofsOfRemoval(t *testing.T) {
	ann := inMemory(t, "ann")
	bob, carol := inMemory(t, "bob", ann), inMemory(t, "carol", ann)
	gid := newGroup(t, CreateGroup{}, ann, bob, carol)
	agree(t, gid, ann, bob, carol)
	none := func(ref, peer, says string) {
		t.Helper()
		if p, err := ann.ProveRemoval(within(t), ref, peer); KindOf(err) != NotFound || p.Proof != "" || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	none(gid, carol.id(), "is a member")
	none(gid, newPuppet(t).me().String(), "never was a member")
	none(gid, "nobody", "no member")
	none("no-such-group", carol.id(), "no group")
	d, err := ann.DM(within(t), bob.id(), "")
	ok(t, err)
	none(d.GroupID, bob.id(), "conversation of two")

	_, err = ann.Ban(within(t), gid, carol.id())
	ok(t, err)
	_, err = ann.Rotate(within(t), gid)
	ok(t, err)
	agree(t, gid, ann, bob)
	p, err := bob.ProveRemoval(within(t), gid, carol.id())
	ok(t, err)
	x, err := VerifyRemoval([]byte(p.Proof))
	ok(t, err)
	ks, err := bob.Keys(within(t), gid)
	ok(t, err)
	if x.GroupID != gid || x.PeerID != carol.id() || x.State != "banned" || x.By != ann.id() || x.Keys != 2 || x.First+1 != x.Last || len(x.Apart) != 0 || x.Name != "team" {
		t.Errorf("it shows %+v", x)
	}
	if i := slices.IndexFunc(ks, func(k Key) bool { return k.Current }); !slices.Contains(x.EIDs, ks[i].EID) {
		t.Error("the present key is not among those without carol")
	}
	twin := ann.twin(gid)
	bob.receives(gid, ann.twin(gid).sets(2), twin.sets(3))
	if p, err := bob.ProveRemoval(within(t), gid, carol.id()); KindOf(err) != KindError || p.Proof != "" {
		t.Errorf("where the owner's log is forked: %v", err)
	}
	bob.toldEverywhere(gid, bob.alarmed(gid, ann.me))
}
