// Package sim runs the real core, package group, in seeded schedules: a few
// members with real keys, a topic that loses, repeats and reorders, catch-up
// between whoever is connected, partitions, crashes at every boundary of the
// disk, wrong clocks, and people who cheat. After each step it checks the
// protocol's invariants, and after the faults stop that everybody converges.
//
// One seed is one schedule: the same seed runs the same one again. Only what
// HPKE draws differs, and nothing follows from it.
package sim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"

	"conclave/group"
	"conclave/keys"
)

// Config chooses one schedule.
type Config struct {
	Seed    uint64
	Members int    // 2 to 8; 0: as the seed says
	Acts    int    // what people do; 0: as the seed says
	Loud    bool   // keep every event, not only the latest
	Only    string // one kind of world: "group" or "talk"; "": as the seed says
}

// Report is what became of a schedule.
type Report struct {
	Seed    uint64
	Failure *Violation     // nil: every invariant held
	Counts  map[string]int // how often each kind of event happened
	Recent  []string       // the latest events, oldest first
	Steps   int            // Steps of machines
}

// Violation is an invariant that did not hold.
type Violation struct {
	Rule   string // S1 to S13, L1 to L7, or what else is checked
	Detail string
}

func (v *Violation) Error() string { return v.Rule + ": " + v.Detail }

// String is the report as a person reads it after a failure.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, %d steps: ", r.Seed, r.Steps)
	if r.Failure == nil {
		b.WriteString("held")
		return b.String()
	}
	fmt.Fprintf(&b, "%v\n", r.Failure)
	for _, l := range r.Recent {
		fmt.Fprintf(&b, "  %s\n", l)
	}
	fmt.Fprintf(&b, "again: go test ./group/sim -run TestSchedules -replay=%d", r.Seed)
	return b.String()
}

// Run runs one schedule to its end or to the first violation.
func Run(cfg Config) (rep Report) {
	w := newWorld(cfg)
	defer func() {
		if p := recover(); p != nil {
			v, ok := p.(*Violation)
			if !ok {
				v = &Violation{"panic", fmt.Sprintf("%v\n%s", p, debug.Stack())}
			}
			rep.Failure = v
		}
		rep.Seed, rep.Counts, rep.Recent, rep.Steps = cfg.Seed, w.counts, w.recent, w.steps
	}()
	w.begin()
	w.chaos()
	w.settle()
	return rep
}

// world is everything in one schedule.
type world struct {
	cfg Config
	rng *rand.Rand
	net faults

	now   uint64 // virtual Unix milliseconds
	queue []event
	tie   uint64 // orders events of one moment as they were planned

	gid  keys.Hash
	talk *[2]keys.PeerID // the two people of a conversation, nil in a group
	all  []*member
	by   map[keys.PeerID]*member

	decoded map[keys.Hash]decoded // Decode is pure: each payload is checked once
	book    ledger
	oracle  *oracle
	calm    bool // the faults have stopped

	counts map[string]int
	recent []string
	steps  int
}

type decoded struct {
	v   group.Verified
	err error
}

// event is something planned.
type event struct {
	at, tie uint64
	run     func()
}

const startOfTime = 1_700_000_000_000

// keepRecent is how many events a failure prints.
const keepRecent = 70

func newWorld(cfg Config) *world {
	w := &world{
		cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0x636f6e636c617665)), now: startOfTime,
		by: map[keys.PeerID]*member{}, decoded: map[keys.Hash]decoded{}, book: newLedger(), counts: map[string]int{},
	}
	w.net = drawFaults(w.rng)
	n := cfg.Members
	if drawn := 2 + min(w.rng.IntN(7), w.rng.IntN(7)); n == 0 {
		n = drawn
	}
	for i := range n + strangers {
		w.addMember(i)
	}
	return w
}

// strangers is how many more people there are who begin outside the group.
const strangers = 1

// after plans f, ms of virtual time from now.
func (w *world) after(ms uint64, f func()) {
	w.tie++
	e := event{w.now + ms, w.tie, f}
	i, _ := slices.BinarySearchFunc(w.queue, e, func(a, b event) int {
		if a.at != b.at {
			return int(int64(b.at - a.at))
		}
		return int(int64(b.tie - a.tie))
	})
	w.queue = slices.Insert(w.queue, i, e) // latest first, so that the next is the last
}

// runUntil runs what is planned up to a moment.
func (w *world) runUntil(t uint64) {
	for len(w.queue) > 0 {
		e := w.queue[len(w.queue)-1]
		if e.at > t {
			break
		}
		w.queue = w.queue[:len(w.queue)-1]
		w.now = max(w.now, e.at)
		e.run()
	}
	w.now = max(w.now, t)
}

func (w *world) chance(p float64) bool { return w.rng.Float64() < p }

// between draws from lo to hi, both included.
func (w *world) between(lo, hi int) int { return lo + w.rng.IntN(hi-lo+1) }

func (w *world) entropy() (s keys.Secret) {
	for i := 0; i < len(s); i += 8 {
		x := w.rng.Uint64()
		for k := range 8 {
			s[i+k] = byte(x >> (8 * k))
		}
	}
	return s
}

// count notes that something of a kind happened.
func (w *world) count(kind string) { w.counts[kind]++ }

// logf notes an event for whoever reads a failure.
func (w *world) logf(format string, args ...any) {
	w.recent = append(w.recent, fmt.Sprintf("%7d ", w.now-startOfTime)+fmt.Sprintf(format, args...))
	if n := len(w.recent); n > keepRecent && !w.cfg.Loud {
		w.recent = slices.Delete(w.recent, 0, n-keepRecent)
	}
}

// fail ends the schedule.
func (w *world) fail(rule, format string, args ...any) {
	panic(&Violation{rule, fmt.Sprintf(format, args...)})
}

// decode is group.Decode, remembered.
func (w *world) decode(payload []byte) (group.Verified, error) {
	h := keys.Sum(payload)
	d, ok := w.decoded[h]
	if !ok {
		d.v, d.err = group.Decode(w.gid, payload)
		w.decoded[h] = d
	}
	return d.v, d.err
}

// pick draws one of xs; ok is false where there is none.
func pick[T any](w *world, xs []T) (x T, ok bool) {
	if len(xs) == 0 {
		return x, false
	}
	return xs[w.rng.IntN(len(xs))], true
}

func sortedKeys[K interface {
	comparable
	Compare(K) int
}, V any](m map[K]V) []K {
	return slices.SortedFunc(maps.Keys(m), K.Compare)
}
