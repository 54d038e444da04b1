package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// Where the person that a joiner named cannot be reached, the nodes that it sees
// on the local network may be in a group of that person. They are asked by a hash
// that only those can recognise who know the person: nobody's groups are listed,
// and a node that is in none of that person's learns nothing.
// (PROTOCOL.md, "Streams")
const (
	mostNear   = 16 // neighbours asked in one go
	nearBudget = 10 * time.Second
	nearEvery  = 5 * time.Second // one neighbour, after nearBurst
	nearBurst  = 2
)

// seek asks whether the asked node is in a group of an owner.
type seek struct {
	_   struct{} `cbor:",toarray"`
	Tag keys.Hash
}

// founding is the GENESIS of a group, so that a joiner sees whose it is.
type founding struct {
	_       struct{} `cbor:",toarray"`
	Genesis []byte
}

var errNoKeeper = errors.New("that node is in no group of theirs")

// seekTag names an owner to a node that knows it, for one joiner.
func seekTag(owner, joiner, asked keys.PeerID) keys.Hash {
	return keys.Sum(slices.Concat([]byte("conclave/1 seek"), owner[:], joiner[:], asked[:]))
}

// neighbours lists the connected peers on the local network.
func (n *Node) neighbours() []keys.PeerID {
	if n.cfg.loopbackIsNear {
		return n.net.Connected()
	}
	return n.net.Near()
}

func (n *Node) near(p keys.PeerID) bool { return slices.Contains(n.neighbours(), p) }

// seeks reports whether a request of this person is open.
func (n *Node) seeks() (does bool) {
	n.read(func(d *directory) {
		does = slices.ContainsFunc(d.Joins, func(j joinRef) bool { return j.State == stateRequested && j.Link == "" })
	})
	return does
}

// serveSeek keeps the request of a neighbour whose person wants to join a group
// that this node is in, and whose owner the neighbour could not reach.
func (n *Node) serveSeek(ctx context.Context, s *mesh.Stream) {
	var q seek
	if get(s, &q) != nil {
		return
	}
	owner, known, err := n.ownerSought(ctx, s.Peer(), q.Tag)
	if err != nil {
		s.Reset() // this node is stopping
		return
	}
	known = known && n.near(s.Peer())
	if put(s, ack{OK: known}) != nil || !known {
		return
	}
	b, err := s.ReadFrame(group.MaxPayload)
	if err != nil {
		return
	}
	req, err := group.ParseJoinRequest(b, s.Peer(), owner)
	if err != nil {
		n.log.Debug("request of a neighbour", "peer", s.Peer().Short(), "err", err)
		s.Reset()
		return
	}
	n.answerFor(ctx, s, req)
}

// ownerSought finds the owner that a tag means.
func (n *Node) ownerSought(ctx context.Context, joiner keys.PeerID, tag keys.Hash) (owner keys.PeerID, known bool, err error) {
	for _, r := range n.allRooms() {
		err = r.lookFor(ctx, joiner, func(m *group.Machine) {
			if o := m.Owner(); m.Direct() == nil && m.IsMember(n.me) && o != n.me && seekTag(o, joiner, n.me) == tag {
				owner, known = o, true
			}
		})
		if err != nil {
			return owner, false, err
		}
	}
	return owner, known, nil
}

// askNear asks the neighbours that may know the person of j, and reports whether
// one of them took the request, or answered it.
func (n *Node) askNear(ctx context.Context, j joinRef, again bool) (best joinRef, took bool) {
	if j.Link != "" {
		return j, false
	}
	ctx, cancel := context.WithTimeout(ctx, nearBudget)
	defer cancel()
	best = j
	near := n.neighbours()
	for _, p := range near[:min(len(near), mostNear)] {
		limit := remembered(n.quotas.sought, p, func() *rate.Limiter { return rate.NewLimiter(rate.Every(nearEvery), nearBurst) })
		if p == j.Peer || !limit.Allow() {
			continue
		}
		got, err := n.seekAt(ctx, p, j, again)
		if err != nil {
			n.log.Debug("neighbour asked", "peer", p.Short(), "err", err)
			continue
		}
		best, took = got, true
		if got.State == stateJoined {
			return best, true
		}
	}
	return best, took
}

// seekAt asks one neighbour. What it says against the request does not count: it
// was not named by anybody.
func (n *Node) seekAt(ctx context.Context, p keys.PeerID, j joinRef, again bool) (joinRef, error) {
	s, err := n.net.Open(ctx, p, protoSeek)
	if err != nil {
		return j, err
	}
	defer s.Close()
	if err := put(s, seek{Tag: seekTag(j.Peer, n.me, p)}); err != nil {
		return j, err
	}
	var known ack
	if err := get(s, &known); err != nil {
		return j, err
	}
	if !known.OK {
		return j, errNoKeeper
	}
	req, err := n.newRequest(j, again)
	if err != nil {
		return j, err
	}
	if err := s.WriteFrame(group.SignJoinRequest(n.self, req)); err != nil {
		return j, err
	}
	var a joinAnswer
	if err := get(s, &a); err != nil {
		return j, err
	}
	switch a.Status {
	case joinRequested, joinKept:
		j.State, j.Kept = stateRequested, true
		return j, nil
	case joinJoined:
		return n.adoptNear(ctx, s, j, a.GID)
	}
	return j, errNoKeeper
}

// adoptNear takes in a group from a neighbour, if it is the one that was meant:
// of the ID that was given, or made by the person that was named.
func (n *Node) adoptNear(ctx context.Context, s *mesh.Stream, j joinRef, gid []byte) (joinRef, error) {
	var f founding
	if err := get(s, &f); err != nil {
		return j, err
	}
	if len(gid) != 32 || j.GID != (keys.Hash{}) && j.GID != keys.Hash(gid) {
		return j, group.ErrGroup
	}
	v, err := group.Decode(keys.Hash(gid), f.Genesis)
	if err != nil {
		return j, err
	}
	if e := v.Entry(); e == nil || e.Type != group.TypeGenesis || j.GID == (keys.Hash{}) && e.Author != j.Peer {
		return j, group.ErrGroup
	}
	if err := n.adopt(ctx, s, joinRef{Peer: s.Peer(), GID: keys.Hash(gid)}); err != nil {
		return j, err
	}
	j.GID, j.State, j.Kept = keys.Hash(gid), stateJoined, false
	return j, nil
}
