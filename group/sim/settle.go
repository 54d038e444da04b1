package sim

import (
	"fmt"
	"slices"
	"strings"

	"conclave/group"
	"conclave/keys"
)

// settle stops the faults and checks that everybody converges.
func (w *world) settle() {
	w.calm = true
	w.cause = w.newCause(fromCalm, unplanned)
	clear(w.deaf)
	w.net.loss, w.net.dup, w.net.crash, w.net.cutOff, w.net.delay = 0, 0, 0, 0, 50
	w.logf("the faults stop")
	w.heal()
	for _, n := range w.all {
		n.restart()
	}
	w.tellOnline()
	w.runUntil(w.now + 40_000) // what people have begun comes to its end
	w.rounds()
	w.checkOneState()
	if w.cfg.Seed%4 == 1 {
		w.replayAll()
	}
	w.speakAll()
	w.rounds()
	w.checkOneState()
	w.checkTrimmed()
	w.checkOneKey()
	w.checkReadable()
	w.checkAlarms()
	w.checkQuiet()
	w.tallyRotations()
	w.goesOnWithout()
}

// in lists the members by everything that is on anybody's disk, but for those who
// have gone by their own wish.
func (w *world) in() []*member {
	if w.torn {
		return slices.DeleteFunc(slices.Clone(w.all), func(n *member) bool { return !n.m.IsMember(n.me) || n.m.Local().Left })
	}
	v := w.oracle.view(w.allOf())
	in := slices.DeleteFunc(slices.Clone(w.all), func(n *member) bool {
		return !v.member(n.me) || n.m.Local().Left || n.m.Local().Hidden
	})
	return slices.DeleteFunc(slices.Clone(in), func(n *member) bool { return len(w.book.twice) > 0 && !w.heardOf(n, in) })
}

// heardOf reports whether another member has what makes n one. Whoever signs two
// acts under one number can admit somebody and tell nobody else: to the others
// that is a stranger, of whom they take nothing.
func (w *world) heardOf(n *member, in []*member) bool {
	var others bits
	for _, m := range in {
		if m != n {
			others.addAll(w.oracle.of(m).set)
		}
	}
	return len(in) == 1 || w.oracle.view(others).member(n.me)
}

// allOf is the set of all entries that somebody has.
func (w *world) allOf() (all bits) {
	for _, n := range w.all {
		all.addAll(w.oracle.of(n).set)
	}
	return all
}

// rounds lets everyone ask everyone until nobody has anything to offer.
func (w *world) rounds() {
	for range 40 {
		offered := 0
		for _, a := range w.all {
			for _, b := range w.all {
				if a != b && (a.roster[b.me] || !a.m.IsMember(a.me) && b.m.IsMember(a.me)) {
					offered += w.catchUp(a, b)
				}
			}
		}
		w.runUntil(w.now + 1000)
		if offered == 0 {
			return
		}
	}
	if w.torn {
		return // what one takes for void may be another's state for ever
	}
	for _, a := range w.all {
		for _, b := range w.all {
			if a == b || !a.roster[b.me] {
				continue
			}
			if miss, err := b.m.MissingAt(a.me, a.m.Heights()); err == nil && len(miss.Records)+len(w.news(a, miss.Messages)) > 0 {
				w.fail("L1", "%s offers %s %d records, %d messages for ever, bases %v: %s\n%s\n%s", b.name, a.name, len(miss.Records), len(miss.Messages), miss.Bases, w.describe(miss), a.logs(), b.logs())
			}
		}
	}
}

func (w *world) describe(miss group.Missing) string {
	s := ""
	for _, p := range miss.Records {
		v, _ := w.decode(p)
		s += fmt.Sprintf(" %c of %s", v.Kind(), w.by[v.Author()].name)
		if e := v.Entry(); e != nil {
			s += fmt.Sprintf(" %s %d", e.Type, e.Seq)
		}
	}
	for _, m := range miss.Messages {
		s += fmt.Sprintf(" message %d.%d of %s %s", m.Lane, m.Seq, w.by[m.Author].name, m.Hash.Short())
	}
	return s
}

// checkOneState is L1: "after faults stop, all converge to one state ...".
func (w *world) checkOneState() {
	if w.torn {
		return // promised without an owner who signs twice
	}
	for _, n := range w.in() {
		if first := w.in()[0]; n.digest() != first.digest() {
			w.fail("L1", "%s and %s did not converge:\n%s\n%s", first.name, n.name, first.digest(), n.digest())
		}
	}
}

