package group

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// source is one parsed file that is no test.
type source struct {
	path string
	pkg  string // folder below the module, "group" for instance
	fset *token.FileSet
	file *ast.File
}

func (s source) at(n ast.Node) string { return s.fset.Position(n.Pos()).String() }

// sources parses every file of the module that is no test.
func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	for _, path := range goFiles(t) {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		pkg := filepath.ToSlash(filepath.Dir(strings.TrimPrefix(path, "../")))
		out = append(out, source{path: path, pkg: pkg, fset: fset, file: f})
	}
	if len(out) < 40 {
		t.Fatalf("only %d files found", len(out))
	}
	return out
}

func (s source) imports(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, i := range s.file.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, path)
	}
	return out
}

// below reports whether pkg is root or lies below it.
func below(pkg, root string) bool { return pkg == root || strings.HasPrefix(pkg, root+"/") }

// arrows says which of our packages each part of the house may import: imports
// run down only, cmd -> node -> {group, discovery, keys}, group -> keys. The
// first part that a package is below of counts.
var arrows = []struct {
	from string
	to   []string
}{
	{"cmd", []string{"cmd", "node"}},
	{"node", []string{"node", "group", "discovery", "keys"}},
	{"discovery", []string{"discovery"}},
	{"group/sim", []string{"group", "keys"}},
	{"group", []string{"keys"}},
	{"keys", nil},
}

// mayImport reports whether one of our packages may import another.
func mayImport(from, to string) bool {
	for _, a := range arrows {
		if below(from, a.from) {
			return slices.ContainsFunc(a.to, func(root string) bool {
				return below(to, root) && (!below(to, "group/sim") || below(from, "group/sim"))
			})
		}
	}
	return false
}

func TestImportsRunDown(t *testing.T) {
	for _, s := range sources(t) {
		for _, path := range s.imports(t) {
			if to, ours := strings.CutPrefix(path, "conclave/"); ours && !mayImport(s.pkg, to) {
				t.Errorf("%s imports %s: arrows run cmd -> node -> {group, discovery, keys}, group -> keys", s.path, path)
			}
		}
	}
	for _, breach := range [][2]string{{"keys", "group"}, {"group", "node"}, {"group", "group/sim"}, {"node", "group/sim"}, {"discovery", "keys"}, {"cmd/conclave", "group"}, {"node/api", "cmd/conclave"}} {
		if mayImport(breach[0], breach[1]) {
			t.Errorf("%s may import %s", breach[0], breach[1])
		}
	}
}

// purePackages import directly nothing but what computes.
var purePackages = []string{"keys", "group"}

func pureImport(pkg, path string) bool {
	switch path {
	case "bytes", "cmp", "errors", "fmt", "hash", "io", "iter", "maps", "math/bits", "slices", "sort", "strconv", "strings", "unicode/utf8",
		"golang.org/x/crypto/argon2", "golang.org/x/crypto/chacha20poly1305", "github.com/fxamacker/cbor/v2":
		return true
	case "crypto/rand":
		return pkg == "keys"
	case "conclave/keys":
		return pkg == "group"
	}
	return strings.HasPrefix(path, "encoding/") || strings.HasPrefix(path, "crypto/")
}

func TestPurePackagesOnlyCompute(t *testing.T) {
	for _, s := range sources(t) {
		if !slices.Contains(purePackages, s.pkg) {
			continue
		}
		for _, path := range s.imports(t) {
			if !pureImport(s.pkg, path) {
				t.Errorf("%s imports %s: the core takes it as an argument instead", s.path, path)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n.(type) {
			case *ast.GoStmt, *ast.ChanType, *ast.SelectStmt, *ast.SendStmt:
				t.Errorf("%s: no goroutine and no channel here: the core takes it as an argument instead", s.at(n))
			}
			return true
		})
	}
	for _, breach := range [][2]string{{"group", "time"}, {"group", "crypto/rand"}, {"group", "sync"}, {"keys", "os"}, {"keys", "net"}, {"group", "context"}, {"keys", "math/rand/v2"}} {
		if pureImport(breach[0], breach[1]) {
			t.Errorf("%s may import %s", breach[0], breach[1])
		}
	}
}

// packageVars returns the names of the package variables declared in files.
func packageVars(files []source) map[string]bool {
	vars := map[string]bool{}
	for _, s := range files {
		for _, d := range s.file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					vars[name.Name] = true
				}
			}
		}
	}
	return vars
}

// root is the variable at the bottom of x.f[i].g, nil where there is none.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// changed lists the expressions that a node assigns to, or hands to a builtin
// that changes them, or whose address it takes.
func changed(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			return []ast.Expr{n.Key, n.Value}
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && slices.Contains([]string{"clear", "delete", "copy"}, f.Name) && len(n.Args) > 0 {
			return n.Args[:1]
		}
	}
	return nil
}

// breaches lists where a package variable may change.
func breaches(files []source) []string {
	vars := packageVars(files)
	var out []string
	for _, s := range files {
		ast.Inspect(s.file, func(n ast.Node) bool {
			for _, e := range changed(n) {
				id := root(e)
				if id == nil || !vars[id.Name] {
					continue
				}
				if id.Obj != nil { // resolved within the file: a local one that hides it, or the variable itself
					if _, declared := id.Obj.Decl.(*ast.ValueSpec); !declared || s.file.Scope.Lookup(id.Name) != id.Obj {
						continue
					}
				}
				out = append(out, s.at(n)+": "+id.Name)
			}
			return true
		})
	}
	return out
}

func TestNoPackageVariableChanges(t *testing.T) {
	of := map[string][]source{}
	for _, s := range sources(t) {
		of[s.pkg] = append(of[s.pkg], s)
	}
	for _, pkg := range purePackages {
		for _, where := range breaches(of[pkg]) {
			t.Errorf("%s: a package variable changes: the core takes it as an argument instead", where)
		}
	}
	bad := `package p
var n int
var m = map[int]int{}
var fixed = 1
func f() { n++; m[1] = 2; delete(m, 1); p := &n; n := 3; n = 4; fixed := fixed; fixed = 2; _, _ = p, fixed }`
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "p.go", bad, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := breaches([]source{{path: "p.go", pkg: "p", fset: fset, file: f}}); len(got) != 4 {
		t.Errorf("%d of 4 changes found: %v", len(got), got)
	}
}
