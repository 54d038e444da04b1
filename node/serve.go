package node

import (
	"context"
	"errors"
	"slices"

	"conclave/group"
	"conclave/node/mesh"
)

// serveSync answers a peer that catches up.
func (n *Node) serveSync(ctx context.Context, s *mesh.Stream) {
	var h hello
	if get(s, &h) != nil {
		return
	}
	r := n.roomFor(h.GID, s.Peer())
	if x, ok := n.partings(s.Peer())[h.GID]; r == nil && ok {
		if err := n.serveParting(ctx, s, h.GID, x); err != nil && ctx.Err() == nil {
			n.log.Debug("part from a group", "peer", s.Peer().Short(), "err", err)
		}
		return
	}
	if r == nil {
		put(s, welcome{})
		return
	}
	if err := r.serveSync(ctx, s, h); err != nil && ctx.Err() == nil {
		n.log.Debug("serve catch-up", "peer", s.Peer().Short(), "err", err)
	}
}

func (r *room) serveSync(ctx context.Context, s *mesh.Stream, h hello) error {
	var mine group.Heights
	var bye [][]byte
	unheard := func() {}
	member := false
	err := r.lookFor(ctx, s.Peer(), func(m *group.Machine) {
		if member = m.Serves(s.Peer()); member {
			mine = r.heldHeights(m)
		} else if undo, may := r.mayTell(m, s.Peer(), h.Root); may {
			bye, unheard = m.Farewell(s.Peer()), undo
		}
	})
	if err != nil {
		return err
	}
	if !member {
		err := put(s, welcome{Farewell: len(bye) > 0})
		if err == nil && len(bye) > 0 {
			err = r.giveBatches(ctx, s, group.Missing{Records: bye})
		}
		if err != nil {
			unheard()
		}
		return err
	}
	if h.Wish {
		r.post(group.Wished{From: s.Peer()})
	}
	if err := put(s, welcome{Member: true, Root: root(mine), Peers: r.told(s.Peer()), Now: r.n.clock()}); err != nil {
		return err
	}
	if h.Root == root(mine) {
		r.syncer.compared(s.Peer(), mine)
		return nil
	}
	var theirs group.Heights
	if err := get(s, &theirs); err != nil {
		return err
	}
	r.syncer.compared(s.Peer(), theirs)
	var miss group.Missing
	var refused error
	if err := r.lookFor(ctx, s.Peer(), func(m *group.Machine) {
		if m.Behind(theirs) {
			r.syncer.from(s.Peer())
		}
		miss, refused = m.MissingAt(s.Peer(), theirs)
	}); err != nil || refused != nil {
		return errors.Join(err, refused)
	}
	if err := put(s, mine); err != nil {
		return err
	}
	all, err := r.giveParts(ctx, s, miss)
	if err != nil || !all {
		return err
	}
	both := group.Heights{Logs: slices.Concat(mine.Logs, theirs.Logs)}
	r.syncer.compared(s.Peer(), both) // the last batch is durable there
	return nil
}
