package group

import (
	"maps"
	"slices"

	"conclave/keys"
)

// onReceived takes a record of any kind. What cites something unknown waits.
func (m *Machine) onReceived(v Verified) error {
	switch v.Kind() {
	case KindEntry:
		return m.receiveEntry(v)
	case KindMessage:
		if m.local.Left || m.local.Hidden {
			return nil
		}
		return m.receiveMessage(v)
	case KindBundle, KindReport:
		m.receiveLatest(v)
	case KindChunk:
		m.receiveChunk(v)
	}
	return nil
}

func (m *Machine) receiveEntry(v Verified) error {
	e := v.Entry()
	if m.g.byHash[short(v.Hash)] != nil {
		return nil
	}
	if v.skipped { // it will be handed on alone, so its own signature has to hold
		if _, err := Decode(m.g.gid, v.Payload); err != nil {
			return err
		}
	}
	need, err := m.g.missing(e)
	if err != nil {
		return err
	}
	if e.Type != TypeGenesis {
		m.checkOwn(e.Author, e.Lane)
	}
	if len(need) > 0 {
		m.pend.wait(v, need[0])
		return nil
	}
	d := m.g.prepare(v)
	if m.stopsFork(v) {
		d.role, d.rests, d.stopped = roleNone, nil, true // held, so that what cites it need not wait
	}
	m.apply(d)
	return nil
}

// stopsFork reports whether v is an owner's entry on a chain with two branches,
// or of a term in which the owner wrote one: from then on this node applies none
// of that term, and what it applied before stays. (PROTOCOL.md, "Equivocation")
func (m *Machine) stopsFork(v Verified) bool {
	e := v.Entry()
	if m.g.direct != nil {
		return false
	}
	forked := m.g.forks(e) || m.g.forked[chain{e.Author, e.Lane}]
	if owner, term := m.st.owner(); forked && owner == e.Author && !m.restoring && !slices.Contains(m.local.Frozen, term) {
		m.freeze(owner, term)
	}
	if e.Term == 0 || e.Term > uint64(len(m.st.terms)) || m.st.terms[e.Term-1].owner != e.Author {
		return false
	}
	return slices.Contains(m.local.Frozen, e.Term) && !m.kept[v.Hash]
}

// freeze remembers what of the term was applied so far.
func (m *Machine) freeze(owner PeerID, term uint64) {
	m.local.Frozen = append(slices.Clone(m.local.Frozen), term)
	m.local.Kept = slices.Clone(m.local.Kept)
	for c, tips := range m.g.tips {
		if c.author != owner {
			continue
		}
		for _, t := range tips {
			for t != nil && (t.Term != term || t.role != roleOwner) {
				t = m.g.byHash[short(t.Prev)]
			}
			if t != nil {
				m.local.Kept = append(m.local.Kept, t.eh)
			}
		}
	}
	m.local.Kept = sortHashes(m.local.Kept)
	m.saveLocal()
}

// apply adds a prepared entry, and what waited for it.
func (m *Machine) apply(e *entry) {
	m.alarmEntry(e)
	m.alarmEarly(e)
	m.g.insert(e)
	m.refold()
	m.r.Batch.Entries = append(m.r.Batch.Entries, StoredEntry{
		Author: e.Author, Lane: e.Lane, Seq: e.Seq, Hash: e.eh, Ord: e.ord, Shown: max(e.ord, m.clock), Payload: e.payload,
	})
	m.show(ShowEntry, e.eh, e.Author, e.ord)
	m.release(short(e.eh))
}

// release retries the records that waited for h, breadth first.
func (m *Machine) release(h Short) {
	for _, v := range m.pend.release(h) {
		m.onReceived(v) // what contradicts its citations is dropped here
	}
}

// checkOwn is asked about each record that this node does not hold. One of its
// own, in its present lane or a later one, which it did not write means that its
// home was rolled back or copied, or restored elsewhere while it went on. In its
// present lane it never signs again then; a later one it never signed in.
func (m *Machine) checkOwn(author PeerID, lane uint64) {
	if author != m.me || m.restoring {
		return
	}
	known := m.g.tip(author, lane) != nil || m.logs[chain{author, lane}] != nil
	if lane == m.lane {
		m.beginLane()
	} else if lane < m.lane || known {
		return
	}
	m.show(ShowCopied, Hash{}, m.me, 0)
}

func (m *Machine) receiveMessage(v Verified) error {
	x := v.Msg()
	if m.msgs[short(v.Hash)] != nil {
		return nil
	}
	need, err := m.missingFor(x)
	if err != nil {
		return err
	}
	m.checkOwn(x.Author, x.Lane)
	if len(need) > 0 {
		m.waitFor(v, need)
		return nil
	}
	if m.accept(v) {
		m.release(short(v.Hash))
	}
	return nil
}

