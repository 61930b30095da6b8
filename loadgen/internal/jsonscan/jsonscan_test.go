package jsonscan

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
)

// chunk is one of a stream as vLLM sends it.
const chunk = `{"id":"chatcmpl-0123456789abcdef0123456789abcdef","object":"chat.completion.chunk","created":1764000000,` +
	`"model":"vlm","choices":[{"index":0,"delta":{"content":" d\u00f6g \ud83d\ude00"},"logprobs":null,"finish_reason":null,"token_ids":null}]}`

var documents = []string{
	chunk, `{}`, `[]`, `null`, `true`, `false`, `0`, `-0`, `1e5`, `-1.25E-3`, `"a"`, ` [1 , "b",{ "c" : [ ] } ] `, `{"a":{"b":[1,2,{"c":null}]},"a":2}`,
	`"\u00e9\ud83d\ude00\ud83d\n\t\/\\\"\b\f\r"`, `"\udc00\ud83d\u0041"`, "\"\xff\xfe\"", "\"\xed\xa0\x80\"", `[1e999]`, `9223372036854775807`, `9223372036854775808`,
	// No documents.
	``, ` `, `{`, `[`, `"`, `"\`, `"\u12`, `"\u12g4"`, `"\x"`, "\"\n\"", `[1,]`, `[,1]`, `[1 2]`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a" 1}`,
	`01`, `-`, `1.`, `.5`, `1e`, `1e+`, `+1`, `nul`, `nulll`, `truefalse`, `1 2`, `{}{}`, `]`, `}`, `[}`, `{]`, "\u00a01", "[1]\x00", `[1`, `{"a":1`, "\x00",
	strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
	strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000), strings.Repeat(`{"a":`, 10_001) + "1" + strings.Repeat("}", 10_001),
}

// value reads the next value through all of the scanner's methods, as
// encoding/json would give it.
func value(s *Scanner) any {
	if s.Object() {
		m := map[string]any{}
		for s.Key() {
			name := string(s.Name().Append(nil))
			if !strings.ContainsAny(name, "\"\\\ufffd") && !s.Is(name) {
				panic("Is(" + name + ") is false of its own name")
			}
			if s.Is(name + "x") {
				panic("Is(" + name + "x) is true of " + name)
			}
			m[name] = value(s)
		}
		return m
	}
	if s.Array() {
		l := []any{}
		for s.Element() {
			l = append(l, value(s))
		}
		return l
	}
	if text, ok := s.String(); ok {
		return string(text.Append(nil))
	}
	if s.Null() {
		return nil
	}
	if b, ok := s.Bool(); ok {
		return b
	}
	if n, ok := s.Int(); ok && n != 0 && n < 1<<53 && n > -1<<53 {
		return float64(n)
	} else if ok {
		return number(n)
	}
	if f, ok := s.Float(); ok {
		return f
	}
	if raw := s.Raw(); raw != nil {
		return json.RawMessage(raw)
	}
	return nil
}

// number is a whole number that a float64 may not hold, or zero, which may have
// had a sign.
type number int64

