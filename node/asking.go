package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

const (
	askFirst   = 5 * time.Second // between two tries of a request, doubling
	askLast    = 10 * time.Minute
	joinWindow = 60 * time.Second // for one try, with the group's whole control log
	pollJoin   = 2 * time.Second  // while somebody waits for the answer
)

// askJoin asks once to be let in, and takes what is answered.
func (n *Node) askJoin(ctx context.Context, j joinRef, again bool) (joinRef, error) {
	if j.Link != "" {
		return n.askByLink(ctx, j, again)
	}
	return n.askOne(ctx, j, again, nil)
}

// askOne asks one peer, with the proof of a link if there is one.
func (n *Node) askOne(ctx context.Context, j joinRef, again bool, by *linkProof) (joinRef, error) {
	ctx, cancel := context.WithTimeout(ctx, joinWindow)
	defer cancel()
	proto := protoJoin
	if by != nil {
		proto = protoLink
	}
	s, err := n.net.Open(ctx, j.Peer, proto)
	if err != nil {
		return j, err
	}
	defer s.Close()
	req, err := n.newRequest(j, again)
	if err != nil {
		return j, err
	}
	if err := s.WriteFrame(group.SignJoinRequest(n.self, req)); err != nil {
		return j, err
	}
	if by != nil {
		if err := put(s, *by); err != nil {
			return j, err
		}
	}
	var a joinAnswer
	if err := get(s, &a); err != nil {
		return j, err
	}
	if len(a.GID) == 32 {
		if j.GID != (keys.Hash{}) && j.GID != keys.Hash(a.GID) {
			return j, group.ErrGroup
		}
		j.GID = keys.Hash(a.GID)
	}
	if a.Status == joinKept && len(req.Group) == 0 && len(a.GID) == 32 {
		return n.askOne(ctx, j, again, by) // signed for that group: by its name alone nobody could keep it
	}
	return n.takeAnswer(ctx, s, j, a.Status)
}

// newRequest is a request as this node signs it now.
func (n *Node) newRequest(j joinRef, again bool) (group.JoinRequest, error) {
	entropy, err := keys.NewEntropy()
	if err != nil {
		return group.JoinRequest{}, err
	}
	req := group.JoinRequest{
		Approver: j.Peer, Nonce: keys.Derive(entropy, "join", 0), Bundle: n.ownBundle().Raw(), Note: j.Note, Again: again, Time: n.clock(), Called: n.ownName(),
	}
	if j.GID != (keys.Hash{}) {
		req.Group = j.GID[:]
	} else {
		req.Name = j.Group
	}
	return req, nil
}

func (n *Node) takeAnswer(ctx context.Context, s *mesh.Stream, j joinRef, status joinStatus) (joinRef, error) {
	switch status {
	case joinRequested, joinKept:
		j.State, j.Kept = stateRequested, status == joinKept
	case joinJoined:
		if j.GID == (keys.Hash{}) {
			return j, group.ErrGroup
		}
		if err := n.adopt(ctx, s, j); err != nil {
			return j, err
		}
		j.State, j.Kept = stateJoined, false
	case joinDeclined:
		j.State, j.Kept = stateDeclined, false
	case joinBanned:
		return j, &Error{Kind: NotAllowed, Message: "banned from that group", Hint: "only its owner can lift a ban"}
	case joinNotFound:
		return j, &Error{Kind: NotFound, Message: "that peer has no such group", Hint: "ask the person for the line that `conclave group show` prints as join"}
	case joinNameIt:
		return j, &Error{Kind: NotFound, Message: "name the group: PEER_ID/GROUP", Hint: "that peer owns none or several; ask the person for the group's name"}
	case joinRefused:
		return j, &Error{Kind: NotAllowed, Message: "that peer may not approve requests", Hint: "ask the owner of the group: conclave join OWNER_PEER_ID"}
	case joinLinkOver:
		return j, &Error{Kind: NotAllowed, Message: "that link admits nobody any more", Hint: "it has expired, is used up or revoked, or somebody was removed since; ask for a new one", cause: group.ErrLink}
	default:
		return j, &Error{Kind: KindError, Message: "the peer's answer is not understood", Hint: "the two nodes run different versions"}
	}
	return j, nil
}

