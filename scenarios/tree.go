package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// The limits of a file. A scenario is written by a person; the limits keep the
// parser's time and stack bounded whatever it is given.
const (
	maxBytes  = 1 << 20
	maxLine   = 4096  // characters; nesting within a line costs stack
	maxLines  = 20000 // and as many colons: the parser's time grows with their square
	maxNested = 64
)

// A place is a line and a column, from 1.
type place struct{ line, column int }

// A node is a YAML value without YAML's oddities: no anchors, no tags, one kind
// of scalar.
type node struct {
	at     place
	form   form
	text   string  // of a scalar, unquoted
	quoted bool    // a scalar that is text whatever it looks like
	keys   []*node // of a map, beside items
	items  []*node
}

// within gives the place of a scalar's text after so many of its characters.
func (n *node) within(characters int) *node {
	at := *n
	if at.at.column += characters; n.quoted {
		at.at.column++
	}
	return &at
}

type form uint8

const (
	isScalar form = iota
	isNull
	isList
	isMap
)

var (
	wholeNumber = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)$`)
	anyNumber   = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
)

// String says what a node is, for faults.
func (n *node) String() string {
	switch {
	case n.form == isNull:
		return "nothing"
	case n.form == isList:
		return "a list"
	case n.form == isMap:
		return "a map"
	case !n.quoted && anyNumber.MatchString(n.text):
		return "the number " + n.text
	case !n.quoted && (n.text == "true" || n.text == "false"):
		return n.text
	default:
		return fmt.Sprintf("the text %q", cut(n.text))
	}
}

// get gives the value of a key, or nil.
func (n *node) get(key string) *node {
	for i, k := range n.keys {
		if k.text == key {
			return n.items[i]
		}
	}
	return nil
}

func cut(text string) string {
	if runes := []rune(text); len(runes) > 60 {
		return string(runes[:60]) + "…"
	}
	return text
}

// A reader turns bytes into nodes.
type reader struct {
	source
	faults []*Fault
}

func (r *reader) fault(at place, text, hint string) {
	r.faults = append(r.faults, r.source.fault(at, text, hint))
}

// parse gives the file's one document, or faults.
func parse(file string, data []byte) (*node, source, []*Fault) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	r := &reader{source: source{file: file}}
	if len(data) > maxBytes {
		r.fault(place{}, fmt.Sprintf("the file has %d bytes; a scenario has at most %d", len(data), maxBytes), "")
		return nil, r.source, r.faults
	}
	r.lines = strings.Split(string(data), "\n")
	if r.bound(); len(r.faults) > 0 {
		return nil, r.source, r.faults
	}
	docs, fault := r.documents(data)
	if fault != nil {
		return nil, r.source, []*Fault{fault}
	}
	var root *node
	for _, doc := range docs {
		switch {
		case doc.Body == nil:
		case root != nil:
			r.fault(r.node(doc.Body, 0).at, "a second YAML document begins here", "a scenario is one document")
		default:
			root = r.node(doc.Body, 0)
		}
	}
	if root == nil && len(r.faults) == 0 {
		r.fault(place{}, "the file holds no scenario", "see: evabench scenario show pro6000x1")
	}
	return root, r.source, r.faults
}

// bound refuses what the parser could choke on, before it sees it.
func (r *reader) bound() {
	colons, nested := 0, 0
	for i, line := range r.lines {
		at := place{i + 1, 1}
		switch {
		case i >= maxLines:
			r.fault(at, fmt.Sprintf("a scenario has at most %d lines", maxLines), "")
			return
		case !utf8.ValidString(line):
			r.fault(at, "this line is not UTF-8 text", "")
		case len(line) > maxLine:
			r.fault(at, fmt.Sprintf("this line has more than %d bytes", maxLine), "")
		}
		for j, c := range []byte(line) {
			switch c {
			case ':':
				colons++
			case '[', '{':
				nested++
			case ']', '}':
				nested = max(nested-1, 0)
			case 0:
				r.fault(place{i + 1, j + 1}, "this line holds a NUL byte", "")
				return
			}
			if nested > maxNested {
				r.fault(place{i + 1, j + 1}, fmt.Sprintf("brackets are nested more than %d deep", maxNested), "")
				return
			}
		}
		if colons > maxLines {
			r.fault(at, fmt.Sprintf("a scenario has at most %d keys", maxLines), "")
			return
		}
	}
}

// documents runs the YAML parser. Its panics on input it did not foresee
// become faults.
func (r *reader) documents(data []byte) (docs []*ast.DocumentNode, fault *Fault) {
	defer func() {
		if p := recover(); p != nil {
			fault = r.source.fault(place{}, "this is not YAML that can be read", fmt.Sprint(p))
		}
	}()
	// Duplicate keys are told by node, all of them and with their first place.
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err == nil {
		return file.Docs, nil
	}
	if e, ok := errors.AsType[*yaml.SyntaxError](err); ok && e.Token != nil && e.Token.Position != nil {
		at := place{e.Token.Position.Line, e.Token.Position.Column}
		if tab, ok := r.tab(at); ok {
			return nil, r.source.fault(tab, "a tab stands where YAML wants spaces", "indent with spaces")
		}
		return nil, r.source.fault(at, "this is no YAML: "+strings.ReplaceAll(e.Message, "\n", " "),
			"look at this line and those above it: keys of one map begin in the same column, a key ends with a colon and a space, and each quote and bracket is closed")
	}
	return nil, r.source.fault(place{}, "this is not YAML that can be read", err.Error())
}

// tab finds a tab in the indentation of the line at, where the parser's own
// words are about characters and tokens.
func (r *reader) tab(at place) (place, bool) {
	if at.line < 1 || at.line > len(r.lines) {
		return place{}, false
	}
	line := r.lines[at.line-1]
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	i := strings.IndexByte(indent, '\t')
	return place{at.line, i + 1}, i >= 0
}

// node copies a value out of the parser's tree.
func (r *reader) node(n ast.Node, depth int) *node {
	if depth > maxNested {
		r.fault(placeOf(n), fmt.Sprintf("values are nested more than %d deep", maxNested), "")
		return &node{at: placeOf(n), form: isNull}
	}
	to := &node{at: placeOf(n)}
	switch n := n.(type) {
	case *ast.MappingNode:
		to.form = isMap
		for _, v := range n.Values {
			r.pair(to, v, depth)
		}
		if !n.IsFlowStyle && len(to.keys) > 0 {
			to.at = to.keys[0].at
		}
	case *ast.MappingValueNode:
		to.form = isMap
		r.pair(to, n, depth)
		if len(to.keys) > 0 {
			to.at = to.keys[0].at
		}
	case *ast.SequenceNode:
		to.form = isList
		for _, v := range n.Values {
			to.items = append(to.items, r.node(v, depth+1))
		}
	case *ast.NullNode:
		to.form = isNull
	case *ast.LiteralNode:
		to.text, to.quoted = n.Value.Value, true
	case *ast.StringNode:
		to.text = n.Value
		to.quoted = n.Token.Type == token.DoubleQuoteType || n.Token.Type == token.SingleQuoteType
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		to.text = n.GetToken().Value
	default:
		to.form = isNull
		r.fault(to.at, fmt.Sprintf("%s is not used in scenarios", oddity(n)), "write the value out")
	}
	return to
}

// pair adds one key and its value to a map.
func (r *reader) pair(to *node, v *ast.MappingValueNode, depth int) {
	key := &node{at: placeOf(v.Key)}
	switch k := v.Key.(type) {
	case *ast.StringNode:
		key.text = k.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		key.text = v.Key.GetToken().Value
	default:
		r.fault(key.at, fmt.Sprintf("%s is not used as a key in scenarios", oddity(v.Key)), "")
		return
	}
	for _, k := range to.keys {
		if k.text == key.text {
			r.fault(key.at, fmt.Sprintf("the key %q stands here a second time", cut(key.text)), fmt.Sprintf("the first is at line %d", k.at.line))
			return
		}
	}
	to.keys = append(to.keys, key)
	to.items = append(to.items, r.node(v.Value, depth+1))
}

func oddity(n ast.Node) string {
	switch n.(type) {
	case *ast.AnchorNode:
		return "a YAML anchor (&)"
	case *ast.AliasNode:
		return "a YAML alias (*)"
	case *ast.TagNode:
		return "a YAML tag (!)"
	case *ast.MergeKeyNode:
		return "a YAML merge key (<<)"
	case *ast.DirectiveNode:
		return "a YAML directive (%)"
	case *ast.NullNode:
		return "null"
	default:
		return "this YAML"
	}
}

func placeOf(n ast.Node) place {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return place{}
	}
	p := n.GetToken().Position
	return place{p.Line, p.Column}
}
