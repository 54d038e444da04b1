package sim

import (
	"cmp"
	"slices"

	"conclave/group"
	"conclave/keys"
)

// trick is something that a malicious person signs by hand.
type trick struct {
	name   string
	weight int
	owner  bool // what a malicious owner does, who does not sign twice
	do     func(*world, *member) error
}

func tricks() []trick {
	return []trick{
		{"epoch without reason", 6, false, (*world).forgeEpoch},
		{"epoch with a used key", 2, false, (*world).copyEpoch},
		{"what only the owner may", 6, false, (*world).usurp},
		{"deputy's entry", 4, false, (*world).overstep},
		{"another's LEAVE", 2, false, (*world).forgeLeave},
		{"fork of the own chain", 4, false, (*world).forkChain},
		{"fork of the own log", 3, false, (*world).forkLog},
		{"backdated lane", 3, false, (*world).backdate},
		{"message with wild numbers", 3, false, (*world).wildMessage},
		{"wrong key in an envelope", 2, false, (*world).plantKey},
		{"link", 5, true, (*world).makeLink},
		{"join by link", 6, true, (*world).joinByLink},
		{"accept the group", 2, true, (*world).acceptTerm},
		{"hand the group over", 6, true, (*world).handOver},
	}
}

// cheat lets a malicious person sign what the rules forbid, or what this node's
// program does not offer.
func (w *world) cheat(n *member) error {
	if !n.evil || n.busy || w.talk != nil && w.rng.IntN(3) != 0 {
		return errNothing
	}
	ts := slices.DeleteFunc(tricks(), func(t trick) bool { return w.ruled(n) && !t.owner })
	total := 0
	for _, t := range ts {
		total += t.weight
	}
	at := w.rng.IntN(total)
	for _, t := range ts {
		if at -= t.weight; at < 0 {
			err := t.do(w, n)
			if err == nil {
				w.count("cheat: " + t.name)
				w.logf("%s cheats: %s", n.name, t.name)
			}
			return err
		}
	}
	return errNothing
}

// ruled reports whether n is or was an owner, or may become one. S5 and L1 are
// promised without an owner who signs twice: where the TRANSFER is not known yet
// that is the former one.
func (w *world) ruled(n *member) bool {
	return slices.ContainsFunc(w.oracle.facts, func(f *fact) bool {
		return f.Author == n.me && (f.Type == group.TypeGenesis || f.Type == group.TypeAccept)
	})
}

// heads are those of the chains of others that n knows, and its own newest entry.
func (n *member) heads() (others []group.Head, own *fact) {
	for _, h := range n.m.Heights().Control {
		if h.Author != n.me {
			others = append(others, h)
			continue
		}
		if f := n.w.oracle.heads[h.Hash]; f != nil && (own == nil || f.Lane > own.Lane || f.Lane == own.Lane && f.Seq > own.Seq) {
			own = f
		}
	}
	return others[:min(len(others), group.MaxSeen)], own
}

// draft is the next entry of n's chain, as the rules want it.
func (n *member) draft(t group.Type, term uint64, body any) *group.Entry {
	seen, own := n.heads()
	e := &group.Entry{GID: n.w.gid, Type: t, Author: n.me, Seq: 1, Time: n.clock(), Term: term, Seen: seen, Body: keys.Marshal(body)}
	if own != nil {
		e.Lane, e.Seq, e.Prev = own.Lane, own.Seq+1, own.eh
	}
	for _, h := range seen {
		if f := n.w.oracle.heads[h.Hash]; f != nil {
			e.Ord = max(e.Ord, f.ord+1)
		}
	}
	return e
}

func (n *member) signEntry(e *group.Entry) []byte {
	return append([]byte{byte(group.KindEntry)}, n.id.Sign(keys.LabelEntry, n.w.gid, keys.Marshal(e)).Encode()...)
}

