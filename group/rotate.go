package group

import (
	"slices"

	"conclave/keys"
)

// Waits and budgets of rotation, in milliseconds. (PROTOCOL.md, "Rotation")
const (
	rankWait    = 2_000  // for each rank before one's own
	mostWait    = 6_000  // for a speaker, whatever the ranks
	askWait     = 10_000 // for a key that exists, before minting another
	softWait    = 3_000  // for a better epoch, in a soft-marked group
	softApart   = 10_000 // between two soft rotations of one minter
	idleWait    = 1_000  // for more of the same, when nobody speaks
	pushBudget  = 256 << 10
	chunkBytes  = 64_000
	envelopeMax = keys.EnvelopeSize + 16 // encoded with its tag
)

// rotation is what a minter waits for.
type rotation struct {
	hardSince uint64 // the group has been hard-marked since
	heldSince uint64 // and a line has waited for a key since
	softSince uint64 // a line has waited for a better epoch since
	softDone  Hash   // the epoch under which that wait is over
	lastSoft  uint64
	request   Hash   // the epoch that a rotation was asked for
	deferred  bool   // whoever is first to mint was asked for a key, for the lines that wait now
	wished    uint64 // others were last asked to replace a key that this node may not have
	asked     uint64 // a member last asked this node to mint

	guests     bool   // some may wait for a key whom this node let in by a link
	guestsPaid uint64 // until when the epochs for such are paid for
}

// turnBack keeps waits from growing where the clock was turned back.
func (r *rotation) turnBack(now uint64) {
	for _, t := range []*uint64{&r.hardSince, &r.heldSince, &r.softSince, &r.lastSoft, &r.wished, &r.asked} {
		*t = min(*t, now)
	}
	r.guestsPaid = min(r.guestsPaid, now+guestBurst*guestApart)
}

// Mark says whether the next line needs a new room key.
type Mark int

// The marks.
const (
	Unmarked Mark = iota
	SoftMark
	HardMark
)

func (k Mark) String() string { return [...]string{"no", "soft", "hard"}[k] }

// marked derives the group's mark. (PROTOCOL.md, "Marked")
func (m *Machine) marked(now uint64) Mark {
	if !m.st.settings.E2EE {
		return Unmarked
	}
	cur := m.current()
	if cur == nil {
		return HardMark
	}
	if len(m.softReasons(cur, now)) > 0 {
		return SoftMark
	}
	return Unmarked
}

// softReasons lists why the current epoch should be replaced soon.
func (m *Machine) softReasons(cur *entry, now uint64) []Reason {
	var out []Reason
	if s := m.st.settings; s.MaxAge > 0 && aged(cur, now, s.MaxAge) {
		out = append(out, ReasonAge)
	} else if s.MaxMessages > 0 && m.sealedUnder[cur.idx] >= int(min(s.MaxMessages, 1<<30)) {
		out = append(out, ReasonMessages)
	}
	if len(m.st.uncovered(cur)) > 0 || m.shutOut(cur) {
		out = append(out, ReasonAdmitted, ReasonCover)
	}
	if m.rot.request == cur.eh {
		out = append(out, ReasonRequest)
	}
	return out
}

// shutOut reports whether an epoch is preferred to cur whose key may not be handed
// to this node: others speak under it, and may not be allowed to replace it.
func (m *Machine) shutOut(cur *entry) bool {
	for _, p := range m.eligible() {
		if p == cur {
			break
		}
		if m.isMember() && m.st.mayHold(p, m.me) != nil {
			return true
		}
	}
	return false
}

// mayRotate reports whether this node may mint without a reason.
func (m *Machine) mayRotate() bool { return m.MayRotate(m.me) }

// rotateIfDue mints where a hard-marked group has waited long enough for
// someone better placed.
func (m *Machine) rotateIfDue() {
	if !m.st.settings.E2EE || m.maySign() != nil || m.current() != nil {
		m.rot.hardSince, m.rot.heldSince, m.rot.deferred = 0, 0, false
		return
	}
	if m.rot.hardSince == 0 {
		m.rot.hardSince = m.now
	}
	if m.rot.heldSince == 0 && m.holdsSealed() {
		m.rot.heldSince = m.now
	}
	due, ok := m.hardDue()
	switch {
	case !ok:
	case m.now >= due:
		if !m.mintFor(m.hardReasons()...) && m.now >= m.rot.wished+softApart {
			m.r.Wish, m.rot.wished = m.rotators(), m.now
		}
	case m.rot.heldSince > 0 && !m.rot.deferred && len(m.eligible()) == 0:
		if first, better := m.betterPlaced(); better {
			m.r.Wish, m.rot.wished, m.rot.deferred = []PeerID{first}, m.now, true
		}
	}
}

// betterPlaced returns who is online and first to mint in a hard-marked group,
// where that is not this node.
func (m *Machine) betterPlaced() (PeerID, bool) {
	rs := m.rotators()
	if len(rs) == 0 {
		return PeerID{}, false
	}
	owner, _ := m.st.owner()
	deputies := m.st.deputies()
	mine := slices.Index(deputies, m.me)
	return rs[0], rs[0] == owner || mine < 0 || slices.Index(deputies, rs[0]) < mine
}

