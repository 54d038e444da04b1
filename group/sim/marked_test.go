package sim

import "testing"

// Who speaks in a marked group while the owner is off is not heard under the old
// key, ever: the line waits, until somebody has minted, or the owner is back.
func TestAbuse_RM05_QueuedWhileTheOwnerIsOff(t *testing.T) {
	n := 100
	if all() {
		n = 1000
	}
	reports := runAll(Config{Seed: 1, Only: "marked"}, n)
	tellFailures(t, reports)
	counts := map[string]int{}
	for _, rep := range reports {
		for kind, times := range rep.Counts {
			counts[kind] += times
		}
	}
	for kind, want := range map[string]int{"spoke in a marked group, the owner off": n, "left under a new key, the owner off": n / 4} {
		t.Logf("%d times: %s", counts[kind], kind)
		if counts[kind] < want {
			t.Errorf("%d times, want %d at least: %s", counts[kind], want, kind)
		}
	}
}
