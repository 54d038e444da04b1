package node

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// Members lists a group's members, this person included.
func (n *Node) Members(ctx context.Context, ref string) ([]Member, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return nil, err
	}
	online := map[keys.PeerID]bool{n.me: true}
	for _, p := range n.net.Connected() {
		online[p] = true
	}
	out := []Member{}
	err = r.look(ctx, func(m *group.Machine) {
		epochs := m.Epochs()
		for _, p := range m.Members() {
			x := Member{GroupID: r.gid.String(), PeerID: p.String(), Name: m.Name(p), Role: m.Role(p), Online: online[p], Self: p == n.me}
			for _, e := range slices.Backward(epochs) {
				if m.Holds(p, e.EID) {
					x.Epoch = &e.Gen
					break
				}
			}
			out = append(out, x)
		}
	})
	return out, err
}

// Invite offers a place in a group to a peer, now or when it appears.
func (n *Node) Invite(ctx context.Context, ref, peer string) (Invite, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return Invite{}, err
	}
	p, err := parsePeer(peer)
	if err != nil {
		return Invite{}, err
	}
	_, err = r.act(ctx, group.Invite{Peer: p})
	if errors.Is(err, group.ErrDependency) {
		return Invite{}, &Error{Kind: KindError, Message: "already a member of this group"}
	}
	if err != nil {
		return Invite{}, personError(err)
	}
	name, state := "", "pending"
	if err := r.look(ctx, func(m *group.Machine) {
		name = m.Settings().Name
		if m.IsMember(p) {
			state = stateJoined
		}
	}); err != nil {
		return Invite{}, err
	}
	id := group.OfferID(r.gid, n.me, p)
	if state != stateJoined {
		n.sendOffer(ctx, p, offer{GID: r.gid, Name: name})
		n.mu.Lock()
		if n.delivered[id] {
			state = "delivered"
		}
		n.mu.Unlock()
	} else {
		n.nudge(p)
	}
	return Invite{InviteID: id.String(), GroupID: r.gid.String(), PeerID: p.String(), State: state}, nil
}

// Invitations lists the invitations that this person received, and the
// conversations that strangers began.
func (n *Node) Invitations(ctx context.Context) ([]Invitation, error) {
	out := []Invitation{}
	n.read(func(d *directory) {
		for _, i := range d.Invitations {
			out = append(out, Invitation{InviteID: i.ID.String(), GroupID: i.GID.String(), Name: i.Name, From: i.From.String()})
		}
		for gid, g := range d.Groups {
			if g.Asked {
				from := other(*g.Direct, n.me)
				out = append(out, Invitation{InviteID: gid.String(), GroupID: gid.String(), Name: "conversation", From: from.String()})
			}
		}
	})
	slices.SortFunc(out, func(a, b Invitation) int { return strings.Compare(a.InviteID, b.InviteID) })
	return out, nil
}

func other(pair [2]keys.PeerID, me keys.PeerID) keys.PeerID {
	if pair[0] == me {
		return pair[1]
	}
	return pair[0]
}

// Accept takes an invitation. With wait it returns when this person has joined.
func (n *Node) Accept(ctx context.Context, inviteID string, wait bool) (JoinState, error) {
	id, err := keys.ParseHash(inviteID)
	if err != nil {
		return JoinState{}, &Error{Kind: KindUsage, Message: "not an invitation ID", Hint: "see `conclave invites`"}
	}
	if n.isAsked(id) {
		return n.acceptTalk(ctx, id)
	}
	var found *invitationRef
	n.read(func(d *directory) {
		if i := slices.IndexFunc(d.Invitations, func(i invitationRef) bool { return i.ID == id }); i >= 0 {
			inv := d.Invitations[i]
			found = &inv
		}
	})
	if found == nil {
		return JoinState{}, &Error{Kind: NotFound, Message: "no such invitation", Hint: "see `conclave invites`"}
	}
	return n.join(ctx, joinRef{Peer: found.From, GID: found.GID, Group: found.Name, State: stateRequested, Since: n.now()}, wait)
}

