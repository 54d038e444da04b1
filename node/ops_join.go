package node

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// Join asks a peer to be let into a group of it. With wait it returns when the
// answer is there.
func (n *Node) Join(ctx context.Context, peer, ref, note string, wait bool) (JoinState, error) {
	if strings.HasPrefix(peer, linkPrefix) {
		if ref != "" {
			return JoinState{}, &Error{Kind: KindUsage, Message: "a link names its group"}
		}
		return n.joinByLink(ctx, peer, note, wait)
	}
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
	j := joinRef{Peer: p, Group: ref, Note: cmp.Or(note, n.pendingNote(p, ref)), State: stateRequested, Since: n.now()}
	if gid, err := keys.ParseHash(ref); err == nil {
		j.GID = gid
	} else if ref != "" && !group.ValidName(ref) {
		return JoinState{}, &Error{Kind: KindUsage, Message: "not a group name or ID"}
	}
	return n.join(ctx, j, wait)
}

// pendingNote is the note of the request that is asked again: without one of
// its own it keeps what it said.
func (n *Node) pendingNote(p keys.PeerID, ref string) (note string) {
	n.read(func(d *directory) {
		for _, j := range d.Joins {
			if j.Peer == p && j.State == stateRequested && (ref == "" || ref == j.Group || ref == j.GID.String()) {
				note = j.Note
			}
		}
	})
	return note
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
	out := JoinState{State: j.State, PeerID: j.Peer.String(), Kept: j.Kept}
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
		if near, took := n.askNear(ctx, j, false); took {
			return near, nil
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
	events, _ := n.bus.subscribe(ctx)
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
