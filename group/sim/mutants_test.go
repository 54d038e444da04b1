package sim

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
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
func allMutants() []mutant { return slices.Concat(keyMutants, stateMutants, logMutants) }

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
	for _, m := range allMutants() {
		if _, _, err := m.source("../.."); err != nil {
			t.Errorf("%s: %v", m.rule, err)
		}
	}
}

// TestMutants takes the rules of PROTOCOL.md out of the program one by one and
// runs the test that is named for each: where it passes, nothing holds the rule,
// and the run fails. The mutants exist as overlays of the build only. They run
// with CONCLAVE_TEST=all; all of them, or those of one rule, by themselves:
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
	for _, m := range allMutants() {
		t.Run(m.rule, func(t *testing.T) {
			t.Parallel()
			killed, err := m.run(t.TempDir(), root)
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

// String is the change on two lines or few.
func (m mutant) String() string {
	short := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	return fmt.Sprintf("in %s\n  - %s\n  + %s", m.in, short(m.old), short(m.new))
}

// run returns what killed the mutant, "" where it survived.
func (m mutant) run(dir, root string) (string, error) {
	target, src, err := m.source(root)
	if err != nil {
		return "", err
	}
	mutated := filepath.Join(dir, filepath.Base(target))
	if err := os.WriteFile(mutated, []byte(strings.Replace(src, m.old, m.new, 1)), 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {target: mutated}})
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return "", err
	}
	return goTest(root, append([]string{"-overlay=" + list}, m.test()...)...)
}

// test is the command line of the test that must fail.
func (m mutant) test() []string {
	if m.by == schedulesTest {
		return []string{"-run=^TestSchedules$", "./group/sim", "-first"}
	}
	pkg := "./group"
	if in, _, ok := strings.Cut(m.by, "."); ok {
		pkg = "./" + in
	}
	name := m.by[strings.LastIndex(m.by, ".")+1:]
	return []string{"-failfast", "-run=^" + name + "$", pkg}
}

var (
	failedTest = regexp.MustCompile(`--- FAIL: (\S+)`)
	passedTest = regexp.MustCompile(`--- PASS: (\S+)`)
	died       = regexp.MustCompile(`(?m)^(panic: |fatal error: |runtime: goroutine stack exceeds)`)
	violated   = regexp.MustCompile(`seed (\d+), \d+ steps: ([^:\n]+)`)
	endless    = regexp.MustCompile(`panic: test timed out`)
)

// goTest returns the name of the test that failed, and of the invariant; "" where
// all passed.
func goTest(root string, args ...string) (string, error) {
	cmd := exec.Command("go", append([]string{"test", "-v", "-vet=off", "-count=1", "-timeout=60s"}, args...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CONCLAVE_TEST=")
	out, err := cmd.CombinedOutput()
	v, f := violated.FindSubmatch(out), failedTest.FindSubmatch(out)
	switch {
	case err == nil && passedTest.Match(out):
		return "", nil
	case v != nil:
		return fmt.Sprintf("TestSchedules, seed %s: %s", v[1], v[2]), nil
	case f != nil:
		return string(f[1]), nil
	case endless.Match(out):
		return "a test that does not end", nil
	case died.Match(out):
		return "a panic", nil
	}
	return "", fmt.Errorf("no test ran: %v\n%s", err, out)
}
