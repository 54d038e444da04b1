package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"conclave/keys"
	"conclave/node/store"
)

// damage makes rows of a group unreadable in a home whose node is down, and
// returns how many: the newest of each prefix.
func (p *player) damage(gid string, prefixes ...string) {
	p.t.Helper()
	home, err := store.OpenHome(p.cfg.Home)
	ok(p.t, err)
	defer home.Close()
	bag, err := store.OpenKeybag(home)
	ok(p.t, err)
	db, err := store.Open(home.Database(), p.cfg.disk.database)
	ok(p.t, err)
	defer db.Close()
	h, err := keys.ParseHash(gid)
	ok(p.t, err)
	key, err := bag.DataKey(h)
	ok(p.t, err)
	space, err := db.Space("/g/"+gid, key)
	ok(p.t, err)
	key[0] ^= 1
	foreign, err := db.Space("/g/"+gid, key)
	ok(p.t, err)
	var b store.Batch
	for _, prefix := range prefixes {
		for rec, err := range space.Scan(store.Query{Prefix: prefix, Reverse: true, Limit: 1}) {
			ok(p.t, err)
			foreign.Put(&b, rec.Key, rec.Value)
		}
	}
	if b.Len() != len(prefixes) {
		p.t.Fatalf("%d rows to damage, want %d", b.Len(), len(prefixes))
	}
	ok(p.t, db.Commit(&b))
}

// TestDamagedRecordsComeBack: rows of the disk that cannot be read any more, the
// newest of one's own among them, keep a node neither from starting nor from
// speaking, and no number is used twice though nobody was there to ask. The
// others bring the records again.
func TestDamagedRecordsComeBack(t *testing.T) {
	ann := newPlayer(t, "ann")
	bob := newPlayer(t, "bob", ann)
	gid := newGroup(t, CreateGroup{}, ann, bob)
	agree(t, gid, ann, bob)
	var said []string
	for i := range 5 {
		for _, p := range []*player{ann, bob} {
			said = append(said, fmt.Sprint(p.name, " ", i))
			p.say(gid, said[len(said)-1])
			ann.reads(gid, said...)
			bob.reads(gid, said...)
		}
	}
	_, err := bob.Rotate(within(t), gid)
	ok(t, err)
	agree(t, gid, ann, bob)
	ok(t, ann.down())
	ok(t, bob.down())
	bob.damage(gid, fmt.Sprintf("/c/%x", bob.me[:]), fmt.Sprintf("/m/%x", bob.me[:]), fmt.Sprintf("/m/%x", ann.me[:]))

	bob.up()
	bob.say(gid, "alone")
	bob.finds("disk", wait, "damaged")
	ann.up(bob)
	for _, p := range []*player{ann, bob} {
		await(t, "everything at "+p.name, func() bool {
			got := p.texts(gid)
			return len(got) == len(said)+1 && !slices.ContainsFunc(said, func(s string) bool { return !slices.Contains(got, s) })
		})
		if log := p.log.String(); strings.Contains(log, "two different records") {
			t.Error(log)
		}
	}
	agree(t, gid, ann, bob)
	ok(t, bob.down())
	bob.up(ann)
	bob.finds("group", fine, "nothing is missing")
}
