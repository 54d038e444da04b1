package sim

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

var (
	schedules = flag.Int("schedules", 0, "how many schedules to run; 0: 200, or 1500 with CONCLAVE_TEST=all")
	seed      = flag.Uint64("seed", 1, "the first schedule's seed")
	replay    = flag.Uint64("replay", 0, "run this one seed and print every event")
	first     = flag.Bool("first", false, "stop at the first failure")
	only      = flag.String("only", "", "group or talk; empty: as the seed says")
	members   = flag.Int("members", 0, "members of each schedule; 0: as the seed says")
)

// enough is from how many schedules on each kind of event must have happened.
const enough = 200

// thorough is how many run with CONCLAVE_TEST=all, in about a minute.
const thorough = 1500

func all() bool { return os.Getenv("CONCLAVE_TEST") == "all" }

func TestSchedules(t *testing.T) {
	if *replay > 0 {
		replayOne(t)
		return
	}
	n := *schedules
	if n == 0 {
		n = enough
		if all() {
			n = thorough
		}
	}
	reports := runAll(n)
	counts, steps, failed := map[string]int{}, 0, 0
	for _, rep := range reports {
		for kind, times := range rep.Counts {
			counts[kind] += times
		}
		steps += rep.Steps
		if rep.Failure != nil {
			if failed++; failed <= 5 {
				t.Error(rep)
			}
		}
	}
	t.Logf("seeds %d to %d: %d steps, %d failed", *seed, *seed+uint64(n)-1, steps, failed)
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%8d %s", counts[kind], kind)
	}
	for _, kind := range kinds {
		if counts[kind] == 0 && n >= enough && *only == "" && !*first {
			t.Errorf("%q never happened", kind)
		}
	}
}

func replayOne(t *testing.T) {
	rep := Run(Config{Seed: *replay, Members: *members, Only: *only, Loud: true})
	for _, l := range rep.Recent {
		fmt.Println(l)
	}
	rep.Recent = nil
	t.Log(rep)
	if rep.Failure != nil {
		t.Fail()
	}
}

// runAll runs n schedules on all processors.
func runAll(n int) []Report {
	reports := make([]Report, n)
	var wg sync.WaitGroup
	var failed atomic.Bool
	for worker := range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := worker; i < n && !(*first && failed.Load()); i += runtime.GOMAXPROCS(0) {
				reports[i] = Run(Config{Seed: *seed + uint64(i), Members: *members, Only: *only})
				failed.Store(failed.Load() || reports[i].Failure != nil)
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
