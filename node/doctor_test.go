package node

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"conclave/keys"
	"conclave/node/mesh"
)

// finds waits until `doctor` says something of a check, in a state, and returns
// everything that it says then.
func (p *player) finds(check, state, says string) []Finding {
	p.t.Helper()
	var all []Finding
	defer func() {
		if p.t.Failed() {
			p.t.Logf("doctor at %s: %+v", p.name, all)
		}
	}()
	await(p.t, check+" "+state, func() bool {
		var err error
		for _, r := range p.allRooms() {
			r.syncer.kick()
		}
		all, err = p.Doctor(within(p.t))
		ok(p.t, err)
		return slices.ContainsFunc(all, func(f Finding) bool {
			return f.Check == check && f.State == state && strings.Contains(f.Says, says) && (state != act || f.Hint != nil)
		})
	})
	return all
}

// TestDoctor: what is wrong is found, said, and gone when it is mended. Nothing
// that it says gives away what was said, by whom, or where.
func TestDoctor(t *testing.T) {
	bob := newPlayer(t, "bob")
	ann, clock := shifted(t, "ann", 0, bob)
	gid := newGroup(t, CreateGroup{Name: "moonlight"}, ann, bob)
	agree(t, gid, ann, bob)
	ann.finds("clock", fine, "agrees with 1 member")
	ann.finds("peers", fine, "1 member")
	ann.finds("group", fine, "nothing is missing")

	clock.Store(int64(7 * time.Minute))
	ann.finds("clock", act, "7 min ahead")
	clock.Store(-int64(7 * time.Minute))
	ann.finds("clock", act, "7 min behind")
	clock.Store(0)
	ann.finds("clock", fine, "agrees")

	x := newPuppet(t)
	x.net.Handle("/conclave/sync/2", func(context.Context, *mesh.Stream) {})
	ok(t, x.know(ann))
	ann.finds("version", act, x.me().Short())

	ok(t, bob.down())
	ann.finds("peers", wait, bob.me.Short())
	ann.say(gid, "a line that bob lacks")
	_, err := ann.DM(within(t), newPlayerID(t), "a line that is held")
	ok(t, err)
	clock.Store(int64(100 * time.Second))
	ann.finds("behind", wait, bob.me.Short())
	all := ann.finds("held", wait, "1 message held for 1")
	if all[len(all)-1].State != fine || all[0].State == fine {
		t.Errorf("worst first: %+v", all)
	}

	text, err := json.Marshal(all)
	ok(t, err)
	for _, secret := range []string{"moonlight", "a line", gid, bob.id(), ann.id(), "/ip4/", "127.0.0.1"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("doctor gives away %q: %s", secret, text)
		}
	}
}

// newPlayerID is the peer ID of somebody who is nowhere.
func newPlayerID(t *testing.T) string {
	t.Helper()
	id, err := keys.GenerateIdentity()
	ok(t, err)
	return id.PeerID().String()
}
