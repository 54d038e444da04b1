package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
	"conclave/node/store"
)

// A request to join may be given to any member. One who may not approve keeps it
// for those who may, and they take it when they are there. It stays signed by
// its joiner, so that a keeper can hold it back and nothing else.
// (PROTOCOL.md, "Joining")
//
//	/k/<peer>    a request that is kept here, or that was taken from a keeper
//	/a/<peer>    until when requests of that peer are answered, and who kept them
const (
	keptPrefix     = "/k"
	answeredPrefix = "/a"

	maxKept        = group.MaxRequests // in a group
	maxKeptOf      = 4                 // from one address; of one keeper, for an approver at a time
	maxAnsweredFor = 256               // peers
)

// kept is what a room holds of requests and their answers. Only the room's loop
// touches it, in a look.
type kept struct {
	requests map[keys.PeerID]keptRequest
	answered map[keys.PeerID]answeredRequest
}

// keptRequest is a request that is kept, or was taken from a keeper.
type keptRequest struct {
	_        struct{} `cbor:",toarray"`
	Record   []byte
	Keeper   keys.PeerID // whom it was taken from; zero: it is kept here
	From     string      // the joiner's address, "" on loopback
	Since    uint64      // Unix milliseconds
	Time     uint64      // as its joiner says
	Note     string
	Declined bool // as somebody who may approve said
	Called   string
}

// answeredRequest says that what a peer asked up to then is answered.
type answeredRequest struct {
	_      struct{} `cbor:",toarray"`
	Until  uint64
	Keeper keys.PeerID // who kept the request, and is to know
}

func peerKey(prefix string, p keys.PeerID) string { return fmt.Sprintf("%s/%x", prefix, p[:]) }

// loadKept reads what is kept. Called before the loop begins.
func (r *room) loadKept() error {
	r.kept = kept{map[keys.PeerID]keptRequest{}, map[keys.PeerID]answeredRequest{}}
	return errors.Join(
		r.disk.each(keptPrefix, func(key string, v []byte) error {
			var q keptRequest
			if p, ok := peerOf(keptPrefix, key); ok && keys.Unmarshal(v, &q) == nil {
				r.kept.requests[p] = q
			}
			return nil
		}),
		r.disk.each(answeredPrefix, func(key string, v []byte) error {
			var a answeredRequest
			if p, ok := peerOf(answeredPrefix, key); ok && keys.Unmarshal(v, &a) == nil {
				r.kept.answered[p] = a
			}
			return nil
		}),
	)
}

func peerOf(prefix, key string) (p keys.PeerID, ok bool) {
	var raw []byte
	if n, err := fmt.Sscanf(key, prefix+"/%x", &raw); n != 1 || err != nil || len(raw) != len(p) {
		return p, false
	}
	return keys.PeerID(raw), true
}

// changeKept makes a change of what is kept durable, or leaves it as it was.
// Only called from the loop.
func (r *room) changeKept(edit func(*kept)) error {
	next := kept{maps.Clone(r.kept.requests), maps.Clone(r.kept.answered)}
	edit(&next)
	next.prune(r.n.clock())
	var b store.Batch
	diff(r.disk.space, &b, keptPrefix, r.kept.requests, next.requests)
	diff(r.disk.space, &b, answeredPrefix, r.kept.answered, next.answered)
	if err := r.n.db.Commit(&b); err != nil {
		return diskError(err)
	}
	r.kept = next
	return nil
}

// diff writes what differs between before and after.
func diff[V any](space *store.Space, b *store.Batch, prefix string, before, after map[keys.PeerID]V) {
	for p := range before {
		if _, still := after[p]; !still {
			space.Delete(b, peerKey(prefix, p))
		}
	}
	for p, v := range after {
		now := keys.Marshal(v)
		if old, had := before[p]; !had || string(keys.Marshal(old)) != string(now) {
			space.Put(b, peerKey(prefix, p), now)
		}
	}
}

// prune drops what has had its time, and the oldest beyond the limits: of the
// address that has the most first. (PROTOCOL.md, "Limits")
func (k *kept) prune(now uint64) {
	old := func(t uint64) bool { return now > t && now-t > group.MaxKeptAge }
	maps.DeleteFunc(k.requests, func(_ keys.PeerID, q keptRequest) bool { return old(q.Since) })
	maps.DeleteFunc(k.answered, func(_ keys.PeerID, a answeredRequest) bool { return old(a.Until) })
	for p, over := k.crowdedOut(); over; p, over = k.crowdedOut() {
		delete(k.requests, p)
	}
	for len(k.answered) > maxAnsweredFor {
		delete(k.answered, k.oldestAnswer())
	}
}