// same compares what value gives with what encoding/json does.
func same(got, want any) bool {
	switch g := got.(type) {
	case map[string]any:
		w, ok := want.(map[string]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for k := range g {
			if !same(g[k], w[k]) {
				return false
			}
		}
		return true
	case []any:
		w, ok := want.([]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for i := range g {
			if !same(g[i], w[i]) {
				return false
			}
		}
		return true
	case number:
		w, ok := want.(float64)
		return ok && float64(g) == w
	}
	return reflect.DeepEqual(got, want)
}

// check holds the scanner against encoding/json.
func check(t *testing.T, text []byte) {
	t.Helper()
	want := json.Valid(text)
	if got := Valid(text); got != want {
		t.Fatalf("%.200q: valid is %v, want %v", text, got, want)
	}
	var s Scanner
	s.Reset(text)
	got := value(&s)
	if s.End() != want {
		t.Fatalf("%.200q: read as valid %v, want %v", text, !want, want)
	}
	var plain any
	if !want || json.Unmarshal(text, &plain) != nil { // a number may be too large for a float64
		return
	}
	if !same(got, plain) {
		t.Fatalf("%.200q: read %#v, want %#v", text, got, plain)
	}
	s.Reset(text)
	if raw := s.Raw(); !bytes.Equal(raw, bytes.Trim(text, " \t\r\n")) {
		t.Fatalf("%.200q: raw %q", text, raw)
	}
}

func TestAgainstEncodingJSON(t *testing.T) {
	valid := 0
	for _, text := range documents {
		check(t, []byte(text))
		for i := range min(len(text), 300) { // each beginning, and each with a byte changed
			check(t, []byte(text[:i]))
			for _, c := range []byte("\"\\{}[],:0e\x00 ") {
				changed := []byte(text[:min(len(text), 300)])
				changed[i] = c
				check(t, changed)
			}
		}
		if Valid([]byte(text)) {
			valid++
		}
	}
	if valid != 22 { // those before "No documents", and two of the last four
		t.Errorf("%d of the documents are valid, want 22", valid)
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		text    string
		isInt   bool
		isFloat bool
	}{
		{"9223372036854775807", true, true}, {"9223372036854775808", false, true}, {"1.0", false, true}, {"1e2", false, true},
		{"-5", true, true}, {"1e999", false, false}, {`"1"`, false, false},
	} {
		var s Scanner
		s.Reset([]byte(c.text))
		if _, ok := s.Int(); ok != c.isInt {
			t.Errorf("%s: Int is %v", c.text, ok)
		}
		s.Reset([]byte(c.text))
		f, ok := s.Float()
		if ok != c.isFloat || math.IsInf(f, 0) {
			t.Errorf("%s: Float is %v, %v", c.text, f, ok)
		}
		if !ok && !s.Skip() || !s.End() {
			t.Errorf("%s: what is no float could not be skipped", c.text)
		}
	}
}

// A caller that takes no value has read no document.
func TestNothingTaken(t *testing.T) {
	for _, text := range []string{"", " ", "5", " {}"} {
		var s Scanner
		s.Reset([]byte(text))
		if s.Array() || s.End() {
			t.Errorf("%q: nothing was taken, and that is valid", text)
		}
	}
}

// A caller that does not take a value it met gets no valid document.
func TestForgottenValue(t *testing.T) {
	var s Scanner
	s.Reset([]byte(`{"a":1,"b":2}`))
	n := 0
	for s.Object(); s.Key(); {
		n++
	}
	if s.End() || n != 1 {
		t.Errorf("read %d members without values as valid", n)
	}
}

func FuzzScanner(f *testing.F) {
	for _, text := range documents {
		if len(text) < 1000 {
			f.Add([]byte(text))
		}
	}
	f.Fuzz(check)
}

func BenchmarkChunk(b *testing.B) {
	text := []byte(chunk)
	b.Run("jsonscan", func(b *testing.B) {
		var s Scanner
		var content []byte
		b.ReportAllocs()
		for b.Loop() {
			content = content[:0]
			s.Reset(text)
			for s.Object(); s.Key(); {
				if !s.Is("choices") {
					s.Skip()
					continue
				}
				for s.Array(); s.Element(); {
					for s.Object(); s.Key(); {
						if !s.Is("delta") {
							s.Skip()
							continue
						}
						for s.Object(); s.Key(); {
							text, _ := s.String()
							content = text.Append(content)
						}
					}
				}
			}
			if !s.End() || len(content) == 0 {
				b.Fatal("not read")
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var c struct {
				Choices []struct {
					Delta *struct {
						Content *string `json:"content"`
					} `json:"delta"`
				} `json:"choices"`
			}
			if err := json.Unmarshal(text, &c); err != nil {
				b.Fatal(err)
			}
		}
	})
}
