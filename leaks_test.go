package evabench

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/leaks"
)

// unwatched are packages that start goroutines, and whose own tests do not look for those
// that are left, with the reason.
var unwatched = map[string]string{
	"services/launchertest":    "a suite without tests of its own; the launchers' tests look",
	"collectors/sourcetest":    "a suite without tests of its own; the sources' tests look",
	"internal/trust/trusttest": "servers for tests of others, which look",
}

func TestMain(m *testing.M) { leaks.Main(m) }

// TestLeaksAreLookedFor: the tests of every package that starts goroutines fail if one outlives
// them, and so do those of packages, or with tests, that hold connections or children, whose
// goroutines others start. The code is read, so that a new package cannot be forgotten.
func TestLeaksAreLookedFor(t *testing.T) {
	starts, looks := map[string]bool{}, map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != "." && (strings.HasPrefix(name, ".") || slices.Contains([]string{"testdata", "examples", "bin", "runs", "realtest"}, name)) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		starts[dir] = starts[dir] || holds(file, "net/http", "os/exec")
		if !strings.HasSuffix(name, "_test.go") {
			starts[dir] = starts[dir] || startsGoroutines(file)
		} else {
			looks[dir] = looks[dir] || looksForLeaks(file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for dir, starting := range starts {
		if starting {
			n++
		}
		why, known := unwatched[dir]
		switch {
		case starting && !looks[dir] && !known:
			t.Errorf("%s starts goroutines, or uses net/http or os/exec, and its TestMain does not look for those that are left (internal/leaks)", dir)
		case known && (!starting || looks[dir]):
			t.Errorf("%s stands in the list of the unwatched (%s), and should not", dir, why)
		}
	}
	if n < 50 {
		t.Errorf("only %d packages start goroutines: the search is broken", n)
	}
}

// holds reports whether a file imports one of the packages.
func holds(file *ast.File, packages ...string) bool {
	return slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool {
		return slices.Contains(packages, strings.Trim(i.Path.Value, `"`))
	})
}

// startsGoroutines reports a go statement, or a call of a method Go, as of a sync.WaitGroup.
func startsGoroutines(file *ast.File) (yes bool) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			yes = true
		case *ast.CallExpr:
			method, ok := n.Fun.(*ast.SelectorExpr)
			yes = yes || ok && method.Sel.Name == "Go" && len(n.Args) == 1
		}
		return !yes
	})
	return yes
}

// looksForLeaks reports a TestMain that looks by internal/leaks, or by goleak itself.
func looksForLeaks(file *ast.File) (yes bool) {
	for _, decl := range file.Decls {
		main, ok := decl.(*ast.FuncDecl)
		if !ok || main.Name.Name != "TestMain" {
			continue
		}
		ast.Inspect(main, func(n ast.Node) bool {
			name, ok := n.(*ast.Ident)
			yes = yes || ok && (name.Name == "leaks" || name.Name == "goleak")
			return !yes
		})
	}
	return yes
}
