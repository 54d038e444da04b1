package node

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

const (
	syncEvery   = 10 * time.Second       // with nothing known to be missing
	syncApart   = 150 * time.Millisecond // between two rounds
	syncTimeout = 2 * time.Minute        // for one peer
	syncPeers   = 4                      // peers asked in one round
	keyRetry    = time.Second            // while a key is wanted
)

// root is a short name for heights.
func root(h group.Heights) keys.Hash { return keys.Sum(keys.Marshal(h)) }

func (r *room) heights(ctx context.Context) (h group.Heights, err error) {
	err = r.look(ctx, func(m *group.Machine) { h = r.heldHeights(m) })
	return h, err
}

// maxHeads is how many heads of logs are named at most.
const maxHeads = 4096

// holding is heights, and the runs of records that wait.
func (r *room) holding(ctx context.Context) (h group.Heights, waiting []group.LogHead, err error) {
	err = r.look(ctx, func(m *group.Machine) {
		h = r.heldHeights(m)
		waiting = m.Waiting(max(0, maxHeads-len(h.Logs)))
	})
	return h, waiting, err
}

// pull fetches from p whatever it holds more of the group, oldest first, each
// batch acknowledged once it is durable here, and shares the work with other pulls
// of the moment. An interrupted pull goes on where it ended.
func (r *room) pull(ctx context.Context, p keys.PeerID, wish bool) error {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	mine, waiting, err := r.holding(ctx)
	if err != nil {
		return err
	}
	s, err := r.n.net.Open(ctx, p, protoSync)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := put(s, hello{GID: r.gid, Root: root(mine), Wish: wish}); err != nil {
		return err
	}
	var w welcome
	if err := get(s, &w); err != nil {
		return err
	}
	if !w.Member {
		return r.takeFarewell(ctx, s, w)
	}
	r.n.clocks.note(p, w.Now, r.n.clock())
	r.meet(w.Peers)
	if w.Root == root(mine) {
		r.syncer.compared(p, mine)
		return nil
	}
	all := mine
	all.Logs = slices.Concat(mine.Logs, waiting)
	if err := put(s, all); err != nil {
		return err
	}
	var theirs group.Heights
	if err := get(s, &theirs); err != nil {
		return err
	}
	r.syncer.compared(p, theirs)
	var have parts
	if err := get(s, &have); err != nil {
		return err
	}
	if err := r.syncer.share.take(ctx, &source{s: s, peer: p, theirs: theirs}, have); err != nil {
		return err
	}
	return r.beacon.compared(ctx, mine, theirs)
}

// takeFarewell takes the news that this membership has ended. Whoever left by
// its own wish has told them now, and lets go of them.
func (r *room) takeFarewell(ctx context.Context, s *mesh.Stream, w welcome) error {
	if !w.Farewell {
		return nil
	}
	if err := r.takeBatches(ctx, s); err != nil {
		return err
	}
	left := false
	if err := r.look(ctx, func(m *group.Machine) { left = m.Local().Left }); err != nil || !left {
		return err
	}
	others := r.others()
	r.roster.Store(&roster{})
	for _, p := range others {
		r.n.book.letGo(p, r.gid)
	}
	return r.topic.Allow(nil)
}

// told lists the members that this node is connected to, and where.
func (r *room) told(to keys.PeerID) []peerAddrs {
	members := r.roster.Load().members
	var out []peerAddrs
	for _, p := range r.n.net.Connected() {
		if addrs := r.n.net.AddrsOf(p); members[p] && p != to && len(addrs) > 0 && len(out) < maxTold {
			out = append(out, peerAddrs{Peer: p, Addrs: addrs[:min(len(addrs), maxAddrs)]})
		}
	}
	return out
}

// meet dials members that another member is connected to and this node is not.
func (r *room) meet(told []peerAddrs) {
	members := r.roster.Load().members
	connected := r.n.net.Connected()
	for _, t := range told[:min(len(told), maxTold)] {
		if members[t.Peer] && t.Peer != r.n.me && !slices.Contains(connected, t.Peer) {
			if err := r.n.net.Remember(t.Peer, t.Addrs[:min(len(t.Addrs), maxAddrs)]...); err != nil {
				r.n.log.Debug("address from a member", "peer", t.Peer.Short(), "err", err)
			}
		}
	}
}

// takeBatches takes batches until the last.
func (r *room) takeBatches(ctx context.Context, s *mesh.Stream) error {
	for {
		var b batch
		if err := get(s, &b); err != nil {
			return err
		}
		if _, err := r.takeBatch(ctx, s, b); err != nil {
			return err
		}
		if err := put(s, ack{OK: true}); err != nil || b.Last {
			return err
		}
	}
}

// takeBatch makes a batch durable and returns how many records it held. One that
// is not sound ends the stream.
func (r *room) takeBatch(ctx context.Context, s *mesh.Stream, b batch) (records int, err error) {
	evs, err := r.eventsOf(b)
	if err != nil {
		s.Reset()
		return 0, err
	}
	if len(evs) > 0 {
		done, err := r.do(ctx, evs...)
		if err != nil && fatalFor(err) {
			return 0, err
		}
		for i := range done {
			if !done[i].Batch.Empty() {
				r.syncer.news.Add(1)
			}
		}
	}
	return len(evs) - len(b.Bases), nil
}

// tellProgress tells people how far catch-up has come. The number to come is a
// peer's word.
func (r *room) tellProgress(p Progress) {
	r.progress.Store(&p)
	if data, err := json.Marshal(p); err == nil {
		r.n.bus.publish(Event{Kind: "progress", GroupID: r.gid.String(), Data: data})
	}
}

// fatalFor reports whether an error of stepping received records ends the
// stream: a record that is refused does not, a disk that takes nothing does.
func fatalFor(err error) bool {
	var e *Error
	return errors.As(err, &e)
}

// eventsOf checks a batch: ranges by their last signature, the rest one by one.
func (r *room) eventsOf(b batch) ([]group.Event, error) {
	var evs []group.Event
	for _, x := range b.Bases {
		evs = append(evs, group.Based{Author: x.Author, Lane: x.Lane, Base: x.Base, Ord: x.Ord})
	}
	for _, p := range b.Records {
		v, err := group.Decode(r.gid, p)
		if errors.Is(err, group.ErrUnknown) {
			continue
		}
		if err != nil {
			return nil, err
		}
		evs = append(evs, group.Received{Record: v})
	}
	var msgs []group.Verified
	for _, p := range b.Ranges {
		vs, err := group.DecodeRange(r.gid, p)
		if err != nil {
			return nil, err
		}
		msgs = append(msgs, vs...)
	}
	slices.SortStableFunc(msgs, group.ByClaimedOrd)
	for _, v := range msgs {
		evs = append(evs, group.Received{Record: v})
	}
	return evs, nil
}

// wish asks those who may rotate to do so, by way of catch-up.
func (r *room) wish(to []keys.PeerID) {
	for _, p := range to {
		if err := r.pull(r.n.ctx, p, true); err != nil {
			r.n.log.Debug("wish", "peer", p.Short(), "err", err)
		}
	}
}
