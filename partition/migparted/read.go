package migparted

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/evabench/evabench/partition"
)

// The limits of a file: mig-parted's own has 17 kB. They keep the parser's time
// and stack bounded whatever it is given.
const (
	maxBytes  = 1 << 19
	maxLine   = 4096
	maxColons = 20000 // the parser's time grows with their square
	maxNested = 16
)

// Read reads a configuration file; name is what faults call it. It takes what
// mig-parted takes, and no more: the version, every key and every value are
// checked. Its error joins a *[Fault] for each thing that is wrong.
func Read(name string, data []byte) (File, error) {
	r := &reader{file: name}
	f := File{name: name, configs: r.spec(r.parse(data))}
	if err := errors.Join(r.faults...); err != nil {
		return File{}, err
	}
	return f, nil
}

// A reader collects faults. Its methods give zero values where they found any.
type reader struct {
	file   string
	faults []error
}

func (r *reader) fault(n ast.Node, format string, args ...any) {
	line, column := 1, 1
	if n != nil && n.GetToken() != nil && n.GetToken().Position != nil {
		line, column = max(n.GetToken().Position.Line, 1), max(n.GetToken().Position.Column, 1)
	}
	r.faultAt(line, column, fmt.Sprintf(format, args...))
}

func (r *reader) faultAt(line, column int, text string) {
	text = strings.Join(strings.Fields(text), " ")
	r.faults = append(r.faults, &Fault{File: r.file, Line: line, Column: column, Text: text})
}

// parse gives the file's one document, or nil and a fault.
func (r *reader) parse(data []byte) ast.Node {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !r.bounded(data) {
		return nil
	}
	var root ast.Node
	for _, doc := range r.documents(data) {
		switch {
		case doc.Body == nil:
		case root != nil:
			r.fault(doc.Body, "a second YAML document begins here; a configuration file is one")
		default:
			root = doc.Body
		}
	}
	if root == nil && len(r.faults) == 0 {
		r.faultAt(1, 1, "the file is empty; want version: v1 and mig-configs:")
	}
	return root
}

// documents runs the YAML parser, whose panics on input that it did not foresee
// become faults.
func (r *reader) documents(data []byte) (docs []*ast.DocumentNode) {
	defer func() {
		if p := recover(); p != nil {
			docs = nil
			r.faultAt(1, 1, fmt.Sprintf("this is not YAML that can be read: %v", p))
		}
	}()
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err == nil {
		return file.Docs
	}
	if e, ok := errors.AsType[*yaml.SyntaxError](err); ok && e.Token != nil && e.Token.Position != nil {
		r.faultAt(max(e.Token.Position.Line, 1), max(e.Token.Position.Column, 1), e.Message)
		return nil
	}
	r.faultAt(1, 1, "this is not YAML that can be read: "+err.Error())
	return nil
}

// bounded refuses what the parser could choke on, before it sees it.
func (r *reader) bounded(data []byte) bool {
	if len(data) > maxBytes {
		r.faultAt(1, 1, fmt.Sprintf("the file has %d bytes; a configuration file has at most %d", len(data), maxBytes))
		return false
	}
	colons, nested := 0, 0
	for i, line := range bytes.Split(data, []byte("\n")) {
		for _, c := range line {
			switch c {
			case ':':
				colons++
			case '[', '{':
				nested++
			case ']', '}':
				nested = max(nested-1, 0)
			}
		}
		switch {
		case !utf8.Valid(line) || bytes.IndexByte(line, 0) >= 0:
			r.faultAt(i+1, 1, "this line is not UTF-8 text")
		case len(line) > maxLine:
			r.faultAt(i+1, 1, fmt.Sprintf("this line has more than %d bytes", maxLine))
		case colons > maxColons:
			r.faultAt(i+1, 1, fmt.Sprintf("the file has more than %d keys", maxColons))
		case nested > maxNested:
			r.faultAt(i+1, 1, fmt.Sprintf("brackets are nested more than %d deep", maxNested))
		default:
			continue
		}
		return false
	}
	return true
}

// A pair is a key of a map and its value.
type pair struct {
	key   string
	at    ast.Node
	value ast.Node
}

// pairs gives the pairs of a map, each key once.
func (r *reader) pairs(n ast.Node, what string) []pair {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		r.fault(n, "%s is a map, not %s", what, kindOf(n))
		return nil
	}
	var pairs []pair
	for _, v := range values {
		key, ok := scalar(v.Key)
		if !ok {
			r.fault(v.Key, "a key is plain text here, not %s", kindOf(v.Key))
			continue
		}
		if slices.ContainsFunc(pairs, func(p pair) bool { return p.key == key }) {
			r.fault(v.Key, "the key %q stands here a second time", key)
			continue
		}
		pairs = append(pairs, pair{key, v.Key, v.Value})
	}
	return pairs
}

// scalar gives the text of a value that is neither map, list nor nothing.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// kindOf says what a node is, for faults.
func kindOf(n ast.Node) string {
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a map"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "a YAML anchor or alias, which is not read here: write the value out"
	case *ast.TagNode:
		return "a YAML tag"
	case *ast.StringNode:
		if len(n.Value) > 60 {
			return fmt.Sprintf("a text of %d bytes", len(n.Value))
		}
		return strconv.Quote(n.Value)
	}
	if text, ok := scalar(n); ok && len(text) <= 60 {
		return text
	}
	return "this YAML"
}

