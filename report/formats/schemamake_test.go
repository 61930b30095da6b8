package formats

import (
	"encoding"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// A schemaMaker makes a JSON Schema (2020-12) of Go types as package json writes them.
//
// Note: it is not github.com/invopop/jsonschema, which does not say which lists, maps and
// pointers can be null: that is what a reader falls over.
type schemaMaker struct {
	comments map[string]string // by "package.Type" and "package.Type.Field"
	defs     map[string]any
	closed   bool // no other keys than those of the types
}

type object = map[string]any

// summarySchema makes the schema of summary.json.
func summarySchema(t *testing.T, closed bool) object {
	t.Helper()
	m := schemaMaker{map[string]string{}, object{}, closed}
	for _, folder := range []string{"analysis", "results", "internal/device"} {
		m.read(t, filepath.FromSlash("../../"+folder))
	}
	ref := m.of(reflect.TypeFor[analysis.Summary]())
	for _, name := range []string{"analysis.Summary", "results.Environment"} {
		m.defs[name].(object)["properties"].(object)["schema"].(object)["const"] = results.SchemaVersion
	}
	return object{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": ref["$ref"], "$defs": m.defs,
		"title": "evabench: summary.json of a run directory", "description": "See README.md beside this file for what stays as it is. Keys may be added.",
	}
}

// read takes the comments of a package's types and their fields.
func (m schemaMaker) read(t *testing.T, folder string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatal(folder, fs.ErrNotExist, err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			general, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range general.Specs {
				if s, ok := spec.(*ast.TypeSpec); ok {
					name := parsed.Name.Name + "." + s.Name.Name
					m.comments[name] = commentText(general.Doc, s.Doc, s.Comment)
					m.fields(name, s.Type)
				}
			}
		}
	}
}

func (m schemaMaker) fields(name string, is ast.Expr) {
	s, ok := is.(*ast.StructType)
	if !ok {
		return
	}
	last := m.comments[name]
	for _, f := range s.Fields.List {
		about := commentText(f.Doc, f.Comment)
		for _, n := range f.Names {
			m.comments[name+"."+n.Name] = about
			if about == "" && slices.Contains(strings.FieldsFunc(last, func(r rune) bool { return !unicode.IsLetter(r) }), n.Name) {
				m.comments[name+"."+n.Name] = last // the field before tells of this one, too
			}
		}
		if about != "" {
			last = about
		}
	}
}

// commentText puts comments into one line.
func commentText(groups ...*ast.CommentGroup) string {
	var words []string
	for _, g := range groups {
		words = append(words, strings.Fields(g.Text())...)
	}
	return strings.Join(words, " ")
}

var (
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
)

// of gives the schema of a type where it is not null.
func (m schemaMaker) of(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[results.Outcome]():
		return object{"enum": results.Outcomes()}
	case reflect.TypeFor[analysis.Heat]():
		return object{"type": "array", "items": object{"type": "array", "items": object{"type": "integer", "minimum": 0}}}
	}
	if t.Implements(jsonMarshaler) || t.Implements(textMarshaler) {
		panic("how is " + t.String() + " written?")
	}
	switch t.Kind() {
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Pointer:
		return m.of(t.Elem())
	case reflect.Slice:
		return object{"type": "array", "items": m.orNull(t.Elem())}
	case reflect.Array:
		return object{"type": "array", "items": m.orNull(t.Elem()), "minItems": t.Len(), "maxItems": t.Len()}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": m.orNull(t.Elem())}
	case reflect.Struct:
		return m.named(t)
	}
	panic("how is " + t.String() + " written?")
}

// orNull gives the schema of a type with null, where it can be.
func (m schemaMaker) orNull(t reflect.Type) object {
	s := m.of(t)
	if t.Kind() != reflect.Pointer && t.Kind() != reflect.Slice && t.Kind() != reflect.Map || t.Implements(jsonMarshaler) {
		return s
	}
	if kind, simple := s["type"].(string); simple {
		s["type"] = []string{kind, "null"}
		return s
	}
	return object{"anyOf": []any{s, object{"type": "null"}}}
}

// named gives the reference to a struct's schema.
func (m schemaMaker) named(t reflect.Type) object {
	name := strings.NewReplacer("github.com/evabench/evabench/", "", "[", "-of-", "]", "", "/", ".").Replace(t.String())
	if m.defs[name] == nil {
		properties, required := object{}, []string{}
		s := object{"type": "object", "properties": properties}
		m.defs[name] = s // it may be in itself
		m.structOf(t, properties, &required)
		if slices.Sort(required); len(required) > 0 {
			s["required"] = required
		}
		if about := m.comments[plainName(t)]; about != "" {
			s["description"] = about
		}
		if m.closed {
			s["additionalProperties"] = false
		}
	}
	return object{"$ref": "#/$defs/" + name}
}

// structOf adds the fields, those of embedded structs too.
func (m schemaMaker) structOf(t reflect.Type, properties object, required *[]string) {
	var embedded []reflect.Type
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case tag == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case f.Anonymous && tag == "":
			embedded = append(embedded, f.Type)
			continue
		case tag == "":
			panic(t.String() + "." + f.Name + " has no key")
		case properties[tag] != nil:
			continue // that of the struct around hides it
		}
		s := m.of(f.Type)
		if options == "" {
			s = m.orNull(f.Type)
			*required = append(*required, tag)
		}
		s = maps.Clone(s)
		if about := m.comments[plainName(t)+"."+f.Name]; about != "" {
			s["description"] = about
		}
		properties[tag] = s
	}
	for _, e := range embedded {
		m.structOf(e, properties, required)
	}
}

// plainName is a type's name without its arguments.
func plainName(t reflect.Type) string {
	name, _, _ := strings.Cut(t.String(), "[")
	return name
}
