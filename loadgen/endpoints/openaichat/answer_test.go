package openaichat

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/results"
)

// header is an answer's header with a content type, or none.
type header string

func (h header) Field(name string) []byte {
	if http.CanonicalHeaderKey(name) != "Content-Type" || h == "" {
		return nil
	}
	return []byte(h)
}

// read gives the answer whose body comes in pieces, the i-th at the moment i.
func read(r *reader, h header, pieces ...string) (a loadgen.Answer, gaps []time.Duration) {
	x := &loadgen.Exchange{Gap: func(d time.Duration) { gaps = append(gaps, d) }}
	x.Begin()
	r.Begin(&httpx.Request{}, h, x)
	complete := false
	for i, p := range pieces {
		if complete {
			break
		}
		piece := []byte(p)
		complete = r.Body(piece, results.Offset(i))
		for j := range piece { // it is not ours any more
			piece[j] = '!'
		}
	}
	if !complete {
		r.End(results.Offset(len(pieces)))
	}
	return x.Answer, gaps
}

func streamReader() *reader { return &reader{config: Config{Stream: true}} }

func begun() loadgen.Answer {
	var x loadgen.Exchange
	x.Begin()
	return x.Answer
}

// The first byte of content is the first delta that says something: neither
// the role, nor a null, nor the usage.
func TestFirstIsFirstContent(t *testing.T) {
	for _, delta := range []string{
		`{"content":"a"}`, `{"reasoning_content":"a"}`, `{"reasoning":"a"}`, `{"tool_calls":[{"index":0}]}`, `{"role":"assistant","content":"a"}`,
		`{"c\u006fntent":"a"}`,
	} {
		a, _ := read(streamReader(), "",
			`data: {"choices":[{"delta":{"role":"assistant","content":""}}]}`+"\n\n",
			`data: {"choices":[{"delta":{"content":null,"tool_calls":[]}}]}`+"\n\n", `data: {"choices":[],"usage":{"completion_tokens":1}}`+"\n\n", ": comment\n\n",
			`data: {"choices":[{"delta":`+delta, "}]}\n", "\n", "data: [DONE]\n\n")
		// The event is cut in three, and in with the last of them, the piece 6.
		if a.Chunks != 1 || a.First != 6 || a.Final != 6 || a.Outcome != 0 {
			t.Errorf("%s: %+v", delta, a)
		}
	}
}

func TestStreamAnswer(t *testing.T) {
	want := begun()
	want.Chunks, want.Text, want.PromptTokens, want.OutputTokens, want.CachedTokens = 2, "a dog", 20, 3, 16
	r := streamReader()
	for range 2 { // with fresh memory, and with used
		want.First, want.Final, want.LongestGap = 0, 0, 0
		if a, _ := read(r, "", goodStream); a != want {
			t.Errorf("got %+v, want %+v", a, want)
		}
		events := strings.SplitAfter(goodStream, "\n\n")
		a, gaps := read(r, "text/event-stream", events...)
		want.First, want.Final, want.LongestGap = 1, 3, 1 // 3: the reason to finish, the end token's
		if a != want || !reflect.DeepEqual(gaps, []time.Duration{1}) {
			t.Errorf("in pieces: got %+v, gaps %v; want %+v", a, gaps, want)
		}
	}
}

// Nothing is left of a stream that was cut off, wherever.
func TestCutOff(t *testing.T) {
	r := streamReader()
	want, _ := read(r, "", goodStream)
	whole := strings.Index(goodStream, `data: {"choices":[{"delta":{},"finish`)
	for i := range whole {
		if a, _ := read(r, "", goodStream[:i]); a.Outcome != results.Reset || a.Detail == "" {
			t.Fatalf("cut off after %d bytes: %+v", i, a)
		}
		if a, _ := read(r, "", goodStream); a != want {
			t.Fatalf("after a stream of %d bytes: %+v, want %+v", i, a, want)
		}
	}
}