// spread gives a forged record to n's own machine, or not, and to some or all of
// the others, whatever their rosters say.
func (w *world) spread(n *member, how string, payload []byte, own bool) error {
	v, err := w.decode(payload)
	if err != nil {
		return err // Decode refuses it: nobody would take it
	}
	w.book.forged[v.Hash] = how
	if own {
		n.take(v)
		if _, durable := n.disk.entries[v.Hash]; !durable && v.Entry() != nil {
			w.book.twice[n.me] = true // it may wait there, and come in when another has that number
			return errNothing
		}
	}
	if !own && v.Entry() != nil {
		w.book.twice[n.me] = true // with what its own machine writes there
	}
	w.book.wire = append(w.book.wire, payload)
	all := w.chance(0.5)
	for _, q := range w.all {
		if q != n && (all || w.chance(0.4)) {
			w.after(uint64(w.between(1, 3000)), func() { q.take(v) })
		}
	}
	return nil
}

// forgeEpoch mints an epoch for a reason that most often does not hold.
func (w *world) forgeEpoch(n *member) error {
	key := w.entropy()
	salt := keys.Hash(w.entropy())
	b := &group.Epoch{
		Gen: 1, KC: keys.Commitment(key, salt, w.gid), Salt: salt, Suite: group.Suite, History: n.m.Settings().History,
		Reason: group.Reason(w.between(1, 9)), N: uint64(w.between(0, 9)),
	}
	for _, e := range n.m.Epochs() {
		if w.chance(0.5) && len(b.Parents) < 3 {
			b.Parents = append(b.Parents, e.EID)
			b.Gen = max(b.Gen, e.Gen+1)
		}
	}
	slices.SortFunc(b.Parents, keys.Hash.Compare)
	if w.chance(0.2) {
		b.Gen += uint64(w.between(1, 1000))
	}
	term := uint64(0)
	if w.chance(0.2) {
		term = 1
	}
	e := n.draft(group.TypeEpoch, term, b)
	if err := w.spread(n, "epoch", n.signEntry(e), w.chance(0.7)); err != nil {
		return err
	}
	if n.up {
		n.step(group.KeyReceived{Commit: b.KC, Key: key})
	}
	return nil
}

const copied = "copied epoch"

// copyEpoch mints an epoch with the key commitment of another.
func (w *world) copyEpoch(n *member) error {
	old, ok := pick(w, n.m.Epochs())
	if !ok {
		return errNothing
	}
	b := *w.oracle.by[old.EID].body.(*group.Epoch)
	b.Gen, b.Parents, b.Acks, b.Reason = old.Gen+1, []keys.Hash{old.EID}, nil, group.ReasonRequest
	return w.spread(n, copied, n.signEntry(n.draft(group.TypeEpoch, 0, &b)), w.chance(0.5))
}

func (w *world) somebody(but *member) *member {
	for {
		if p := w.all[w.rng.IntN(len(w.all))]; p != but {
			return p
		}
	}
}

// usurp signs what only an owner may.
func (w *world) usurp(n *member) error {
	p := w.somebody(n)
	term := uint64(w.between(0, 2))
	var e *group.Entry
	switch w.rng.IntN(5) {
	case 0:
		e = n.draft(group.TypeSet, term, &group.Set{Settings: group.Settings{Name: "mine", E2EE: w.chance(0.5)}})
	case 1:
		e = n.draft(group.TypeGrant, term, &group.Grant{Peer: p.me, Caps: 15})
	case 2:
		e = n.draft(group.TypeUnban, term, &group.Peer{Peer: p.me})
	case 3:
		e = n.draft(group.TypeTransfer, term, &group.Transfer{To: n.me})
	default:
		e = n.draft(group.TypeRevoke, term, &group.Revoke{Grant: w.someGrant()})
	}
	return w.spread(n, e.Type.String(), n.signEntry(e), w.chance(0.5))
}

func (w *world) someGrant() keys.Hash {
	for _, f := range w.oracle.facts {
		if f.Type == group.TypeGrant && w.chance(0.5) {
			return f.eh
		}
	}
	return keys.Hash{1}
}

// overstep signs a removal or an admission, with cuts and incarnations of n's own
// choice: void, unless n is a deputy.
func (w *world) overstep(n *member) error {
	p := w.somebody(n)
	if w.chance(0.4) {
		return w.spread(n, "ADD", n.signEntry(n.draft(group.TypeAdd, 0, &group.Peer{Peer: p.me})), w.chance(0.5))
	}
	b := &group.Removal{Peer: p.me, Cuts: w.wildCuts(p)}
	for _, f := range w.oracle.facts {
		if admits(f) && w.chance(0.5) && len(b.JIDs) < 10 {
			b.JIDs = append(b.JIDs, f.eh)
		}
	}
	slices.SortFunc(b.JIDs, keys.Hash.Compare)
	t := group.TypeKick
	if w.chance(0.3) {
		t = group.TypeBan
	}
	return w.spread(n, t.String(), n.signEntry(n.draft(t, 0, b)), w.chance(0.5))
}

