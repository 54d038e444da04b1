package sim

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var mutate = flag.Bool("mutants", false, "run the mutants")

// mutant is one rule taken out of the program, or out of this simulation's
// shell: the text that states it, what stands there instead, and the test that
// fails then: of package group, of package node where it is named so, or
// TestSchedules of this one.
type mutant struct {
	rule     string
	in       string // the package's folder
	old, new string
	by       string
}

const (
	core   = "group"
	shell  = "group/sim"
	daemon = "node"

	schedulesTest = "TestSchedules"
)

// allMutants is the whole table. Three clauses have no row, for nothing changes
// without them: ELIGIBLE asks whether E's author is a member in view(E), which
// the authority of an EPOCH asked before; dead asks whether a LEAVE is void,
// which it is only where the incarnation that it ends is dead by what voids it;
// and authority asks whether who names a term is its owner, which isVoid asks
// again.
func allMutants() []mutant { return slices.Concat(keyMutants, stateMutants, logMutants, nodeMutants) }

// source finds the one file that holds the mutant's text.
func (m mutant) source(root string) (path, text string, err error) {
	files, err := filepath.Glob(filepath.Join(root, m.in, "*.go"))
	if err != nil {
		return "", "", err
	}
	times := 0
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			return "", "", err
		}
		if n := strings.Count(string(src), m.old); n > 0 && !strings.HasSuffix(f, "_test.go") {
			path, text, times = f, string(src), times+n
		}
	}
	if times != 1 {
		return "", "", fmt.Errorf("its text stands %d times in %s, want once: %q", times, m.in, m.old)
	}
	return path, text, nil
}

// TestMutantsStand holds the table to the source: where a rule is written
// otherwise now, its row has to follow.
func TestMutantsStand(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range allMutants() {
		if _, _, err := m.source("../.."); err != nil || seen[m.rule] {
			t.Errorf("%s: %v, named before: %v", m.rule, err, seen[m.rule])
		}
		seen[m.rule] = true
	}
	for _, k := range keptSchedules {
		if !seen[k.rule] {
			t.Errorf("seed %d is kept for %q, which is no mutant", k.seed, k.rule)
		}
	}
}

// TestMutants takes the rules of PROTOCOL.md out of the program one by one and
// runs the test that is named for each: where it passes, nothing holds the rule,
// and the run fails. A schedule that is kept for a rule has to find it missing as
// well. They run with CONCLAVE_TEST=all; all of them, or those of one rule, by
// themselves:
//
//	go test ./group/sim -run TestMutants -mutants -v -timeout 30m
//	go test ./group/sim -run TestMutants/SERVE -mutants -v
func TestMutants(t *testing.T) {
	if !*mutate && !all() {
		t.Skip("needs -mutants or CONCLAVE_TEST=all")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	w, err := weaveAll(t.TempDir(), root, allMutants())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d mutants in one build, %d apart", len(allMutants())-len(w.apart), len(w.apart))
	w.checkUnchanged(t)
	for _, m := range allMutants() {
		t.Run(m.rule, func(t *testing.T) {
			t.Parallel()
			killed, err := m.run(t, w)
			switch {
			case err != nil:
				t.Error(err)
			case killed == "":
				t.Errorf("SURVIVED %s: %s", m.by, m)
			default:
				t.Logf("%s\n  killed by %s", m, killed)
			}
		})
	}
}

// checkUnchanged runs all named tests with no mutant on: they pass, so it is the
// mutant that a test fails by.
func (w *weave) checkUnchanged(t *testing.T) {
	names := map[string][]string{}
	for _, m := range allMutants() {
		if in, name := m.test(); m.by != schedulesTest {
			names[in] = append(names[in], name)
		}
	}
	names[shell] = append(names[shell], "TestKept")
	for in, tests := range names {
		out, passed, err := w.run(in, "", "-test.run=^("+strings.Join(tests, "|")+")$")
		if err != nil || !passed {
			t.Fatalf("%s with no mutant on: %v\n%s", in, err, out)
		}
	}
}

// String is the change on two lines or few.
func (m mutant) String() string {
	short := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	return fmt.Sprintf("in %s\n  - %s\n  + %s", m.in, short(m.old), short(m.new))
}

// test is the package and the name of the test that must fail.
func (m mutant) test() (in, name string) {
	if m.by == schedulesTest {
		return shell, m.by
	}
	if in, name, ok := strings.Cut(m.by, "."); ok {
		return in, name
	}
	return core, m.by
}

// run returns what killed the mutant, "" where it survived.
func (m mutant) run(t *testing.T, w *weave) (string, error) {
	if w.apart[m.rule] {
		var err error
		if w, err = weaveApart(t.TempDir(), w.root, m); err != nil {
			return "", err
		}
	}
	found, err := m.runKept(t, w)
	if err != nil || found != "" && m.by == schedulesTest {
		return found, err
	}
	in, name := m.test()
	args := []string{"-test.failfast", "-test.run=^" + name + "$"}
	if m.by == schedulesTest {
		args = append(args, "-first")
	}
	out, passed, err := w.run(in, m.rule, args...)
	if err != nil || passed {
		return "", err
	}
	return deathOf(out)
}

// runKept runs the schedules that are kept for the rule. One that does not find
// it missing any more is of no use: a change of the simulation made it another.
func (m mutant) runKept(t *testing.T, w *weave) (found string, err error) {
	for _, k := range keptSchedules {
		if k.rule != m.rule {
			continue
		}
		out, passed, err := w.run(shell, m.rule, "-test.run=^TestKept$/^"+k.name()+"$")
		if err != nil {
			return "", err
		}
		if passed {
			out, _, err = w.run(shell, m.rule, "-test.run=^TestSchedules$", "-schedules=300")
			t.Errorf("the kept schedule %s finds nothing now; if one does, it is this: %v\n%s", k.name(), err, lastLine(out, "again: "))
			continue
		}
		if found, err = deathOf(out); err != nil {
			return "", err
		}
	}
	return found, nil
}

// lastLine is the last line of a text that has a mark in it.
func lastLine(text, mark string) (last string) {
	for l := range strings.Lines(text) {
		if strings.Contains(l, mark) {
			last = strings.TrimSpace(l)
		}
	}
	return last
}

var (
	failedTest = regexp.MustCompile(`--- FAIL: (\S+)`)
	died       = regexp.MustCompile(`(?m)^(panic: |fatal error: |runtime: goroutine stack exceeds)`)
	violated   = regexp.MustCompile(`seed (\d+), \d+ steps: ([^:\n]+)`)
	endless    = regexp.MustCompile(`panic: test timed out`)
)

// deathOf reads from the output of a failed run the name of the test, and of the
// invariant.
func deathOf(out string) (string, error) {
	f := failedTest.FindAllStringSubmatch(out, -1)
	v := violated.FindStringSubmatch(out)
	switch {
	case v != nil && f != nil:
		return fmt.Sprintf("%s, seed %s: %s", f[len(f)-1][1], v[1], v[2]), nil
	case endless.MatchString(out):
		return "a test that does not end", nil
	case f != nil:
		return f[0][1], nil
	case died.MatchString(out):
		return "a panic", nil
	}
	return "", fmt.Errorf("no test ran:\n%s", out)
}