// The answer is complete with [DONE], whatever follows.
func TestDoneCompletes(t *testing.T) {
	r := streamReader()
	x := &loadgen.Exchange{}
	x.Begin()
	r.Begin(&httpx.Request{}, header(""), x)
	if r.Body([]byte(strings.TrimSuffix(goodStream, "\n")), 1) {
		t.Error("complete before the last event's end")
	}
	if !r.Body([]byte("\ndata: {\n\n"), 2) || x.Answer.Outcome != 0 || x.Answer.Text != "a dog" {
		t.Errorf("not complete with [DONE]: %+v", x.Answer)
	}
}

func TestReasoningIsNotTakenTwice(t *testing.T) {
	event := `data: {"choices":[{"delta":{"reasoning":"hm","reasoning_content":"hm"}}]}` + "\n\n"
	if a, _ := read(streamReader(), "", event, event, "data: [DONE]\n\n"); a.Text != "hmhm" || a.Chunks != 2 {
		t.Errorf("got %+v, want the text once of each chunk", a)
	}
	if a, _ := read(streamReader(), "", event, `data: {"choices":[{"delta":{"content":"dog"}}]}`+"\n\ndata: [DONE]\n\n"); a.Text != "dog" {
		t.Errorf("got %q, want what was said rather than thought", a.Text)
	}
}

// The last word on tokens counts, and what is not told stays unknown.
func TestUsage(t *testing.T) {
	tell := func(usage string) string { return `data: {"choices":[],"usage":` + usage + "}\n\n" }
	for _, c := range []struct {
		events                 string
		prompt, output, cached int64
	}{
		{tell(`{"prompt_tokens":5,"completion_tokens":1}`) + tell(`{"prompt_tokens":5,"completion_tokens":2}`), 5, 2, -1},
		{tell(`{"prompt_tokens":5,"completion_tokens":3}`) + tell(`{"completion_tokens":2}`), 5, 2, -1},
		{tell(`{"prompt_tokens":5,"completion_tokens":1}`) + tell(`null`), 5, 1, -1},
		{tell(`{"prompt_tokens":5,"completion_tokens":1,"prompt_tokens_details":null}`), 5, 1, -1},
		{tell(`{"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":0}}`), -1, 1, 0},
		{tell(`{"completion_tokens":1,"prompt_tokens":-3}`), -1, 1, -1},
	} {
		// With usage null there is neither choice nor usage but the empty list.
		a, _ := read(streamReader(), "", c.events+"data: [DONE]\n\n")
		if a.Outcome != 0 || a.PromptTokens != c.prompt || a.OutputTokens != c.output || a.CachedTokens != c.cached {
			t.Errorf("%s: %+v; want %d, %d, %d tokens", c.events, a, c.prompt, c.output, c.cached)
		}
	}
}

func TestBodyAnswer(t *testing.T) {
	want := begun()
	want.Chunks, want.Text, want.PromptTokens, want.OutputTokens = 1, "a dog", 20, 3
	r := &reader{}
	for _, pieces := range [][]string{{goodBody}, strings.Split(goodBody, "")} {
		if a, _ := read(r, "", pieces...); a != want {
			t.Errorf("got %+v, want %+v", a, want)
		}
	}
}

