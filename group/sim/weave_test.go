package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A weave is one build that holds every mutant: each function that one of them
// changes gets the changed body as well, which runs where the environment names
// the mutant. So that many mutants cost one build, not one each. It exists as an
// overlay of the build only.
type weave struct {
	root     string
	dir      string
	overlay  map[string]string
	binaries map[string]string // test binary by package folder
	apart    map[string]bool   // rules of mutants that no function holds alone
}

const mutantEnv = "CONCLAVE_MUTANT"

// mutantSwitch is added to each package that has mutants.
const mutantSwitch = `package %s

import "os"

var mutantOn = os.Getenv("` + mutantEnv + `")
`

// weaveAll writes the overlay and builds the test binaries of all packages.
func weaveAll(dir, root string, ms []mutant) (*weave, error) {
	w := &weave{root: root, dir: dir, overlay: map[string]string{}, binaries: map[string]string{}, apart: map[string]bool{}}
	files := map[string][]mutant{}
	for _, m := range ms {
		path, _, err := m.source(root)
		if err != nil {
			return nil, err
		}
		files[path] = append(files[path], m)
		w.binaries[m.in] = ""
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := w.weaveFile(path, files[path]); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	for in := range w.binaries {
		text := fmt.Sprintf(mutantSwitch, filepath.Base(in))
		if err := w.replace(filepath.Join(root, in, "mutant_switch.go"), text); err != nil {
			return nil, err
		}
	}
	for _, in := range slices.Sorted(maps.Keys(w.binaries)) {
		if err := w.build(in); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// weaveApart builds one mutant by itself.
func weaveApart(dir, root string, m mutant) (*weave, error) {
	w := &weave{root: root, dir: dir, overlay: map[string]string{}, binaries: map[string]string{}}
	path, src, err := m.source(root)
	if err != nil {
		return nil, err
	}
	return w, w.replace(path, strings.Replace(src, m.old, m.new, 1))
}

// replace lets text stand in the place of a file.
func (w *weave) replace(path, text string) error {
	at := filepath.Join(w.dir, fmt.Sprintf("%d.go", len(w.overlay)))
	w.overlay[path] = at
	return os.WriteFile(at, []byte(text), 0o600)
}

func (w *weave) build(in string) error {
	list := filepath.Join(w.dir, "overlay.json")
	text, err := json.Marshal(map[string]map[string]string{"Replace": w.overlay})
	if err != nil {
		return err
	}
	if err := os.WriteFile(list, text, 0o600); err != nil {
		return err
	}
	w.binaries[in] = filepath.Join(w.dir, filepath.Base(in)+".test")
	cmd := exec.Command("go", "test", "-c", "-vet=off", "-overlay="+list, "-o", w.binaries[in], "./"+in)
	cmd.Dir = w.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s with all mutants: %w\n%s", in, err, out)
	}
	return nil
}

// weaveFile adds the bodies of a file's mutants to its functions.
func (w *weave) weaveFile(path string, ms []mutant) error {
	src, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	bs, err := bodiesOf(string(src))
	if err != nil {
		return err
	}
	added := make([]string, len(bs))
	for _, m := range ms {
		changed := strings.Replace(string(src), m.old, m.new, 1)
		cs, err := bodiesOf(changed)
		if err != nil {
			return fmt.Errorf("%s: %w", m.rule, err)
		}
		if outline(string(src), bs) != outline(changed, cs) {
			w.apart[m.rule] = true
			continue
		}
		for i, b := range bs {
			if text := changed[cs[i].from:cs[i].to]; text != string(src[b.from:b.to]) {
				added[i] += fmt.Sprintf("\nif mutantOn == %q {%s\n%s}\n", m.rule, text, b.end)
			}
		}
	}
	var out strings.Builder
	at := 0
	for i, b := range bs {
		out.Write(src[at:b.from])
		out.WriteString(added[i])
		at = b.from
	}
	out.Write(src[at:])
	return w.replace(path, out.String())
}

// body is the place of a function's statements in its file, and what ends them
// where they do not return.
type body struct {
	from, to int
	end      string
}

func bodiesOf(src string) (bs []body, err error) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, "", src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		b := body{from: files.Position(fn.Body.Lbrace).Offset + 1, to: files.Position(fn.Body.Rbrace).Offset}
		if fn.Type.Results == nil {
			b.end = "return\n"
		}
		bs = append(bs, b)
	}
	return bs, nil
}

// outline is a file without what its functions do.
func outline(src string, bs []body) string {
	var out strings.Builder
	at := 0
	for _, b := range bs {
		out.WriteString(src[at:b.from])
		at = b.to
	}
	return out.String() + src[at:]
}

// run runs a test of a package with one mutant on; "" for none. It returns what
// the test printed, and whether it passed.
func (w *weave) run(in, rule string, args ...string) (string, bool, error) {
	if w.binaries[in] == "" {
		if err := w.build(in); err != nil {
			return "", false, err
		}
	}
	cmd := exec.Command(w.binaries[in], append([]string{"-test.v", "-test.timeout=60s"}, args...)...)
	cmd.Dir = filepath.Join(w.root, in)
	cmd.Env = append(os.Environ(), "CONCLAVE_TEST=", mutantEnv+"="+rule)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", false, err
	}
	return string(out), err == nil, nil
}

// A function is woven with what each mutant makes of it, and what changes more
// than the bodies of functions is left apart.
func TestWeave(t *testing.T) {
	dir := t.TempDir()
	src := "package p\n\nconst two = 2\n\nfunc f(x int) int { return x + 1 }\n\nfunc g() {\n\tprintln(two)\n}\n"
	path := filepath.Join(dir, "p.go")
	if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &weave{dir: dir, overlay: map[string]string{}, apart: map[string]bool{}}
	err := w.weaveFile(path, []mutant{
		{rule: "adds", old: "x + 1", new: "x"}, {rule: "says", old: "\tprintln(two)\n", new: ""}, {rule: "counts", old: "two = 2", new: "two = 3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(w.overlay[path])
	if err != nil {
		t.Fatal(err)
	}
	want := "package p\n\nconst two = 2\n\nfunc f(x int) int {\nif mutantOn == \"adds\" { return x \n}\n return x + 1 }\n\nfunc g() {\nif mutantOn == \"says\" {\n\nreturn\n}\n\n\tprintln(two)\n}\n"
	if string(got) != want || len(w.apart) != 1 || !w.apart["counts"] {
		t.Errorf("woven\n%s\nwant\n%s\napart %v", got, want, w.apart)
	}
}
