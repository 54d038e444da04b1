package group

import (
	"slices"

	"conclave/keys"
)

// What follows only reads.

// GID returns the group's ID.
func (m *Machine) GID() Hash { return m.g.gid }

// Me returns this node's person.
func (m *Machine) Me() PeerID { return m.me }

// Known reports whether the first entry is held.
func (m *Machine) Known() bool { return m.genesis() != nil }

// Direct returns the two people of a conversation, nil for a group.
func (m *Machine) Direct() *[2]PeerID { return m.g.direct }

// Settings returns the settings in force.
func (m *Machine) Settings() Settings { return m.st.settings }

// RequiresE2EE reports whether plaintext is invalid here.
func (m *Machine) RequiresE2EE() bool { return m.requiresE2EE() }

// Owner returns the present owner.
func (m *Machine) Owner() PeerID { p, _ := m.st.owner(); return p }

// Members returns the members in the order of first admission.
func (m *Machine) Members() []PeerID { return m.st.members() }

// IsMember reports whether p is a member.
func (m *Machine) IsMember(p PeerID) bool { return m.st.member(p) }

// Known authors include former members.
func (m *Machine) Admitted(p PeerID) bool { return len(m.st.admits[p]) > 0 }

// Everyone lists the members and former members.
func (m *Machine) Everyone() []PeerID { return slices.Clone(m.st.people) }

// Serves reports whether peer may catch up here: a member, and in a conversation
// the other person, unless hidden.
func (m *Machine) Serves(peer PeerID) bool { return m.st.member(peer) && !m.local.Hidden }

// Removed reports whether p was a member and is none.
func (m *Machine) Removed(p PeerID) bool { return m.st.removed(p) }

// Banned reports whether p is banned.
func (m *Machine) Banned(p PeerID) bool { return m.st.banned(p) }

// Banished lists all who are banned, members once or not.
func (m *Machine) Banished() (out []PeerID) {
	for p := range m.st.removals {
		if m.st.banned(p) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, PeerID.Compare)
	return out
}

// Local returns what this node alone decided.
func (m *Machine) Local() Local { return m.local }

// Role returns owner, deputy, member or none.
func (m *Machine) Role(p PeerID) string {
	owner, _ := m.st.owner()
	switch {
	case !m.st.member(p):
		return "none"
	case m.g.direct != nil:
		return "member"
	case p == owner:
		return "owner"
	case m.st.grant(p) != nil:
		return "deputy"
	}
	return "member"
}

// Caps returns what p may do as a deputy.
func (m *Machine) Caps(p PeerID) Caps { return m.st.caps(p) }

// Parent returns the group that this one goes on for, if there is one.
func (m *Machine) Parent() (Hash, bool) {
	e := m.g.byHash[short(m.g.gid)]
	if e == nil || m.g.direct != nil {
		return Hash{}, false
	}
	b, is := e.body.(*Genesis)
	if !is || len(b.Parent) != 32 {
		return Hash{}, false
	}
	return Hash(b.Parent), true
}

// Careful reports whether this node signs nothing until a Compared.
func (m *Machine) Careful() bool { return m.careful }

// MayApprove reports whether this node may admit people.
func (m *Machine) MayApprove() bool { return m.mayApprove() }

// Marked derives the group's mark at a moment, in Unix milliseconds.
func (m *Machine) Marked(now uint64) Mark { return m.marked(now) }

// PlainAccepted reports whether this person need not be asked again before a
// line goes out in plaintext while encryption is off.
func (m *Machine) PlainAccepted() bool {
	return m.st.toggle() == nil || m.st.settings.E2EE || m.local.Accepted == m.st.toggle().eh
}

// Name returns the profile name that p stated last, "" if none. It is a claim:
// others may bear the same. (PROTOCOL.md, "Names")
func (m *Machine) Name(p PeerID) string {
	for _, e := range slices.Backward(m.g.profiles[p]) {
		if !m.st.isVoid(e) {
			return e.body.(*Profile).Name
		}
	}
	return ""
}

// Bundle returns the newest bundle of p.
func (m *Machine) Bundle(p PeerID) (keys.Bundle, bool) {
	b, ok := m.bundles[p]
	return b, ok
}

// Entry describes a control entry for people.
func (m *Machine) Entry(h Hash) (EntryInfo, bool) {
	e := m.g.byHash[short(h)]
	if e == nil {
		return EntryInfo{}, false
	}
	info := EntryInfo{Type: e.Type, Author: e.Author, Subject: e.subject(), Time: e.Time, Ord: e.ord, Seq: e.Seq, Lane: e.Lane, Void: m.st.isVoid(e)}
	switch b := e.body.(type) {
	case *Epoch:
		info.Gen, info.Reason = b.Gen, b.Reason
	case *Set:
		info.Settings, info.Switched = b.Settings, slices.Contains(m.st.toggles, e)
		info.Renamed = slices.Contains(m.st.renames, e)
	case *Genesis:
		info.Settings = b.Settings
	case *Profile:
		info.Name = b.Name
	case *Grant:
		info.Caps = b.Caps
	case *Removal:
		info.Overshoot = m.st.overshoot(e)
	case *Revoke:
		if g := m.g.byHash[short(b.Grant)]; g != nil {
			info.Subject = g.subject()
		}
	}
	return info, true
}

// EntryInfo is a control entry as people see it.
type EntryInfo struct {
	Type      Type
	Author    PeerID
	Subject   PeerID
	Time, Ord uint64
	Lane, Seq uint64
	Void      bool
	Gen       uint64 // EPOCH
	Reason    Reason // EPOCH
	Settings  Settings
	Switched  bool   // a SET that switched encryption
	Renamed   bool   // a SET that changed the group's name
	Name      string // PROFILE
	Caps      Caps   // GRANT
	Overshoot bool   // a KICK of whom a link had let in beyond its uses
}