// here reports whether this node keeps the request, not having taken it.
func (q keptRequest) here() bool { return q.Keeper == keys.PeerID{} }

// crowdedOut returns whose request has to go, if any: of the address that has the
// most, the oldest. Loopback, "", has no limit of its own.
func (k *kept) crowdedOut() (out keys.PeerID, over bool) {
	of, all := map[string]int{}, 0
	for _, q := range k.requests {
		if q.here() {
			of[q.From]++
			all++
		}
	}
	beyond := func(q keptRequest) bool { return q.From != "" && of[q.From] > maxKeptOf }
	for p, q := range k.requests {
		if !q.here() || all <= maxKept && !beyond(q) {
			continue
		}
		last := k.requests[out]
		if !over || cmp.Or(cmp.Compare(of[q.From], of[last.From]), cmp.Compare(last.Since, q.Since), out.Compare(p)) > 0 {
			out, over = p, true
		}
	}
	return out, over
}

// oldestAnswer returns the peer that was answered longest ago.
func (k *kept) oldestAnswer() (out keys.PeerID) {
	first := true
	for p, a := range k.answered {
		if first || cmp.Or(cmp.Compare(a.Until, k.answered[out].Until), p.Compare(out)) < 0 {
			out, first = p, false
		}
	}
	return out
}

// keepRequest keeps the request of a peer for those who may approve, and has
// them told. Only what is signed for this group, or for its owner, is of use to
// them: whoever named the group only by name is asked to give its ID.
func (r *room) keepRequest(ctx context.Context, s *mesh.Stream, req group.JoinRequest) (joinStatus, error) {
	status := joinKept
	var failed error
	var tell []keys.PeerID
	err := r.lookFor(ctx, s.Peer(), func(m *group.Machine) {
		if req.Approver == r.n.me && len(req.Group) == 0 {
			return
		}
		old, had := r.kept.requests[s.Peer()]
		if had && old.Declined && req.Again {
			status = joinDeclined
			return
		}
		now := r.n.clock()
		if _, err := m.KeptRequest(req.Record(), r.n.me, now); err != nil {
			r.n.log.Debug("request not kept", "peer", s.Peer().Short(), "err", err)
			status = joinRefused
			return
		}
		if had && req.Again && old.Note == req.Note && old.Called == req.Called && req.Time-min(req.Time, old.Time) < keptRenewal {
			return
		}
		q := keptRequest{Record: req.Record(), From: s.RemoteIP(), Since: now, Time: req.Time, Note: req.Note, Called: req.Called}
		if isLoopback(q.From) {
			q.From = ""
		}
		if had {
			q.Since = min(old.Since, now)
		}
		failed = r.changeKept(func(k *kept) { k.requests[s.Peer()] = q })
		tell = slices.DeleteFunc(r.others(), func(p keys.PeerID) bool { return !m.Approves(p) })
	})
	if err = errors.Join(err, failed); err != nil {
		return 0, err
	}
	for _, p := range r.n.connectedOf(tell) {
		r.n.wg.Go(func() { r.n.sendOffer(r.n.ctx, p, offer{GID: r.gid}) })
	}
	return status, nil
}

// keptRenewal is how much newer a repetition is that replaces what is kept, in
// milliseconds.
const keptRenewal = 10 * 60 * 1000

func (n *Node) connectedOf(ps []keys.PeerID) []keys.PeerID {
	connected := n.net.Connected()
	return slices.DeleteFunc(slices.Clone(ps), func(p keys.PeerID) bool { return !slices.Contains(connected, p) })
}

// releaseKept lets go of the requests of those who are members now, and tells
// them. Only called from the loop.
func (r *room) releaseKept() {
	members := r.roster.Load().members
	var in []keys.PeerID
	for p := range r.kept.requests {
		if members[p] {
			in = append(in, p)
		}
	}
	if len(in) == 0 {
		return
	}
	if err := r.changeKept(func(k *kept) {
		maps.DeleteFunc(k.requests, func(p keys.PeerID, _ keptRequest) bool { return members[p] })
	}); err != nil {
		r.n.log.Warn("let go of requests", "err", err)
	}
	for _, p := range in {
		r.n.nudge(p)
	}
}

// noteAnswered remembers that what p asked until now is answered. Only called
// from the loop.
func (r *room) noteAnswered(p keys.PeerID) {
	q := r.kept.requests[p]
	if err := r.changeKept(func(k *kept) {
		k.answered[p] = answeredRequest{Until: max(r.n.clock(), q.Time), Keeper: q.Keeper}
		delete(k.requests, p)
	}); err != nil {
		r.n.log.Warn("remember an answer", "err", err)
	}
}
