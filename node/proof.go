package node

import (
	"context"
	"errors"
	"fmt"

	"conclave/group"
	"conclave/keys"
)

// Proof answers `proof`.
type Proof struct {
	GroupID string    `json:"group_id"`
	PeerID  string    `json:"peer_id"`
	Proof   string    `json:"proof"` // the file
	Shows   Exclusion `json:"shows"`
}

// Exclusion answers `proof verify`: since when somebody is out, and which keys
// were made without that person since.
type Exclusion struct {
	GroupID string   `json:"group_id"`
	PeerID  string   `json:"peer_id"`
	Name    string   `json:"name"`    // of the group, as its owner states
	State   string   `json:"state"`   // removed, banned, left
	Entry   string   `json:"entry"`   // hash of the KICK, BAN or LEAVE
	By      string   `json:"by"`      // who signed it
	Time    *string  `json:"time"`    // as claimed
	Keys    int      `json:"keys"`    // made since, without the person
	First   uint64   `json:"first"`   // number of the first of these
	Last    uint64   `json:"last"`    // and of the last
	EIDs    []string `json:"eids"`    // of these
	Apart   []string `json:"apart"`   // eids made by who did not know of it: nobody who does uses them
	Entries int      `json:"entries"` // signed entries that were checked
}

// ProveRemoval collects what shows that somebody who was in a group is out, and
// that every key known here that was made on the strength of that excludes them.
func (n *Node) ProveRemoval(ctx context.Context, ref, peer string) (Proof, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return Proof{}, err
	}
	var p keys.PeerID
	var text []byte
	var failed error
	if err := r.look(ctx, func(m *group.Machine) {
		if p, failed = findPeer(m, m.Everyone(), peer); failed != nil {
			return
		}
		if text, failed = m.ProveRemoval(p); failed != nil {
			failed = noProof(m, p, failed)
		}
	}); err != nil || failed != nil {
		return Proof{}, errors.Join(err, failed)
	}
	x, err := VerifyRemoval(text) // as whoever gets it will
	return Proof{GroupID: r.gid.String(), PeerID: p.String(), Proof: string(text), Shows: x}, err
}

// noProof says why there is none. Only called from the loop.
func noProof(m *group.Machine, p keys.PeerID, err error) error {
	who := person(m, p)
	switch {
	case errors.Is(err, group.ErrFrozen):
		return &Error{Kind: KindError, Message: "the owner's log is forked: what counts differs from node to node, and nothing can be proved", Hint: "`conclave evidence export GROUP` proves that"}
	case m.Direct() != nil:
		return &Error{Kind: NotFound, Message: "nobody is removed from a conversation of two"}
	case m.IsMember(p):
		return &Error{Kind: NotFound, Message: who + " is a member of this group", Hint: "`conclave kick GROUP PEER` removes a member"}
	case !m.Removed(p):
		return &Error{Kind: NotFound, Message: who + " never was a member of this group", Hint: "see `conclave members GROUP`"}
	}
	return &Error{Kind: NotFound, Message: fmt.Sprintf("no key was made since %s is out", who), Hint: "`conclave rotate GROUP` makes one"}
}

// VerifyRemoval checks a file that ProveRemoval wrote, wherever it is from. No
// node need run.
func VerifyRemoval(text []byte) (Exclusion, error) {
	x, err := group.ParseProof(text)
	if err != nil {
		return Exclusion{}, fileError("proof of removal", err)
	}
	return exclusionOf(x), nil
}

func exclusionOf(x group.Exclusion) Exclusion {
	state := map[group.Type]string{group.TypeKick: "removed", group.TypeBan: "banned", group.TypeLeave: "left"}[x.Removal.Type]
	out := Exclusion{
		GroupID: x.GID.String(), PeerID: x.Peer.String(), Name: x.Group, State: state,
		Entry: x.Removal.Hash.String(), By: x.Removal.Author.String(), Time: timeText(x.Removal.Time),
		Keys: len(x.Epochs), First: x.Epochs[0].Gen, Last: x.Epochs[0].Gen, EIDs: []string{}, Apart: []string{}, Entries: x.Entries,
	}
	for _, e := range x.Epochs {
		out.First, out.Last = min(out.First, e.Gen), max(out.Last, e.Gen)
		out.EIDs = append(out.EIDs, e.Hash.String())
	}
	for _, e := range x.Apart {
		out.Apart = append(out.Apart, e.Hash.String())
	}
	return out
}
