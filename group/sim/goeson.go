package sim

import (
	"conclave/group"
	"conclave/keys"
)

// goesOnWithout is "group fork starts a new group with everyone invited and the
// old one named as parent", as people do where the owner is lost: nothing of the
// old group counts in the new one, whoever replays it.
func (w *world) goesOnWithout() {
	people := w.in()
	if w.talk != nil || w.cfg.Seed%8 != 6 || len(people) < 2 {
		return
	}
	a := people[0]
	s := a.m.Settings()
	s.E2EE = true
	gid, genesis, err := group.ForkID(a.id, s, false, w.gid, a.clock(), w.entropy())
	if err != nil {
		w.fail("fork", "%v", err)
	}
	next := map[*member]*group.Machine{}
	step := func(n *member, ev group.Event) group.Ready {
		r, err := next[n].Step(group.Input{Now: n.clock(), Entropy: w.entropy(), Event: ev})
		if err != nil {
			w.fail("fork", "%s: %T in the new group: %v", n.name, ev, err)
		}
		return r
	}
	for _, n := range people {
		next[n] = group.New(group.Config{GID: gid, Self: n.id, Bundle: n.bundle}, group.Stored{})
	}
	step(a, group.Create{Genesis: genesis})
	for _, n := range people[1:] {
		step(a, group.Invite{Peer: n.me})
		step(a, group.JoinAsked{Request: group.Request{Peer: n.me, Bundle: n.bundle.Raw(), From: n.name}})
	}
	for _, n := range people[1:] {
		miss, err := next[a].MissingAt(n.me, next[n].Heights())
		if err != nil {
			w.fail("fork", "%s may not catch up in the new group: %v", n.name, err)
		}
		for _, payload := range miss.Records {
			v, err := group.Decode(gid, payload)
			if err != nil {
				w.fail("fork", "%v", err)
			}
			step(n, group.Received{Record: v})
		}
	}
	w.checkGoesOn(gid, people, next)
	w.count("fork of a group")
}

// checkGoesOn: all are members of the new group, which names the old one, all may
// have its key, and no record of the old one is one of the new.
func (w *world) checkGoesOn(gid keys.Hash, people []*member, next map[*member]*group.Machine) {
	cur, _ := next[people[0]].Current()
	for _, n := range people {
		if parent, ok := next[n].Parent(); !ok || parent != w.gid || len(next[n].Members()) != len(people) {
			w.fail("fork", "at %s the new group has %d members of %d", n.name, len(next[n].Members()), len(people))
		}
		if err := next[n].Covers(n.me, cur.EID); err != nil {
			w.fail("fork", "%s may not have the new group's key: %v", n.name, err)
		}
	}
	for _, payload := range w.book.wire {
		if _, err := group.Decode(gid, payload); err == nil && group.Kind(payload[0]) != group.KindBundle {
			w.fail("fork", "a record of kind %c of the old group is one of the new", payload[0])
		}
	}
}