// adopt takes in the group that a joiner was let into: its control log, then
// the keys.
func (n *Node) adopt(ctx context.Context, s *mesh.Stream, j joinRef) error {
	r, err := n.addRoom(j.GID, groupRef{})
	if err != nil {
		return err
	}
	if err := r.takeBatches(ctx, s); err != nil {
		return err
	}
	if err := r.takeKeys(ctx, s); err != nil {
		return err
	}
	r.syncer.from(j.Peer)
	return nil
}

// asking is an open request as it is repeated.
type asking struct {
	tries    int
	next     time.Time // not before
	underWay bool
}

// keepJoining repeats open requests until they are answered: each by itself, so
// that a peer that does not answer holds up none of the others.
func (n *Node) keepJoining(ctx context.Context) {
	type request struct {
		peer        keys.PeerID
		gid         keys.Hash
		group, link string
	}
	all := map[request]*asking{}
	done := make(chan *asking)
	for {
		for _, j := range n.openJoins() {
			k := request{j.Peer, j.GID, j.Group, j.Link}
			a := all[k]
			if a == nil {
				a = &asking{}
				all[k] = a
			}
			if a.underWay || time.Now().Before(a.next) {
				continue
			}
			a.underWay, a.next = true, time.Now().Add(min(askFirst<<min(a.tries, 8), askLast))
			a.tries++
			n.wg.Go(func() {
				n.tryJoin(ctx, j)
				select {
				case done <- a:
				case <-ctx.Done():
				}
			})
		}
		select {
		case <-time.After(askFirst):
		case a := <-done:
			a.underWay = false
		case <-n.asks: // also while a try is under way, which may have been answered before
			for _, a := range all {
				a.next = time.Time{}
			}
		case <-ctx.Done():
			return
		}
	}
}

func (n *Node) openJoins() (open []joinRef) {
	n.read(func(d *directory) {
		for _, j := range d.Joins {
			if j.State == stateRequested {
				open = append(open, j)
			}
		}
	})
	return open
}

// tryJoin asks once more and keeps the answer.
func (n *Node) tryJoin(ctx context.Context, j joinRef) {
	got, err := n.askJoin(ctx, j, true)
	if errors.Is(err, mesh.ErrUnreachable) {
		if near, took := n.askNear(ctx, j, true); took {
			got, err = near, nil
		}
	}
	var refused *Error
	if errors.As(err, &refused) && (refused.Kind == NotAllowed || refused.Kind == NotFound) {
		got.State, err = stateDeclined, nil
	}
	if err != nil || got == j {
		return
	}
	if err := n.saveJoin(got); err != nil {
		n.log.Warn("keep join request", "err", err)
	}
}

// saveJoin keeps the newest state of a request, and tells who listens.
func (n *Node) saveJoin(j joinRef) error {
	err := n.change(func(d *directory) {
		d.Joins = slices.DeleteFunc(d.Joins, func(o joinRef) bool {
			return o.Peer == j.Peer && (o.GID == j.GID || o.GID == keys.Hash{} && o.Group == j.Group)
		})
		d.Joins = append(d.Joins, j)
		if over := len(d.Joins) - maxJoins; over > 0 {
			d.Joins = slices.Delete(d.Joins, 0, over)
		}
		if j.State != stateRequested {
			d.Invitations = slices.DeleteFunc(d.Invitations, func(i invitationRef) bool { return i.GID == j.GID })
		}
	})
	if err == nil {
		n.bus.publish(Event{Kind: "join", GroupID: j.GID.String()})
	}
	return err
}

// wakeAskers has open requests repeated at once: somebody appeared, or answered.
func (n *Node) wakeAskers() {
	select {
	case n.asks <- struct{}{}:
	default:
	}
}
