package sim

import (
	"slices"

	"conclave/group"
	"conclave/keys"
)

// deputyForks lets a deputy remove somebody before some, and admit somebody
// before others, under one number.
func (w *world) deputyForks(did func()) error {
	owner, others, err := w.cast(2)
	if err != nil {
		return err
	}
	d, victim := others[0], others[1]
	if err := w.deputize(owner, d, group.CapKick|group.CapApprove|group.CapInvite); err != nil {
		return err
	}
	w.turn(d)
	kind := group.TypeKick
	if w.chance(0.4) {
		kind = group.TypeBan
	}
	one := d.draft(kind, 0, w.removal(d, victim, w.chance(0.5)))
	two := d.draft(group.TypeAdd, 0, &group.Peer{Peer: w.somebody(d).me})
	return w.twoBodies(d, one, two, did)
}

// twoBodies tells one entry to half of the others and to n's own machine, and
// another one under the same number to the rest.
func (w *world) twoBodies(n *member, one, two *group.Entry, did func()) error {
	a, b := w.halves(n)
	w.book.twice[n.me] = true
	if _, err := w.tellEntry(n, one, append(a, n)...); err != nil {
		return err
	}
	if _, err := w.tellEntry(n, two, b...); err != nil {
		return err
	}
	did()
	return nil
}

// anEpoch drafts an epoch over the newest one that n knows of others.
func (w *world) anEpoch(n *member, reason group.Reason) (*group.Entry, keys.Secret, bool) {
	var over *group.EpochInfo
	if !n.able() {
		return nil, keys.Secret{}, false
	}
	for _, e := range n.m.Epochs() {
		if e.Author != n.me && (over == nil || e.Gen > over.Gen) {
			over = &e
		}
	}
	if over == nil {
		return nil, keys.Secret{}, false
	}
	key, salt := w.entropy(), keys.Hash(w.entropy())
	b := &group.Epoch{
		Gen: over.Gen + 1, Parents: []keys.Hash{over.EID}, KC: keys.Commitment(key, salt, w.gid), Salt: salt,
		Suite: group.Suite, History: n.m.Settings().History, Reason: reason,
	}
	return n.draft(group.TypeEpoch, 0, b), key, true
}

// handKey gives a key to some by hand, where the rules let them have it.
func (w *world) handKey(e *group.Entry, eid keys.Hash, key keys.Secret, to []*member) {
	kc := e.Body
	b := new(group.Epoch)
	if err := keys.Unmarshal(kc, b); err != nil {
		w.fail("decode", "%v", err)
	}
	for _, q := range to {
		w.later(w.between(1, 4000), func() {
			if f := w.oracle.by[eid]; f != nil && q.up && w.oracle.of(q).mayHold(f, q.me) {
				q.step(group.KeyReceived{Commit: b.KC, Key: key})
			}
		})
	}
}

// twoEpochsOneNumber makes two room keys under one number, each for one half.
func (w *world) twoEpochsOneNumber(did func()) error {
	_, others, err := w.cast(2)
	if err != nil {
		return err
	}
	n := others[0]
	one, key, ok := w.anEpoch(n, group.ReasonRequest)
	if !ok {
		return errNothing
	}
	two, other, _ := w.anEpoch(w.turn(n), group.ReasonRequest)
	a, b := w.halves(n)
	w.book.twice[n.me] = true
	first, err := w.tellEntry(n, one, append(a, n)...)
	if err != nil {
		return err
	}
	second, err := w.tellEntry(n, two, b...)
	if err != nil {
		return err
	}
	w.handKey(one, first.Hash, key, append(a, n))
	w.handKey(two, second.Hash, other, b)
	w.handKey(one, first.Hash, other, a) // the wrong one
	did()
	return nil
}

// twoKeysOneEpoch gives the key that an epoch commits to to some, and another
// one to others. (S7)
func (w *world) twoKeysOneEpoch(did func()) error {
	_, others, err := w.cast(1)
	if err != nil {
		return err
	}
	n := others[0]
	e, key, ok := w.anEpoch(n, group.ReasonRescue)
	if !ok {
		return errNothing
	}
	w.turn(n)
	a, b := w.halves(n)
	v, err := w.tellEntry(n, e, w.all...)
	if err != nil {
		return err
	}
	w.handKey(e, v.Hash, key, append(a, n))
	wrong := w.entropy()
	kc := w.oracle.commitment(v)
	for _, q := range b {
		q.step(group.KeyReceived{Commit: kc, Key: wrong}) // before the epoch
	}
	w.handKey(e, v.Hash, wrong, b)
	did()
	return nil
}

// commitment is the kc of an EPOCH.
func (o *oracle) commitment(v group.Verified) keys.Hash {
	b := new(group.Epoch)
	if err := keys.Unmarshal(v.Entry().Body, b); err != nil {
		panic(err) // Decode has let it through
	}
	return b.KC
}

// leaveForSome lets a member be gone for some, who shut it out with a new key, and
// mint an epoch for others, under one number.
func (w *world) leaveForSome(did func()) error {
	_, others, err := w.cast(2)
	if err != nil {
		return err
	}
	n := others[0]
	js := w.oracle.of(n).alive(n.me)
	two, _, ok := w.anEpoch(n, group.ReasonRequest)
	if !ok || len(js) == 0 {
		return errNothing
	}
	w.turn(n)
	leave := &group.Leave{JID: js[len(js)-1].eh}
	if w.chance(0.5) {
		leave.Cuts = w.wildCuts(n)
	}
	one := n.draft(group.TypeLeave, 0, leave)
	if slices.Contains(js, w.oracle.by[w.gid]) {
		return errNothing
	}
	if w.chance(0.5) {
		return w.twoBodies(n, one, two, did)
	}
	return w.twoBodies(n, two, one, did)
}