// spec reads the file's top.
func (r *reader) spec(root ast.Node) []config {
	if root == nil {
		return nil
	}
	var configs []config
	seen := map[string]bool{}
	for _, p := range r.pairs(root, "a configuration file") {
		seen[p.key] = true
		switch p.key {
		case "version":
			if v, _ := scalar(p.value); v != "v1" {
				r.fault(p.value, "the version is v1, not %s", kindOf(p.value))
			}
		case "mig-configs":
			configs = r.configs(p.value)
		default:
			r.fault(p.at, "%q is not known here; known: version, mig-configs", p.key)
		}
	}
	for _, key := range []string{"version", "mig-configs"} {
		if !seen[key] && len(r.faults) == 0 {
			r.fault(root, "%s is missing", key)
		}
	}
	return configs
}

func (r *reader) configs(n ast.Node) []config {
	var configs []config
	for _, p := range r.pairs(n, "mig-configs") {
		list, ok := p.value.(*ast.SequenceNode)
		if !ok || len(list.Values) == 0 {
			r.fault(p.value, "the configuration %q is a list of entries, not %s", p.key, kindOf(p.value))
			continue
		}
		c := config{name: p.key}
		for _, v := range list.Values {
			c.entries = append(c.entries, r.entry(v))
		}
		configs = append(configs, c)
	}
	if len(configs) == 0 && len(r.faults) == 0 {
		r.fault(n, "mig-configs names no configuration")
	}
	return configs
}

// entry reads one entry.
func (r *reader) entry(n ast.Node) entry {
	var e entry
	before := len(r.faults)
	values := map[string]ast.Node{}
	for i, p := range r.pairs(n, "an entry") {
		if i == 0 && p.at.GetToken() != nil && p.at.GetToken().Position != nil {
			e.line = p.at.GetToken().Position.Line
		}
		values[p.key] = p.value
		switch p.key {
		case "device-filter":
			e.filters = r.filters(p.value)
		case "devices":
			e.all, e.indices = r.indices(p.value)
		case "mig-enabled":
			b, ok := p.value.(*ast.BoolNode)
			if !ok {
				r.fault(p.value, "mig-enabled is true or false, not %s", kindOf(p.value))
				continue
			}
			e.enabled = b.Value
		case "mig-devices":
			e.devices = r.devices(p.value)
		default:
			r.fault(p.at, "%q is not known here; known: device-filter, devices, mig-enabled, mig-devices", p.key)
		}
	}
	if len(r.faults) > before {
		return e
	}
	for _, key := range []string{"devices", "mig-enabled"} {
		if values[key] == nil {
			r.fault(n, "%s is missing", key)
		}
	}
	_, none := values["mig-devices"].(*ast.NullNode)
	switch {
	case e.enabled && (none || values["mig-devices"] == nil):
		r.fault(n, "mig-devices is missing, and mig-enabled is true")
	case !e.enabled && len(e.devices) > 0:
		r.fault(values["mig-devices"], "mig-devices names MIG devices, and mig-enabled is false")
	}
	return e
}

// filters reads a PCI device id or a list of them.
func (r *reader) filters(n ast.Node) []filter {
	list := []ast.Node{n}
	if s, ok := n.(*ast.SequenceNode); ok {
		list = s.Values
	} else if s, ok := n.(*ast.StringNode); ok && s.Value == "" {
		return nil // as mig-parted: the same as none
	}
	var filters []filter
	for _, v := range list {
		text, ok := v.(*ast.StringNode)
		if !ok {
			r.fault(v, `a device-filter is quoted text such as "0x2BB510DE", not %s`, kindOf(v))
			continue
		}
		f, err := parseFilter(text.Value)
		if err != nil {
			r.fault(v, "%v", err)
			continue
		}
		filters = append(filters, f)
	}
	return filters
}

// indices reads all or a list of GPU indices.
func (r *reader) indices(n ast.Node) (all bool, indices []int) {
	if s, ok := n.(*ast.StringNode); ok && s.Value == "all" {
		return true, nil
	}
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		r.fault(n, "devices is all or a list of GPU indices, not %s", kindOf(n))
		return false, nil
	}
	for _, v := range list.Values {
		i, ok := r.integer(v, 9999)
		if !ok {
			r.fault(v, "a GPU index is 0 to 9999, not %s", kindOf(v))
			continue
		}
		indices = append(indices, i)
	}
	return false, indices
}

func (r *reader) integer(n ast.Node, most int) (int, bool) {
	if _, ok := n.(*ast.IntegerNode); !ok {
		return 0, false
	}
	i, err := strconv.Atoi(n.GetToken().Value)
	return i, err == nil && i >= 0 && i <= most
}

// devices reads the map from MIG devices to counts. Counts of 0 are left out.
func (r *reader) devices(n ast.Node) []devices {
	if _, ok := n.(*ast.NullNode); ok {
		return nil
	}
	pairs := r.pairs(n, "mig-devices")
	before := len(r.faults)
	var list []devices
	for _, p := range pairs {
		d, err := parseDevice(p.key)
		if err != nil {
			r.fault(p.at, "%v", err)
			continue
		}
		count, ok := r.integer(p.value, partition.MaxCount)
		if !ok {
			r.fault(p.value, "a count of MIG devices is 0 to %d, not %s", partition.MaxCount, kindOf(p.value))
			continue
		}
		if slices.ContainsFunc(list, func(o devices) bool { return o.name() == d.name() }) {
			r.fault(p.at, "%s stands here a second time, as %q", d.name(), p.key)
			continue
		}
		if d.count = count; count > 0 {
			list = append(list, d)
		}
	}
	if len(list) == 0 && len(pairs) > 0 && len(r.faults) == before {
		r.fault(n, "all counts are 0; write {} for MIG without instances")
	}
	return list
}
