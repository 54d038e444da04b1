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