// hardDue is when this node mints in a hard-marked group, if at all.
func (m *Machine) hardDue() (uint64, bool) {
	owner, _ := m.st.owner()
	speaks := m.rot.heldSince > 0
	switch {
	case !m.othersKeyed():
		return 0, false
	case len(m.eligible()) > 0: // a key exists: ask for it first
		return m.rot.heldSince + askWait, speaks
	case owner == m.me || m.g.direct != nil:
		if speaks {
			return m.rot.heldSince, true
		}
		if m.wishStands() {
			return m.now, true
		}
		return m.rot.hardSince + idleWait, m.g.direct == nil
	case m.mayRotate() && m.wishStands():
		return m.now, true
	case !speaks || !m.companyOnline():
		return m.rot.heldSince, speaks
	}
	deputies := m.st.deputies()
	if k := slices.Index(deputies, m.me); k >= 0 {
		return m.rot.heldSince + uint64(k+1)*rankWait, true
	}
	wait := uint64(rankWait)
	for _, d := range deputies {
		if m.online[d] {
			wait += rankWait
		}
	}
	return m.rot.heldSince + min(wait, mostWait), true
}

// wishStands reports whether a member asked for a key a moment ago: one who
// speaks and need not wait for this node to be idle.
func (m *Machine) wishStands() bool { return m.rot.asked > 0 && m.now < m.rot.asked+rankWait }

// companyOnline reports whether another member is connected.
func (m *Machine) companyOnline() bool {
	for p := range m.online {
		if p != m.me && m.st.member(p) {
			return true
		}
	}
	return false
}

// othersKeyed reports whether a first key of a conversation could reach the
// other person, whose bundle this node must have seen.
func (m *Machine) othersKeyed() bool {
	if m.g.direct == nil {
		return true
	}
	_, ok := m.bundles[m.other()]
	return ok
}

// other is the other person of a conversation.
func (m *Machine) other() PeerID {
	if m.g.direct[0] == m.me {
		return m.g.direct[1]
	}
	return m.g.direct[0]
}

// hardReasons lists why no key may be used now, most telling first.
func (m *Machine) hardReasons() []Reason {
	switch {
	case len(m.g.epochs) == 0:
		return []Reason{ReasonCreate, ReasonEncryptionOn}
	case len(m.eligible()) > 0:
		return []Reason{ReasonAdmitted, ReasonRescue}
	}
	return []Reason{ReasonEncryptionOn, ReasonRemoved, ReasonAdmitted, ReasonRescue, ReasonCover}
}

// onRotate replaces the key because this person asked for it.
func (m *Machine) onRotate() error {
	if err := m.maySign(); err != nil {
		return err
	}
	if !m.st.settings.E2EE {
		return ErrOff
	}
	if !m.othersKeyed() {
		return ErrNotMember
	}
	if !m.mintFor(ReasonRequest) {
		return ErrNotAllowed
	}
	return nil
}

// onWish rotates for a member who may not, or who gives way. A wish may come
// before the removal that it is about.
func (m *Machine) onWish(from PeerID) {
	if !m.st.member(from) || m.maySign() != nil || !m.mayRotate() {
		return
	}
	m.rot.asked = m.now
	cur := m.current()
	if cur == nil {
		return // see rotateIfDue
	}
	if reasons := m.softReasons(cur, m.now); len(reasons) > 0 {
		m.mintSoft(reasons)
	}
}

// softDelay reports whether a line that could leave under cur waits for a
// better epoch, minting one where it is this node's turn.
func (m *Machine) softDelay(cur *entry) bool {
	reasons := m.softReasons(cur, m.now)
	if len(reasons) == 0 {
		m.rot.softSince = 0
		return false
	}
	if !m.mayRotate() && m.rot.softDone != cur.eh {
		if m.rot.softSince == 0 {
			m.rot.softSince = m.now
			m.r.Wish = m.rotators()
		}
		if len(m.rotators()) > 0 && m.now < m.rot.softSince+softWait {
			return true
		}
	}
	m.rot.softSince, m.rot.softDone = 0, cur.eh
	m.mintSoft(reasons)
	return false
}

// mintSoft replaces a key that is still good, not more often than softApart.
func (m *Machine) mintSoft(reasons []Reason) {
	if m.now >= m.rot.lastSoft+softApart {
		m.rot.lastSoft = m.now
		m.mintFor(reasons...)
	}
}

// rotators lists who is online and may rotate without a reason.
func (m *Machine) rotators() []PeerID {
	var out []PeerID
	owner, _ := m.st.owner()
	for _, p := range append([]PeerID{owner}, m.st.deputies()...) {
		if p != m.me && m.online[p] && (p == owner || m.st.caps(p)&CapRotate != 0) {
			out = append(out, p)
		}
	}
	return out
}

// nextWake is the earliest moment at which a Tick could change something.
func (m *Machine) nextWake() uint64 {
	wake := uint64(0)
	at := func(t uint64) {
		if t > m.now && (wake == 0 || t < wake) {
			wake = t
		}
	}
	if m.rot.hardSince > 0 {
		if due, ok := m.hardDue(); ok {
			at(due) // past: tried in this Step, and only somebody else can help
			if m.now >= due && len(m.rotators()) > 0 {
				at(m.rot.wished + softApart)
			}
		}
	}
	if m.rot.softSince > 0 {
		at(m.rot.softSince + softWait)
	}
	if m.rot.guests {
		at(m.guestsDue())
	}
	return wake
}