func TestCheck(t *testing.T) {
	chunks := func(n int, usage string) string {
		return strings.Repeat(`data: {"choices":[{"delta":{"content":"a"}}]}`+"\n\n", n) + `data: {"choices":[],"usage":` + usage + "}\n\ndata: [DONE]\n\n"
	}
	for _, c := range []struct {
		check  Check
		stream bool
		body   string
		want   results.Outcome
		detail string
	}{
		{Check{MinTokens: 3}, true, chunks(1, `{"completion_tokens":3}`), 0, ""},
		{Check{MinTokens: 4}, true, chunks(5, `{"completion_tokens":3}`), results.WrongAnswer, "has 3 tokens, want at least 4"},
		{Check{MinTokens: 2}, true, chunks(2, "null"), 0, ""},
		{Check{MinTokens: 3}, true, chunks(2, "null"), results.WrongAnswer, "has 2 chunks and no count of tokens"},
		{Check{MinTokens: 1}, false, `{"choices":[{"message":{"content":"a"}}]}`, results.WrongAnswer, "tells no count"},
		{Check{Nonempty: true}, true, chunks(1, "null"), 0, ""},
		{Check{Nonempty: true}, true, chunks(0, `{"completion_tokens":3}`), results.WrongAnswer, "no text"},
		{Check{}, true, chunks(0, `{"completion_tokens":3}`), 0, ""},
		{Check{}, false, `{"choices":[{"message":{"content":"a"}}]}`, 0, ""},
	} {
		a, _ := read(&reader{config: Config{Stream: c.stream, Check: c.check}}, "", c.body)
		if a.Outcome != c.want || !strings.Contains(a.Detail, c.detail) {
			t.Errorf("%+v of %s: %v, %q; want %v, %q", c.check, c.body, a.Outcome, a.Detail, c.want, c.detail)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	t.Setenv("EVABENCH_TEST_NO_KEY", "")
	t.Setenv("EVABENCH_TEST_BAD_KEY", "a\nb")
	for name, c := range map[string]Config{
		"path":      {Path: "v1"},
		"bad path":  {Path: "/v 1"},
		"reserved":  {Path: "/v1", Extra: map[string]any{"stream": false}},
		"no JSON":   {Path: "/v1", Extra: map[string]any{"x": make(chan int)}},
		"no key":    {Path: "/v1", Key: trust.Key{APIKeyEnv: "EVABENCH_TEST_NO_KEY"}},
		"bad key":   {Path: "/v1", Key: trust.Key{APIKeyEnv: "EVABENCH_TEST_BAD_KEY"}},
		"bad check": {Path: "/v1", Check: Check{MinTokens: -1}},
		"packed":    {Path: "/v1", Stream: true, Transport: httpx.Transport{Gzip: true}},
	} {
		if _, err := New(c, nil); err == nil || strings.Contains(err.Error(), "a\nb") {
			t.Errorf("%s gives %v", name, err)
		}
	}
}

// A whole answer may be packed.
func TestGzipOfAWholeAnswer(t *testing.T) {
	if _, err := New(Config{Path: "/v1", Transport: httpx.Transport{Gzip: true}}, nil); err != nil {
		t.Error(err)
	}
}

// The key that is sent is not told where a server says it back.
func TestSecret(t *testing.T) {
	t.Setenv("EVABENCH_TEST_KEY", "sesame")
	d, err := New(Config{Path: "/v1", Key: trust.Key{APIKeyEnv: "EVABENCH_TEST_KEY"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.Dial("http://a:1")
	if err != nil {
		t.Fatal(err)
	}
	if got := e.(endpoint).Secret; got != "sesame" {
		t.Errorf("the client keeps %q for itself", got)
	}
}

// A request's body is JSON, the same each time, in one buffer that is not too
// large.
func TestPrepare(t *testing.T) {
	c := Default
	c.Extra = map[string]any{"z": 1.5, "a": map[string]any{"<b>": true}}
	d, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.Dial("http://a:1/base/")
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.Prepare(request)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"model":"vlm","max_tokens":8,"a":{"<b>":true},"z":1.5,"stream":true,"stream_options":{"include_usage":true},"messages":` + wantMessages + "}"
	got := p.(*httpx.Request)
	if string(got.Body) != want || got.Path != "/v1/chat/completions" || !got.Close || !got.Stream {
		t.Errorf("got %s %s, close %v, stream %v; want %s", got.Path, got.Body, got.Close, got.Stream, want)
	}
	if _, err := e.Prepare(&loadgen.Request{Model: "m"}); err == nil {
		t.Error("a request without messages was accepted")
	}
	image := make([]byte, 100_000)
	p, err = e.Prepare(&loadgen.Request{Model: "m", Messages: []loadgen.Message{{Role: "user", Images: [][]byte{image, image}}}})
	if err != nil {
		t.Fatal(err)
	}
	if body := p.(*httpx.Request).Body; !json.Valid(body) || cap(body)-len(body) > 4096 || cap(body) > 300_000 {
		t.Errorf("a body of %d bytes takes %d, valid %v", len(body), cap(body), json.Valid(body))
	}
}
