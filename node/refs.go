package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"conclave/group"
	"conclave/keys"
)

const minReference = 6 // characters of a prefix or suffix

// isPrefix reports whether ref is a usable prefix of a group's ID.
func isPrefix(ref string, gid keys.Hash) bool {
	return len(ref) >= minReference && strings.HasPrefix(gid.String(), ref)
}

// findGroup resolves GROUP: a full ID, else an exact name, else a unique prefix
// of at least 6 hex digits.
func (n *Node) findGroup(ctx context.Context, ref string) (*room, error) {
	if ref == "" {
		return nil, &Error{Kind: KindUsage, Message: "no group given", Hint: "see `conclave group list`"}
	}
	if gid, err := keys.ParseHash(ref); err == nil {
		if r := n.room(gid); r != nil {
			return r, nil
		}
		return nil, unknownGroup(ref)
	}
	var named, prefixed []*room
	for _, r := range n.allRooms() {
		name := ""
		if err := r.look(ctx, func(m *group.Machine) { name = n.groupName(m) }); err != nil {
			return nil, err
		}
		if name == ref {
			named = append(named, r)
		}
		if isPrefix(ref, r.gid) {
			prefixed = append(prefixed, r)
		}
	}
	if len(named) == 0 {
		named = prefixed
	}
	switch len(named) {
	case 0:
		return nil, unknownGroup(ref)
	case 1:
		return named[0], nil
	}
	slices.SortFunc(named, func(a, b *room) int { return a.gid.Compare(b.gid) })
	var ids []string
	for _, r := range named {
		ids = append(ids, r.gid.String())
	}
	return nil, &Error{Kind: NotFound, Message: fmt.Sprintf("%q could be several groups", ref), Hint: "one of: " + strings.Join(ids, " ")}
}

// errUnknown is the cause of a reference to a group that names none.
var errUnknown = errors.New("unknown group")

func unknownGroup(ref string) error {
	return &Error{Kind: NotFound, Message: fmt.Sprintf("no group %q", ref), Hint: "see `conclave group list`", cause: errUnknown}
}

// groupName is what a group is called here: a conversation by the other person.
func (n *Node) groupName(m *group.Machine) string {
	pair := m.Direct()
	if pair == nil {
		return m.Settings().Name
	}
	who := other(*pair, n.me)
	return cmp.Or(m.Name(who), who.String())
}

// parsePeer reads a full peer ID.
func parsePeer(ref string) (keys.PeerID, error) {
	p, err := keys.ParsePeerID(ref)
	if err != nil {
		return p, &Error{Kind: KindUsage, Message: fmt.Sprintf("not a peer ID: %.80q", ref), Hint: "a peer ID looks like 12D3KooW...; the other person sees theirs with `conclave id`"}
	}
	return p, nil
}

// finder resolves a reference to a person among people.
type finder func(m *group.Machine, people []keys.PeerID, ref string) (keys.PeerID, error)

// findPeer resolves PEER among people: a full ID, else a unique suffix of at
// least 6 characters, else a member's exact name. A full ID need not be among
// them.
func findPeer(m *group.Machine, people []keys.PeerID, ref string) (keys.PeerID, error) {
	fits := fitting(m, people, ref)
	switch {
	case len(fits) > 0:
		return onlyPeer(fits, ref)
	case looksMalformed(ref):
		return parsePeer(ref)
	}
	return keys.PeerID{}, &Error{Kind: NotFound, Message: fmt.Sprintf("no member %q", ref), Hint: "see `conclave members GROUP`"}
}

// findPeerID is findPeer where a peer ID is asked for: what names nobody is a
// malformed one.
func findPeerID(m *group.Machine, people []keys.PeerID, ref string) (keys.PeerID, error) {
	if fits := fitting(m, people, ref); len(fits) > 0 {
		return onlyPeer(fits, ref)
	}
	return parsePeer(ref)
}

// fitting returns whom ref may mean.
func fitting(m *group.Machine, people []keys.PeerID, ref string) (fits []keys.PeerID) {
	ref = strings.TrimPrefix(ref, "·") // which stands before a fingerprint on a screen
	if p, err := keys.ParsePeerID(ref); err == nil {
		return []keys.PeerID{p}
	}
	for _, p := range people {
		if len(ref) >= minReference && strings.HasSuffix(p.String(), ref) {
			fits = append(fits, p)
		}
	}
	if len(fits) > 0 {
		return fits
	}
	for _, p := range people {
		if name := m.Name(p); name != "" && name == ref {
			fits = append(fits, p)
		}
	}
	return fits
}

// onlyPeer is the one that fits; several are an error that lists them.
func onlyPeer(fits []keys.PeerID, ref string) (keys.PeerID, error) {
	if len(fits) == 1 {
		return fits[0], nil
	}
	var ids []string
	for _, p := range fits {
		ids = append(ids, p.String())
	}
	return keys.PeerID{}, &Error{Kind: NotFound, Message: fmt.Sprintf("%q could be several people", ref), Hint: "one of: " + strings.Join(ids, " ")}
}

// looksMalformed tells a mistyped peer ID from a name or a suffix.
func looksMalformed(ref string) bool {
	return strings.HasPrefix(ref, "12D3Koo") || len(ref) > group.MaxNameBytes || !group.ValidName(ref)
}
