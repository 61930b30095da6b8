package identity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A path leads to a value within JSON, a step for each level.
type path []step

// A step is a name of an object, or the place in a list.
type step struct {
	name  string
	index int // of a list if name is empty
	named bool
}

// String writes the step as a path holds it.
func (s step) String() string {
	if s.named {
		return fmt.Sprintf("[%q]", s.name)
	}
	return fmt.Sprintf("[%d]", s.index)
}

// parsePath reads a path: an optional $, then .name, [0] or ["any name"]. The dot
// before the first name may be left out.
func parsePath(text string) (path, error) {
	bad := func(at string) error {
		return fmt.Errorf(`json: %q is no path at %q; such as $[0].minWorkers or data[0]["id"]`, text, at)
	}
	rest, first := text, true
	if r, ok := strings.CutPrefix(text, "$"); ok {
		rest, first = r, false
	}
	var p path
	for rest != "" {
		at := rest
		switch {
		case rest[0] == '[':
			s, after, ok := bracket(rest)
			if !ok {
				return nil, bad(at)
			}
			p, rest = append(p, s), after
		case rest[0] == '.' || first:
			rest = strings.TrimPrefix(rest, ".")
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 || strings.ContainsAny(rest[:end], "]\"") {
				return nil, bad(at)
			}
			p, rest = append(p, step{name: rest[:end], named: true}), rest[end:]
		default:
			return nil, bad(at)
		}
		first = false
	}
	return p, nil
}

// bracket reads [0] or ["name"].
func bracket(text string) (s step, rest string, ok bool) {
	inner := text[1:]
	if strings.HasPrefix(inner, `"`) {
		quoted, err := strconv.QuotedPrefix(inner)
		if err != nil {
			return s, "", false
		}
		name, err := strconv.Unquote(quoted)
		rest, ok := strings.CutPrefix(inner[len(quoted):], "]")
		return step{name: name, named: true}, rest, ok && err == nil
	}
	digits, rest, ok := strings.Cut(inner, "]")
	n, err := strconv.ParseUint(digits, 10, 31)
	return step{index: int(n)}, rest, ok && err == nil
}

// find gives the value as text: that of a string without its quotes, any other as
// JSON, without white space.
func (p path) find(data []byte) (string, error) {
	var value any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // a float64 would round
	if err := d.Decode(&value); err != nil {
		return "", fmt.Errorf("the answer is no JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return "", fmt.Errorf("the answer is more than one JSON value")
	}
	for i, s := range p {
		if s.named {
			object, ok := value.(map[string]any)
			if value, ok = object[s.name], ok && has(object, s.name); !ok {
				return "", fmt.Errorf("it has no %s", join(p[:i+1]))
			}
			continue
		}
		list, ok := value.([]any)
		if !ok || s.index >= len(list) {
			return "", fmt.Errorf("it has no %s", join(p[:i+1]))
		}
		value = list[s.index]
	}
	if text, ok := value.(string); ok {
		return text, nil
	}
	text, err := json.Marshal(value)
	return string(text), err
}

func has(object map[string]any, name string) bool {
	_, ok := object[name]
	return ok
}

// join writes steps as a path.
func join(p path) string {
	var b strings.Builder
	b.WriteString("$")
	for _, s := range p {
		b.WriteString(s.String())
	}
	return b.String()
}
