package sim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Shrunk is a failing schedule with everything left out that it fails without.
type Shrunk struct {
	Report       // of the small schedule, with every event
	Before int   // parts of the plan that ran at first
	Kept   []int // those that are left
	Tries  int   // schedules run on the way
}

// String is the small schedule as a person reads it.
func (s Shrunk) String() string {
	return fmt.Sprintf("shrunk from %d parts of the plan to %d, in %d tries: parts %s\n%v", s.Before, len(s.Kept), s.Tries, Ranges(s.Kept), s.Report)
}

// shrinker looks for a smaller schedule that breaks the same rule.
type shrinker struct {
	run   func(Config) Report
	best  Report
	kept  []int
	left  int // tries
	tries int
}

// Shrink takes the report of a failed schedule and leaves out what the same rule
// is broken without: kinds of faults, then parts of the plan, halves first and
// then one by one, then people. It runs at most so many schedules; run is Run,
// or what a test makes of it.
func Shrink(failed Report, tries int, run func(Config) Report) Shrunk {
	s := &shrinker{run: run, best: failed, left: tries, kept: allBut(failed.Config.Skip, failed.Parts)}
	before := len(s.kept)
	s.dropParts(before / 2)
	s.dropFaults()
	s.dropPeople()
	s.dropParts(len(s.kept) / 2)
	cfg := s.best.Config
	cfg.Loud = true
	return Shrunk{Report: run(cfg), Before: before, Kept: s.kept, Tries: s.tries}
}

// try runs a smaller schedule and keeps it where it breaks the same rule.
func (s *shrinker) try(cfg Config) bool {
	if s.tries >= s.left {
		return false
	}
	s.tries++
	rep := s.run(cfg)
	if rep.Failure == nil || rep.Failure.Rule != s.best.Failure.Rule {
		return false
	}
	s.best = rep
	return true
}

// dropParts leaves out runs of the plan, shorter ones each time, and ends when
// no single part can be left out any more.
func (s *shrinker) dropParts(size int) {
	for size = max(size, 1); ; size = max(size/2, 1) {
		some := false
		for at := 0; at < len(s.kept); {
			kept := slices.Delete(slices.Clone(s.kept), at, min(at+size, len(s.kept)))
			cfg := s.best.Config
			cfg.Skip = allBut(kept, s.best.Parts)
			if s.try(cfg) {
				s.kept, some = kept, true
			} else {
				at += size
			}
		}
		if size == 1 && (!some || s.tries >= s.left) {
			return
		}
	}
}

func (s *shrinker) dropFaults() {
	for _, kind := range faultKinds {
		cfg := s.best.Config
		cfg.Without = append(slices.Clone(cfg.Without), kind)
		s.try(cfg)
	}
}

// dropPeople tries the same plan in a smaller group.
func (s *shrinker) dropPeople() {
	for n := 2; n < s.best.People; n++ {
		cfg := s.best.Config
		cfg.Members = n
		if s.try(cfg) {
			s.kept = allBut(cfg.Skip, s.best.Parts)
			return
		}
	}
}

// allBut lists the numbers below n that kept does not hold.
func allBut(kept []int, n int) (others []int) {
	for i := range n {
		if !slices.Contains(kept, i) {
			others = append(others, i)
		}
	}
	return others
}

// Ranges writes rising numbers as "1,3-9".
func Ranges(ns []int) string {
	var b strings.Builder
	for i := 0; i < len(ns); {
		end := i
		for end+1 < len(ns) && ns[end+1] == ns[end]+1 {
			end++
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(ns[i]))
		if end > i {
			fmt.Fprintf(&b, "-%d", ns[end])
		}
		i = end + 1
	}
	return b.String()
}

var errRanges = errors.New("sim: want numbers as in 1,3-9")

// parseRanges reads what Ranges writes.
func parseRanges(s string) (ns []int, err error) {
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, errA := strconv.Atoi(from)
		b, errB := strconv.Atoi(to)
		if errA != nil || errB != nil || a > b || b > 1000 {
			return nil, errRanges
		}
		for ; a <= b; a++ {
			ns = append(ns, a)
		}
	}
	return ns, nil
}
