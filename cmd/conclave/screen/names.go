package screen

import (
	"strings"

	"conclave/node"
	"conclave/node/api/words"
)

// byRank puts the owner first, then deputies, then those who are there.
func byRank(a, b node.Member) int {
	rank := func(m node.Member) int {
		n := map[string]int{"owner": 0, "deputy": 2}
		at, ok := n[m.Role]
		if !ok {
			at = 4
		}
		if !m.Online {
			at++
		}
		return at
	}
	if d := rank(a) - rank(b); d != 0 {
		return d
	}
	return strings.Compare(strings.ToLower(a.Name)+a.PeerID, strings.ToLower(b.Name)+b.PeerID)
}

// whoIs names a peer as the open group's members know it.
func (s *state) whoIs(peer string) string {
	for _, m := range s.people {
		if m.PeerID == peer {
			return settle(words.Who(m.Name, peer))
		}
	}
	return words.Fingerprint(peer)
}

// alike are the members whose names could be taken for another's.
func alike(people []node.Member) map[string]bool {
	names := make([]string, len(people))
	for i, m := range people {
		names[i] = m.Name
	}
	out := map[string]bool{}
	for i, flagged := range words.Alike(names) {
		if flagged {
			out[people[i].PeerID] = true
		}
	}
	return out
}

// groupName is how a group is called here.
func (s *state) groupName(gid string) string {
	for _, g := range s.groups {
		if g.GroupID == gid {
			return settle(g.Title())
		}
	}
	return shortID(gid)
}

func shortID(gid string) string { return gid[:min(len(gid), 12)] }

// title says what the open group is, and how it stands.
func (s *state) title() string {
	if s.open == "" {
		return ""
	}
	parts := []string{settle(s.info.Title()) + " ·" + words.Sealed(s.info.E2EE)}
	if s.info.E2EE {
		parts = append(parts, words.Key(s.info.Epoch))
		if n := len(s.info.CannotRead); s.info.Epoch != nil && s.info.Members > 1 {
			parts = append(parts, words.Holders(s.info.Members-n, s.info.Members))
		}
	}
	if due := words.Marked(s.info.Marked); due != "" {
		parts = append(parts, due)
	}
	if p := s.info.CatchingUp; p != nil {
		parts = append(parts, words.CatchingUp(p.Done, p.Total))
	}
	return strings.Join(parts, " · ")
}
