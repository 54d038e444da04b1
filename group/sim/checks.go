package sim

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"conclave/group"
	"conclave/keys"
)

// checkReady looks at a Ready that has become durable.
func (n *member) checkReady(ev group.Event, r *group.Ready) {
	w := n.w
	for _, e := range r.Batch.Entries {
		v, err := w.decode(e.Payload)
		if err != nil {
			w.fail("S4", "%s applied what Decode refuses: %v", n.name, err)
		}
		w.oracle.learn(v)
		n.checkOrd(e.Hash, e.Ord)
		if v.Entry().Type == group.TypeEpoch && v.Entry().Author == n.me {
			w.book.minted[e.Hash] = standpoint{w.oracle.of(n).set, maps.Clone(n.disk.owner.stopped)}
		}
	}
	for _, s := range r.Batch.Messages {
		if s.Author == n.me && w.book.forged[s.Hash] == "" && w.book.sealed[s.Hash] == nil {
			n.noteSealed(s)
		}
		n.checkShown(s)
		if v, err := w.decode(s.Payload); err == nil {
			w.book.messages[s.Hash] = v.Msg()
		}
		n.checkOrd(s.Hash, s.Ord)
	}
	for _, k := range r.Keys {
		w.noteHolds(n, k.EID, k.Key, fmt.Sprintf("%T", ev))
	}
	if ev, ok := ev.(group.Received); ok && len(r.Batch.Messages) > 0 && ev.Record.Msg() != nil {
		w.count("message received")
	}
	for range r.Sent {
		w.count("line sent")
	}
}

// checkAfter looks at a node after its Step is carried out.
func (n *member) checkAfter(ev group.Event, r *group.Ready) {
	if !n.up || len(r.Batch.Entries) == 0 && len(r.Keys) == 0 && n.w.rng.IntN(40) != 0 {
		return
	}
	n.checkState()
	if n.w.rng.IntN(30) == 0 {
		n.checkRestart()
	}
}

// checkOnce is S8: "an honest node never signs two records with one (lane, seq)".
func (w *world) checkOnce(v group.Verified) {
	var at number
	switch {
	case v.Entry() != nil:
		e := v.Entry()
		at = number{v.Kind(), e.Author, e.Lane, e.Seq}
	case v.Msg() != nil:
		x := v.Msg()
		at = number{v.Kind(), x.Author, x.Lane, x.Seq}
	default:
		return
	}
	if w.book.cheats[at.author] {
		return
	}
	if h, ok := w.book.numbers[at]; ok && h != v.Hash {
		w.fail("S8", "%s signed two records %c %d", w.by[at.author].name, at.kind, at.seq)
	}
	w.book.numbers[at] = v.Hash
}

// checkDurable is S9: "nothing is published that is not durable".
func (n *member) checkDurable(v group.Verified) {
	switch {
	case v.Entry() != nil:
		if _, ok := n.disk.entries[v.Hash]; !ok {
			n.w.fail("S9", "%s publishes a %s that is not on its disk", n.name, v.Entry().Type)
		}
		if _, ok := n.disk.keys[v.Hash]; v.Entry().Type == group.TypeEpoch && v.Entry().Author == n.me && !ok {
			n.w.fail("S9", "%s publishes an epoch whose key is not on its disk", n.name)
		}
	case v.Msg() != nil:
		if _, ok := n.disk.messages[v.Hash]; !ok {
			n.w.fail("S9", "%s publishes a message that is not on its disk", n.name)
		}
	}
}

// checkOwnKeys is S9 for what is read back after a crash: the key of an own
// epoch and of an own message was durable before they were.
func (n *member) checkOwnKeys() {
	for _, h := range sortedKeys(n.disk.messages) {
		s := n.disk.messages[h]
		if rec := n.w.book.sealed[h]; s.Author == n.me && rec != nil && rec.eid != (keys.Hash{}) {
			if _, ok := n.disk.keys[rec.eid]; !ok {
				n.w.fail("S9", "%s stored a message %d under a key that is not on its disk", n.name, s.Seq)
			}
		}
	}
	for _, h := range sortedKeys(n.disk.entries) {
		v, err := n.w.decode(n.disk.entries[h]) // the oracle may not know it: it died before it looked
		if err != nil {
			n.w.fail("decode", "%v", err)
		}
		e := v.Entry()
		if _, ok := n.disk.keys[h]; e.Type == group.TypeEpoch && e.Author == n.me && n.w.book.forged[h] == "" && !ok {
			n.w.fail("S9", "%s stored an own epoch without its key", n.name)
		}
	}
}

// checkLeftOnce is S9: "an outbox message leaves once, under one eid", and S10:
// "plaintext leaves an encrypted group only by choice".
func (w *world) checkLeftOnce(s *sealing) {
	for _, it := range s.items {
		l := w.book.items[it.ID]
		switch {
		case l == nil || l.author != s.author || l.text != it.Text:
			w.fail("S9", "%s sent a line that nobody gave: %q", s.author.name, it.Text)
		case l.record != (keys.Hash{}) && l.record != s.hash && !l.again:
			w.fail("S9", "%s sent %q twice", s.author.name, l.text)
		case l.old[s.eid]:
			w.fail("RM-05", "%s sent %q under an epoch that was out of use when it was given", s.author.name, l.text)
		case s.eid == (keys.Hash{}) && !l.plain:
			w.fail("S10", "%s sent %q as plaintext, which nobody chose", s.author.name, l.text)
		}
		if l.old != nil && w.off != nil && !w.calm {
			w.count("left under a new key, the owner off")
		}
		l.record, l.eid = s.hash, s.eid
	}
}

