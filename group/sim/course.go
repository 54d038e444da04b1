package sim

import (
	"errors"
	"slices"

	"conclave/group"
)

// begin makes the group, or the conversation, and starts every node.
func (w *world) begin() {
	talk := w.rng.IntN(10) == 0 && w.cfg.Only == "" || w.cfg.Only == "talk"
	if talk {
		w.beginTalk()
		return
	}
	alice := w.all[0]
	s := group.Settings{Name: "team", E2EE: w.rng.IntN(12) > 0, MaxAge: group.DefaultMaxAge}
	s = w.someSettings(s)
	s.E2EE = s.E2EE || w.cfg.Only == "marked"
	gid, genesis, err := group.CreateID(alice.id, s, s.E2EE && w.rng.IntN(10) == 0, alice.clock(), w.entropy())
	if err != nil {
		w.fail("create", "%v", err)
	}
	w.gid, w.oracle = gid, newOracle(gid, nil)
	w.torn = w.cfg.Seed%tornEvery == 5 && w.people > 2 && w.cfg.Only != "marked"
	for _, n := range w.all {
		n.start()
	}
	w.logf("alice creates %+v, %d people, faults %+v", s, len(w.all), w.net)
	for w.rng.IntN(5) < 2 && len(w.all) > 3 && w.cheats() < 3 {
		n := w.all[w.rng.IntN(len(w.all))]
		n.evil, w.book.cheats[n.me] = true, true
		w.logf("%s cheats", n.name)
	}
	for !alice.up || !alice.m.Known() {
		alice.restart()
		if _, err := alice.step(group.Create{Genesis: genesis}); err != nil && !errors.Is(err, errDown) {
			w.fail("create", "%v", err)
		}
	}
}

func (w *world) cheats() int { return len(w.book.cheats) }

// beginTalk is a conversation of two; others stand outside and try.
func (w *world) beginTalk() {
	w.count("conversation of two")
	a, b := w.all[0], w.all[1]
	gid, pair := group.DirectID(a.me, b.me)
	w.gid, w.talk, w.oracle = gid, &pair, newOracle(gid, &pair)
	w.all = w.all[:2]
	for _, n := range w.all {
		n.start()
	}
	w.logf("a conversation, faults %+v", w.net)
	for i, n := range w.all {
		other := w.all[1-i]
		v, err := w.decode(append([]byte{byte(group.KindBundle)}, other.bundle.Raw()...))
		if err != nil {
			w.fail("decode", "%v", err)
		}
		if w.chance(0.9) {
			w.after(uint64(w.rng.IntN(10_000)), func() { n.take(v) })
		}
	}
}

// chaos lets people act while everything may fail.
func (w *world) chaos() {
	w.tellOnline()
	w.plan()
	was := w.cause
	for i := range w.all {
		for j := range w.all {
			if i != j {
				w.cause = w.newCause(fromCatchUp+10*i+j, unplanned)
				w.syncForEver(w.all[i], w.all[j])
			}
		}
	}
	w.cause = was
	end := w.now
	for _, e := range w.queue {
		end = max(end, e.at)
	}
	w.runUntil(max(end, w.latest))
}

// plan spreads what people and faults do over virtual time.
func (w *world) plan() {
	if w.cfg.Only == "marked" {
		w.planMarked()
		return
	}
	at := uint64(1000)
	for range w.acts {
		at += uint64(w.rng.IntN(2500))
		w.planned(at, w.act)
	}
	for range w.rng.IntN(3) {
		w.planned(uint64(w.rng.IntN(int(at))), w.silence)
	}
	for range w.rng.IntN(4) {
		w.planned(uint64(w.rng.IntN(int(at))), w.partition)
	}
	if w.talk != nil {
		return
	}
	for _, n := range w.all[1:w.people] {
		w.planned(uint64(w.rng.IntN(20_000)), func() { w.askToJoin(n) })
	}
	w.planPlots(int(at))
}

// planned makes f the next part of the plan, unless that is left out.
func (w *world) planned(at uint64, f func()) {
	part := w.parts
	w.parts++
	if !slices.Contains(w.cfg.Skip, part) {
		w.from(w.newCause(fromPlan+part, part), at, f)
	}
}

// syncForEver lets a ask b now and then, until the faults stop.
func (w *world) syncForEver(a, b *member) {
	w.after(uint64(w.rng.IntN(2*w.net.syncEvery*len(w.all))), func() {
		if w.calm || w.now > startOfTime+300_000 {
			return
		}
		if w.linked(a, b) && a.roster[b.me] {
			w.catchUp(a, b)
		}
		w.syncForEver(a, b)
	})
}
