package node

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

const (
	partsAhead = 8               // parts that may be asked for beyond the oldest that is not here: what they hold may have to wait
	partSlow   = 5 * time.Second // for a full batch; then the part goes to whoever has nothing else to do
	partLong   = 4 * partSlow    // for the whole part
)

// errParts: a giver's parts do not follow one another.
var errParts = errors.New("parts are out of order")

// share divides a room's catch-up among the members who are asked: each gives the
// parts that nobody else was asked for. What one of them does not give, another
// is asked for. Safe for concurrent use.
type share struct {
	r *room

	mu      sync.Mutex
	sources []*source     // that give now
	changed chan struct{} // closed, and made anew, at each change

	list   []sharedPart         // what there is to fetch, in display order; what follows is of this list
	much   chan struct{}        // closed once others may take parts
	failed map[keys.PeerID]bool // gave too slowly, or nothing sound
	widest int                  // most sources at one time
	news   int                  // records that came
	told   Progress             // to people
}

// sharedPart is a part and who gives it.
type sharedPart struct {
	want  want
	count uint64 // records, as whoever divided it said
	by    *source
	began time.Time // when it was asked
	since time.Time // when it gave a full batch, or was asked
	done  bool
	short []*source // gave less than was said
}

// source is a member that gives parts.
type source struct {
	s      *mesh.Stream
	peer   keys.PeerID // at its other end
	theirs group.Heights
}

func newShare(r *room) *share {
	return &share{r: r, much: make(chan struct{}), changed: make(chan struct{})}
}

// take takes parts from src until all are here, or src fails. Nobody waits for a
// part that src was asked for once another can give it.
func (sh *share) take(ctx context.Context, src *source, have parts) error {
	if err := sh.enter(src, have); err != nil {
		src.s.Reset()
		return err
	}
	defer sh.leave(src)
	for {
		i, w, ok := sh.next(ctx, src)
		if !ok {
			return sh.again(ctx, src)
		}
		n, err := sh.fetch(ctx, src, i, w)
		if err != nil {
			if sh.fail(src) && n > 0 {
				sh.r.syncer.from(src.peer)
			}
			return err
		}
		sh.finish(src, i, n)
	}
}

// errFailed: the peer had its turn in this catch-up.
var errFailed = errors.New("peer has failed in this catch-up")

// enter has src take part. The first of those who do divides what there is.
func (sh *share) enter(src *source, have parts) error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if len(sh.sources) == 0 || sh.complete() {
		list, records, err := divide(have)
		if err != nil {
			return err
		}
		sh.list, sh.told = list, Progress{Total: records}
		sh.failed, sh.widest, sh.news = map[keys.PeerID]bool{}, 0, 0
		sh.renew()
	} else if sh.failed[src.peer] {
		return errFailed
	}
	sh.sources = append(sh.sources, src)
	sh.widest = max(sh.widest, len(sh.sources))
	sh.change()
	return nil
}

// renew makes the channel for the next list. Who waits already goes on doing so.
func (sh *share) renew() {
	if closed(sh.much) {
		sh.much = make(chan struct{})
	}
}

// isMuch returns what is closed once others may take parts.
func (sh *share) isMuch() <-chan struct{} {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.much
}

// goesOn reports whether somebody gives.
func (sh *share) goesOn() bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return len(sh.sources) > 0
}

// hasFailed reports whether a peer had its turn in the catch-up that goes on.
func (sh *share) hasFailed(p keys.PeerID) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return len(sh.sources) > 0 && sh.failed[p]
}

// fail notes that src does not give what it was asked for. It reports whether
// src is the only one to ask.
func (sh *share) fail(src *source) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.failed[src.peer] = true
	return len(sh.sources) == 1
}

// divide makes parts of what a giver named.
func divide(have parts) (list []sharedPart, records uint64, err error) {
	if n := len(have.List); n == 0 || n > maxParts || have.List[0].From != 0 {
		return nil, 0, errParts
	}
	for i, p := range have.List {
		w := want{From: p.From, To: math.MaxUint64}
		if i+1 < len(have.List) {
			w.To = have.List[i+1].From
		}
		if w.From >= w.To {
			return nil, 0, errParts
		}
		count := min(p.Count, 1<<32)
		records += count
		list = append(list, sharedPart{want: w, count: count})
	}
	return list, records, nil
}

// next picks a part for src to give, the oldest first, and waits for one where
// others are giving all that it may. It reports false where nothing is left.
func (sh *share) next(ctx context.Context, src *source) (i int, w want, ok bool) {
	for {
		sh.mu.Lock()
		i := sh.pick(src)
		if i >= 0 {
			w = sh.list[i].want
		}
		changed, complete := sh.changed, sh.complete()
		sh.mu.Unlock()
		if i >= 0 || complete {
			return i, w, i >= 0
		}
		select {
		case <-changed:
		case <-time.After(partSlow / 5):
		case <-ctx.Done():
			return 0, w, false
		}
	}
}