func (n *Node) acceptTalk(ctx context.Context, gid keys.Hash) (JoinState, error) {
	r := n.room(gid)
	if _, err := r.act(ctx, group.AcceptTalk{}); err != nil {
		return JoinState{}, personError(err)
	}
	if err := n.change(func(d *directory) { d.Groups[gid] = groupRef{Direct: r.direct} }); err != nil {
		return JoinState{}, err
	}
	s := gid.String()
	return JoinState{GroupID: &s, State: stateJoined}, nil
}

// Join asks a peer to be let into a group of it. With wait it returns when the
// answer is there.
func (n *Node) Join(ctx context.Context, peer, ref, note string, wait bool) (JoinState, error) {
	p, err := parsePeer(peer)
	if err != nil {
		return JoinState{}, err
	}
	if p == n.me {
		return JoinState{}, &Error{Kind: NotAllowed, Message: "that is your own peer ID", Hint: "give the other person's"}
	}
	if len(note) > group.MaxNoteBytes {
		return JoinState{}, &Error{Kind: KindUsage, Message: "the note is too long", Hint: "at most 1,024 bytes"}
	}
	j := joinRef{Peer: p, Group: ref, Note: note, State: stateRequested, Since: n.now()}
	if gid, err := keys.ParseHash(ref); err == nil {
		j.GID = gid
	} else if ref != "" && !group.ValidName(ref) {
		return JoinState{}, &Error{Kind: KindUsage, Message: "not a group name or ID"}
	}
	return n.join(ctx, j, wait)
}

// join asks until the peer is reached, then keeps the request.
func (n *Node) join(ctx context.Context, j joinRef, wait bool) (JoinState, error) {
	got, err := n.askUntilReached(ctx, j)
	if err != nil {
		return JoinState{}, err
	}
	if err := n.saveJoin(got); err != nil {
		return JoinState{}, err
	}
	if wait && got.State == stateRequested {
		if got, err = n.awaitJoin(ctx, got); err != nil {
			return JoinState{}, err
		}
	}
	if wait && got.State == stateDeclined {
		return JoinState{}, &Error{Kind: NotAllowed, Message: "declined"}
	}
	return stateOf(got), nil
}

func stateOf(j joinRef) JoinState {
	out := JoinState{State: j.State, PeerID: j.Peer.String()}
	if j.GID != (keys.Hash{}) {
		s := j.GID.String()
		out.GroupID = &s
	}
	return out
}

// askUntilReached repeats a request while nobody answers at the peer's
// addresses: it may be found any moment.
func (n *Node) askUntilReached(ctx context.Context, j joinRef) (joinRef, error) {
	for {
		got, err := n.askJoin(ctx, j, false)
		if !errors.Is(err, mesh.ErrUnreachable) && !errors.Is(err, mesh.ErrReset) {
			return got, joinError(ctx, err)
		}
		if !pause(ctx, 200*time.Millisecond) {
			return j, joinError(ctx, mesh.ErrUnreachable)
		}
	}
}

func joinError(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return waitError(ctx)
	}
	if err != nil && ctx.Err() != nil {
		err = mesh.ErrUnreachable
	}
	return personError(err)
}

// awaitJoin waits for the answer to a request that the node repeats by itself.
func (n *Node) awaitJoin(ctx context.Context, j joinRef) (joinRef, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := n.bus.subscribe(ctx, 0)
	for {
		n.read(func(d *directory) {
			for _, o := range d.Joins {
				if o.Peer == j.Peer && (o.GID == j.GID || j.GID == keys.Hash{}) {
					j = o
				}
			}
		})
		if j.State != stateRequested {
			return j, nil
		}
		select {
		case <-events:
		case <-time.After(pollJoin):
			n.wakeAskers()
		case <-ctx.Done():
			return j, &Error{Kind: TimedOut, Message: "no answer yet", Hint: "the request stays pending: see `conclave join --list`"}
		}
	}
}

