package node

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"conclave/group"
	"conclave/node/api/words"
)

// TestEveryStateHasWords: whatever state this node can name, the table of all
// doors has words for it.
func TestEveryStateHasWords(t *testing.T) {
	known := maps.Collect(words.Table())
	must := func(of string, names ...string) {
		t.Helper()
		for _, name := range names {
			if _, ok := known[of+"."+name]; !ok {
				t.Errorf("no words for %q", of+"."+name)
			}
		}
	}
	for r := group.Reason(1); r.String() != "unknown"; r++ {
		must("reason", r.String())
	}
	for _, m := range []group.Mark{group.Unmarked, group.SoftMark, group.HardMark} {
		must("marked", m.String())
	}
	for s := group.LinkOpen; s <= group.LinkExpired; s++ {
		must("linked", s.String())
	}
	must("can", capNames(^group.Caps(0))...)
	must("finding", fine, wait, act)
	must("join", stateRequested, stateJoined, stateDeclined, stateWithdrawn)
	must("invite", stateJoined, stateWithdrawn)
	states := namedStates(t)
	if len(states) < 15 {
		t.Fatalf("only %q", states)
	}
	keys := slices.Collect(maps.Keys(known))
	for _, s := range states {
		if !slices.ContainsFunc(keys, func(k string) bool { return k == s || strings.HasSuffix(k, "."+s) }) {
			t.Errorf("no words for the state %q", s)
		}
	}
}

// namedStates lists the texts that the sources of this package give to a field
// State, or hand to a function for its argument state.
func namedStates(t *testing.T) (out []string) {
	names, err := filepath.Glob("*.go")
	ok(t, err)
	var files []*ast.File
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			ok(t, err)
			files = append(files, f)
		}
	}
	takes := map[string]int{} // functions with such an argument, and which it is
	each := func(see func(ast.Node)) {
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool { see(n); return true })
		}
	}
	note := func(name string, f *ast.FuncType) {
		i := 0
		for _, p := range f.Params.List {
			for _, arg := range p.Names {
				if arg.Name == "state" {
					takes[name] = i
				}
				i++
			}
		}
	}
	each(func(n ast.Node) {
		switch n := n.(type) {
		case *ast.FuncDecl:
			note(n.Name.Name, n.Type)
		case *ast.AssignStmt: // name := func(...) ...
			if f, is := n.Rhs[0].(*ast.FuncLit); is {
				note(named(n.Lhs[0]), f.Type)
			}
		}
	})
	add := func(e ast.Expr) {
		if c, is := e.(*ast.CallExpr); is && len(c.Args) == 1 { // ptr("...")
			e = c.Args[0]
		}
		if lit, is := e.(*ast.BasicLit); is && lit.Kind == token.STRING {
			s, err := strconv.Unquote(lit.Value)
			ok(t, err)
			out = append(out, s)
		}
	}
	each(func(n ast.Node) {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			if k, is := n.Key.(*ast.Ident); is && k.Name == "State" {
				add(n.Value)
			}
		case *ast.AssignStmt:
			for i, l := range n.Lhs {
				if s, is := l.(*ast.SelectorExpr); (is && s.Sel.Name == "State" || named(l) == "state") && i < len(n.Rhs) {
					add(n.Rhs[i])
				}
			}
		case *ast.CallExpr:
			name := named(n.Fun)
			if s, is := n.Fun.(*ast.SelectorExpr); is {
				name = s.Sel.Name
			}
			if i, is := takes[name]; is && i < len(n.Args) {
				add(n.Args[i])
			}
		}
	})
	slices.Sort(out)
	return slices.Compact(out)
}

func named(e ast.Expr) string {
	if i, is := e.(*ast.Ident); is {
		return i.Name
	}
	return ""
}
