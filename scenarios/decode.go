package scenarios

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/kind"
)

// A decoder writes nodes into Go values, strictly. Structs are maps whose keys
// are the yaml tags of their fields; what is not told keeps its value.
type decoder struct {
	source
	faults []*Fault
}

func (d *decoder) fault(n *node, text, hint string) bool {
	at := place{}
	if n != nil {
		at = n.at
	}
	d.faults = append(d.faults, d.source.fault(at, text, hint))
	return false
}

// nodeDecoder is a type that decodes itself, and says which type stands for it
// in the schema.
type nodeDecoder interface {
	decodeNode(d *decoder, n *node, where string) bool
	schema() map[string]any
}

// at is a value with its place. N is nil if the file does not tell it; OK
// reports that it could be decoded.
type at[T any] struct {
	V  T
	N  *node
	OK bool
}

func (a *at[T]) decodeNode(d *decoder, n *node, where string) bool {
	a.N = n
	a.OK = d.value(n, reflect.ValueOf(&a.V).Elem(), where)
	return a.OK
}

func (a *at[T]) schema() map[string]any { return schemaOf(reflect.TypeFor[T]()) }

// ordered is a map whose keys the user names, in the file's order.
type ordered[T any] []pair[T]

type pair[T any] struct {
	Name string
	Key  *node
	V    T
}

func (o *ordered[T]) decodeNode(d *decoder, n *node, where string) bool {
	if n.form != isMap {
		return d.fault(n, fmt.Sprintf("%s is a map of names, not %v", where, n), "")
	}
	ok := true
	for i, k := range n.keys {
		p := pair[T]{Name: k.text, Key: k}
		ok = d.value(n.items[i], reflect.ValueOf(&p.V).Elem(), where+"."+k.text) && ok
		*o = append(*o, p)
	}
	return ok
}

func (o *ordered[T]) schema() map[string]any {
	return map[string]any{"type": "object", "additionalProperties": schemaOf(reflect.TypeFor[T]())}
}

// scalar is text that may be written as a number or a word: a layout, a GPU's
// index, a parameter's value.
type scalar string

func (s *scalar) decodeNode(d *decoder, n *node, where string) bool {
	if n.form != isScalar {
		return d.fault(n, fmt.Sprintf("%s is one value, not %v", where, n), "")
	}
	if strings.TrimSpace(n.text) == "" {
		return d.fault(n, where+" is empty", "")
	}
	*s = scalar(n.text)
	return true
}

func (s *scalar) schema() map[string]any {
	return map[string]any{"type": []string{"string", "number", "boolean"}}
}

// spec is a kind with its arguments: "name" or {kind: name, argument: value}.
type spec struct {
	kind.Spec
	at *node // where the name stands
}

func (s *spec) decodeNode(d *decoder, n *node, where string) bool {
	switch n.form {
	case isScalar:
		s.at = n
		return d.value(n, reflect.ValueOf(&s.Name).Elem(), where)
	case isMap:
		name := n.get("kind")
		if name == nil {
			return d.fault(n, where+" says no kind", "write "+last(where)+": NAME or {kind: NAME, …}")
		}
		s.at = name
		src := d.source
		s.Decode = func(into any) error { return decodeArgs(src, n, into, where) }
		return d.value(name, reflect.ValueOf(&s.Name).Elem(), where+".kind")
	default:
		return d.fault(n, fmt.Sprintf("%s is a kind, not %v", where, n), "write "+last(where)+": NAME or {kind: NAME, …}")
	}
}

func (s *spec) schema() map[string]any {
	return map[string]any{"anyOf": []any{
		map[string]any{"type": "string"},
		map[string]any{"type": "object", "required": []string{"kind"}, "properties": map[string]any{"kind": map[string]any{"type": "string"}}},
	}}
}