// Joins lists this person's own requests.
func (n *Node) Joins(ctx context.Context) ([]JoinState, error) {
	out := []JoinState{}
	n.read(func(d *directory) {
		for _, j := range d.Joins {
			out = append(out, stateOf(j))
		}
	})
	return out, nil
}

// Requests lists who waits to be let in, in one group or, with "", in all.
func (n *Node) Requests(ctx context.Context, ref string) ([]Request, error) {
	rooms := n.allRooms()
	if ref != "" {
		r, err := n.findGroup(ctx, ref)
		if err != nil {
			return nil, err
		}
		rooms = []*room{r}
	}
	out := []Request{}
	for _, r := range rooms {
		if err := r.look(ctx, func(m *group.Machine) {
			for _, q := range m.Local().Requests {
				out = append(out, Request{
					GroupID: r.gid.String(), PeerID: q.Peer.String(), Fingerprint: q.Peer.Fingerprint(), Note: q.Note, State: "pending",
				})
			}
		}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Approve lets a peer in that asked.
func (n *Node) Approve(ctx context.Context, ref, peer string) (Request, error) {
	return n.answerRequest(ctx, ref, peer, "approved", func(p keys.PeerID) group.Event { return group.Approve{Peer: p} })
}

// Decline refuses a peer that asked.
func (n *Node) Decline(ctx context.Context, ref, peer string) (Request, error) {
	return n.answerRequest(ctx, ref, peer, "declined", func(p keys.PeerID) group.Event { return group.Decline{Peer: p} })
}

func (n *Node) answerRequest(ctx context.Context, ref, peer, state string, ev func(keys.PeerID) group.Event) (Request, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return Request{}, err
	}
	out := Request{GroupID: r.gid.String(), State: state}
	var p keys.PeerID
	var found error
	if err := r.look(ctx, func(m *group.Machine) {
		var asking []keys.PeerID
		for _, q := range m.Local().Requests {
			asking = append(asking, q.Peer)
		}
		if p, found = findPeerID(m, asking, peer); found != nil {
			return
		}
		for _, q := range m.Local().Requests {
			if q.Peer == p {
				out.Note = q.Note
			}
		}
	}); err != nil || found != nil {
		return Request{}, errors.Join(err, found)
	}
	if _, err := r.act(ctx, ev(p)); err != nil {
		return Request{}, personError(err)
	}
	out.PeerID, out.Fingerprint = p.String(), p.Fingerprint()
	err = r.look(ctx, func(m *group.Machine) { out.Epoch = newestHeld(m) })
	n.nudge(p)
	n.bus.publish(Event{Kind: "request", GroupID: out.GroupID})
	return out, err
}

// Leave ends this person's membership; a conversation is hidden here.
func (n *Node) Leave(ctx context.Context, ref string, abandon bool) (Change, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return Change{}, err
	}
	owner := false
	if err := r.look(ctx, func(m *group.Machine) { owner = m.Role(n.me) == "owner" && len(m.Members()) > 1 }); err != nil {
		return Change{}, err
	}
	if owner && !abandon {
		return Change{}, &Error{Kind: NotAllowed, Message: "the owner cannot leave the others behind", Hint: "leave with --abandon: members go on without an owner, settings freeze"}
	}
	if _, err := r.act(ctx, group.Quit{Abandon: abandon}); err != nil {
		return Change{}, personError(err)
	}
	return n.changed(ctx, r, n.me, "left")
}

// Kick removes a member.
func (n *Node) Kick(ctx context.Context, ref, peer string) (Change, error) {
	return n.remove(ctx, ref, peer, "removed", findPeer, func(p keys.PeerID) group.Event { return group.Remove{Peer: p} })
}

// Ban removes a member, or keeps a stranger out, until an unban.
func (n *Node) Ban(ctx context.Context, ref, peer string) (Change, error) {
	return n.remove(ctx, ref, peer, "banned", findPeer, func(p keys.PeerID) group.Event { return group.Remove{Peer: p, Ban: true} })
}

// Unban lets a banned peer be admitted again.
func (n *Node) Unban(ctx context.Context, ref, peer string) (Change, error) {
	return n.remove(ctx, ref, peer, "unbanned", findPeerID, func(p keys.PeerID) group.Event { return group.Unban{Peer: p} })
}

func (n *Node) remove(ctx context.Context, ref, peer, state string, find finder, ev func(keys.PeerID) group.Event) (Change, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return Change{}, err
	}
	var p keys.PeerID
	var found error
	if err := r.look(ctx, func(m *group.Machine) { p, found = find(m, m.Everyone(), peer) }); err != nil || found != nil {
		return Change{}, errors.Join(err, found)
	}
	if _, err := r.act(ctx, ev(p)); err != nil {
		return Change{}, personError(err)
	}
	return n.changed(ctx, r, p, state)
}

