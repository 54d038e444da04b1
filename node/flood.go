package node

import (
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"conclave/group"
	"conclave/keys"
)

// What one author may say on the topic, in records: beyond it his records are
// taken after everybody else's and not relayed.
//
// A record carries up to 256 lines, so a limit on records is none on lines:
// 1,000 lines given at once leave in four to ten records, and one by one with
// 5 ms between them in 200 records a second. A program that gives line after line
// to the local API as fast as the disk takes them makes 1,500 a second on two
// cores; a thousand of those pass at once. What is relayed for one author costs
// each node, at some 220 us a record, at most a twentieth of a core for long.
//
// Control entries have a budget of their own: a person who talks much can still
// remove somebody. So have reports, bundles and chunks of envelopes, of which
// each rotation brings a few. The greatest honest burst is an owner who admits 32
// people at once under `none`, each with two entries and up to five chunks.
const (
	messageRate  = 250
	messageBurst = 1000
	controlRate  = 50
	controlBurst = 500
)

// Records beyond the budgets that wait for the loop, of all authors of a room;
// beyond, they are left to catch-up. One turn takes few, so that whoever keeps to
// a budget never waits long behind them: 32 take some 3 ms.
const (
	lateRecords = 1024
	lateBytes   = 4 << 20
	lateTurn    = 32
)

// budget is what one member may still say. Safe for concurrent use.
type budget struct {
	messages *rate.Limiter // of its own
	control  *rate.Limiter // entries of its own
	other    *rate.Limiter // reports, bundles and chunks of its own
	foreign  *rate.Limiter // that it passed on, and that their author need not answer for
	epochs   *hourly       // minted on its own word; nil where it needs none
}

func newBudget() *budget {
	return &budget{
		messages: rate.NewLimiter(messageRate, messageBurst),
		control:  rate.NewLimiter(controlRate, controlBurst),
		other:    rate.NewLimiter(controlRate, controlBurst),
		foreign:  rate.NewLimiter(messageRate, messageBurst),
	}
}

// budgetOf returns a member's budget under the present state of the group, with
// what is left of the one that it had. Only called from the loop, or before it
// runs.
func (r *room) budgetOf(p keys.PeerID, before *roster) *budget {
	b := newBudget()
	if before != nil && before.budgets[p] != nil {
		*b = *before.budgets[p]
	}
	switch free := r.m.MayRotate(p); {
	case free:
		b.epochs = nil
	case b.epochs == nil:
		b.epochs = new(hourly)
	}
	return b
}

// pays returns what a record is paid from: its author's budget, or that of the
// member who sent it where the author is no member here (authors cost nothing to
// make), or the record is no news (whoever repeats it must not use up what its
// author may say).
func (r *room) pays(ros *roster, from keys.PeerID, v group.Verified) *rate.Limiter {
	b := ros.budgets[v.Author()]
	switch {
	case b == nil, r.isOld(v):
		return ros.budgets[from].foreign
	case v.Msg() != nil:
		return b.messages
	case v.Entry() != nil:
		return b.control
	}
	return b.other
}

// hourly lets group.FreeEpochs pass within any hour. Safe for concurrent use.
type hourly struct {
	mu     sync.Mutex
	passed [group.FreeEpochs]time.Time // in a ring, the oldest at next
	next   int
}

func (h *hourly) allow(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if oldest := h.passed[h.next]; !oldest.IsZero() && now.Sub(oldest) < time.Hour {
		return false
	}
	h.passed[h.next] = now
	h.next = (h.next + 1) % len(h.passed)
	return true
}

// isOneTooMany reports whether v is an epoch that its author minted on its own
// word, more of them than there may be within an hour.
func (r *room) isOneTooMany(ros *roster, v group.Verified) bool {
	e, b := v.Entry(), ros.budgets[v.Author()]
	if e == nil || b == nil || b.epochs == nil || !e.FreelyMinted() || r.isOld(v) || b.epochs.allow(time.Now()) {
		return false
	}
	r.n.counts.tooManyEpochs.Add(1)
	return true
}

// isOld reports whether a message or control entry has been taken before, or
// another of its number or of a later one.
func (r *room) isOld(v group.Verified) bool {
	if x := v.Msg(); x != nil {
		top, held := r.tops.Load(logKey{x.Author, x.Lane})
		return held && x.Seq <= top.(uint64)
	}
	if v.Entry() != nil {
		_, held := r.applied.Load(group.Short(v.Hash[:16]))
		return held
	}
	return false
}

// logKey names one message log.
type logKey struct {
	author keys.PeerID
	lane   uint64
}

// noteTop remembers the newest number of a log. Only called from the loop, or
// before it runs.
func (r *room) noteTop(s group.StoredMessage) {
	k := logKey{s.Author, s.Lane}
	if top, held := r.tops.Load(k); !held || s.Seq > top.(uint64) {
		r.tops.Store(k, s.Seq)
	}
}

// late holds the records beyond their authors' budgets until the loop has
// nothing else to do. gossipsub never offers a payload twice, so they are not
// thrown away while there is room.
type late struct {
	mu    sync.Mutex
	list  []group.Event
	bytes int
	short bool          // something found no room
	more  chan struct{} // has something while the list is not empty
}

func newLate() *late { return &late{more: make(chan struct{}, 1)} }

// add keeps a record, and reports false where there is no room.
func (l *late) add(v group.Verified) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) >= lateRecords || l.bytes+len(v.Payload) > lateBytes {
		l.short = true
		return false
	}
	l.list = append(l.list, group.Received{Record: v})
	l.bytes += len(v.Payload)
	l.signal()
	return true
}

func (l *late) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.list)
}

// signal is called with mu held.
func (l *late) signal() {
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// take returns the oldest records, and whether catch-up has to bring others now
// that none is left.
func (l *late) take() (evs []group.Event, behind bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.list), lateTurn)
	evs = slices.Clone(l.list[:n])
	for _, ev := range evs {
		l.bytes -= len(ev.(group.Received).Record.Payload)
	}
	l.list = slices.Delete(l.list, 0, n)
	if len(l.list) > 0 {
		l.signal()
		return evs, false
	}
	l.list = nil
	behind, l.short = l.short, false
	return evs, behind
}

// onLate takes some of what came too fast. Only called from the loop.
func (r *room) onLate() {
	evs, behind := r.late.take()
	if behind {
		r.syncer.kick()
	}
	if len(evs) > 0 {
		r.turn([]job{{events: evs}})
	}
}
