// Package sim runs the real core, package group, in seeded schedules: a few
// members with real keys, a topic that loses, repeats and reorders, catch-up
// between whoever is connected, partitions, crashes at every boundary of the
// disk, wrong clocks, and people who cheat. After each step it checks the
// protocol's invariants, and after the faults stop that everybody converges.
//
// One seed is one schedule: the same seed runs the same one again. Only what
// HPKE draws differs, and nothing follows from it. One that fails is made as small
// as it goes; see Shrink.
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
	Only    string // one kind of world: "group", "talk" or "marked"; "": as the seed says

	Skip    []int    // parts of the plan that are left out, by number
	Without []string // kinds of faults that are left out, of faultKinds
}

// Again is the command line that runs this schedule once more, step by step.
func (c Config) Again() string {
	var b strings.Builder
	fmt.Fprintf(&b, "go test ./group/sim -run TestSchedules -replay=%d", c.Seed)
	if c.Members > 0 {
		fmt.Fprintf(&b, " -members=%d", c.Members)
	}
	if c.Only != "" {
		fmt.Fprintf(&b, " -only=%s", c.Only)
	}
	if len(c.Skip) > 0 {
		fmt.Fprintf(&b, " -omit=%s", Ranges(c.Skip))
	}
	if len(c.Without) > 0 {
		fmt.Fprintf(&b, " -without=%s", strings.Join(c.Without, ","))
	}
	return b.String()
}

// Report is what became of a schedule.
type Report struct {
	Config  Config
	Failure *Violation     // nil: every invariant held
	Counts  map[string]int // how often each kind of event happened
	Recent  []string       // the latest events, oldest first
	Steps   int            // Steps of machines
	L6      rotations      // what removals cost
	Parts   int            // how many the plan has, with those that were left out
	People  int            // who begin in the group, or may join it
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
	fmt.Fprintf(&b, "seed %d, %d steps: ", r.Config.Seed, r.Steps)
	if r.Failure == nil {
		b.WriteString("held")
		return b.String()
	}
	fmt.Fprintf(&b, "%v\n", r.Failure)
	for _, l := range r.Recent {
		fmt.Fprintf(&b, "  %s\n", l)
	}
	fmt.Fprintf(&b, "again: %s", r.Config.Again())
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
		rep.Config, rep.Counts, rep.Recent, rep.Steps, rep.Parts, rep.People, rep.L6 = cfg, w.counts, w.recent, w.steps, w.parts, w.people, w.l6
	}()
	w.begin()
	w.chaos()
	w.settle()
	return rep
}

// world is everything in one schedule.
type world struct {
	cfg    Config
	acts   int // what people do, faults and joining not counted
	cause      // of the event that runs
	net    faults
	parts  int // of the plan
	people int // without strangers

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
	calm    bool    // the faults have stopped
	torn    bool    // the founder signs twice under one number
	off     *member // the owner, who is off until the faults stop; nil: nobody
	deaf    map[pair]bool
	latest  uint64 // when the last of what is weeks late arrives

	counts map[string]int
	recent []string
	steps  int
	l6     rotations
}

type decoded struct {
	v   group.Verified
	err error
}

// event is something that will happen.
type event struct {
	at, tie uint64
	run     func()
	cause
}

// cause is what an event follows from, and draws from: a part of the plan with
// all that comes of it has draws of its own, so that leaving one part out changes
// the others as little as may be.
type cause struct {
	rng  *rand.Rand
	part int // of the plan; unplanned: anything else
}

const unplanned = -1

// causes are told apart by number; the parts of the plan follow.
const (
	fromTheBeginning = 0
	fromCalm         = 1
	fromPeople       = 10  // each person
	fromCatchUp      = 100 // each pair
	fromPlan         = 1000
)

func (w *world) newCause(number, part int) cause {
	return cause{rand.New(rand.NewPCG(w.cfg.Seed, 0x636f6e636c617665+uint64(number))), part}
}

// from plans f under another cause than the present one.
func (w *world) from(c cause, ms uint64, f func()) {
	was := w.cause
	w.cause = c
	w.after(ms, f)
	w.cause = was
}

const startOfTime = 1_700_000_000_000

// keepRecent is how many events a failure prints.
const keepRecent = 70

func newWorld(cfg Config) *world {
	w := &world{
		cfg: cfg, now: startOfTime,
		by: map[keys.PeerID]*member{}, deaf: map[pair]bool{}, decoded: map[keys.Hash]decoded{}, book: newLedger(), counts: map[string]int{},
	}
	w.cause = w.newCause(fromTheBeginning, unplanned)
	w.net = drawFaults(w.rng)
	w.net.leaveOut(cfg.Without)
	w.acts = w.between(25, 90)
	if cfg.Acts > 0 {
		w.acts = cfg.Acts
	}
	w.people = 2 + min(w.rng.IntN(7), w.rng.IntN(7))
	if cfg.Only == "marked" {
		w.people = max(w.people, 3)
	}
	if cfg.Members > 0 {
		w.people = cfg.Members
	}
	was := w.cause
	for i := range w.people + strangers {
		w.cause = w.newCause(fromPeople+i, unplanned)
		w.addMember(i)
	}
	w.cause = was
	return w
}

// strangers is how many more people there are who begin outside the group.
const strangers = 1

// after plans f, ms of virtual time from now.
func (w *world) after(ms uint64, f func()) {
	w.tie++
	e := event{w.now + ms, w.tie, f, w.cause}
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
	was := w.cause
	for len(w.queue) > 0 {
		e := w.queue[len(w.queue)-1]
		if e.at > t {
			break
		}
		w.queue = w.queue[:len(w.queue)-1]
		w.now, w.cause = max(w.now, e.at), e.cause
		e.run()
	}
	w.now, w.cause = max(w.now, t), was
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
	w.recent = append(w.recent, fmt.Sprintf("%9.3f s %4s ", float64(w.now-startOfTime)/1000, w.tag())+fmt.Sprintf(format, args...))
	if n := len(w.recent); n > keepRecent && !w.cfg.Loud {
		w.recent = slices.Delete(w.recent, 0, n-keepRecent)
	}
}

// tracef notes what a failure's first print leaves out.
func (w *world) tracef(format string, args ...any) {
	if w.cfg.Loud {
		w.logf(format, args...)
	}
}

// tag names the part of the plan in front of a line.
func (c cause) tag() string {
	if c.part == unplanned {
		return ""
	}
	return fmt.Sprintf("#%d", c.part)
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
