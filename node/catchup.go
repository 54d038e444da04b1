package node

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
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

// syncer brings what gossip did not: it asks one connected member at a time.
type syncer struct {
	r      *room
	mu     sync.Mutex
	prefer []keys.PeerID // peers known to hold more
	more   chan struct{}
	pulled chan struct{} // has something once a member was asked
}

func newSyncer(r *room) *syncer {
	return &syncer{r: r, more: make(chan struct{}, 1), pulled: make(chan struct{}, 1)}
}

// kick asks for a round soon.
func (s *syncer) kick() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// from asks for a round soon that begins with p.
func (s *syncer) from(p keys.PeerID) {
	s.mu.Lock()
	if !slices.Contains(s.prefer, p) && len(s.prefer) < 64 {
		s.prefer = append(s.prefer, p)
	}
	s.mu.Unlock()
	s.kick()
}

func (s *syncer) run(ctx context.Context) {
	timer := time.NewTimer(syncEvery)
	defer timer.Stop()
	for {
		select {
		case <-s.more:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		wants := s.round(ctx)
		if !pause(ctx, syncApart) {
			return
		}
		next := syncEvery + rand.N(syncEvery/4)
		if wants {
			next = keyRetry
		}
		timer.Reset(next)
	}
}

// pause waits, and reports false where ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// round asks a few connected members for what they hold more, then for keys. It
// reports whether a key is still wanted.
func (s *syncer) round(ctx context.Context) bool {
	for _, p := range s.peers() {
		err := s.r.pull(ctx, p, false)
		if err == nil {
			select {
			case s.pulled <- struct{}{}:
			default:
			}
			err = s.r.askKeys(ctx, p)
		}
		if err != nil && ctx.Err() == nil {
			s.r.n.log.Debug("catch-up", "peer", p.Short(), "err", err)
		}
	}
	wants := false
	s.r.look(ctx, func(m *group.Machine) { wants = len(m.Wanted()) > 0 })
	return wants
}

// peers picks whom to ask: those known to hold more first, then at random.
func (s *syncer) peers() []keys.PeerID {
	members := s.r.roster.Load().members
	var out []keys.PeerID
	for _, p := range s.r.n.net.Connected() {
		if members[p] || s.r.direct != nil && slices.Contains(s.r.direct[:], p) {
			out = append(out, p)
		}
	}
	rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	s.mu.Lock()
	first := s.prefer
	s.prefer = nil
	s.mu.Unlock()
	slices.SortStableFunc(out, func(a, b keys.PeerID) int {
		return slices.Index(first, b) - slices.Index(first, a)
	})
	return out[:min(len(out), max(syncPeers, len(first)))]
}

// root is a short name for heights.
func root(h group.Heights) keys.Hash { return keys.Sum(keys.Marshal(h)) }

func (r *room) heights(ctx context.Context) (h group.Heights, err error) {
	err = r.look(ctx, func(m *group.Machine) { h = m.Heights() })
	return h, err
}

// pull fetches from p whatever it holds more of the group, oldest first, each
// batch acknowledged once it is durable here. An interrupted pull goes on where
// it ended.
func (r *room) pull(ctx context.Context, p keys.PeerID, wish bool) error {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	mine, err := r.heights(ctx)
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
	r.meet(w.Peers)
	if w.Root == root(mine) {
		return nil
	}
	if err := put(s, mine); err != nil {
		return err
	}
	var theirs group.Heights
	if err := get(s, &theirs); err != nil {
		return err
	}
	if err := r.checkOwn(ctx, theirs); err != nil {
		return err
	}
	return r.takeBatches(ctx, s)
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
		evs, err := r.eventsOf(b)
		if err != nil {
			s.Reset()
			return err
		}
		if len(evs) > 0 {
			if _, err := r.do(ctx, evs...); err != nil && fatalFor(err) {
				return err
			}
		}
		if err := put(s, ack{OK: true}); err != nil || b.Last {
			return err
		}
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
		evs = append(evs, group.Based{Author: x.Author, Lane: x.Lane, Base: x.Base})
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

// checkOwn looks for records of this person that this home does not hold: it was
// rolled back, or copied.
func (r *room) checkOwn(ctx context.Context, theirs group.Heights) error {
	beyond := false
	if err := r.look(ctx, func(m *group.Machine) { beyond = m.OwnBeyond(theirs) }); err != nil {
		return err
	}
	if beyond {
		r.n.log.Warn("others hold records of this node that it lacks: the home was rolled back or copied; a new lane begins", "group", r.gid.Short())
		_, err := r.do(ctx, group.NewLane{})
		return err
	}
	return nil
}

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
	var farewell [][]byte
	member := false
	err := r.look(ctx, func(m *group.Machine) {
		if member = m.Serves(s.Peer()); member {
			mine = m.Heights()
		} else {
			farewell = m.Farewell(s.Peer())
		}
	})
	if err != nil {
		return err
	}
	if !member {
		err := put(s, welcome{Farewell: len(farewell) > 0})
		if err != nil || len(farewell) == 0 {
			return err
		}
		return r.giveBatches(s, group.Missing{Records: farewell})
	}
	if h.Wish {
		r.post(group.Wished{From: s.Peer()})
	}
	if err := put(s, welcome{Member: true, Root: root(mine), Peers: r.told(s.Peer())}); err != nil || h.Root == root(mine) {
		return err
	}
	var theirs group.Heights
	if err := get(s, &theirs); err != nil {
		return err
	}
	var miss group.Missing
	var refused error
	if err := r.look(ctx, func(m *group.Machine) {
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
	return r.giveBatches(s, miss)
}

// giveBatches sends what is missing: control entries, then messages in display
// order, so that each batch rests on what came before.
func (r *room) giveBatches(s *mesh.Stream, miss group.Missing) error {
	b := batch{}
	for _, x := range miss.Bases {
		b.Bases = append(b.Bases, base{Author: x.Author, Lane: x.Lane, Base: x.Base})
	}
	size := 0
	flush := func(last bool) error {
		b.Last = last
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

// wish asks those who may rotate to do so, by way of catch-up.
func (r *room) wish(to []keys.PeerID) {
	for _, p := range to {
		if err := r.pull(r.n.ctx, p, true); err != nil {
			r.n.log.Debug("wish", "peer", p.Short(), "err", err)
		}
	}
}
