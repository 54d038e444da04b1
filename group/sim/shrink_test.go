package sim

import (
	"errors"
	"reflect"
	"slices"
	"testing"
)

// A schedule that breaks a rule shrinks to the few parts that the rule is broken
// by, and the small one still breaks it when it is run again.
func TestShrink(t *testing.T) {
	run := func(cfg Config) Report { // where a rule forbids what two deeds come to
		rep := Run(cfg)
		if rep.Counts["kick"] > 0 && rep.Counts["grant"] > 0 && rep.Failure == nil {
			rep.Failure = &Violation{"planted", "a kick and a grant"}
		}
		return rep
	}
	shrunk := 0
	for s := uint64(1); shrunk < 3; s++ {
		failed := run(Config{Seed: s})
		if failed.Failure == nil {
			continue
		}
		shrunk++
		small := Shrink(failed, 400, run)
		t.Logf("seed %d: %v", s, small)
		if len(small.Kept) > 6 || small.Before < 25 {
			t.Errorf("seed %d: %d parts of %d are left", s, len(small.Kept), small.Before)
		}
		if again := run(small.Config); again.Failure == nil || again.Failure.Rule != "planted" || again.Steps != small.Steps {
			t.Errorf("seed %d: the small schedule gives %v in %d steps, %v in %d before", s, again.Failure, again.Steps, small.Failure, small.Steps)
		}
		for _, l := range small.Kept {
			if slices.Contains(small.Config.Skip, l) {
				t.Errorf("seed %d: part %d is both kept and left out", s, l)
			}
		}
	}
}

// Another rule's violation is no smaller form of this one.
func TestShrinkKeepsTheRule(t *testing.T) {
	run := func(cfg Config) Report {
		rep := Run(cfg)
		rep.Failure = &Violation{"whole", ""}
		if len(cfg.Skip) > 0 {
			rep.Failure = &Violation{"part", ""}
		}
		return rep
	}
	failed := run(Config{Seed: 3, Members: 3, Acts: 20})
	if small := Shrink(failed, 40, run); len(small.Kept) != small.Before || small.Failure.Rule != "whole" {
		t.Errorf("%d parts of %d are left, which break %v", len(small.Kept), small.Before, small.Failure)
	}
}

func TestRanges(t *testing.T) {
	for text, ns := range map[string][]int{"5": {5}, "1,3-9": {1, 3, 4, 5, 6, 7, 8, 9}, "0-1,4": {0, 1, 4}} {
		if got := Ranges(ns); got != text {
			t.Errorf("Ranges(%v) = %q, want %q", ns, got, text)
		}
		if got, err := parseRanges(text); err != nil || !reflect.DeepEqual(got, ns) {
			t.Errorf("parseRanges(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "x", "3-1", "1-", "0-999999999"} {
		if _, err := parseRanges(text); !errors.Is(err, errRanges) {
			t.Errorf("parseRanges(%q) gives %v", text, err)
		}
	}
}
