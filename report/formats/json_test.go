package formats

import (
	"bufio"
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/report"
)

// The JSON report is what package json makes of the Summary, but for the white space.
func TestJSONHoldsTheWholeSummary(t *testing.T) {
	files, err := filepath.Glob("../../analysis/testdata/*.json")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d Summaries (%v)", len(files), err)
	}
	for _, file := range files {
		s := read(t, filepath.Base(file))
		s.Environment.Host.Name = "<&> \u2028 \"\\{[,]}: " + strings.Repeat("x", lineLength)
		s.Missing = []string{"a,b", "]", "{\"c\":1}"}
		var got, want, compact bytes.Buffer
		if err := writeJSON(&got, &report.Document{Summary: s}); err != nil {
			t.Fatal(err)
		}
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(s); err != nil {
			t.Fatal(err)
		}
		if err := json.Compact(&compact, got.Bytes()); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if compact.String() != strings.TrimSpace(want.String()) {
			t.Errorf("%s: %d bytes of JSON, want %d", file, compact.Len(), want.Len()-1)
		}
		if !bytes.HasPrefix(got.Bytes(), []byte("{\n  \"schema\": ")) || !bytes.HasSuffix(got.Bytes(), []byte("\n}\n")) {
			t.Errorf("%s: %.30q … %q", file, got.Bytes(), got.Bytes()[got.Len()-10:])
		}
	}
}

// A document that is of no Summary alone has data of its own.
func TestJSONHoldsData(t *testing.T) {
	var out bytes.Buffer
	data := map[string]any{"schema": 1, "list": []any{map[string]int{"a": 1}}}
	if err := writeJSON(&out, &report.Document{Data: data, Summary: read(t, "summary.json")}); err != nil {
		t.Fatal(err)
	}
	if want := "{\n  \"list\": [\n    {\"a\": 1}\n  ],\n  \"schema\": 1\n}\n"; out.String() != want {
		t.Errorf("got %s, want %s", out.String(), want)
	}
}

// indented writes compact JSON for people.
func indented(compact []byte) (string, []byte) {
	var out bytes.Buffer
	j := &jsonWriter{out: bufio.NewWriter(&out)}
	rest := j.indent(compact, 0)
	j.out.Flush()
	return out.String(), rest
}

// Whatever is indented is the same value after.
func TestIndentKeepsValues(t *testing.T) {
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		leaf := rapid.OneOf(
			rapid.Custom(func(t *rapid.T) any { return rapid.String().Draw(t, "text") }),
			rapid.Custom(func(t *rapid.T) any { return rapid.Float64Range(-1e9, 1e9).Draw(t, "number") }),
			rapid.SampledFrom([]any{nil, true, "\\", "\"", "{", "],", ": "}),
		)
		if depth == 0 {
			return leaf
		}
		return rapid.OneOf(leaf,
			rapid.Custom(func(t *rapid.T) any { return rapid.SliceOfN(value(depth-1), 0, 4).Draw(t, "list") }),
			rapid.Custom(func(t *rapid.T) any {
				return rapid.MapOfN(rapid.String(), value(depth-1), 0, 4).Draw(t, "object")
			}),
		)
	}
	rapid.Check(t, func(t *rapid.T) {
		want, err := json.Marshal(value(3).Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		text, rest := indented(want)
		var got bytes.Buffer
		if err := json.Compact(&got, []byte(text)); err != nil || len(rest) > 0 || got.String() != string(want) {
			t.Fatalf("%s became %s, rest %q (%v)", want, text, rest, err)
		}
	})
}

// What is short stands in one line, and numbers do however many they are.
func TestIndentForm(t *testing.T) {
	long := strings.Repeat("1,", lineLength) + "1"
	words := `"` + strings.Repeat("w", lineLength) + `"`
	for _, c := range []struct{ compact, want string }{
		{`{"a":1,"b":"x: y, z"}`, `{"a": 1, "b": "x: y, z"}`},
		{`{"a":{"b":1}}`, "{\n  \"a\": {\"b\": 1}\n}"},
		{`{"a":[]}`, "{\n  \"a\": []\n}"},
		{`[[1,2],[],[3]]`, `[[1,2],[],[3]]`},
		{`[` + long + `]`, `[` + long + `]`},
		{`["a","b"]`, `["a","b"]`},
		{`[["a"],["b"]]`, "[\n  [\"a\"],\n  [\"b\"]\n]"},
		{`{"a":` + words + `}`, "{\n  \"a\": " + words + "\n}"},
		{`[` + words + `,1]`, "[\n  " + words + ",\n  1\n]"},
		{`[{}]`, "[\n  {}\n]"},
		{`null`, `null`},
	} {
		if got, rest := indented([]byte(c.compact)); got != c.want || len(rest) > 0 {
			t.Errorf("%s\nbecame %s, rest %q, want\n%s", c.compact, got, rest, c.want)
		}
	}
}
