package sim

import (
	"fmt"
	"strings"
	"testing"
)

// kept is a schedule that once found something, shrunk. It is kept with the rule
// that was missing or wrong then, which is a row of the mutants' table: TestKept
// runs it on the program as it is, where it must hold, and TestMutants runs it
// without the rule, where it must fail.
type kept struct {
	rule    string
	seed    uint64
	members int
	omit    string // parts of the plan that are left out, as Ranges writes them
	without string // kinds of faults that are left out
}

var keptSchedules = []kept{
	{rule: "order: the keybag before the batch", seed: 8, omit: "0-29,31-88,90-91", without: "loss,dup,delay,cutoff,slow,late,skew"},
	{rule: "satisfied: or where it leads to what is held", seed: 194, omit: "2-39,41-44,46-49,52-54,56,59-62,64-65", without: "loss,dup,delay,crash,cutoff,late,skew"},
	{rule: "satisfied: below a base of the own log, too", seed: 146, omit: "0-1,4-6,8-20,22-35,38-71,74-84,86", without: noFaults},
	{rule: "gap: not what another branch holds", seed: 843, omit: "0-24,26-27,30-33,35-44,46-72,74-75,77", without: noFaults},
}

var noFaults = strings.Join(faultKinds, ",")

func (k kept) name() string { return fmt.Sprintf("seed_%d", k.seed) }

func (k kept) config() (Config, error) {
	cfg := Config{Seed: k.seed, Members: k.members}
	if k.without != "" {
		cfg.Without = strings.Split(k.without, ",")
	}
	var err error
	cfg.Skip, err = parseRanges(k.omit)
	return cfg, err
}

func TestKept(t *testing.T) {
	for _, k := range keptSchedules {
		t.Run(k.name(), func(t *testing.T) {
			cfg, err := k.config()
			if err != nil {
				t.Fatal(err)
			}
			if rep := Run(cfg); rep.Failure != nil {
				t.Errorf("kept for %q: %v", k.rule, rep)
			}
		})
	}
}
