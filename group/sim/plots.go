package sim

import (
	"slices"

	"conclave/group"
	"conclave/keys"
)

// plot is something that a malicious person goes about in several moves, with
// whoever it takes to be there.
type plot struct {
	name string
	do   func(w *world, did func()) error // did is called where the last move was made
}

// plots are all of them, those that often find nobody to play them more than once.
func plots() []plot {
	return []plot{
		{"deputy signs two acts under one number", (*world).deputyForks},
		{"member signs two epochs under one number", (*world).twoEpochsOneNumber},
		{"two keys under one epoch", (*world).twoKeysOneEpoch},
		{"LEAVE for some, an epoch for others", (*world).leaveForSome},
		{"deputy revoked while apart", (*world).revokedApart},
		{"deputy revoked while apart", (*world).revokedApart},
		{"deputy backdates beyond the REVOKE", (*world).deputyBackdates},
		{"deputy against the owner", (*world).deputyAgainstOwner},
		{"deputy against a deputy", (*world).deputyAgainstDeputy},
		{"more joins than uses, apart", (*world).overshoot},
		{"more joins than uses, apart", (*world).overshoot},
		{"more joins than uses, apart", (*world).overshoot},
		{"more joins than uses, apart", (*world).overshoot},
		{"more joins than uses, apart", (*world).overshoot},
		{"proof of a join used again", (*world).replayProof},
		{"proof of a join used again", (*world).replayProof},
		{"link of a removed deputy", (*world).linkOfTheRemoved},
		{"link of a removed deputy", (*world).linkOfTheRemoved},
		{"link of a removed deputy", (*world).linkOfTheRemoved},
		{"join after the link expired", (*world).expiredLink},
		{"link that needs an approval", (*world).unapprovedLink},
		{"link after a removal", (*world).retiredLink},
		{"link after a removal", (*world).retiredLink},
		{"two are offered the group", (*world).twoOffers},
		{"two are offered the group", (*world).twoOffers},
		{"two are offered the group", (*world).twoOffers},
		{"two are offered the group", (*world).twoOffers},
		{"takes the group over uninvited", (*world).acceptUninvited},
		{"ACCEPT used again", (*world).replayAccept},
		{"ACCEPT used again", (*world).replayAccept},
		{"ACCEPT used again", (*world).replayAccept},
		{"owner acts after the TRANSFER", (*world).formerOwner},
		{"TRANSFER while apart", (*world).transferApart},
		{"TRANSFER while apart", (*world).transferApart},
		{"TRANSFER while apart", (*world).transferApart},
		{"TRANSFER while apart", (*world).transferApart},
		{"flood of epochs", (*world).floodEpochs},
		{"flood of wishes", (*world).floodWishes},
		{"flood of join requests", (*world).floodRequests},
		{"flood of joins", (*world).floodJoins},
	}
}

// plotsEach is how many plots a schedule has; from one seed to the next they go
// round, so that each is met as often.
const plotsEach = 6

// planPlots makes some plots parts of the plan. They follow all others, which
// stay the same with and without them.
func (w *world) planPlots(end int) {
	all := plots()
	if w.torn {
		all = []plot{{"owner signs twice under one number", (*world).ownerForks}}
	}
	for k := range plotsEach {
		p := all[(int(w.cfg.Seed%1_000_000)*plotsEach+k)%len(all)]
		w.planned(uint64(w.between(8000, max(end, 20_000))), func() { w.tryPlot(p, 12) })
	}
}

// tryPlot waits until those are there whom a plot takes.
func (w *world) tryPlot(p plot, times int) {
	if w.calm || times == 0 {
		return
	}
	err := p.do(w, func() {
		w.count("plot: " + p.name)
		w.logf("plot: %s", p.name)
	})
	if err != nil {
		w.after(uint64(w.between(3000, 8000)), func() { w.tryPlot(p, times-1) })
	}
}

// later goes on with a plot after so many milliseconds, while faults go on.
func (w *world) later(ms int, f func()) {
	w.after(uint64(ms), func() {
		if !w.calm {
			f()
		}
	})
}

// turn lets somebody cheat from now on.
func (w *world) turn(n *member) *member {
	if !n.evil {
		n.evil, w.book.cheats[n.me] = true, true
		w.logf("%s turns bad", n.name)
	}
	return n
}

// able reports whether n is up, answers, and is a member by its own state.
func (n *member) able() bool { return n.up && !n.busy && n.m.IsMember(n.me) && !n.m.Local().Left }

// theOwner is who owns the group by its own state.
func (w *world) theOwner() *member {
	for _, n := range w.all {
		if n.able() && n.m.Owner() == n.me {
			return n
		}
	}
	return nil
}

