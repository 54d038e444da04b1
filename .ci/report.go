// Command report reads the events of `go test -json` on its input, shows what
// failed, and adds the result of every test to a file:
//
//	go test -json ./... | report RESULTS
//	report -total RESULTS STEPS     the sum, STEPS being how many steps failed
//
// A test that ran in several steps counts once: as failed if it failed in any,
// else as passed if it passed in any.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// event is a line of `go test -json` (see `go doc test2json`).
type event struct {
	Action, Package, Test, Output, ImportPath string
	Elapsed                                   float64
}

func main() {
	args := os.Args[1:]
	switch {
	case len(args) == 3 && args[0] == "-total":
		steps, err := strconv.Atoi(args[2])
		check(err)
		os.Exit(total(args[1], steps))
	case len(args) == 1:
		results, err := os.OpenFile(args[0], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		check(err)
		failed := read(os.Stdin, results)
		check(results.Close())
		if failed {
			os.Exit(1)
		}
	default:
		fmt.Fprintln(os.Stderr, "usage: report RESULTS | report -total RESULTS STEPS")
		os.Exit(2)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

// read notes "PACKAGE TEST<TAB>RESULT<TAB>REASON" for every test, and for a
// package that failed without a test of it failing.
func read(in io.Reader, results io.Writer) (failed bool) {
	said := map[string]*strings.Builder{}
	blamed := map[string]bool{}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		switch {
		case err != nil && len(line) == 0:
			return failed
		case json.Unmarshal(line, &e) != nil:
			os.Stdout.Write(line)
			continue
		}
		name := strings.TrimSpace(e.Package + " " + e.Test)
		switch e.Action {
		case "output":
			if said[name] == nil {
				said[name] = &strings.Builder{}
			}
			said[name].WriteString(e.Output)
		case "build-output":
			fmt.Print(e.Output)
		case "fail":
			failed = true
			if said[name] != nil {
				fmt.Print(said[name])
			}
			if e.Test != "" || !blamed[e.Package] {
				fmt.Fprintf(results, "%s\tfail\t\n", name)
			}
			blamed[e.Package] = true
		case "pass", "skip":
			if e.Test != "" {
				fmt.Fprintf(results, "%s\t%s\t%s\n", name, e.Action, reason(e.Action, said[name]))
			} else if e.Action == "pass" {
				fmt.Printf("   ok %s %.1f s\n", e.Package, e.Elapsed)
			}
		}
		if e.Action == "pass" || e.Action == "skip" || e.Action == "fail" {
			delete(said, name)
		}
	}
}

// reason is the line that a skipped test gave.
func reason(action string, said *strings.Builder) string {
	if action != "skip" || said == nil {
		return ""
	}
	for l := range strings.Lines(said.String()) {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "===") && !strings.HasPrefix(l, "---") {
			return strings.ReplaceAll(l, "\t", " ")
		}
	}
	return ""
}

// total prints what was skipped and why, what failed, and the sum. Steps that
// failed are no tests, but no success either.
func total(path string, steps int) int {
	f, err := os.Open(path)
	check(err)
	defer f.Close()
	rank := map[string]int{"skip": 1, "pass": 2, "fail": 3}
	best, why := map[string]string{}, map[string]string{}
	for in := bufio.NewScanner(f); in.Scan(); {
		parts := strings.Split(in.Text(), "\t")
		if rank[parts[1]] > rank[best[parts[0]]] {
			best[parts[0]], why[parts[0]] = parts[1], parts[2]
		}
	}
	count := map[string]int{}
	for _, name := range sorted(best) {
		result := best[name]
		count[result]++
		if result != "pass" {
			fmt.Printf("%s: %s %s\n", result, name, why[name])
		}
	}
	if steps > 0 {
		fmt.Printf("%d steps failed\n", steps)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", count["pass"], count["fail"], count["skip"])
	if steps > 0 || count["fail"] > 0 || count["pass"] == 0 {
		return 1
	}
	return 0
}

func sorted(m map[string]string) []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
