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
	{rule: "order: the keybag before the batch", seed: 84, omit: "0-14,16-20,22-94", without: "loss,dup,delay,cutoff,slow,late,skew"},
	{rule: "link: the excess is removed", seed: 28, members: 5, omit: "0-54,58-62,64", without: "loss,dup,delay,crash,cutoff,slow,late,skew"},
	{rule: "satisfied: or where it leads to what is held", seed: 28, omit: "0-27,29,31-55,58-62,64", without: "crash,cutoff,late"},
	{rule: "COVER: so does a better one that this node may not have", seed: 2262, omit: "0-5,8-12,14,19,21,24,27,37-38,46-50,53-57,59,62-74,76-83", without: "late"},
	{rule: "sim: a newcomer cannot tell a fork of which it may have one branch", seed: 3579, omit: "2,5,7,9,11,23,41,51,53-56,58-59,70,72-73", without: "slow,skew"},
	{rule: "sim: who cheats on a removal has heard of it", seed: 4689, omit: "0-6,10-11,13-91,93-94,96-97,99,102-106", without: "delay,cutoff,slow,late,skew"},
	{rule: "sim: whom a cheat admits in secret is a stranger", seed: 5926, omit: "0-16,18-31,34-38,40", without: "loss,dup,delay,slow,late,skew"},
}

func (k kept) name() string { return fmt.Sprintf("seed_%d_of_%d", k.seed, k.members) }

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
