package node

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/store"
)

// directory is what the node keeps beside its groups. It is one small record,
// sealed like the rest.
type directory struct {
	Bundle      []byte                    `json:"bundle"` // this node's own, signed
	Name        string                    `json:"name,omitempty"`
	Groups      map[keys.Hash]groupRef    `json:"groups"`
	Joins       []joinRef                 `json:"joins"`
	Invitations []invitationRef           `json:"invitations"`
	Verified    map[keys.PeerID]time.Time `json:"verified"`
	Forgotten   map[keys.Hash]uint64      `json:"forgotten,omitempty"` // groups that were erased: the lane to go on in
	Partings    map[keys.Hash]parting     `json:"partings,omitempty"`  // groups that were erased before a member knew that this person left
}

// groupRef is a group that this node is in, or was.
type groupRef struct {
	Direct *[2]keys.PeerID `json:"direct,omitempty"`
	Asked  bool            `json:"asked,omitempty"` // a conversation that a stranger began, not yet accepted
}

// joinRef is a request of this person to join somebody's group.
type joinRef struct {
	Peer  keys.PeerID `json:"peer"`
	GID   keys.Hash   `json:"gid"`   // zero while not known
	Group string      `json:"group"` // as the person gave it, "" if not
	Note  string      `json:"note"`
	State string      `json:"state"`          // requested, joined, declined
	Kept  bool        `json:"kept,omitempty"` // by a member, for those who may approve
	Since time.Time   `json:"since"`
	Link  string      `json:"link,omitempty"` // by which to come in; peer is the first of those it names
}

// invitationRef is an invitation that this person received.
type invitationRef struct {
	ID   keys.Hash   `json:"id"`
	GID  keys.Hash   `json:"gid"`
	From keys.PeerID `json:"from"`
	Name string      `json:"name"`
}

const (
	directoryKey     = "/directory"
	maxInvitations   = 256
	maxInvitationsOf = 8 // of one peer
	maxJoins         = 256
	maxAsked         = 32 // conversations that strangers began
)

func (n *Node) directorySpace() (*store.Space, error) {
	key, err := n.bag.DataKey(keys.Hash{})
	if err != nil {
		return nil, err
	}
	return n.db.Space("/n", key)
}

func (n *Node) openDirectory() error {
	n.dir = directory{
		Groups: map[keys.Hash]groupRef{}, Verified: map[keys.PeerID]time.Time{},
	}
	space, err := n.directorySpace()
	if err != nil {
		return err
	}
	v, err := space.Get(directoryKey)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(v, &n.dir)
}

// saveDirectory makes the directory durable. Called with mu held.
func (n *Node) saveDirectory() error {
	v, err := json.Marshal(n.dir)
	if err != nil {
		return err
	}
	space, err := n.directorySpace()
	if err != nil {
		return err
	}
	var b store.Batch
	space.Put(&b, directoryKey, v)
	return diskError(n.db.Commit(&b))
}

// change edits the directory and makes it durable, or leaves it as it was.
func (n *Node) change(edit func(d *directory)) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	before, err := json.Marshal(n.dir)
	if err != nil {
		return err
	}
	edit(&n.dir)
	if err = n.saveDirectory(); err != nil {
		n.dir = directory{}
		err = errors.Join(err, json.Unmarshal(before, &n.dir))
	}
	return err
}

// read looks at the directory.
func (n *Node) read(f func(d *directory)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f(&n.dir)
}

// matters reports whether a peer is in a group with this node, or was asked to
// let it in.
func (n *Node) matters(p keys.PeerID) bool {
	for _, r := range n.allRooms() {
		if r.roster.Load().members[p] {
			return true
		}
	}
	return n.awaits(p)
}

// awaits reports whether a peer has yet to answer a request of this person.
func (n *Node) awaits(p keys.PeerID) (does bool) {
	n.read(func(d *directory) {
		does = slices.ContainsFunc(d.Joins, func(j joinRef) bool { return j.Peer == p && j.State == stateRequested })
	})
	return does
}

// addRoom makes the room of a group that this node was let into, or began, or
// returns the one that is there.
func (n *Node) addRoom(gid keys.Hash, ref groupRef) (*room, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if r := n.rooms[gid]; r != nil {
		return r, nil
	}
	if ref.Asked && n.asked() >= maxAsked {
		return nil, group.ErrFull
	}
	if n.erasing[gid] {
		return nil, errErasing
	}
	if err := n.remember(gid); err != nil {
		return nil, diskError(err)
	}
	delete(n.dir.Partings, gid)
	n.dir.Groups[gid] = ref
	if err := n.saveDirectory(); err != nil {
		delete(n.dir.Groups, gid)
		return nil, err
	}
	r, err := n.openRoom(gid, ref.Direct)
	if err != nil {
		return nil, err
	}
	n.rooms[gid] = r
	return r, n.start(r)
}

// errErasing: somebody comes back to a group in the moment in which it is erased.
var errErasing = &Error{Kind: KindError, Message: "what was here of that group is being erased", Hint: "try again in a moment"}

// roomFor returns the room that a stream of peer is about. A conversation that
// the peer begins is made here, as a request, when its ID is that of the two.
func (n *Node) roomFor(gid keys.Hash, peer keys.PeerID) *room {
	if r := n.room(gid); r != nil {
		return r
	}
	ref := groupRef{}
	switch id, pair := group.DirectID(n.me, peer); {
	case id == gid:
		ref = groupRef{Direct: &pair, Asked: !n.matters(peer)}
	case !slices.Contains(n.bag.Groups(), gid): // else one that a repair lost, and this peer knows
		return nil
	}
	r, err := n.addRoom(gid, ref)
	if errors.Is(err, group.ErrFull) || errors.Is(err, errErasing) {
		return nil // strangers have begun as many as there may be
	}
	if err != nil {
		n.log.Warn("open conversation", "err", err)
		return nil
	}
	return r
}

// asked counts the conversations that wait to be accepted. Called with mu held.
func (n *Node) asked() (count int) {
	for _, g := range n.dir.Groups {
		if g.Asked {
			count++
		}
	}
	return count
}
