package node

import (
	"context"
	"errors"
	"slices"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// serveSync answers a peer that catches up.
func (n *Node) serveSync(ctx context.Context, s *mesh.Stream) {
	var h hello
	if get(s, &h) != nil {
		return
	}
	r := n.roomFor(h.GID, s.Peer())
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
			mine = m.Heights()
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
	if err := r.giveBatches(ctx, s, miss); err != nil {
		return err
	}
	both := group.Heights{Logs: slices.Concat(mine.Logs, theirs.Logs)}
	r.syncer.compared(s.Peer(), both) // the last batch is durable there
	return nil
}

// giveBatches sends what is missing: control entries, then messages in display
// order, so that each batch rests on what came before.
func (r *room) giveBatches(ctx context.Context, s *mesh.Stream, miss group.Missing) error {
	b := batch{}
	for _, x := range miss.Bases {
		b.Bases = append(b.Bases, base{Author: x.Author, Lane: x.Lane, Base: x.Base, Ord: x.Ord})
	}
	size := 0
	pace := r.n.quotas.of(s.Peer()).bytes
	flush := func(last bool) error {
		b.Last = last
		if err := pace.WaitN(ctx, min(size, bytesBurst)); err != nil {
			return err
		}
		if err := put(s, b); err != nil {
			return err
		}
		b, size = batch{}, 0
		var a ack
		return get(s, &a)
	}
	for _, p := range miss.Records {
		if size > 0 && size+len(p) > batchBytes || len(b.Records) >= maxBatchRecords {
			if err := flush(false); err != nil {
				return err
			}
		}
		b.Records = append(b.Records, p)
		size += len(p)
	}
	var window []group.StoredMessage
	for _, ref := range miss.Messages {
		m, err := r.disk.message(ref)
		if err != nil {
			continue // damaged here: another member has it
		}
		if size > 0 && size+len(m.Payload) > batchBytes || len(window) >= maxBatchRecords {
			b.Ranges, window = r.ranges(window)
			if err := flush(false); err != nil {
				return err
			}
		}
		window = append(window, m)
		size += len(m.Payload)
	}
	b.Ranges, _ = r.ranges(window)
	return flush(true)
}

const maxBatchRecords = 1024

// ranges groups messages into contiguous ranges of their logs. The last of each
// must bear a good signature: one that came here inside a range is checked now,
// and what has none is left for the range after.
func (r *room) ranges(ms []group.StoredMessage) (out [][][]byte, left []group.StoredMessage) {
	for _, log := range byLog(ms) {
		n := len(log)
		for n > 0 && log[n-1].SigSkipped {
			if _, err := group.Decode(r.gid, log[n-1].Payload); err == nil {
				break
			}
			n--
		}
		left = append(left, log[n:]...)
		if n == 0 {
			continue
		}
		payloads := make([][]byte, n)
		for i := range payloads {
			payloads[i] = log[i].Payload
		}
		out = append(out, payloads)
	}
	return out, left
}

// byLog splits messages into contiguous runs of one log each.
func byLog(ms []group.StoredMessage) [][]group.StoredMessage {
	type key struct {
		author keys.PeerID
		lane   uint64
	}
	open := map[key]int{}
	var out [][]group.StoredMessage
	for _, m := range ms {
		k := key{m.Author, m.Lane}
		i, ok := open[k]
		if !ok || out[i][len(out[i])-1].Seq+1 != m.Seq {
			i = len(out)
			open[k] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], m)
	}
	return out
}