// wildCuts names records of p's chain here and there.
func (w *world) wildCuts(p *member) (cuts []group.Cut) {
	for _, f := range w.oracle.facts {
		if f.Author == p.me && w.chance(0.3) && len(cuts) < 5 {
			cuts = append(cuts, group.Cut{Log: group.ControlLog, Lane: f.Lane, Seq: f.Seq, Hash: f.eh})
		}
	}
	slices.SortFunc(cuts, func(a, b group.Cut) int {
		return cmp.Or(cmp.Compare(a.Log, b.Log), cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Seq, b.Seq), a.Hash.Compare(b.Hash))
	})
	return cuts
}

func (w *world) forgeLeave(n *member) error {
	p := w.somebody(n)
	js := w.oracle.of(n).alive(p.me)
	if len(js) == 0 {
		return errNothing
	}
	return w.spread(n, "LEAVE", n.signEntry(n.draft(group.TypeLeave, 0, &group.Leave{JID: js[0].eh})), w.chance(0.5))
}

// forkChain signs a second entry under a number of n's own.
func (w *world) forkChain(n *member) error {
	_, own := n.heads()
	if own == nil {
		return errNothing
	}
	back := own
	for range w.rng.IntN(3) {
		if prev := w.oracle.by[back.Prev]; prev != nil && prev.Lane == own.Lane {
			back = prev
		}
	}
	e := n.draft(group.TypeProfile, 0, &group.Profile{Name: n.name + " twice"})
	e.Lane, e.Seq, e.Prev = back.Lane, back.Seq, back.Prev
	if w.chance(0.3) {
		e.Seen = back.Seen
	}
	w.book.twice[n.me] = true
	return w.spread(n, "fork", n.signEntry(e), w.chance(0.3))
}

// linkKey is the secret of the one link of a schedule.
func (w *world) linkKey() *keys.Identity {
	return keys.IdentityFromSeed(keys.Secret{byte(w.cfg.Seed), 77})
}

func (w *world) makeLink(n *member) error {
	term := uint64(0)
	if n.m.Owner() == n.me {
		term = uint64(len(w.oracle.of(n).terms))
	}
	b := &group.InviteLink{Key: w.linkKey().PeerID(), Uses: uint64(w.between(1, 3)), Expires: w.now + uint64(w.between(0, 60_000)), PreApproved: w.chance(0.9)}
	return w.spread(n, "INVITE", n.signEntry(n.draft(group.TypeInvite, term, b)), true)
}

// joinByLink sponsors somebody who has the link.
func (w *world) joinByLink(n *member) error {
	p := w.somebody(n)
	var links []*fact
	for _, f := range w.oracle.of(n).in {
		if f.Type == group.TypeInvite {
			links = append(links, f)
		}
	}
	inv, ok := pick(w, links)
	if !ok {
		return errNothing
	}
	proof := group.SignJoinProof(w.linkKey(), w.gid, inv.eh, p.me)
	return w.spread(n, "JOIN", n.signEntry(n.draft(group.TypeJoin, 0, &group.Join{Invite: inv.eh, Joiner: p.me, Proof: proof})), true)
}

func (w *world) acceptTerm(n *member) error {
	if w.torn || w.book.twice[n.me] {
		return errNothing
	}
	term := uint64(max(1, len(w.oracle.of(n).terms)))
	return w.spread(n, "ACCEPT", n.signEntry(n.draft(group.TypeAccept, 0, &group.Accept{Term: term})), true)
}

// handOver signs a TRANSFER to somebody who has accepted.
func (w *world) handOver(n *member) error {
	v := w.oracle.of(n)
	for _, f := range v.in {
		a, ok := f.body.(*group.Accept)
		if ok && a.Term == uint64(len(v.terms)) && w.chance(0.7) {
			e := n.draft(group.TypeTransfer, a.Term, &group.Transfer{To: f.Author, Accept: f.eh})
			return w.spread(n, "TRANSFER", n.signEntry(e), true)
		}
	}
	return errNothing
}