func (n *Node) changed(ctx context.Context, r *room, p keys.PeerID, state string) (Change, error) {
	out := Change{GroupID: r.gid.String(), PeerID: p.String(), State: state}
	err := r.look(ctx, func(m *group.Machine) { out.Epoch = newestHeld(m) })
	return out, err
}

// Verify answers the safety number with a peer, or of a group, and with mark
// remembers that two people compared it.
func (n *Node) Verify(ctx context.Context, ref string, mark bool) (Verification, error) {
	if p, err := keys.ParsePeerID(ref); err == nil {
		return n.verifyPeer(p, mark)
	}
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		if fits, found := n.everyoneFitting(ctx, ref); found == nil && len(fits) > 0 {
			p, several := onlyPeer(fits, ref)
			if several != nil {
				return Verification{}, several
			}
			return n.verifyPeer(p, mark)
		}
		if KindOf(err) == NotFound && looksMalformed(ref) {
			_, err = parsePeer(ref)
		}
		return Verification{}, err
	}
	if r.direct != nil {
		return n.verifyPeer(other(*r.direct, n.me), mark)
	}
	var members []keys.PeerID
	v := Verification{GroupID: r.gid.String()}
	if err := r.look(ctx, func(m *group.Machine) {
		members = m.Members()
		v.SafetyNumber = keys.GroupSafetyNumber(r.gid, members, m.Owner())
	}); err != nil {
		return v, err
	}
	err = n.verified(&v, members, mark)
	return v, err
}

// verified says whether all these people were compared, after marking them so
// if asked.
func (n *Node) verified(v *Verification, people []keys.PeerID, mark bool) (err error) {
	if mark {
		err = n.change(func(d *directory) {
			for _, p := range people {
				d.Verified[p] = n.now().UTC()
			}
		})
	}
	v.Verified = true
	n.read(func(d *directory) {
		for _, p := range people {
			v.Verified = v.Verified && (p == n.me || !d.Verified[p].IsZero())
		}
	})
	return err
}

func (n *Node) verifyPeer(p keys.PeerID, mark bool) (Verification, error) {
	v := Verification{PeerID: p.String(), SafetyNumber: keys.SafetyNumber(n.me, p)}
	err := n.verified(&v, []keys.PeerID{p}, mark)
	return v, err
}

// everyoneFitting lists whom ref may mean among the people of all groups.
func (n *Node) everyoneFitting(ctx context.Context, ref string) ([]keys.PeerID, error) {
	var fits []keys.PeerID
	for _, r := range n.allRooms() {
		if err := r.look(ctx, func(m *group.Machine) { fits = append(fits, fitting(m, m.Everyone(), ref)...) }); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(fits, keys.PeerID.Compare)
	return slices.Compact(fits), nil
}
