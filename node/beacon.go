package node

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

const (
	beaconFirst  = 2 * time.Second        // an interval after something changed
	beaconMost   = 64 * time.Second       // and after nothing has for long
	beaconApart  = 500 * time.Millisecond // between two summaries of one member
	beaconSettle = 300 * time.Millisecond // what gossip still brings after something came

	maxSummaries = 1024 // members whose last summary is remembered
	maxAgreed    = 256  // pairs of contents that differ, with nothing to be had
)

// beacon tells the members what this node holds, unless one of them has just said
// the same, and hears what they hold. (PROTOCOL.md, "Summaries")
type beacon struct {
	r       *room
	touched chan struct{} // has something after this node took in a record
	news    chan struct{} // has something after a summary came
	seq     uint64        // of its own last one; only run touches it
	agreed  *lru.Cache[[2]keys.Hash, struct{}]

	mu    sync.Mutex
	heard map[keys.PeerID]heardSummary
	last  time.Time // when this node took in a record
}

type heardSummary struct {
	seq    uint64
	digest keys.Hash
	at     time.Time
	judged bool
}

func newBeacon(r *room) (*beacon, error) {
	agreed, err := lru.New[[2]keys.Hash, struct{}](maxAgreed)
	return &beacon{
		r: r, touched: make(chan struct{}, 1), news: make(chan struct{}, 1),
		agreed: agreed, heard: map[keys.PeerID]heardSummary{},
	}, err
}

// touch begins a new interval: what is held has changed.
func (b *beacon) touch() {
	b.mu.Lock()
	b.last = time.Now()
	b.mu.Unlock()
	wake(b.touched)
}

func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// hear takes a summary. It runs on gossipsub's goroutines.
func (b *beacon) hear(ros *roster, s *group.Summary) mesh.Verdict {
	if !ros.members[s.Author] || s.Author == b.r.n.me {
		return mesh.Ignore
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	last, known := b.heard[s.Author]
	if known && (s.Seq <= last.seq || time.Since(last.at) < beaconApart) || !known && len(b.heard) >= maxSummaries {
		return mesh.Ignore
	}
	b.heard[s.Author] = heardSummary{seq: s.Seq, digest: s.Digest, at: time.Now()}
	wake(b.news)
	return mesh.Accept
}

// run tells this node's summary in every interval in which nobody else told the
// same, and asks those who told another.
func (b *beacon) run(ctx context.Context) {
	select {
	case <-b.r.signing:
	case <-ctx.Done():
		return
	}
	t := b.r.n.cfg.timing
	for span := t.beacon; ctx.Err() == nil; {
		span = t.afterInterval(span, b.interval(ctx, span))
	}
}

// afterInterval is how long the interval after one of span lasts.
func (t timing) afterInterval(span time.Duration, quiet bool) time.Duration {
	if quiet {
		return min(2*span, t.beaconMost)
	}
	return t.beacon
}

// interval is one interval. It reports whether it ended without anything new.
func (b *beacon) interval(ctx context.Context, span time.Duration) bool {
	tell, end := time.After(span/2+rand.N(span/2)), time.After(span)
	said := false
	for {
		select {
		case <-tell:
			if !said {
				b.tell(ctx)
			}
		case <-b.news:
			agrees, differs := b.judge(ctx)
			said = said || agrees
			if differs && span > b.r.n.cfg.timing.beacon {
				return false
			}
		case <-end:
			return true
		case <-b.touched:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// tell publishes what this node holds.
func (b *beacon) tell(ctx context.Context) {
	h, err := b.r.heights(ctx)
	if err != nil || !b.r.roster.Load().members[b.r.n.me] {
		return
	}
	b.seq = max(b.seq+1, b.r.n.clock())
	err = b.r.topic.Publish(ctx, group.SignSummary(b.r.n.self, b.r.gid, b.seq, h.Digest()))
	if err != nil && !errors.Is(err, mesh.ErrEmptyMesh) && ctx.Err() == nil {
		b.r.n.log.Debug("summary", "err", err)
	}
}

// judge compares what members told with what this node holds, and has those
// asked who told something else.
func (b *beacon) judge(ctx context.Context) (agrees, differs bool) {
	b.mu.Lock()
	settle := beaconSettle - time.Since(b.last)
	b.mu.Unlock()
	if settle > 0 && !pause(ctx, settle) {
		return false, false
	}
	h, err := b.r.heights(ctx)
	if err != nil {
		return false, false
	}
	mine, members := h.Digest(), b.r.roster.Load().members
	b.mu.Lock()
	defer b.mu.Unlock()
	for p, s := range b.heard {
		switch {
		case !members[p]:
			delete(b.heard, p)
			continue
		case s.judged:
			continue
		case s.digest == mine || b.agreed.Contains([2]keys.Hash{mine, s.digest}):
			agrees = true
		default:
			differs = true
			b.r.syncer.from(p)
		}
		s.judged = true
		b.heard[p] = s
	}
	return agrees, differs
}

// compared notes that a catch-up from somebody who held theirs is over. Where it
// brought nothing new there is nothing to be had.
func (b *beacon) compared(ctx context.Context, mine, theirs group.Heights) error {
	now, err := b.r.heights(ctx)
	if err != nil {
		return err
	}
	if d := mine.Digest(); now.Digest() == d {
		b.agreed.Add([2]keys.Hash{d, theirs.Digest()}, struct{}{})
	}
	return nil
}
