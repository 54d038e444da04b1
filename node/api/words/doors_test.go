package words

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The doors: what they show is in their sources, beside the table.
const (
	commands = "../../../cmd/conclave"
	page     = "../../web/page"
)

// literal is a text that stands in a source.
type literal struct{ at, text string }

// literalsOf returns the texts in the sources under a folder, tests left out.
func literalsOf(t *testing.T, dir, ext string, of func(t *testing.T, path string) []literal) (out []literal) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ext || strings.HasSuffix(path, "_test.go") {
			return err
		}
		out = append(out, of(t, path)...)
		return nil
	})
	if err != nil || len(out) < 50 {
		t.Fatalf("%d texts under %s: %v", len(out), dir, err)
	}
	return out
}

func inGo(t *testing.T, path string) (out []literal) {
	t.Helper()
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				out = append(out, literal{files.Position(lit.Pos()).String(), text})
			}
		}
		return true
	})
	return out
}

var script = regexp.MustCompile("\"(?:[^\"\\\\\n]|\\\\.)*\"|'(?:[^'\\\\\n]|\\\\.)*'|`[^`]*`")

func inScript(t *testing.T, path string) (out []literal) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(line, "// ")
		for _, lit := range script.FindAllString(line, -1) {
			out = append(out, literal{path + ":" + strconv.Itoa(i+1), lit[1 : len(lit)-1]})
		}
	}
	return out
}

var filledIn = regexp.MustCompile(`\{\w+\}`)

// fragments are the parts of a state's words that are always the same. What the
// API itself calls the state is none: doors compare with that.
func fragments(key, words string) (out []string) {
	_, name, _ := strings.Cut(key, ".")
	for _, f := range filledIn.Split(words, -1) {
		if f = strings.Trim(f, " ·:;,()"); len(f) > 3 && f != name && f != key {
			out = append(out, f)
		}
	}
	return out
}

// says reports whether a text has these words: three or more anywhere, fewer as
// the whole text, since they may be part of any sentence.
func says(text, words string) bool {
	if strings.Count(words, " ") > 1 {
		return strings.Contains(text, words)
	}
	return strings.Trim(text, " ·:;,()") == words
}

// TestNoDoorHasItsOwnWords: what the table says of a state stands in no source of
// a door.
func TestNoDoorHasItsOwnWords(t *testing.T) {
	all := append(literalsOf(t, commands, ".go", inGo), literalsOf(t, page, ".js", inScript)...)
	for key, said := range Table() {
		if strings.HasPrefix(key, "can.") {
			continue // what one does is named where it is done
		}
		for _, words := range append(fragments(key, said.Words), fragments(key, said.Hint)...) {
			for _, l := range all {
				if _, asked := table[l.text]; !asked && says(l.text, words) {
					t.Errorf("%s: %q is of the table, under %q", l.at, l.text, key)
				}
			}
		}
	}
}