// checkRemovedCannotRead is S1: "nothing is encrypted with a key that someone
// the sender knows as removed can hold, except (under all) someone admitted
// again elsewhere, not yet known to the sender, and not removed in view(E)".
func (w *world) checkRemovedCannotRead(s *sealing) {
	if s.eid == (keys.Hash{}) {
		return
	}
	for _, p := range s.removed {
		if !w.book.holders[s.eid][p] {
			continue
		}
		e := w.oracle.by[s.eid]
		again := slices.ContainsFunc(w.oracle.facts, func(j *fact) bool {
			_, known := s.author.disk.entries[j.eh]
			return admits(j) && slices.Contains(w.oracle.subjects(j), p) && w.oracle.powerOf(j) != noPower && (!known || j.ord > e.ord)
		})
		if again && e.body.(*group.Epoch).History == group.HistoryAll && !w.oracle.before(e).removed(p) {
			continue
		}
		if w.torn && w.someLet(w.by[p], e) {
			continue // the owner has made people judge differently, for ever
		}
		w.fail("S1", "%s sealed %s under epoch %s, which %s holds, knowing that %s is removed",
			s.author.name, s.hash.Short(), s.eid.Short(), w.by[p].name, w.by[p].name)
	}
}

// checkMayHold is S2: "nobody holds K_E whose incarnation is dead in view(E)",
// and S3: "under none every holder's incarnation is in view(E)".
func (w *world) checkMayHold(p *member, eid keys.Hash, how string) {
	e := w.oracle.by[eid]
	if e == nil {
		w.fail("S2", "%s holds the key of an epoch that nobody applied", p.name)
	}
	if how := w.book.forged[eid]; how == copied || how != "" && e.Author == p.me {
		return // who forges an epoch has its key, of course; a copied one is held with the first
	}
	why := w.mayNotHold(p, e)
	if why != nil && w.oracle.forks { // who gave it judged by what it held, or the minter by what he did
		if w.someLet(p, e) {
			return
		}
	}
	if why != nil {
		w.fail("S2", "%s got the key of epoch %s (gen %d by %s, %s) by %s: %v", p.name, eid.Short(),
			e.body.(*group.Epoch).Gen, w.by[e.Author].name, e.body.(*group.Epoch).Reason, how, why)
	}
}

// someLet reports whether by the judgement of some node, or of the minter then, p
// may hold the key of e.
func (w *world) someLet(p *member, e *fact) bool {
	if as, ok := w.book.minted[e.eh]; ok {
		if w.oracle.judgeAs(as); w.mayNotHold(p, e) == nil {
			return true
		}
	}
	return slices.ContainsFunc(w.all, func(n *member) bool {
		w.oracle.of(n)
		return w.mayNotHold(p, e) == nil
	})
}

// mayNotHold tells why p may not hold the key of e.
func (w *world) mayNotHold(p *member, e *fact) error {
	seen := w.oracle.before(e)
	if seen.removed(p.me) {
		return errors.New("S2: removed in view(E)")
	}
	why := errors.New("no admission of theirs is known")
	for _, j := range w.oracle.facts {
		if !admits(j) || !slices.Contains(w.oracle.subjects(j), p.me) || w.oracle.powerOf(j) == noPower {
			continue
		}
		switch {
		case seen.dead(j):
			why = errors.New("S2: dead in view(E)")
		case e.body.(*group.Epoch).History == group.HistoryNone && !e.past.has(j):
			why = errors.New("S3: not in view(E)")
		default:
			return nil
		}
	}
	return why
}

// checkServed holds a node's answer to the rule SERVE: a key goes to whom it may
// go to by the node's own state, and to nobody else.
func (n *member) checkServed(u *member, e *fact, err error) {
	_, held := n.disk.keys[e.eh]
	_, applied := n.disk.entries[e.eh]
	if may := held && applied && n.w.oracle.of(n).mayHold(e, u.me); may != (err == nil) {
		n.w.fail("SERVE", "%s, asked for the key of epoch %s by %s, says %v", n.name, e.eh.Short(), u.name, err)
	}
}

// checkSameKey is S7: "all holders of an eid hold the same key".
func (w *world) checkSameKey(p *member, eid keys.Hash, key keys.Secret) {
	if k, ok := w.book.roomKey[eid]; ok && !k.Equal(key) {
		w.fail("S7", "%s holds another key of epoch %s", p.name, eid.Short())
	}
	w.book.roomKey[eid] = key
}

// checkShown is S4: "what is shown was signed by a member under its cited view".
func (n *member) checkShown(s group.StoredMessage) {
	w := n.w
	v, err := w.decode(s.Payload)
	if err != nil {
		w.fail("S4", "%s keeps a message that Decode refuses: %v", n.name, err)
	}
	w.oracle.of(n)
	if w.torn && !n.m.Visible(s.Hash) {
		return // kept because something cites it
	}
	j := w.oracle.by[v.Msg().JID]
	if j == nil || !admits(j) || !slices.Contains(w.oracle.subjects(j), s.Author) || w.oracle.powerOf(j) == noPower {
		w.fail("S4", "%s keeps a message of %s, whom nothing admits", n.name, w.by[s.Author].name)
	}
}

// checkOrd is part of S5: an ord is exact, so it is the same at every node. Who
// does not hold what lies below takes a claim as stated, so a cheat's wild claims
// may show.
func (n *member) checkOrd(h keys.Hash, ord uint64) {
	if was, ok := n.w.book.ords[h]; ok && was != ord && n.w.book.forged[h] == "" && n.w.counts["cheat: message with wild numbers"] == 0 {
		n.w.fail("S5", "record %s has ord %d at %s, %d elsewhere", h.Short(), ord, n.name, was)
	}
	n.w.book.ords[h] = ord
}
