package openaichat

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
)

// Whatever a server sends, however it is cut, the answer is one of few, the same
// for every cut, and the counts hold.
func fuzzRead(f *testing.F, config Config, seeds ...string) {
	for i, s := range seeds {
		f.Add([]byte(s), uint64(i))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		var pieces []string
		for rest := string(in); rest != ""; {
			n := 1 + random.IntN(min(len(rest), 1+random.IntN(100)))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		r := &reader{config: config}
		want, _ := read(r, "", string(in))
		for _, p := range [][]string{pieces, strings.Split(string(in), "")} {
			got, _ := read(r, "", p...)
			if (got.First == results.NoOffset) != (want.First == results.NoOffset) || got.Final < got.First {
				t.Fatalf("%q: first %d, final %d; as a whole %d", p, got.First, got.Final, want.First)
			}
			got.First, got.Final, got.LongestGap = want.First, want.Final, want.LongestGap
			if got != want {
				t.Fatalf("%q: %+v; as a whole %+v", p, got, want)
			}
		}
		switch want.Outcome {
		case 0, results.HTTP4xx, results.HTTP5xx, results.OOM, results.Shed, results.Malformed, results.WrongAnswer:
		case results.Reset:
			if !config.Stream {
				t.Fatalf("%q: a whole answer that was cut off", in)
			}
		default:
			t.Fatalf("outcome %v", want.Outcome)
		}
		if (want.Outcome == 0) != (want.Detail == "") || config.Stream != (want.First != results.NoOffset) && want.Chunks > 0 || want.OutputTokens < results.UnknownTokens {
			t.Fatalf("%q: %+v", in, want)
		}
		for _, told := range []time.Duration{want.ServerQueue, want.ServerWork} {
			if told < results.Untold || told > loadgen.MaxServerTime || want.ServerRefused && told != results.Untold {
				t.Fatalf("%q: the server told %v; %+v", in, told, want)
			}
		}
	})
}

func FuzzChatStream(f *testing.F) {
	seeds := []string{goodStream}
	for _, r := range streamed(refusals) {
		if len(r.Body) < 1000 {
			seeds = append(seeds, r.Body)
		}
	}
	for _, told := range toldAs(true) {
		seeds = append(seeds, told.Body)
	}
	fuzzRead(f, Config{Stream: true}, seeds...)
}

func FuzzChatBody(f *testing.F) {
	seeds := []string{goodBody}
	for _, r := range refusals {
		seeds = append(seeds, r.Body)
	}
	for _, told := range toldAs(false) {
		seeds = append(seeds, told.Body)
	}
	fuzzRead(f, Config{}, append(seeds, `{"object":"error"}`, `{"error":""}`, `{"error":{"message":""}}`)...)
}

// What is read of a chunk is what encoding/json reads of it, faults and all.
func FuzzChunk(f *testing.F) {
	for _, s := range []string{
		`{"choices":[{"delta":{"content":"a","reasoning":"b","tool_calls":[1]},"finish_reason":"stop"},null],"usage":{"completion_tokens":3}}`,
		`{"choices":null}`, `{"choices":[{"message":{"content":"\u00e9"}}],"usage":null}`, `{"usage":{"prompt_tokens":1.5}}`, `[]`, `null`,
		`{"choices":[],"metrics":{"queue_time_ms":-1,"time_to_first_token_ms":"x"}}`, `{"choices":[],"timings":{"prompt_ms":[1],"predicted_ms":{}}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := &reader{}
		c, ok := r.read(in)
		var plain any
		if err := json.Unmarshal(in, &plain); err != nil && !strings.Contains(err.Error(), "range") {
			if ok {
				t.Fatalf("%q was read: %+v", in, c)
			}
			return
		}
		want, text, clear := plainly(plain, strings.ToLower(string(in)))
		if !clear {
			return
		}
		if ok != (want != nil) || ok && (c.choices != want.choices || c.usage != want.usage || c.finished != want.finished || c.output != want.output || string(r.text) != text) {
			t.Fatalf("%q: read %+v, %q, %v; want %+v, %q", in, c, r.text, ok, want, text)
		}
	})
}

// plainly reads a chunk off a document in memory, whose text in lower case is
// given too; nil if it is none. It is not clear for documents with a name twice,
// with names that it does not look at, or with numbers that it cannot hold.
func plainly(plain any, text string) (c *chunk, said string, clear bool) {
	for _, name := range []string{"choices", "usage", "delta", "message", "content", "finish_reason", "completion_tokens"} {
		if strings.Count(text, name) > 1 {
			return nil, "", false
		}
	}
	for _, other := range []string{`\u`, "tool_calls", "reasoning", "prompt_tokens"} {
		if strings.Contains(text, other) {
			return nil, "", false
		}
	}
	c = &chunk{output: results.UnknownTokens}
	bad := false
	object := func(v any) map[string]any {
		m, ok := v.(map[string]any)
		bad = bad || !ok && v != nil
		return m
	}
	whole, ok := plain.(map[string]any)
	if !ok {
		return nil, "", true
	}
	choices, ok := whole["choices"].([]any)
	c.choices = ok
	bad = bad || !ok && whole["choices"] != nil
	for _, choice := range choices {
		m := object(choice)
		reason, ok := m["finish_reason"].(string)
		bad = bad || !ok && m["finish_reason"] != nil
		c.finished = c.finished || reason != ""
		for _, name := range []string{"delta", "message"} {
			content := object(m[name])["content"]
			words, ok := content.(string)
			bad = bad || !ok && content != nil
			said += words
		}
	}
	usage := object(whole["usage"])
	c.usage = usage != nil
	switch n := usage["completion_tokens"].(type) {
	case nil:
	case float64:
		if n != float64(int64(n)) || strings.ContainsAny(text, ".e") || n >= 1<<53 {
			return nil, "", false
		}
		if n >= 0 {
			c.output = int64(n)
		}
	default:
		bad = true
	}
	if bad {
		return nil, "", true
	}
	return c, said, true
}
