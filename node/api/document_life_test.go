package api

import (
	"testing"

	"conclave/node"
)

// life uses the operations of everyday life, after all that was said.
func life(t *testing.T, ann, bob *Client, annID, bobID string) {
	t.Helper()
	ctx := t.Context()
	_, err := ann.SetName(ctx, "ann")
	must(t, err)
	p, err := ann.Profile(ctx)
	must(t, err)
	if p.Name == nil || *p.Name != "ann" {
		t.Errorf("%+v", p)
	}
	name := "renamed"
	g, err := ann.CreateGroup(ctx, node.CreateGroup{Name: "life"})
	must(t, err)
	_, err = ann.SetGroup(ctx, g.GroupID, node.SetGroup{Name: &name})
	must(t, err)
	_, err = ann.Invite(ctx, g.GroupID, bobID)
	must(t, err)
	if out := all(t, ann.Outsiders(ctx, g.GroupID)); len(out) != 1 || out[0].PeerID != bobID || out[0].State != "invited" || out[0].Member {
		t.Errorf("who is invited: %+v", out)
	}
	_, err = ann.WithdrawInvite(ctx, g.GroupID, bobID)
	must(t, err)
	_, err = bob.Join(ctx, Join{Peer: annID, Group: g.GroupID})
	must(t, err)
	_, err = bob.WithdrawJoin(ctx, annID, g.GroupID)
	must(t, err)
	_, err = ann.Leave(ctx, g.GroupID, false)
	must(t, err)
	_, err = ann.Forget(ctx, g.GroupID)
	must(t, err)
	for _, err := range ann.Nearby(ctx) { // the answer to the others is in node/lantest
		if node.KindOf(err) != node.KindError {
			t.Errorf("nearby on loopback: %v", err)
		}
	}
}
