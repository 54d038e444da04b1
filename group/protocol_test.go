package group

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// goFiles returns the paths of all Go files of the module.
func goFiles(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			out = append(out, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func protocolText(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every chapter of PROTOCOL.md that a comment cites exists.
func TestCitedChaptersExist(t *testing.T) {
	chapters := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(protocolText(t), -1) {
		chapters[m[1]] = true
	}
	cites := 0
	cited := regexp.MustCompile(`PROTOCOL\.md, "([^"]+)"|sections? "([^"]+)"[\s/]+of\s[\s/]*group/PROTOCOL\.md`)
	for _, path := range goFiles(t) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range cited.FindAllStringSubmatch(string(b), -1) {
			cites++
			if name := m[1] + m[2]; !chapters[name] {
				t.Errorf("%s cites the chapter %q, which does not exist", path, name)
			}
		}
	}
	if cites < 15 {
		t.Errorf("only %d citations found", cites)
	}
}

// musts returns the numbers of the rules in the text, in order.
func musts(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^MUST-(\d+): (.+)$`).FindAllStringSubmatch(protocolText(t), -1) {
		out = append(out, m[1])
		if strings.Count(m[2], ". ") > 0 || !strings.HasSuffix(m[2], ".") {
			t.Errorf("MUST-%s is not one sentence", m[1])
		}
	}
	return out
}

// Every MUST of the text has a test named for it, and every such test a MUST.
func TestEveryMustHasATest(t *testing.T) {
	tests := map[string]bool{}
	for _, path := range goFiles(t) {
		if filepath.Dir(path) != "../group" || !strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				if m := regexp.MustCompile(`^TestMUST_(\d+)_`).FindStringSubmatch(fn.Name.Name); m != nil {
					tests[m[1]] = true
				}
			}
		}
	}
	rules := musts(t)
	if !slices.IsSorted(rules[:99]) || len(slices.Compact(slices.Clone(rules))) != len(rules) {
		t.Error("the numbers of the MUSTs do not ascend")
	}
	for _, n := range rules {
		if !tests[n] {
			t.Errorf("MUST-%s has no test TestMUST_%s_...", n, n)
		}
		delete(tests, n)
	}
	for n := range tests {
		t.Errorf("TestMUST_%s_... tests no MUST", n)
	}
}
