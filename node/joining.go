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

// States of a request to join.
const (
	stateRequested = "requested"
	stateJoined    = "joined"
	stateDeclined  = "declined"
)

const (
	askFirst   = 5 * time.Second // between two tries of a request, doubling
	askLast    = 10 * time.Minute
	joinWindow = 60 * time.Second // for one try, with the group's whole control log
	pollJoin   = 2 * time.Second  // while somebody waits for the answer
)

func (n *Node) serveStreams() {
	n.serve(protoJoin, n.serveJoin)
	n.serve(protoKey, n.serveKeys)
	n.serve(protoSync, n.serveSync)
	n.serve(protoOffer, n.serveOffer)
	n.serve(protoLink, n.serveLink)
	n.serve(protoKept, n.serveKept)
	n.serve(protoSeek, n.serveSeek)
	n.serve(protoWithdraw, n.serveWithdrawal)
}

// serveJoin answers a request to join one of this node's groups.
func (n *Node) serveJoin(ctx context.Context, s *mesh.Stream) {
	b, err := s.ReadFrame(group.MaxPayload)
	if err != nil {
		return
	}
	req, err := group.ParseJoinRequest(b, s.Peer(), n.me)
	if err != nil {
		n.log.Debug("join request", "peer", s.Peer().Short(), "err", err)
		s.Reset()
		return
	}
	n.answerFor(ctx, s, req)
}

// answerFor answers a request for one of this node's groups.
func (n *Node) answerFor(ctx context.Context, s *mesh.Stream, req group.JoinRequest) {
	r, status, err := n.groupAskedFor(ctx, req)
	if status != joinRequested && n.aboutToCreate(ctx, req.Name) {
		r, status, err = n.groupAskedFor(ctx, req)
	}
	if err != nil {
		s.Reset() // this node is stopping: that is no answer
		return
	}
	if r == nil {
		put(s, joinAnswer{Status: status})
		return
	}
	judge := func() (joinStatus, error) { return r.judgeJoin(ctx, s, req) }
	if err := r.answerJoin(ctx, s, req, judge); err != nil && ctx.Err() == nil {
		n.log.Debug("answer join", "peer", s.Peer().Short(), "err", err)
	}
}

// createWithin is how long somebody who asks for a group waits for it to be made.
const createWithin = 10 * time.Second

// aboutToCreate reports whether a group that somebody asks for is made by the
// command that runs this node, and waits for it.
func (n *Node) aboutToCreate(ctx context.Context, name string) bool {
	if n.cfg.Creates == "" || name != "" && name != n.cfg.Creates {
		return false
	}
	select {
	case <-n.created:
	case <-time.After(createWithin):
	case <-ctx.Done():
	}
	return true
}

// groupAskedFor finds the group that a request means: by ID, by name, or the
// only one that the person owns whom it is for. None is ever listed.
func (n *Node) groupAskedFor(ctx context.Context, req group.JoinRequest) (*room, joinStatus, error) {
	var fits []*room
	for _, r := range n.allRooms() {
		err := r.look(ctx, func(m *group.Machine) {
			switch {
			case m.Direct() != nil || !m.IsMember(n.me):
			case len(req.Group) == 32:
				if keys.Hash(req.Group) == r.gid {
					fits = append(fits, r)
				}
			case req.Approver != n.me && m.Owner() != req.Approver: // for the owner, and kept for them
			case req.Name != "":
				if m.Settings().Name == req.Name || isPrefix(req.Name, r.gid) {
					fits = append(fits, r)
				}
			case m.Owner() == req.Approver:
				fits = append(fits, r)
			}
		})
		if err != nil {
			return nil, 0, err
		}
	}
	named := len(req.Group) == 32 || req.Name != ""
	switch {
	case len(fits) == 1:
		return fits[0], joinRequested, nil
	case named && len(fits) == 0:
		return nil, joinNotFound, nil
	}
	return nil, joinNameIt, nil
}

// answerJoin takes a request and says where it stands. Whoever is a member gets
// the control log and the keys on the same stream.
func (r *room) answerJoin(ctx context.Context, s *mesh.Stream, req group.JoinRequest, judge func() (joinStatus, error)) error {
	status, err := judge()
	if err != nil {
		return err
	}
	gid := r.gid
	forOwner := req.Approver != r.n.me
	a := joinAnswer{Status: status, GID: gid[:]}
	if forOwner && status != joinJoined {
		a.GID = nil // a neighbour is told of a group when it is let in
	}
	if err := put(s, a); err != nil || status != joinJoined {
		return err
	}
	var miss group.Missing
	var eids []keys.Hash
	var refused error
	if err := r.lookFor(ctx, s.Peer(), func(m *group.Machine) {
		miss, refused = m.MissingAt(s.Peer(), group.Heights{})
		eids = m.Servable(s.Peer(), keysPerAsk)
	}); err != nil || refused != nil {
		return errors.Join(err, refused)
	}
	if forOwner && len(miss.Records) > 0 { // causes come first: that is the GENESIS
		if err := put(s, founding{Genesis: miss.Records[0]}); err != nil {
			return err
		}
	}
	if err := r.giveBatches(ctx, s, group.Missing{Records: miss.Records, Bases: miss.Bases}); err != nil {
		return err
	}
	b, err := keys.ParseBundle(req.Bundle)
	if err != nil {
		return err
	}
	return r.giveKeys(ctx, s, b, eids)
}

func (r *room) judgeJoin(ctx context.Context, s *mesh.Stream, req group.JoinRequest) (joinStatus, error) {
	member, declined := false, false
	look := func(m *group.Machine) {
		member = m.IsMember(s.Peer())
		declined = slices.Contains(m.Local().Declined, s.Peer())
	}
	if err := r.look(ctx, look); err != nil {
		return 0, err
	}
	if declined && !member && req.Again {
		return joinDeclined, nil
	}
	ip := s.RemoteIP()
	if isLoopback(ip) {
		ip = ""
	}
	_, err := r.do(ctx, group.JoinAsked{Request: req.Waiting(ip)})
	switch {
	case errors.Is(err, group.ErrBanned):
		return joinBanned, nil
	case errors.Is(err, group.ErrNotAllowed) && member:
		return joinJoined, nil
	case errors.Is(err, group.ErrNotAllowed):
		return r.keepRequest(ctx, s, req)
	case err != nil:
		return 0, err
	}
	if err := r.look(ctx, look); err != nil {
		return 0, err
	}
	if member {
		return joinJoined, nil
	}
	return joinRequested, nil
}

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
