package sim

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// testNames are the tests that this folder's sources declare.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				names[f.Name.Name] = true
			}
		}
	}
	return names
}

// The contract table of docs/simulator.md names tests that there are, and
// tells of each row that is not reproduced why.
func TestContractTable(t *testing.T) {
	page, err := os.ReadFile("../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), "\n## Contract table\n")
	if !ok {
		t.Fatal("docs/simulator.md has no contract table")
	}
	tests := testNames(t)
	quoted := regexp.MustCompile("`(Test[A-Za-z0-9]*)`")
	held, left := 0, 0
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) < 4 || strings.HasPrefix(cells[0], " ---") || strings.TrimSpace(cells[2]) == "the same here" || strings.HasPrefix(cells[0], " **") {
			continue
		}
		if len(cells) != 4 || strings.TrimSpace(cells[1]) == "" {
			t.Errorf("a row of %d cells: %s", len(cells), line)
			continue
		}
		named := quoted.FindAllStringSubmatch(cells[3], -1)
		for _, n := range named {
			if !tests[n[1]] {
				t.Errorf("%s is no test: %s", n[1], line)
			}
		}
		switch strings.TrimSpace(cells[2]) {
		case "yes":
			held++
			if len(named) == 0 {
				t.Errorf("no test holds %s", line)
			}
		case "no":
			left++
			if len(named) > 0 || len(strings.Fields(cells[3])) < 3 {
				t.Errorf("no reason in words: %s", line)
			}
		default:
			t.Errorf("neither yes nor no: %s", line)
		}
	}
	if held < 50 || left < 10 {
		t.Errorf("%d rows are held and %d are not: the table was not read", held, left)
	}
}
