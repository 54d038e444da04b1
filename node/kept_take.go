package node

import (
	"cmp"
	"context"
	"slices"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

const (
	takeEvery   = time.Minute // between two looks at what members keep
	takeTimeout = 10 * time.Second
	maxHave     = 64 // requests that an asker names
)

// keptAsk asks a member for the requests that it keeps, but for those that the
// asker has, and tells it of those that were answered.
type keptAsk struct {
	_        struct{} `cbor:",toarray"`
	GID      keys.Hash
	Have     []keys.Hash // of records
	Answered []keptAnswered
}

// keptAnswered: what a peer asked up to then is answered.
type keptAnswered struct {
	_     struct{} `cbor:",toarray"`
	Peer  keys.PeerID
	Until uint64
}

// keptAnswer brings join requests as their joiners signed them.
type keptAnswer struct {
	_       struct{} `cbor:",toarray"`
	Records [][]byte
}

// serveKept gives whoever may approve the requests that are kept here. Anybody
// else gets none.
func (n *Node) serveKept(ctx context.Context, s *mesh.Stream) {
	var ask keptAsk
	if get(s, &ask) != nil || len(ask.Have) > maxHave || len(ask.Answered) > maxHave {
		s.Reset()
		return
	}
	var out keptAnswer
	if r := n.room(ask.GID); r != nil {
		err := r.lookFor(ctx, s.Peer(), func(m *group.Machine) {
			if m.Approves(s.Peer()) {
				out = r.giveKept(ask)
			}
		})
		if err != nil {
			s.Reset()
			return
		}
	}
	put(s, out)
}

// giveKept takes the answers and returns the requests, oldest first. Only called
// from the loop.
func (r *room) giveKept(ask keptAsk) (out keptAnswer) {
	if err := r.changeKept(func(k *kept) {
		for _, a := range ask.Answered {
			if q, ok := k.requests[a.Peer]; ok && q.here() && q.Time <= a.Until {
				q.Declined = true
				k.requests[a.Peer] = q
			}
		}
	}); err != nil {
		r.n.log.Warn("note answers to requests", "err", err)
	}
	var qs []keptRequest
	for _, q := range r.kept.requests {
		if q.here() && !q.Declined && !slices.Contains(ask.Have, keys.Sum(q.Record)) {
			qs = append(qs, q)
		}
	}
	slices.SortFunc(qs, compareKept)
	for _, q := range qs {
		out.Records = append(out.Records, q.Record)
	}
	return out
}

func compareKept(a, b keptRequest) int {
	return cmp.Or(cmp.Compare(a.Since, b.Since), slices.Compare(a.Record, b.Record))
}

// meetKeeper has a member asked soon for what it keeps.
func (n *Node) meetKeeper(p keys.PeerID) {
	select {
	case n.keepers <- p:
	default: // it is asked within takeEvery
	}
}

// keepTaking takes the requests that members keep for this person.
func (n *Node) keepTaking(ctx context.Context) {
	for {
		var from []keys.PeerID
		select {
		case p := <-n.keepers:
			from = []keys.PeerID{p}
		case <-time.After(takeEvery):
			from = n.net.Connected()
		case <-ctx.Done():
			return
		}
		for _, p := range from {
			for _, r := range n.allRooms() {
				if err := r.takeKept(ctx, p); err != nil && ctx.Err() == nil {
					n.log.Debug("requests that a member keeps", "peer", p.Short(), "err", err)
				}
			}
		}
	}
}

// takeKept asks one member for the requests that it keeps, where this person may
// approve them.
func (r *room) takeKept(ctx context.Context, p keys.PeerID) error {
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	ask := keptAsk{GID: r.gid}
	may := false
	if err := r.look(ctx, func(m *group.Machine) {
		if may = m.MayApprove() && m.IsMember(p) && p != r.n.me; may {
			ask.Have, ask.Answered = r.toldTo(m, p)
		}
	}); err != nil || !may {
		return err
	}
	s, err := r.n.net.Open(ctx, p, protoKept)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := put(s, ask); err != nil {
		return err
	}
	var got keptAnswer
	if err := get(s, &got); err != nil {
		return err
	}
	for _, rec := range got.Records[:min(len(got.Records), maxKept)] {
		if err := r.take(ctx, p, rec); err != nil {
			return err
		}
	}
	return nil
}

// toldTo lists what this node has of a keeper, and what of it was answered. Only
// called from the loop.
func (r *room) toldTo(m *group.Machine, p keys.PeerID) (have []keys.Hash, answered []keptAnswered) {
	for _, waits := range m.Local().Requests {
		if q, ok := r.kept.requests[waits.Peer]; ok && q.Keeper == p && len(have) < maxHave {
			have = append(have, keys.Sum(q.Record))
		}
	}
	for who, a := range r.kept.answered {
		if a.Keeper == p && len(answered) < maxHave {
			answered = append(answered, keptAnswered{Peer: who, Until: a.Until})
		}
	}
	return have, answered
}

// take takes one request from its keeper, as if its joiner had asked here. What
// was answered, and what is here already, is left out.
func (r *room) take(ctx context.Context, keeper keys.PeerID, rec []byte) error {
	var req group.JoinRequest
	fits := false
	if err := r.look(ctx, func(m *group.Machine) { req, fits = r.fresh(m, keeper, rec) }); err != nil || !fits {
		return err
	}
	if meant, _, err := r.n.groupAskedFor(ctx, req); err != nil || meant != r {
		return err
	}
	if _, err := r.do(ctx, group.JoinAsked{Request: req.Waiting("kept by " + keeper.String())}); err != nil {
		if fatalFor(err) {
			return err
		}
		r.n.log.Debug("request from a keeper", "peer", req.Peer.Short(), "err", err)
		return nil
	}
	var failed error
	err := r.look(ctx, func(m *group.Machine) {
		if m.IsMember(req.Peer) {
			return // it was invited
		}
		failed = r.changeKept(func(k *kept) {
			k.requests[req.Peer] = keptRequest{Record: rec, Keeper: keeper, Since: r.n.clock(), Time: req.Time, Note: req.Note, Called: req.Called}
		})
	})
	if err == nil {
		err = failed
	}
	return err
}

// fresh judges a request that a keeper gives. Only called from the loop.
func (r *room) fresh(m *group.Machine, keeper keys.PeerID, rec []byte) (group.JoinRequest, bool) {
	req, err := m.KeptRequest(rec, keeper, r.n.clock())
	if err != nil {
		r.n.log.Debug("request from a keeper", "keeper", keeper.Short(), "err", err)
		return req, false
	}
	if a, ok := r.kept.answered[req.Peer]; ok && req.Time <= a.Until {
		return req, false
	}
	waits, of := false, 0
	for _, q := range m.Local().Requests {
		waits = waits || q.Peer == req.Peer && q.Note == req.Note && q.Called == req.Called
		if r.kept.requests[q.Peer].Keeper == keeper {
			of++
		}
	}
	return req, !waits && of < maxKeptOf
}