// checkOneKey is L1: "... and one key", once everyone has spoken.
func (w *world) checkOneKey() {
	if w.torn || len(w.in()) == 0 || !w.in()[0].m.Settings().E2EE || !w.somebodyMayRotate() {
		return
	}
	a, _ := w.in()[0].m.Current()
	for _, n := range w.in() {
		if b, _ := n.m.Current(); a.EID != b.EID || b.EID == (keys.Hash{}) {
			w.fail("L1", "%s speaks under %s, %s under %s", w.in()[0].name, a.EID.Short(), n.name, b.EID.Short())
		}
	}
}

// speakAll is L3: "a hard-marked group with a speaker unmarks within 10 s +
// ranks x 2 s". Everyone who is in says a line; all leave.
func (w *world) speakAll() {
	var lines []*line
	for _, n := range w.in() {
		if !n.m.Settings().E2EE {
			n.step(group.AcceptPlain{})
		}
		open := !n.m.Settings().E2EE
		it := w.item(n, open)
		if _, err := n.step(group.Send{Items: []group.Item{it}}); err != nil {
			w.fail("L3", "%s cannot speak: %v", n.name, err)
		}
		lines = append(lines, w.book.items[it.ID])
	}
	wait := uint64(10_000 + 2000*len(w.all) + 5000)
	for end := w.now + wait; w.now < end; {
		w.runUntil(w.now + 1000)
		for _, n := range w.all {
			w.catchUpWithAny(n)
		}
	}
	for _, l := range lines {
		may := w.somebodyMayRotate() && (!w.torn || l.author.m.Settings().RotateBy == group.RotateByAny)
		if l.record == (keys.Hash{}) && l.author.m.IsMember(l.author.me) && may {
			w.fail("L3", "%q of %s is still held: mark %s, eligible %d, held keys %d", l.text, l.author.name,
				l.author.m.Marked(l.author.clock()), len(l.author.m.Eligible()), len(l.author.disk.keys))
		}
	}
}

// somebodyMayRotate reports whether there is anybody left who may mint an epoch.
func (w *world) somebodyMayRotate() bool {
	for _, n := range w.in() {
		s := n.m.Settings()
		if !s.E2EE || s.RotateBy == group.RotateByAny || n.m.Owner() == n.me ||
			s.RotateBy == group.RotateByDeputies && n.m.Caps(n.me)&group.CapRotate != 0 {
			return true
		}
	}
	return false
}

// checkReadable is L2: "every permitted message becomes readable with any single
// other member online", after each has met each.
func (w *world) checkReadable() {
	for _, u := range w.in() {
		for _, p := range w.in() {
			if u != p && (!w.torn || u.digest() == p.digest()) {
				w.checkReadableFrom(u, p)
			}
		}
		w.checkGaps(u)
	}
}

// checkGaps is L7: "every gap has a reason". The only one that is left is that
// nobody who is in has the record: its author is gone.
func (w *world) checkGaps(u *member) {
	for _, g := range u.m.Gaps() {
		for _, p := range w.in() {
			for _, s := range p.disk.messages {
				if s.Author == g.Author && s.Lane == g.Lane && s.Seq >= g.From && s.Seq <= g.To && p.m.Visible(s.Hash) && w.permitted(u, p, s) {
					w.fail("L7", "%s has a gap that %s could fill\n%s\n%s", u.name, p.name, u.logs(), p.logs())
				}
			}
		}
	}
}

// voidHere reports whether s is sealed under an epoch that does not count at n.
func (n *member) voidHere(s group.StoredMessage) bool {
	v, err := n.w.decode(s.Payload)
	if err != nil || len(v.Msg().EID) == 0 {
		return false
	}
	e, held := n.m.Entry(keys.Hash(v.Msg().EID))
	return !held || e.Void
}

// seesFork reports whether n holds another record under the number of s.
func (n *member) seesFork(s group.StoredMessage) bool {
	for _, o := range n.disk.messages {
		if o.Author == s.Author && o.Lane == s.Lane && o.Seq == s.Seq && o.Hash != s.Hash {
			return true
		}
	}
	return false
}

