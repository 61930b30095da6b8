package sse

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// events gives all events of a stream that comes in the given pieces.
func events(pieces ...string) (all []string, err error) {
	var s Parser
	for _, p := range pieces {
		piece := []byte(p)
		s.Feed(piece)
		for {
			data, ok := s.Next()
			if !ok {
				break
			}
			all = append(all, string(data))
		}
		for i := range piece { // a piece is the parser's no longer
			piece[i] = '!'
		}
	}
	if data, ok := s.End(); ok {
		all = append(all, string(data))
	}
	return all, s.Err()
}

// reference reads a whole stream as plainly as can be, without bounds.
func reference(in string) (all []string) {
	in = strings.TrimPrefix(in, "\ufeff")
	lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(in, "\r\n", "\n"), "\r", "\n"), "\n")
	var data []string
	for _, line := range append(lines[:len(lines)-1], "") {
		name, value, _ := strings.Cut(line, ":")
		switch {
		case line == "" && data != nil:
			all, data = append(all, strings.Join(data, "\n")), nil
		case name == "data":
			data = append(data, strings.TrimPrefix(value, " "))
		}
	}
	return all
}

func TestNext(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"data: a\n\ndata: b\n\n", []string{"a", "b"}},
		{"data: a\r\n\r\ndata:b\r\n\r\n", []string{"a", "b"}},
		{"data: a\r\rdata: b\r\r", []string{"a", "b"}},
		{": ping\n\ndata: a\n\n", []string{"a"}},
		{"event: x\nid: 3\nretry: 1\ndata: a\n\n", []string{"a"}},
		{"data: a\ndata: b\n\n", []string{"a\nb"}},
		{"data: a\r\ndata: b\r\n: c\r\ndata\r\n\r\n", []string{"a\nb\n"}},
		{"data\n\n", []string{""}},
		{"data:  two\n\n", []string{" two"}},
		{"\n\n\n", nil},
		{"\ufeffdata: a\n\n", []string{"a"}},
		{"\n\ufeffdata: a\n\n", nil}, // a mark only where the stream begins
		{"data: a\n", []string{"a"}}, // ended line, no blank one
		{"data: a\r", []string{"a"}},
		{"data: a", nil}, // nobody knows what was to come
		{"data: a\n\ndata: b", []string{"a"}},
		{"dataset: a\n\n", nil},
	} {
		if got := reference(c.in); !slices.Equal(got, c.want) {
			t.Errorf("reference of %q: %q, want %q", c.in, got, c.want)
		}
		for name, pieces := range map[string][]string{"whole": {c.in}, "bytes": strings.Split(c.in, "")} {
			got, err := events(pieces...)
			if !slices.Equal(got, c.want) || err != nil {
				t.Errorf("%q (%s): %q, %v; want %q", c.in, name, got, err, c.want)
			}
		}
	}
}

// Wherever a stream is cut in three, its events are the same.
func TestCuts(t *testing.T) {
	const in = "\ufeffdata: a\r\n: c\ndata: b\r\n\r\ndata\rid: 1\r\rdata:d\ndata: e\n\ndata: f\n"
	want := []string{"a\nb", "", "d\ne", "f"}
	for j := range in {
		for i := range j {
			if got, err := events(in[:i], in[i:j], in[j:]); !slices.Equal(got, want) || err != nil {
				t.Fatalf("%q, %q, %q: %q, %v; want %q", in[:i], in[i:j], in[j:], got, err, want)
			}
		}
	}
}

func TestBounds(t *testing.T) {
	long := func(n int) string { return "data: " + strings.Repeat("x", n-len("data: ")) + "\n\n" }
	halves := func(s string) []string { return []string{s[:len(s)/2], s[len(s)/2:]} }
	if got, err := events(halves(long(MaxEvent))...); len(got) != 1 || len(got[0]) != MaxEvent-len("data: ") || err != nil {
		t.Errorf("a line of MaxEvent bytes: %d events, %v", len(got), err)
	}
	for _, pieces := range [][]string{{long(MaxEvent + 1)}, halves(long(MaxEvent + 1)), {strings.Repeat("x", MaxEvent+1)}} {
		got, err := events(append([]string{"data: a\n\n"}, pieces...)...)
		if !errors.Is(err, ErrTooLong) || !slices.Equal(got, []string{"a"}) {
			t.Errorf("a line of MaxEvent+1 bytes: %d events, %v, want one and ErrTooLong", len(got), err)
		}
	}
	// Ten lines of 999,999 bytes and nine newlines are one byte less than the
	// bound and nine; an eleventh line of one byte and its newline pass it.
	many := strings.Repeat("data: "+strings.Repeat("x", 999_999)+"\n", 10)
	if got, err := events(many, "\n"); len(got) != 1 || len(got[0]) != MaxEvent-1 || err != nil {
		t.Errorf("an event of MaxEvent-1 bytes in many lines: %d events, %v", len(got), err)
	}
	if _, err := events(many, "data: x\n\n"); !errors.Is(err, ErrTooLong) {
		t.Errorf("an event of MaxEvent+1 bytes in many lines: %v, want ErrTooLong", err)
	}
}

