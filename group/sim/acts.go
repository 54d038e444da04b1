package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"conclave/group"
	"conclave/keys"
)

// deed is something that one person does; weight is how often, relative to others.
type deed struct {
	name   string
	weight int
	talk   bool // also in a conversation of two
	out    bool // also by whoever is no member
	do     func(*world, *member) error
}

var errNothing = errors.New("sim: nothing to do")

func deeds() []deed {
	return []deed{
		{"say", 40, true, false, (*world).say},
		{"say in plaintext", 4, true, false, (*world).sayPlain},
		{"rotate", 4, true, false, func(_ *world, n *member) error { _, err := n.step(group.Rotate{}); return err }},
		{"kick", 5, false, false, func(w *world, n *member) error { return w.remove(n, false) }},
		{"ban", 2, false, false, func(w *world, n *member) error { return w.remove(n, true) }},
		{"unban", 8, false, false, (*world).unban},
		{"ask to join", 8, false, true, (*world).askAgain},
		{"invite", 3, false, false, (*world).invite},
		{"leave", 2, false, false, func(_ *world, n *member) error { _, err := n.step(group.Quit{}); return err }},
		{"abandon", 1, false, false, (*world).abandon},
		{"settings", 4, false, false, (*world).change},
		{"encryption off or on", 2, false, false, (*world).toggle},
		{"accept plaintext", 1, false, false, func(_ *world, n *member) error { _, err := n.step(group.AcceptPlain{}); return err }},
		{"grant", 6, false, false, (*world).grant},
		{"revoke", 8, false, false, (*world).revoke},
		{"link", 4, false, false, (*world).link},
		{"end a link", 1, false, false, (*world).endLink},
		{"come in by a link", 10, false, true, (*world).comeIn},
		{"take over", 4, false, false, (*world).takeOver},
		{"hand over", 6, false, false, (*world).hand},
		{"name", 2, true, false, (*world).setName},
		{"new bundle", 2, true, true, (*world).renewBundle},
		{"turn the clock", 1, true, true, (*world).turnClock},
		{"back up the home", 3, true, true, (*world).backUp},
		{"long silence", 1, true, true, (*world).pause},
		{"cheat", 30, true, true, (*world).cheat},
		{"outsiders try", 6, true, true, (*world).outsiders},
	}
}

// act lets somebody do something.
func (w *world) act() {
	ds := deeds()
	total := 0
	for _, d := range ds {
		total += d.weight
	}
	first := w.rng.Uint64()
	for k := range uint64(8) { // until somebody finds something to do
		// Each attempt draws anew, so that it is the same whatever those before it came to.
		w.rng = rand.New(rand.NewPCG(first, k))
		at := w.rng.IntN(total)
		i := 0
		for at >= ds[i].weight {
			at -= ds[i].weight
			i++
		}
		n := w.all[w.rng.IntN(len(w.all))]
		if d := ds[i]; n.up && (d.talk || w.talk == nil) && (n.m.IsMember(n.me) || d.out || w.chance(0.1)) {
			if err := d.do(w, n); err == nil {
				w.count(d.name)
				w.logf("%s: %s", n.name, d.name)
				return
			}
		}
	}
}

func (w *world) item(n *member, plain bool) group.Item {
	e := w.entropy()
	it := group.Item{ID: keys.ItemID(e[:16]), Text: fmt.Sprintf("%s-%d", n.name, len(w.book.items))}
	w.book.items[it.ID] = &line{id: it.ID, author: n, text: it.Text, plain: plain}
	return it
}

// say gives one to three lines, for encryption where that is on.
func (w *world) say(n *member) error {
	open := !n.m.Settings().E2EE && n.m.PlainAccepted()
	var items []group.Item
	for range w.between(1, 3) {
		items = append(items, w.item(n, open))
	}
	old := n.oldKeys()
	r, err := n.step(group.Send{Items: items})
	if err == nil && old != nil {
		w.checkQueued(n, items, old, r)
	}
	return err
}

func (w *world) sayPlain(n *member) error {
	_, err := n.step(group.Send{Items: []group.Item{w.item(n, true)}, Plain: true})
	return err
}

func (w *world) remove(n *member, ban bool) error {
	p, ok := pick(w, slices.DeleteFunc(slices.Clone(w.all), func(p *member) bool { return p == n || !ban && !n.m.IsMember(p.me) }))
	if !ok {
		return errNothing
	}
	_, err := n.step(group.Remove{Peer: p.me, Ban: ban})
	if err == nil {
		w.logf("%s removes %s", n.name, p.name)
	}
	return err
}

func (w *world) unban(n *member) error {
	p, ok := pick(w, slices.DeleteFunc(slices.Clone(w.all), func(p *member) bool { return !n.m.Banned(p.me) }))
	if !ok {
		return errNothing
	}
	_, err := n.step(group.Unban{Peer: p.me})
	return err
}

func (w *world) askAgain(n *member) error {
	if n.m.IsMember(n.me) && !n.m.Local().Left && !w.outside(n) || len(n.asks) > 0 {
		return errNothing
	}
	w.askToJoin(n)
	return nil
}

// outside reports whether everybody else thinks that n is out.
func (w *world) outside(n *member) bool {
	return !slices.ContainsFunc(w.all, func(p *member) bool { return p != n && p.up && p.m.IsMember(n.me) })
}