// waitFor keeps v until what it misses is held. A record hidden beyond a cut is
// brought back when something not beyond that cut cites it: it counts as held,
// though never shown.
func (m *Machine) waitFor(v Verified, need []Short) {
	if !m.pend.wait(v, need[0]) {
		return
	}
	at := m.pend.root(need[0])
	if hidden, ok := m.pend.hidden[at]; ok && m.pend.cited(hidden, m.beyondCut) {
		m.pend.unhide(at)
		m.receiveMessage(hidden)
	}
}

// retryHidden looks again at records beyond a cut, after the state changed.
func (m *Machine) retryHidden() {
	for _, h := range m.pend.hiddenHashes() {
		if v, ok := m.pend.unhide(h); ok {
			m.receiveMessage(v)
		}
	}
}

// receiveLatest keeps the newest bundle and report of everyone who was ever
// admitted: whoever asks to be brings a bundle along.
func (m *Machine) receiveLatest(v Verified) {
	if !m.Admitted(v.Author()) {
		return
	}
	switch r := v.v.(type) {
	case keys.Bundle:
		if r.Peer == m.me || r.Seq <= m.bundles[r.Peer].Seq {
			return
		}
		m.bundles[r.Peer] = r
	case *Report:
		if old := m.reports[r.Author]; old != nil && old.Seq >= r.Seq {
			return
		}
		m.reports[r.Author] = r
	default:
		return
	}
	m.latest[latestKey{v.Kind(), v.Author()}] = v
	m.r.Batch.Latest = append(m.r.Batch.Latest, v)
}

// Bases that peers named are remembered for so many logs, and so many of each.
const (
	maxOffers      = 16
	maxOfferedLogs = 4096
)

// onBased remembers where a peer says that a log begins for this member. The
// base moves when the record above it comes; see beginsCopy.
func (m *Machine) onBased(b Based) {
	c := chain{b.Author, b.Lane}
	if len(m.offers) >= maxOfferedLogs && m.offers[c] == nil {
		return
	}
	b.Ord = min(b.Ord, maxOrd)
	offers := slices.DeleteFunc(slices.Clone(m.offers[c]), func(o Based) bool { return o.Base == b.Base })
	offers = append(offers, b)
	m.offers[c] = offers[max(0, len(offers)-maxOffers):]
	for _, h := range m.pend.satisfiedBy(b.Author, b.Lane, b.Base) {
		m.release(h)
	}
}

// onKey keeps a room key that its epoch's commitment vouches for. A key that
// came before its epoch waits for it.
func (m *Machine) onKey(k KeyReceived) error {
	epochs := m.g.keyUses[k.Commit]
	if len(epochs) == 0 {
		if len(m.early) >= MaxHeldKeys {
			return ErrFull
		}
		m.early[k.Commit] = k.Key
		return nil
	}
	held := false
	for _, e := range epochs {
		held = m.holdKey(e, k.Key) || held
	}
	if !held {
		return keys.ErrCommitment
	}
	return nil
}

// holdKey keeps the key of e if it is the key that e commits to.
func (m *Machine) holdKey(e *entry, key keys.Secret) bool {
	b := e.body.(*Epoch)
	if keys.Commitment(key, b.Salt, m.g.gid) != b.KC || m.erased[e.eh] {
		return false
	}
	if _, ok := m.held[e.eh]; !ok {
		m.held[e.eh] = key
		m.r.Keys = append(m.r.Keys, KeyWrite{EID: e.eh, Key: key})
		m.show(ShowKey, e.eh, m.me, 0)
	}
	return true
}

func (m *Machine) claimEarlyKeys() {
	for _, kc := range slices.SortedFunc(maps.Keys(m.early), Hash.Compare) {
		if es := m.g.keyUses[kc]; len(es) > 0 {
			for _, e := range es {
				m.holdKey(e, m.early[kc])
			}
			delete(m.early, kc)
		}
	}
}

func (m *Machine) onOnline(o Online) {
	if o.Up {
		m.online[o.Peer] = true
	} else {
		delete(m.online, o.Peer)
	}
}

// settleRoster tells the shell who belongs on the topic now, and whose
// connection to close.
func (m *Machine) settleRoster() {
	members := m.st.members()
	if m.st.member(m.me) && m.local.Left {
		m.local.Left = false // admitted again
		m.saveLocal()
	}
	m.r.Members = append([]PeerID{}, members...)
	if m.local.Hidden || m.Admitted(m.me) && !m.st.member(m.me) && !m.local.Left {
		m.r.Members = []PeerID{} // who left by its own wish still hands that on
	}
	in := map[PeerID]bool{m.me: true}
	for _, p := range members {
		in[p] = true
	}
	for p := range m.st.admits {
		if !in[p] { // removed, gone, or admitted by an entry that turned out void
			m.r.Drop = append(m.r.Drop, p)
		}
	}
	slices.SortFunc(m.r.Drop, PeerID.Compare)
}