// hidesFork reports whether u holds another record under the number of s that p may
// not have: p came later, and cannot tell on which branch that is.
func (w *world) hidesFork(u, p *member, s group.StoredMessage) bool {
	for _, o := range u.disk.messages {
		if o.Author == s.Author && o.Lane == s.Lane && o.Seq == s.Seq && o.Hash != s.Hash && !w.permitted(p, u, o) {
			return true
		}
	}
	return false
}

func (w *world) checkReadableFrom(u, p *member) {
	for _, h := range sortedKeys(p.disk.messages) {
		s := p.disk.messages[h]
		if !p.m.Visible(h) || !w.permitted(u, p, s) {
			continue
		}
		if _, ok := u.disk.messages[h]; !ok {
			w.fail("L2", "%s lacks message %d of %s, which %s has\n%s\n%s", u.name, s.Seq, w.by[s.Author].name, p.name, u.logs(), p.logs())
		}
		if w.torn && u.voidHere(s) {
			continue // nobody with whom u agrees could ask for the key
		}
		if (p.seesFork(s) || w.hidesFork(u, p, s)) && !u.m.Visible(h) {
			continue // which branch a cut binds shows only where the record that it names is held
		}
		if err := u.m.MayRead(h); err != nil || !u.m.Visible(h) {
			w.fail("L2", "%s cannot read message %d of %s: %v, visible %v", u.name, s.Seq, w.by[s.Author].name, err, u.m.Visible(h))
		}
	}
}

// permitted reports whether u may read what p holds and can read.
func (w *world) permitted(u, p *member, s group.StoredMessage) bool {
	v, err := w.decode(s.Payload)
	if err != nil {
		w.fail("decode", "%v", err)
	}
	x := v.Msg()
	if len(x.EID) == 0 {
		set, ok := w.citedBy(s.Hash)
		return ok && slices.ContainsFunc(w.oracle.of(u).alive(u.me), set.has)
	}
	if _, holds := p.disk.keys[keys.Hash(x.EID)]; !holds {
		return false
	}
	return w.oracle.of(p).mayHold(w.oracle.by[keys.Hash(x.EID)], u.me)
}

// checkQuiet is L6: epochs minted per removal are bounded. Where nobody acts
// any more, nothing is minted and no machine asks to be woken again and again.
func (w *world) checkQuiet() {
	epochs := len(w.epochs())
	clear(w.book.ticks)
	w.runUntil(w.now + 60_000)
	if n := len(w.epochs()); n > epochs {
		w.fail("L6", "%d epochs were minted while nobody acted", n-epochs)
	}
	for _, n := range w.all {
		if t := w.book.ticks[n.me]; t > 20 {
			w.fail("L6", "%s was woken %d times in a minute in which nothing happened", n.name, t)
		}
	}
}

// epochs lists what was minted; of an owner who signs twice nothing is promised.
func (w *world) epochs() []*fact {
	return slices.DeleteFunc(slices.Clone(w.oracle.facts), func(f *fact) bool {
		return f.Type != group.TypeEpoch || w.torn && f.Author == w.all[0].me
	})
}

// logs describes a node's copies of all message logs.
func (n *member) logs() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:", n.name)
	for _, h := range n.m.Heights().Logs {
		fmt.Fprintf(&b, " [%s.%d %d-%d:", n.w.by[h.Author].name, h.Lane, h.Base, h.Seq)
		var ss []group.StoredMessage
		for _, s := range n.disk.messages {
			if s.Author == h.Author && s.Lane == h.Lane {
				ss = append(ss, s)
			}
		}
		slices.SortFunc(ss, func(x, y group.StoredMessage) int { return int(x.Seq) - int(y.Seq) })
		for _, s := range ss {
			mark := ""
			if !n.m.Visible(s.Hash) {
				mark = "-"
			}
			if n.m.MayRead(s.Hash) != nil {
				mark += "?"
			}
			v, _ := n.w.decode(s.Payload)
			if len(v.Msg().EID) == 0 {
				mark += "p"
			}
			fmt.Fprintf(&b, " %d%s/%s", s.Seq, mark, s.Hash.Short())
		}
		b.WriteString("]")
	}
	for _, g := range n.m.Gaps() {
		fmt.Fprintf(&b, " gap %s %d-%d", n.w.by[g.Author].name, g.From, g.To)
	}
	return b.String()
}