// pick gives src a part that nobody gives, else one whose giver is slow: that one
// is asked for nothing more. It returns -1 where there is none.
func (sh *share) pick(src *source) int {
	first := slices.IndexFunc(sh.list, func(p sharedPart) bool { return !p.done })
	if first < 0 {
		return -1
	}
	slow := -1
	for i := first; i < min(first+partsAhead, len(sh.list)); i++ {
		switch p := &sh.list[i]; {
		case p.done || slices.Contains(p.short, src):
		case p.by == nil:
			sh.give(i, src)
			return i
		case slow < 0 && (time.Since(p.since) > partSlow || time.Since(p.began) > partLong):
			slow = i
		}
	}
	if slow >= 0 {
		sh.failed[sh.list[slow].by.peer] = true
		sh.list[slow].by.s.Reset()
		sh.give(slow, src)
	}
	return slow
}

func (sh *share) give(i int, src *source) {
	p := &sh.list[i]
	p.by, p.began = src, time.Now()
	p.since = p.began
}

// fetch takes one part from src and returns how many records came.
func (sh *share) fetch(ctx context.Context, src *source, i int, w want) (records int, err error) {
	if err := put(src.s, w); err != nil {
		return 0, err
	}
	for {
		var b batch
		if err := get(src.s, &b); err != nil {
			return records, err
		}
		n, err := sh.r.takeBatch(ctx, src.s, b)
		if err != nil {
			return records, err
		}
		records += n
		sh.came(src, i, n, b)
		if err := put(src.s, ack{OK: true}); err != nil || b.Last {
			return records, err
		}
	}
}

// came notes that a batch is here. Only a full one gives its giver more time.
func (sh *share) came(src *source, i, records int, b batch) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.news += records
	if p := &sh.list[i]; p.by == src && (b.size() >= batchBytes/2 || records >= maxBatchRecords/2) {
		p.since = time.Now()
	}
	sh.told.Done += uint64(records)
	sh.told.Total = max(sh.told.Total, sh.told.Done)
	if len(sh.list) > 1 || !b.Last || sh.r.progress.Load() != nil { // what fits into one batch is no wait
		sh.r.tellProgress(sh.told)
	}
}

// finish notes that src has given a part. Where it held less than was said,
// somebody else may have the rest.
func (sh *share) finish(src *source, i, records int) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	p := &sh.list[i]
	if p.by != src {
		return
	}
	p.by = nil
	if uint64(records) < p.count/2 || records == 0 {
		p.short = append(p.short, src)
	} else {
		p.done = true
	}
	sh.change()
	if len(sh.list) > 1 && !closed(sh.much) {
		close(sh.much)
	}
}

// leave ends src's part in it.
func (sh *share) leave(src *source) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.sources = slices.DeleteFunc(sh.sources, func(s *source) bool { return s == src })
	for i := range sh.list {
		if sh.list[i].by == src {
			sh.list[i].by = nil
		}
	}
	sh.change()
	if len(sh.sources) == 0 {
		sh.renew()
		sh.r.progress.Store(nil)
	}
}

// complete reports whether every part is here, or as much of it as anybody gives.
func (sh *share) complete() bool {
	for i := range sh.list {
		p := &sh.list[i]
		if p.by == nil && len(p.short) > 0 && !slices.ContainsFunc(sh.sources, func(s *source) bool { return !slices.Contains(p.short, s) }) {
			p.done = true
		}
	}
	return !slices.ContainsFunc(sh.list, func(p sharedPart) bool { return !p.done })
}

func (sh *share) change() {
	close(sh.changed)
	sh.changed = make(chan struct{})
}

// again has src asked anew where several gave, and src still holds something that
// came from nobody: its own parts may have been others' to give.
func (sh *share) again(ctx context.Context, src *source) error {
	sh.mu.Lock()
	shared := sh.widest > 1 && sh.news > 0
	sh.mu.Unlock()
	if !shared {
		return ctx.Err()
	}
	return sh.r.look(ctx, func(m *group.Machine) {
		if m.Behind(src.theirs) {
			sh.r.syncer.from(src.peer)
		}
	})
}

// size is how many bytes of payloads a batch holds.
func (b batch) size() (n int) {
	for _, p := range b.Records {
		n += len(p)
	}
	for _, r := range b.Ranges {
		for _, p := range r {
			n += len(p)
		}
	}
	return n
}