// decodeArgs is kind.Spec's Decode: it reads everything but the kind's name.
func decodeArgs(src source, n *node, into any, where string) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("decode %s: %T is no pointer to decode into", where, into)
	}
	args := &node{at: n.at, form: isMap}
	for i, k := range n.keys {
		if k.text != "kind" {
			args.keys, args.items = append(args.keys, k), append(args.items, n.items[i])
		}
	}
	d := &decoder{source: src}
	d.value(args, v.Elem(), where)
	return join(d.faults)
}

var (
	durationType = reflect.TypeFor[time.Duration]()
)

// value decodes n into v, which is addressable, and reports whether it could.
// Faults are noted.
func (d *decoder) value(n *node, v reflect.Value, where string) bool {
	if n.form == isNull {
		return d.fault(n, where+" has no value", "give it one, or leave the key out")
	}
	if x, ok := v.Addr().Interface().(nodeDecoder); ok {
		return x.decodeNode(d, n, where)
	}
	if v.Type() == durationType {
		return d.duration(n, v, where)
	}
	if x, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok && n.form == isScalar {
		if err := x.UnmarshalText([]byte(n.text)); err != nil {
			return d.fault(n, fmt.Sprintf("%s: %v", where, err), "")
		}
		return true
	}
	switch v.Kind() {
	case reflect.Pointer:
		to := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			to.Elem().Set(v.Elem())
		}
		ok := d.value(n, to.Elem(), where)
		v.Set(to)
		return ok
	case reflect.Struct:
		return d.structure(n, v, where)
	case reflect.Slice:
		return d.list(n, v, where)
	case reflect.Map:
		return d.stringMap(n, v, where)
	case reflect.Interface:
		return d.plain(n, v, where)
	default:
		return d.scalar(n, v, where)
	}
}

func (d *decoder) structure(n *node, v reflect.Value, where string) bool {
	what := where
	if what == "" {
		what = "the scenario"
	}
	if n.form != isMap {
		return d.fault(n, fmt.Sprintf("%s is a map, not %v", what, n), "")
	}
	fields := fieldsOf(v.Type())
	ok := true
	for i, k := range n.keys {
		f, found := fields.find(k.text)
		if !found {
			text := fmt.Sprintf("unknown key %q", cut(k.text))
			if where != "" {
				text += " in " + where
			}
			ok = d.fault(k, text, kind.Known(k.text, fields.names()))
			continue
		}
		ok = d.value(n.items[i], v.FieldByIndex(f.index), dotted(where, k.text)) && ok
	}
	for _, f := range fields {
		if f.need != "" && n.get(f.name) == nil {
			ok = d.fault(n, fmt.Sprintf("%s has no %s", what, f.name), f.need)
		}
	}
	return ok
}

func (d *decoder) list(n *node, v reflect.Value, where string) bool {
	if n.form != isList {
		return d.fault(n, fmt.Sprintf("%s is a list, not %v", where, n), "write ["+n.sketch()+"]")
	}
	ok := true
	to := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		ok = d.value(item, to.Index(i), fmt.Sprintf("%s[%d]", where, i)) && ok
	}
	v.Set(to)
	return ok
}

func (n *node) sketch() string {
	if n.form == isScalar {
		return cut(n.text)
	}
	return "…"
}

func (d *decoder) stringMap(n *node, v reflect.Value, where string) bool {
	if n.form != isMap {
		return d.fault(n, fmt.Sprintf("%s is a map of names, not %v", where, n), "")
	}
	ok := true
	to := reflect.MakeMapWithSize(v.Type(), len(n.keys))
	for i, k := range n.keys {
		item := reflect.New(v.Type().Elem()).Elem()
		ok = d.value(n.items[i], item, dotted(where, k.text)) && ok
		to.SetMapIndex(reflect.ValueOf(k.text).Convert(v.Type().Key()), item)
	}
	v.Set(to)
	return ok
}

