package node

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"conclave/group"
	"conclave/keys"
)

// syncer brings what gossip did not: it asks connected members.
type syncer struct {
	r      *room
	share  *share
	mu     sync.Mutex
	prefer []keys.PeerID // peers known to hold more
	more   chan struct{}
	pulled chan struct{}                   // has something once a member was asked
	heard  map[keys.PeerID][]group.LogHead // what members said they hold, newest word
	asking map[keys.PeerID]bool            // under way; at most maxAsking
	news   atomic.Int64                    // records that catch-up brought
	tried  time.Time                       // end of the last round that reached a member
	told   []group.Gap                     // what followers know to be missing; only the loop touches it
}

func newSyncer(r *room) *syncer {
	return &syncer{r: r, share: newShare(r), more: make(chan struct{}, 1), pulled: make(chan struct{}, 1), heard: map[keys.PeerID][]group.LogHead{}, asking: map[keys.PeerID]bool{}}
}

// kick asks for a round soon.
func (s *syncer) kick() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// watchMesh asks for a round whenever the topic's mesh takes this node in: what
// was said a moment before is neither sent nor announced to it.
func (s *syncer) watchMesh(ctx context.Context) {
	for {
		select {
		case <-s.r.topic.Ready():
			s.kick()
		case <-ctx.Done():
			return
		}
		select {
		case <-s.r.topic.Alone():
		case <-ctx.Done():
			return
		}
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
	every := s.r.n.cfg.timing.poll
	timer := time.NewTimer(every)
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
		next := every + rand.N(every/4)
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

// What is remembered of members' heights, for people to see who holds what is
// missing here.
const (
	maxHeard      = 256 // members
	maxHeardHeads = 256 // of each
)

// compared notes what a member said that it holds.
func (s *syncer) compared(p keys.PeerID, h group.Heights) {
	s.r.post(group.Holds{Peer: p, Logs: h.Logs})
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.heard[p]; known || len(s.heard) < maxHeard {
		s.heard[p] = slices.Clone(h.Logs[:min(len(h.Logs), maxHeardHeads)])
	}
	s.tried = time.Now()
}

// holders lists the members who said that they hold something of a gap, and when
// a member was last asked.
func (s *syncer) holders(g group.Gap) (out []keys.PeerID, tried time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	members := s.r.roster.Load().members
	for p, logs := range s.heard {
		if members[p] && slices.ContainsFunc(logs, func(h group.LogHead) bool {
			return h.Author == g.Author && h.Lane == g.Lane && h.Base < g.To && h.Seq >= g.From
		}) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, keys.PeerID.Compare)
	return out, s.tried
}

// A member that brings less than slowNews records in slowAfter is not waited for:
// the next one is asked beside it. So many may be under way.
const (
	slowAfter = 3 * time.Second
	slowNews  = 100
	maxAsking = 16
)

// round asks a few connected members for what they hold more, then for keys: one
// after the other, but together where there is much to fetch, and then whoever
// appears meanwhile besides. It reports whether a key is still wanted.
func (s *syncer) round(ctx context.Context) bool {
	var asked []<-chan struct{}
	for {
		asked = append(asked, s.askSome(ctx)...)
		if !closed(s.share.isMuch()) || !s.share.goesOn() {
			break
		}
		ended, all := make(chan struct{}), slices.Clone(asked)
		s.r.n.wg.Go(func() {
			defer close(ended)
			for _, c := range all {
				<-c
			}
		})
		if !s.awaitNews(ctx, ended, s.more) || !pause(ctx, syncApart) {
			break
		}
	}
	wants := false
	s.r.look(ctx, func(m *group.Machine) {
		wants = len(m.Wanted()) > 0
		s.tellGaps(m)
	})
	return wants
}

// askSome asks a few connected members, each once the one before it has answered
// or there is more than it alone should give. Of each it returns what is closed
// afterwards.
func (s *syncer) askSome(ctx context.Context) (all []<-chan struct{}) {
	for _, p := range s.peers() {
		asked := make(chan struct{})
		s.setAsking(p, true)
		all = append(all, asked)
		s.r.n.wg.Go(func() {
			defer close(asked)
			s.askOne(ctx, p)
		})
		s.awaitNews(ctx, asked, s.share.isMuch())
	}
	return all
}

// askOne catches up from one member, and asks it for keys.
func (s *syncer) askOne(ctx context.Context, p keys.PeerID) {
	defer s.setAsking(p, false)
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

// awaitNews returns when asked or other is ready, or when no more news comes: a
// member that answers slowly, or not at all, must not keep the others' from this
// node. It reports whether it was other.
func (s *syncer) awaitNews(ctx context.Context, asked, other <-chan struct{}) bool {
	for {
		before := s.news.Load()
		select {
		case <-asked:
			return false
		case <-other:
			return true
		case <-time.After(slowAfter):
		case <-ctx.Done():
			return false
		}
		if s.news.Load()-before < slowNews {
			return false
		}
	}
}

func (s *syncer) setAsking(p keys.PeerID, now bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now {
		s.asking[p] = true
	} else {
		delete(s.asking, p)
	}
}

// tellGaps tells followers what is still missing after a round, once. Only
// called from the loop.
func (s *syncer) tellGaps(m *group.Machine) {
	gaps := m.Gaps()
	for _, g := range gaps {
		if !slices.Contains(s.told, g) {
			line := s.r.gapLine(m, g)
			s.r.n.bus.publish(Event{Kind: "log", GroupID: line.GroupID, Line: &line})
		}
	}
	s.told = gaps
}

// peers picks whom to ask: those known to hold more
// first, then at random; none that is still asked.
func (s *syncer) peers() []keys.PeerID {
	members := s.r.roster.Load().members
	var out []keys.PeerID
	for _, p := range s.r.n.net.Connected() {
		if members[p] || s.r.direct != nil && slices.Contains(s.r.direct[:], p) || len(members) == 0 && s.r.disk.lost && s.r.n.book.may(p) {
			out = append(out, p)
		}
	}
	rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.prefer
	s.prefer = nil
	out = slices.DeleteFunc(out, func(p keys.PeerID) bool { return s.asking[p] || s.share.hasFailed(p) })
	slices.SortStableFunc(out, func(a, b keys.PeerID) int {
		return slices.Index(first, b) - slices.Index(first, a)
	})
	return out[:max(0, min(len(out), max(syncPeers, len(first)), maxAsking-len(s.asking)))]
}
