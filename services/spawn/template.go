package spawn

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A Template is text with names in braces. The zero value is empty text.
type Template []piece

// A piece is literal text, or a name that stands for a value.
type piece struct {
	text string // if name is empty
	name string
}

// A name in braces looks like this; whatever else stands in braces, such as JSON,
// is text.
var inBraces = regexp.MustCompile(`\{\{[a-z][A-Za-z0-9_.+-]*\}\}|\{[a-z][A-Za-z0-9_.+-]*\}`)

// knownNames is what may stand in braces, for faults.
const knownNames = "{port}, {port+1} to {port+99}, {models}, {name}, {device}, {dir}, {params.NAME}, {workers.MODEL}; {{x}} is written {x}"

// ParseTemplate reads a template. A name in braces that is not known is a fault;
// {{name}} stands for {name}, and other braces for themselves.
func ParseTemplate(text string) (Template, error) {
	var t Template
	var faults []error
	for text != "" {
		at := inBraces.FindStringIndex(text)
		if at == nil {
			return append(t, piece{text: text}), errors.Join(faults...)
		}
		if at[0] > 0 {
			t = append(t, piece{text: text[:at[0]]})
		}
		found := text[at[0]:at[1]]
		text = text[at[1]:]
		if strings.HasPrefix(found, "{{") {
			t = append(t, piece{text: found[1 : len(found)-1]})
			continue
		}
		name := found[1 : len(found)-1]
		if !known(name) {
			faults = append(faults, fmt.Errorf("unknown name %s; known: %s", found, knownNames))
		}
		t = append(t, piece{name: name})
	}
	return t, errors.Join(faults...)
}

func known(name string) bool {
	switch name {
	case "models", "name", "device", "dir":
		return true
	}
	if _, ok := portOf(name); ok {
		return true
	}
	for _, family := range []string{"params.", "workers."} {
		if of, ok := strings.CutPrefix(name, family); ok && of != "" {
			return true
		}
	}
	return false
}

// portOf gives the N of "port+N", 0 of "port".
func portOf(name string) (int, bool) {
	if name == "port" {
		return 0, true
	}
	text, ok := strings.CutPrefix(name, "port+")
	n, err := strconv.Atoi(text)
	return n, ok && err == nil && n > 0 && n < 100 && text == strconv.Itoa(n)
}

// ports is how many ports the template needs.
func (t Template) ports() int {
	most := 0
	for _, p := range t {
		if n, ok := portOf(p.name); ok {
			most = max(most, n+1)
		}
	}
	return most
}

// Fixed reports whether nothing of it depends on the instance.
func (t Template) Fixed() bool {
	for _, p := range t {
		if p.name != "" {
			return false
		}
	}
	return true
}

// Expand writes the template with its values.
func (t Template) Expand(value func(name string) (string, error)) (string, error) {
	var b strings.Builder
	for _, p := range t {
		text := p.text
		if p.name != "" {
			var err error
			if text, err = value(p.name); err != nil {
				return "", err
			}
		}
		b.WriteString(text)
	}
	return b.String(), nil
}
