package sim

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	schedules = flag.Int("schedules", 0, "how many schedules to run; 0: 200, or 1500 with CONCLAVE_TEST=all")
	seed      = flag.Uint64("seed", 1, "the first schedule's seed")
	first     = flag.Bool("first", false, "stop at the first failure, and leave it as it is")

	replay  = flag.Uint64("replay", 0, "run this one seed and print every event")
	only    = flag.String("only", "", "group, talk or marked; empty: as the seed says")
	members = flag.Int("members", 0, "members of each schedule; 0: as the seed says")
	omit    = flag.String("omit", "", "parts of the plan to leave out, as in 1,3-9")
	without = flag.String("without", "", "kinds of faults to leave out: "+strings.Join(faultKinds, ","))
)

// enough is from how many schedules on each kind of event must have happened.
const enough = 200

// often is how many times, at least.
const often = 5

// thorough is how many run with CONCLAVE_TEST=all, in about a minute.
const thorough = 1500

// shrinkTries bounds the schedules that are run to make a failed one smaller.
const shrinkTries = 1000

func all() bool { return os.Getenv("CONCLAVE_TEST") == "all" }

// TestSchedules runs schedules on all processors. Of those that fail it prints
// the first one's small form, the line that runs that again, and the others'
// seeds. This many takes about ten minutes on two processors:
//
//	go test ./group/sim -run TestSchedules -schedules 10000 -timeout 2h -v
func TestSchedules(t *testing.T) {
	cfg := Config{Seed: *seed, Members: *members, Only: *only}
	if *without != "" {
		cfg.Without = strings.Split(*without, ",")
	}
	for _, kind := range cfg.Without {
		if !slices.Contains(faultKinds, kind) {
			t.Fatalf("%q is no kind of fault: %v", kind, faultKinds)
		}
	}
	if *replay > 0 {
		replayOne(t, cfg)
		return
	}
	n := *schedules
	if n == 0 {
		n = enough
		if all() {
			n = thorough
		}
	}
	began := time.Now()
	reports := runAll(cfg, n)
	t.Logf("%d schedules from seed %d on, %v", len(reports), *seed, time.Since(began).Round(time.Second/10))
	tellFailures(t, reports)
	counts := tellKinds(t, reports)
	for _, kind := range kinds {
		if counts[kind] < often && n >= enough && *only == "" && *without == "" && !*first {
			t.Errorf("%q happened %d times, want %d at least", kind, counts[kind], often)
		}
	}
}

func tellFailures(t *testing.T, reports []Report) {
	failed := 0
	for _, rep := range reports {
		if rep.Failure == nil {
			continue
		}
		switch failed++; {
		case failed == 1 && *first:
			t.Error(rep)
		case failed == 1:
			t.Error(rep)
			t.Error(Shrink(rep, shrinkTries, Run))
		case failed <= 20:
			t.Errorf("seed %d: %v", rep.Config.Seed, rep.Failure)
		}
	}
	t.Logf("%d failed", failed)
}

// tellKinds sums up how often each kind of event happened.
func tellKinds(t *testing.T, reports []Report) map[string]int {
	counts, steps := map[string]int{}, 0
	for _, rep := range reports {
		for kind, times := range rep.Counts {
			counts[kind] += times
		}
		steps += rep.Steps
	}
	t.Logf("%d steps", steps)
	tellRotations(t, reports)
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%8d %s", counts[kind], kind)
	}
	return counts
}

// tellRotations says what removals cost: how many epochs honest people minted for
// one. (L6)
func tellRotations(t *testing.T, reports []Report) {
	var all rotations
	for _, rep := range reports {
		all.removals += rep.L6.removals
		all.epochs += rep.L6.epochs
		all.worst = max(all.worst, rep.L6.worst)
	}
	t.Logf("L6: %d removals, %.2f epochs minted for each, %d at most", all.removals, float64(all.epochs)/float64(max(1, all.removals)), all.worst)
}

func replayOne(t *testing.T, cfg Config) {
	cfg.Seed, cfg.Loud = *replay, true
	if *omit != "" {
		var err error
		if cfg.Skip, err = parseRanges(*omit); err != nil {
			t.Fatal(err)
		}
	}
	rep := Run(cfg)
	for _, l := range rep.Recent {
		fmt.Println(l)
	}
	rep.Recent = nil
	t.Log(rep)
	if rep.Failure != nil {
		t.Fail()
	}
}

// runAll runs n schedules, from cfg.Seed on, on all processors.
func runAll(cfg Config, n int) []Report {
	reports := make([]Report, n)
	var wg sync.WaitGroup
	var failed atomic.Bool
	var next atomic.Int64
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && !(*first && failed.Load()); i = next.Add(1) - 1 {
				one := cfg
				one.Seed += uint64(i)
				rep := Run(one)
				if rep.Failure == nil {
					rep.Recent = nil
				} else {
					failed.Store(true)
				}
				reports[i] = rep
			}
		})
	}
	wg.Wait()
	return reports
}

// The same seed is the same schedule.
func TestReplay(t *testing.T) {
	for s := range uint64(4) {
		a, b := Run(Config{Seed: 100 + s, Loud: true}), Run(Config{Seed: 100 + s, Loud: true})
		if a.Steps != b.Steps || !slices.Equal(a.Recent, b.Recent) || !maps.Equal(a.Counts, b.Counts) {
			t.Errorf("seed %d ran in two ways: %d and %d steps", 100+s, a.Steps, b.Steps)
		}
	}
}