// askToJoin lets n ask somebody who may approve, again and again until it is in.
func (w *world) askToJoin(n *member) {
	p, ok := pick(w, slices.DeleteFunc(slices.Clone(w.all), func(p *member) bool { return p == n || !p.up || !p.m.MayApprove() }))
	if !ok || slices.Contains(n.asks, p) {
		return
	}
	n.asks = append(n.asks, p)
	n.w.logf("%s asks %s to be let in", n.name, p.name)
	w.repeatAsk(n, p, 6)
}

func (w *world) repeatAsk(n, p *member, times int) {
	done := func() { n.asks = slices.DeleteFunc(n.asks, func(q *member) bool { return q == p }) }
	if times == 0 || n.up && n.m.IsMember(n.me) && !n.m.Local().Left {
		done()
		return
	}
	if w.linked(n, p) {
		if p.m.IsMember(n.me) {
			w.catchUp(n, p)
		} else if _, err := p.step(group.JoinAsked{Request: group.Request{Peer: n.me, Bundle: n.bundle.Raw(), From: n.name}}); err == nil {
			w.count("join request")
			w.after(uint64(w.between(100, 3000)), func() { w.answer(p, n) })
		}
	}
	w.after(uint64(w.between(2000, 5000)), func() { w.repeatAsk(n, p, times-1) })
}

func (w *world) answer(p, n *member) {
	if !p.up || p.m.IsMember(n.me) {
		return
	}
	if w.chance(0.1) {
		if _, err := p.step(group.Decline{Peer: n.me}); err == nil {
			w.count("declined")
		}
		return
	}
	again := p.m.Removed(n.me)
	if _, err := p.step(group.Approve{Peer: n.me}); err == nil {
		w.count("approved")
		if again {
			w.count("admitted again")
		}
		w.logf("%s lets %s in", p.name, n.name)
	}
}

func (w *world) invite(n *member) error {
	p, ok := pick(w, slices.DeleteFunc(slices.Clone(w.all), func(p *member) bool { return p == n || n.m.IsMember(p.me) }))
	if !ok {
		return errNothing
	}
	if _, err := n.step(group.Invite{Peer: p.me}); err != nil {
		return err
	}
	if p.up && !slices.Contains(p.asks, n) {
		p.asks = append(p.asks, n)
		w.repeatAsk(p, n, 6)
	}
	return nil
}

func (w *world) abandon(n *member) error {
	if w.rng.IntN(4) != 0 || n.m.Owner() != n.me {
		return errNothing
	}
	_, err := n.step(group.Quit{Abandon: true})
	return err
}

func (w *world) someSettings(s group.Settings) group.Settings {
	s.History = group.History(w.rng.IntN(2))
	s.RotateBy = group.RotateBy([]int{0, 0, 0, 1, 2}[w.rng.IntN(5)])
	s.MaxAge = []uint64{group.DefaultMaxAge, group.DefaultMaxAge, 0, 20_000}[w.rng.IntN(4)]
	s.MaxMessages = []uint64{0, 0, 5}[w.rng.IntN(3)]
	return s
}

func (w *world) change(n *member) error {
	_, err := n.step(group.Change{Settings: w.someSettings(n.m.Settings())})
	return err
}

func (w *world) toggle(n *member) error {
	s := n.m.Settings()
	s.E2EE = !s.E2EE
	_, err := n.step(group.Change{Settings: s})
	if err == nil && !s.E2EE { // most often it comes back soon
		w.after(uint64(w.between(1000, 20_000)), func() {
			if n.up && !n.m.Settings().E2EE {
				w.toggle(n)
				w.count("encryption on again")
			}
		})
	}
	return err
}

func (w *world) grant(n *member) error {
	p, ok := pick(w, slices.DeleteFunc(slices.Clone(w.all), func(p *member) bool { return p == n || !n.m.IsMember(p.me) }))
	if !ok {
		return errNothing
	}
	_, err := n.step(group.DeputyAdd{Peer: p.me, Caps: group.Caps(w.between(1, 15))})
	if err == nil {
		w.logf("%s makes %s a deputy", n.name, p.name)
	}
	return err
}

func (w *world) revoke(n *member) error {
	p, ok := pick(w, slices.DeleteFunc(slices.Clone(w.all), func(p *member) bool { return n.m.Role(p.me) != "deputy" }))
	if !ok {
		return errNothing
	}
	_, err := n.step(group.DeputyRemove{Peer: p.me})
	return err
}

func (w *world) setName(n *member) error {
	_, err := n.step(group.SetName{Name: fmt.Sprintf("%s %d", n.name, w.rng.IntN(10))})
	return err
}

func (w *world) renewBundle(n *member) error {
	n.newBundle()
	v, err := w.decode(append([]byte{byte(group.KindBundle)}, n.bundle.Raw()...))
	if err != nil {
		w.fail("decode", "%v", err)
	}
	_, err = n.step(group.NewBundle{Record: v})
	return err
}

// turnClock lets a clock leap in the midst of everything: by some minutes, or by
// years.
func (w *world) turnClock(n *member) error {
	far := int64(2_000_000)
	if w.chance(0.3) {
		far = 10 * 52 * week
		w.count("fault: clock leaps by years")
	}
	n.skew = w.rng.Int64N(2*far) - far
	w.logf("the clock of %s leaps to %+d s", n.name, n.skew/1000)
	n.tickAt(n.clock() + 1)
	return nil
}

// pause lets a month go by.
func (w *world) pause(_ *member) error {
	if w.rng.IntN(4) != 0 {
		return errNothing
	}
	for _, n := range w.all {
		n.skew += group.DefaultMaxAge
		if n.up {
			n.tickAt(n.clock() + 1)
		}
	}
	return nil
}
