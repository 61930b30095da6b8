package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

const module = "github.com/evabench/evabench/"

// sources are the packages that were read, by folder.
type sources struct {
	root     string
	packages map[string]*source
}

// A source is what is needed of one package.
type source struct {
	structs map[string]*ast.StructType
	docs    map[string]string // of the structs
	aliases map[string]ast.Expr
	imports map[string]string // folders of this project, by the name that files use
	name    string            // of the kind, if it is one
	about   string
}

func (s *sources) read(folder string) (*source, error) {
	if p := s.packages[folder]; p != nil {
		return p, nil
	}
	files, err := filepath.Glob(filepath.Join(s.root, folder, "*.go"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("%s has no Go files: %v", folder, err)
	}
	p := &source{structs: map[string]*ast.StructType{}, docs: map[string]string{}, aliases: map[string]ast.Expr{}, imports: map[string]string{}}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, i := range tree.Imports {
			whole, _ := strconv.Unquote(i.Path.Value)
			if to, ok := strings.CutPrefix(whole, module); ok {
				name := path.Base(to)
				if i.Name != nil {
					name = i.Name.Name
				}
				p.imports[name] = to
			}
		}
		ast.Inspect(tree, p.look)
	}
	s.packages[folder] = p
	return p, nil
}

// look takes structs, and the words of kind.New("name", "about", …).
func (p *source) look(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GenDecl:
		if len(n.Specs) == 1 {
			if t, ok := n.Specs[0].(*ast.TypeSpec); ok {
				p.docs[t.Name.Name] = strings.Join(strings.Fields(n.Doc.Text()), " ")
			}
		}
	case *ast.TypeSpec:
		if t, ok := n.Type.(*ast.StructType); ok {
			p.structs[n.Name.Name] = t
		} else {
			p.aliases[n.Name.Name] = n.Type
		}
	case *ast.CallExpr:
		f := n.Fun
		switch g := f.(type) { // with its types written
		case *ast.IndexExpr:
			f = g.X
		case *ast.IndexListExpr:
			f = g.X
		}
		of, ok := f.(*ast.SelectorExpr)
		if !ok || len(n.Args) < 3 || of.Sel.Name != "New" {
			break
		}
		if id, ok := of.X.(*ast.Ident); ok && id.Name == "kind" {
			p.name, p.about = text(n.Args[0]), text(n.Args[1])
		}
	}
	return true
}

// text is a string of the source, also one that is put together.
func text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, _ := strconv.Unquote(e.Value)
		return s
	case *ast.BinaryExpr:
		return text(e.X) + text(e.Y)
	}
	return ""
}

// family writes the kinds below a folder.
func (s *sources) family(b *strings.Builder, title, where, folder string) error {
	entries, err := os.ReadDir(filepath.Join(s.root, folder))
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "\n## %s\n\nIn `%s`.\n", title, where)
	for _, e := range entries {
		if !e.IsDir() || e.Name() == "internal" || e.Name() == "testdata" {
			continue
		}
		p, err := s.read(path.Join(folder, e.Name()))
		if err != nil {
			return err
		}
		if p.name == "" {
			continue // no kind that a scenario names
		}
		fmt.Fprintf(b, "\n### %s\n\n%s.\n", p.name, strings.TrimSuffix(p.about, "."))
		if p.structs["Config"] == nil {
			continue
		}
		rows, err := s.keys(p, "Config", "")
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			b.WriteString("\n")
			table(b, rows)
		}
	}
	return nil
}

// keys lists the keys of a struct in its order, those within it after each.
func (s *sources) keys(p *source, name, before string) ([]row, error) {
	var rows []row
	for _, f := range p.structs[name].Fields.List {
		var tag reflect.StructTag
		if f.Tag != nil {
			whole, _ := strconv.Unquote(f.Tag.Value)
			tag = reflect.StructTag(whole)
		}
		key, options, _ := strings.Cut(tag.Get("yaml"), ",")
		within, to, many, err := s.inner(p, f.Type)
		if err != nil {
			return nil, err
		}
		if options == "inline" || key == "" && len(f.Names) == 0 && to != "" {
			more, err := s.keys(within, to, before)
			if err != nil {
				return nil, err
			}
			rows = append(rows, more...)
			continue
		}
		if key == "" || key == "-" {
			continue
		}
		meaning := tag.Get("doc")
		if meaning == "" {
			meaning = comment(f)
		}
		if meaning == "" && to != "" {
			meaning = within.docs[to]
		}
		if meaning == "" && len(rows) > 0 {
			meaning = "see the key above" // one comment for fields that belong together
		}
		if need := tag.Get("need"); need != "" {
			meaning += " (needed)"
		}
		rows = append(rows, row{before + key, meaning})
		if to != "" {
			more, err := s.keys(within, to, before+key+many+".")
			if err != nil {
				return nil, err
			}
			rows = append(rows, more...)
		}
	}
	return rows, nil
}

func comment(f *ast.Field) string {
	c := f.Doc
	if c == nil {
		c = f.Comment
	}
	return strings.Join(strings.Fields(c.Text()), " ")
}

// inner finds the struct with keys that a field's type leads to, if there is one, with
// what stands for an element's name or number.
func (s *sources) inner(p *source, t ast.Expr) (*source, string, string, error) {
	switch t := t.(type) {
	case *ast.StarExpr:
		return s.inner(p, t.X)
	case *ast.ArrayType:
		in, to, many, err := s.inner(p, t.Elt)
		return in, to, "[]" + many, err
	case *ast.MapType:
		in, to, many, err := s.inner(p, t.Value)
		return in, to, ".NAME" + many, err
	case *ast.IndexExpr: // at[T], ordered[T]
		in, to, many, err := s.inner(p, t.Index)
		if id, ok := t.X.(*ast.Ident); ok && id.Name == "ordered" {
			many = ".NAME" + many
		}
		return in, to, many, err
	case *ast.Ident:
		if keyed(p.structs[t.Name]) {
			return p, t.Name, "", nil
		}
		if to := p.aliases[t.Name]; to != nil {
			return s.inner(p, to)
		}
	case *ast.SelectorExpr:
		of, ok := t.X.(*ast.Ident)
		if !ok || p.imports[of.Name] == "" {
			break
		}
		in, err := s.read(p.imports[of.Name])
		if err != nil {
			return nil, "", "", err
		}
		if keyed(in.structs[t.Sel.Name]) {
			return in, t.Sel.Name, "", nil
		}
	}
	return nil, "", "", nil
}

// keyed says whether a struct has keys of a scenario.
func keyed(t *ast.StructType) bool {
	if t == nil {
		return false
	}
	for _, f := range t.Fields.List {
		if f.Tag != nil && strings.Contains(f.Tag.Value, `yaml:"`) {
			return true
		}
	}
	return false
}