// cast is the owner and at least so many others whom the owner and they
// themselves take for members, in any order. None of them was an owner, or may
// become one.
func (w *world) cast(least int) (owner *member, others []*member, err error) {
	owner = w.theOwner()
	if owner == nil {
		return nil, nil, errNothing
	}
	for _, i := range w.rng.Perm(len(w.all)) {
		if n := w.all[i]; n != owner && n.able() && owner.m.IsMember(n.me) && n.m.IsMember(owner.me) && !w.ruled(n) {
			others = append(others, n)
		}
	}
	if len(others) < least {
		return nil, nil, errNothing
	}
	return owner, others, nil
}

// anOutsider is somebody with a node whom p does not take for a member.
func (w *world) anOutsider(p *member) (*member, bool) {
	if !p.up {
		return nil, false
	}
	return pick(w, slices.DeleteFunc(slices.Clone(w.all), func(n *member) bool { return n == p || p.m.IsMember(n.me) || p.m.Banned(n.me) }))
}

// deputize makes p a deputy and lets it know.
func (w *world) deputize(owner, p *member, caps group.Caps) error {
	if owner.m.Caps(p.me)&caps != caps {
		if _, err := owner.step(group.DeputyAdd{Peer: p.me, Caps: caps}); err != nil {
			return err
		}
	}
	w.meet(p, owner)
	if !p.able() || p.m.Caps(p.me)&caps != caps {
		return errNothing
	}
	return nil
}

// meet lets n learn what p knows, where they reach each other.
func (w *world) meet(n, p *member) {
	if n.up && p.up && w.streams(n, p) && p.m.Serves(n.me) {
		w.catchUp(n, p)
	}
}

// tell gives a record that n made by hand to some: to n's own machine first, if
// it is one of them, and to nobody else where that does not take it in.
func (w *world) tell(n *member, how string, payload []byte, to ...*member) (group.Verified, error) {
	v, err := w.decode(payload)
	if err != nil {
		return v, err
	}
	w.book.forged[v.Hash] = how
	if slices.Contains(to, n) {
		n.take(v)
		if _, durable := n.disk.entries[v.Hash]; !durable {
			w.book.twice[n.me] = true // it may wait there, and come in when another has that number
			return v, errNothing
		}
	} else {
		w.book.twice[n.me] = true // with what its own machine writes there
	}
	w.book.wire = append(w.book.wire, payload)
	for _, q := range to {
		if q != n {
			w.after(uint64(w.between(1, 2000)), func() { q.take(v) })
		}
	}
	return v, nil
}

// tellEntry signs an entry and tells it to some.
func (w *world) tellEntry(n *member, e *group.Entry, to ...*member) (group.Verified, error) {
	return w.tell(n, e.Type.String(), n.signEntry(e), to...)
}

// neverCounts tells everybody an entry that has no effect at anybody, ever.
func (w *world) neverCounts(n *member, e *group.Entry, why string) error {
	v, err := w.tellEntry(n, e, w.all...)
	if err == nil {
		w.book.inert[v.Hash] = why
	}
	return err
}

// halves parts everybody but n in two.
func (w *world) halves(n *member) (a, b []*member) {
	for _, i := range w.rng.Perm(len(w.all)) {
		switch q := w.all[i]; {
		case q == n:
		case len(a) <= len(b):
			a = append(a, q)
		default:
			b = append(b, q)
		}
	}
	return a, b
}

// removal is the body of a KICK or BAN of p as n's program would write it, with
// or without the cuts.
func (w *world) removal(n, p *member, cuts bool) *group.Removal {
	b := &group.Removal{Peer: p.me}
	for _, j := range w.oracle.of(n).alive(p.me) {
		b.JIDs = append(b.JIDs, j.eh)
	}
	slices.SortFunc(b.JIDs, keys.Hash.Compare)
	if cuts {
		b.Cuts = w.wildCuts(p)
	}
	return b
}

// checkInert holds what never counts, and what a REVOKE voided, to that. (S6)
func (n *member) checkInert() {
	w := n.w
	for _, h := range sortedKeys(w.book.inert) {
		if info, held := n.m.Entry(h); held && !info.Void {
			w.fail("S6", "at %s a %s of %s counts: %s", n.name, info.Type, w.by[info.Author].name, w.book.inert[h])
		}
	}
	for _, h := range sortedKeys(w.book.revoked) {
		info, held := n.m.Entry(h)
		revoke, known := n.m.Entry(w.book.revoked[h])
		if held && known && !revoke.Void && !info.Void {
			w.fail("S6", "at %s a %s of %s counts that lies beyond the cut of a REVOKE", n.name, info.Type, w.by[info.Author].name)
		}
	}
}