// plain decodes into an any: text, float64, bool, []any or map[string]any.
func (d *decoder) plain(n *node, v reflect.Value, where string) bool {
	var to reflect.Value
	switch {
	case n.form == isList:
		to = reflect.New(reflect.TypeFor[[]any]()).Elem()
	case n.form == isMap:
		to = reflect.New(reflect.TypeFor[map[string]any]()).Elem()
	case !n.quoted && (n.text == "true" || n.text == "false"):
		to = reflect.New(reflect.TypeFor[bool]()).Elem()
	case !n.quoted && anyNumber.MatchString(n.text):
		to = reflect.New(reflect.TypeFor[float64]()).Elem()
	default:
		to = reflect.New(reflect.TypeFor[string]()).Elem()
	}
	ok := d.value(n, to, where)
	v.Set(to)
	return ok
}

func (d *decoder) duration(n *node, v reflect.Value, where string) bool {
	const fit = "units: ns, us, ms, s, m, h"
	if n.form != isScalar {
		return d.fault(n, fmt.Sprintf("%s is a duration, not %v", where, n), fit)
	}
	if anyNumber.MatchString(n.text) {
		return d.fault(n, fmt.Sprintf("%s has the wrong unit: say %ss", where, n.text), fit)
	}
	span, err := time.ParseDuration(n.text)
	if err != nil {
		return d.fault(n, fmt.Sprintf("%s is a duration such as 5s or 300ms, not %v", where, n), fit)
	}
	v.SetInt(int64(span))
	return true
}

// scalar decodes text, booleans and numbers.
func (d *decoder) scalar(n *node, v reflect.Value, where string) bool {
	wrong := func(want, hint string) bool {
		return d.fault(n, fmt.Sprintf("%s is %s, not %v", where, want, n), hint)
	}
	plain := n.form == isScalar && !n.quoted
	switch k := v.Kind(); {
	case k == reflect.String:
		if n.form != isScalar {
			return wrong("text", "put text that holds a colon in quotes")
		}
		if plain && (anyNumber.MatchString(n.text) || n.text == "true" || n.text == "false") {
			return wrong("text", `write "`+n.text+`"`)
		}
		v.SetString(n.text)
		return true
	case k == reflect.Bool:
		if !plain || n.text != "true" && n.text != "false" {
			return wrong("true or false", "")
		}
		v.SetBool(n.text == "true")
		return true
	case v.CanInt() || v.CanUint():
		if !plain || !wholeNumber.MatchString(n.text) {
			return wrong("a whole number", "")
		}
		return d.whole(n, v, where)
	case v.CanFloat():
		if !plain || !anyNumber.MatchString(n.text) {
			return wrong("a number", "")
		}
		f, err := strconv.ParseFloat(n.text, v.Type().Bits())
		if err != nil {
			return wrong("a number in the range of its type", "")
		}
		v.SetFloat(f)
		return true
	default:
		panic("scenarios: cannot decode into " + v.Type().String())
	}
}

func (d *decoder) whole(n *node, v reflect.Value, where string) bool {
	var err error
	if v.CanInt() {
		var i int64
		if i, err = strconv.ParseInt(n.text, 10, v.Type().Bits()); err == nil {
			v.SetInt(i)
		}
	} else {
		var u uint64
		if u, err = strconv.ParseUint(strings.TrimPrefix(n.text, "+"), 10, v.Type().Bits()); err == nil {
			v.SetUint(u)
		}
	}
	if errors.Is(err, strconv.ErrRange) {
		return d.fault(n, fmt.Sprintf("%s is too large: %s", where, cut(n.text)), "")
	}
	if err != nil {
		return d.fault(n, fmt.Sprintf("%s is a whole number, 0 or more, not %v", where, n), "")
	}
	return true
}

func dotted(where, key string) string {
	if where == "" {
		return key
	}
	return where + "." + key
}

func last(where string) string { return where[strings.LastIndexByte(where, '.')+1:] }