func TestReset(t *testing.T) {
	var s Parser
	s.Feed([]byte("data: a\ndata: b\r"))
	if _, ok := s.Next(); ok {
		t.Fatal("an event without its end")
	}
	s.Reset()
	s.Feed([]byte("\n\ndata: c\n\n"))
	if data, ok := s.Next(); !ok || string(data) != "c" {
		t.Errorf("after Reset: %q, %v; want c", data, ok)
	}
}

// A field named error is data only where that is asked for.
func TestErrorIsData(t *testing.T) {
	for _, c := range []struct {
		on   bool
		in   string
		want string
	}{
		{true, "error: {}\n\n", "{}"}, {false, "error: {}\n\n", ""}, {true, "error:a\ndata: b\n\n", "a\nb"}, {true, "errors: a\n\n", ""},
	} {
		s := Parser{ErrorIsData: c.on}
		s.Reset()
		s.Feed([]byte(c.in))
		if got, ok := s.Next(); string(got) != c.want || ok != (c.want != "") {
			t.Errorf("%q, %v: %q, %v; want %q", c.in, c.on, got, ok, c.want)
		}
	}
}

// One large stream leaves no large memory behind.
func TestResetIsBounded(t *testing.T) {
	var s Parser
	long := strings.Repeat("x", 1<<20)
	for _, piece := range []string{"data: " + long, long + "\ndata: " + long, "\ndata: b"} {
		s.Feed([]byte(piece))
		if _, ok := s.Next(); ok {
			t.Fatal("an event without its end")
		}
	}
	if s.Reset(); cap(s.line) > 256<<10 || cap(s.kept) > 256<<10 {
		t.Errorf("%d and %d bytes are kept", cap(s.line), cap(s.kept))
	}
}

// However a stream is cut, its events are those that the plain reader sees.
func FuzzNext(f *testing.F) {
	f.Add([]byte("data: a\n\n: c\r\ndata: {\"x\":1}\r\n\r\ndata\n\n"), uint64(1))
	f.Add([]byte("\ufeffdata: a\r\rdata:b\ndata: c\n\r\n"), uint64(2))
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		want := reference(string(in))
		random := rand.New(rand.NewPCG(seed, 0))
		var pieces []string
		for rest := string(in); rest != ""; {
			n := 1 + random.IntN(min(len(rest), 1+random.IntN(40)))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		for _, p := range [][]string{{string(in)}, pieces, strings.Split(string(in), "")} {
			if got, err := events(p...); !slices.Equal(got, want) || err != nil {
				t.Fatalf("%q reads %q, %v; want %q", p, got, err, want)
			}
		}
	})
}

// A chunk as vLLM sends it.
const chunk = `data: {"id":"chatcmpl-0123456789abcdef0123456789abcdef","object":"chat.completion.chunk","created":1764000000,` +
	`"model":"vlm","choices":[{"index":0,"delta":{"content":" dog"},"logprobs":null,"finish_reason":null,"token_ids":null}]}` + "\n\n"

func BenchmarkNext(b *testing.B) {
	for name, cut := range map[string]int{"whole": len(chunk), "halves": len(chunk) / 2} {
		b.Run(name, func(b *testing.B) {
			pieces := [][]byte{[]byte(chunk[:cut]), []byte(chunk[cut:])}
			var s Parser
			b.ReportAllocs()
			b.SetBytes(int64(len(chunk)))
			for b.Loop() {
				n := 0
				for _, p := range pieces {
					s.Feed(p)
					for {
						if _, ok := s.Next(); !ok {
							break
						}
						n++
					}
				}
				if n != 1 {
					b.Fatal(n)
				}
			}
		})
	}
}

// A long line is moved once, when it becomes long, and no more.
func TestLongLinesStay(t *testing.T) {
	var s Parser
	piece := bytes.Repeat([]byte("x"), 50_000)
	s.Feed([]byte("data: "))
	s.Next()
	var at *byte
	moved := 0
	for n := 0; n < MaxEvent-100_000; n += len(piece) {
		s.Feed(piece)
		if _, ok := s.Next(); ok {
			t.Fatal("an event without an end")
		}
		if now := unsafe.SliceData(s.line); len(s.line) > keepMemory && now != at {
			at = now
			moved++
		}
	}
	if moved != 1 {
		t.Errorf("it was moved %d times, want once", moved)
	}
	s.Feed([]byte("\n\n"))
	if data, ok := s.Next(); !ok || len(data) < MaxEvent-100_000 {
		t.Errorf("its event has %d bytes, %v", len(data), ok)
	}
}
