package formats

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/evabench/evabench/report"
)

// lineLength is up to how many bytes an object or a list that holds no other stands in one
// line.
const lineLength = 120

// writeJSON writes the document's Data if it has some, else the Summary, of which it makes
// the text of one cell at a time, so that the memory it takes does not grow with the number
// of cells.
func writeJSON(w io.Writer, d *report.Document) error {
	j := &jsonWriter{out: bufio.NewWriterSize(w, 1<<16)}
	if err := j.write(d); err != nil {
		return err
	}
	return j.out.Flush()
}

func (j *jsonWriter) write(d *report.Document) error {
	if d.Data == nil {
		return j.document(reflect.ValueOf(d.Summary).Elem())
	}
	err := j.value(reflect.ValueOf(d.Data), 0)
	j.out.WriteByte('\n')
	return err
}

// A jsonWriter writes JSON for people to read as well: indented by two spaces, but short
// objects and lists, and lists of nothing but numbers, in one line each. Faults of out stay
// with it until it is flushed.
type jsonWriter struct {
	out  *bufio.Writer
	text bytes.Buffer // of one value, compact
}

// document writes a struct as package json does, list by list and item by item.
func (j *jsonWriter) document(s reflect.Value) error {
	j.out.WriteByte('{')
	first := true
	for i := range s.NumField() {
		name, rest, _ := strings.Cut(s.Type().Field(i).Tag.Get("json"), ",")
		value := s.Field(i)
		if !s.Type().Field(i).IsExported() || name == "-" || rest == "omitempty" && empty(value) || rest == "omitzero" && value.IsZero() {
			continue
		}
		if name == "" || rest != "" && rest != "omitempty" && rest != "omitzero" {
			return fmt.Errorf("field %s: its tag is not understood", s.Type().Field(i).Name)
		}
		j.next(&first, 1)
		fmt.Fprintf(j.out, "%q: ", name)
		if err := j.field(value); err != nil {
			return err
		}
	}
	j.out.WriteString("\n}\n")
	return nil
}

// empty is what omitempty means in package json.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.String, reflect.Array:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// field writes a field's value: of a list, one item after the other.
func (j *jsonWriter) field(v reflect.Value) error {
	if v.Kind() != reflect.Slice || v.Len() == 0 || v.Type().Elem().Kind() != reflect.Struct {
		return j.value(v, 1)
	}
	j.out.WriteByte('[')
	first := true
	for i := range v.Len() {
		j.next(&first, 2)
		if err := j.value(v.Index(i), 2); err != nil {
			return err
		}
	}
	j.line(1)
	j.out.WriteByte(']')
	return nil
}

// value writes a value whole.
func (j *jsonWriter) value(v reflect.Value, depth int) error {
	j.text.Reset()
	e := json.NewEncoder(&j.text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v.Interface()); err != nil {
		return err
	}
	text := bytes.TrimSpace(j.text.Bytes())
	if rest := j.indent(text, depth); len(rest) > 0 {
		return fmt.Errorf("%d bytes follow a value", len(rest))
	}
	return nil
}

// indent writes the compact value that text begins with, and gives what follows it.
func (j *jsonWriter) indent(text []byte, depth int) []byte {
	if open := text[0]; open != '{' && open != '[' {
		n := scalar(text)
		j.out.Write(text[:n])
		return text[n:]
	}
	if n := oneLine(text); n > 0 {
		j.spaced(text[:n])
		return text[n:]
	}
	close := text[0] + 2 // "{" and "}", "[" and "]" are two apart in ASCII
	j.out.WriteByte(text[0])
	text = text[1:]
	for first := true; text[0] != close; {
		if text[0] == ',' {
			text = text[1:]
		}
		j.next(&first, depth+1)
		if close == '}' {
			n := scalar(text)
			j.out.Write(text[:n])
			j.out.WriteString(": ")
			text = text[n+1:]
		}
		text = j.indent(text, depth+1)
	}
	j.line(depth)
	j.out.WriteByte(close)
	return text[1:]
}

// next begins the next item of a list or object.
func (j *jsonWriter) next(first *bool, depth int) {
	if !*first {
		j.out.WriteByte(',')
	}
	*first = false
	j.line(depth)
}

func (j *jsonWriter) line(depth int) {
	j.out.WriteByte('\n')
	for range depth {
		j.out.WriteString("  ")
	}
}

// spaced writes a value in one line: with a space after colons and, in an object, commas.
func (j *jsonWriter) spaced(text []byte) {
	object := text[0] == '{'
	for len(text) > 0 {
		if text[0] == '"' {
			n := scalar(text)
			j.out.Write(text[:n])
			text = text[n:]
			continue
		}
		j.out.WriteByte(text[0])
		if text[0] == ':' || object && text[0] == ',' {
			j.out.WriteByte(' ')
		}
		text = text[1:]
	}
}

// scalar gives the length of the text, number or name that compact JSON begins with.
func scalar(text []byte) int {
	if text[0] != '"' {
		if n := bytes.IndexAny(text, ",]}:"); n >= 0 {
			return n
		}
		return len(text)
	}
	for i := 1; ; i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// oneLine gives the length of an object or list that goes into one line, or 0.
func oneLine(text []byte) int {
	depth, texts, nested := 0, false, false
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			texts = true
			i += scalar(text[i:]) - 1
		case '{', '[':
			if depth++; depth > 1 {
				if nested = true; text[i] == '{' || text[0] == '{' {
					return 0
				}
			}
		case '}', ']':
			if depth--; depth == 0 {
				if !texts || !nested && i < lineLength {
					return i + 1
				}
				return 0
			}
		}
		if texts && (nested || i >= lineLength) {
			return 0
		}
	}
	return 0
}
