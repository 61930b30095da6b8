package scenarios

import (
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/evabench/evabench/internal/kind"
)

// ParseRouting reads a value of the matrix' routing: a router's name and, in
// brackets, its arguments between commas.
//
//	round-robin
//	weighted(3,1)
//	prefix-hash(chars=512,load=0)
//
// An argument is NAME=VALUE, or a VALUE alone: those are the router's first
// argument, which is a list if there are several. Spaces around arguments do not
// count; names and values hold none, nor commas, equals signs or brackets. The
// Spec's Decode tells faults in the arguments as those of a file of that one line.
func ParseRouting(text string) (kind.Spec, error) {
	src := source{file: "routing", lines: []string{text}}
	spec, _, fault := parseRouting(src, place{1, 1}, text)
	if fault != nil {
		return kind.Spec{}, fault
	}
	return spec, nil
}

// routing reads a value where it stands in the file, and gives it without spaces.
func (b *builder) routing(n *node, text string) (kind.Spec, string, error) {
	at := place{}
	if n != nil {
		if at = n.at; n.quoted {
			at.column++
		}
	}
	spec, canonical, fault := parseRouting(b.source, at, text)
	if fault != nil {
		return kind.Spec{}, "", fault
	}
	return spec, canonical, nil
}

const routingHint = `write NAME, NAME(VALUE,…) or NAME(ARGUMENT=VALUE,…), in quotes where a comma is in it: "weighted(3,1)"`

// An argument of a router; its name is nil if it has none.
type argument struct{ name, value *node }

// parseRouting reads text that stands at a place of src.
func parseRouting(src source, at place, text string) (kind.Spec, string, *Fault) {
	node := func(from, to int) *node { // text[from:to] without the spaces around it
		part := strings.TrimLeft(text[from:to], " ")
		column := at.column + utf8.RuneCountInString(text[:to-len(part)])
		return &node{at: place{at.line, column}, text: strings.TrimRight(part, " ")}
	}
	bad := func(n int, what string) (kind.Spec, string, *Fault) {
		where := place{at.line, at.column + utf8.RuneCountInString(text[:n])}
		return kind.Spec{}, "", src.fault(where, fmt.Sprintf("routing %q %s", cut(text), what), routingHint)
	}
	open := strings.IndexByte(text, '(')
	if open < 0 {
		if i := strings.IndexAny(text, ")=, "); i >= 0 {
			return bad(i, "has arguments without a bracket before them")
		}
		return kind.Spec{Name: text}, text, nil
	}
	end := len(strings.TrimRight(text, " ")) - 1
	name := node(0, open)
	switch {
	case text[end] != ')':
		return bad(end, "has no closing bracket")
	case name.text == "" || strings.ContainsAny(name.text, "=, "):
		return bad(0, "has no router's name before its bracket")
	}
	var args []argument
	var parts []string
	for from := open + 1; from <= end; {
		to := end
		if i := strings.IndexByte(text[from:end], ','); i >= 0 {
			to = from + i
		}
		a := argument{value: node(from, to)}
		if i := strings.IndexByte(text[from:to], '='); i >= 0 {
			a = argument{node(from, from+i), node(from+i+1, to)}
		}
		part := a.value.text
		if a.name != nil {
			part = a.name.text + "=" + part
		}
		switch {
		case a.value.text == "" || a.name != nil && a.name.text == "":
			return bad(from, "has an empty argument")
		case strings.ContainsAny(a.value.text, " =()") || a.name != nil && strings.ContainsAny(a.name.text, " ()"):
			return bad(from, "has an argument that is not NAME=VALUE")
		case a.name == nil && len(args) > 0 && args[len(args)-1].name != nil:
			return bad(from, "has a value alone after one with a name")
		}
		args, parts = append(args, a), append(parts, part)
		from = to + 1
	}
	decode := func(into any) error { return decodeRouting(src, name, args, into) }
	return kind.Spec{Name: name.text, Decode: decode}, name.text + "(" + strings.Join(parts, ",") + ")", nil
}

// decodeRouting writes arguments into a router's Config.
func decodeRouting(src source, name *node, args []argument, into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("decode %s: %T is no pointer to a struct", name.text, into)
	}
	d := &decoder{source: src}
	keys := fieldsOf(v.Elem().Type())
	if len(keys) == 0 {
		d.fault(args[0].value, name.text+" has no arguments", "write "+name.text)
		return join(d.faults)
	}
	all := &node{at: name.at, form: isMap}
	for _, a := range args {
		key := a.name
		if key == nil {
			key = &node{at: a.value.at, text: keys[0].name}
		}
		list, _ := keys.find(key.text)
		isOfList := list.typ != nil && list.typ.Kind() == reflect.Slice
		switch before := all.get(key.text); {
		case before == nil && isOfList:
			all.keys, all.items = append(all.keys, key), append(all.items, &node{at: a.value.at, form: isList, items: []*node{a.value}})
		case before == nil:
			all.keys, all.items = append(all.keys, key), append(all.items, a.value)
		case isOfList && a.name == nil:
			before.items = append(before.items, a.value)
		default:
			d.fault(key, fmt.Sprintf("%s has its argument %s a second time", name.text, cut(key.text)), "")
		}
	}
	d.value(all, v.Elem(), name.text)
	return join(d.faults)
}
