package openaichat

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
)

func answerOf(read func(io.Reader, func(), *loadgen.Answer) error, body io.Reader, first func()) (loadgen.Answer, error) {
	a := loadgen.Answer{PromptTokens: results.UnknownTokens, OutputTokens: results.UnknownTokens, CachedTokens: results.UnknownTokens}
	err := read(body, first, &a)
	return a, err
}

// The first byte of content is the first delta that says something: neither
// the role, nor a null, nor the usage.
func TestFirstIsFirstContent(t *testing.T) {
	for _, delta := range []string{
		`{"content":"a"}`, `{"reasoning_content":"a"}`, `{"reasoning":"a"}`, `{"tool_calls":[{"index":0}]}`, `{"role":"assistant","content":"a"}`,
	} {
		r, w := io.Pipe()
		said := 0
		before := []string{
			`data: {"choices":[{"delta":{"role":"assistant","content":""}}]}` + "\n\n",
			`data: {"choices":[{"delta":{"content":null}}]}` + "\n\n", `data: {"choices":[],"usage":{"completion_tokens":1}}` + "\n\n", ": comment\n\n",
		}
		go func() {
			for _, text := range before {
				_, _ = io.WriteString(w, text)
			}
			// A pipe takes a write when the reader asks for more, so all before
			// the comment has been looked at by now.
			said = 1
			_, _ = io.WriteString(w, `data: {"choices":[{"delta":`+delta+"}]}\n\n")
			_, _ = io.WriteString(w, "data: [DONE]\n\n")
			w.Close()
		}()
		a, err := answerOf(readStream(true), r, func() {
			if said != 1 {
				t.Errorf("%s: first was called before it", delta)
			}
		})
		if err != nil || a.Chunks != 1 || a.Outcome != 0 {
			t.Errorf("%s: %+v, %v", delta, a, err)
		}
	}
}

func TestStreamAnswer(t *testing.T) {
	calls := 0
	a, err := answerOf(readStream(true), strings.NewReader(goodStream), func() { calls++ })
	want := loadgen.Answer{Chunks: 2, Text: "a dog", PromptTokens: 20, OutputTokens: 3, CachedTokens: 16}
	if err != nil || a != want || calls != 1 {
		t.Errorf("got %+v, %v, first %d times; want %+v", a, err, calls, want)
	}
}

// After [DONE] nothing is read unless the connection is to be used again.
func TestNothingIsReadAfterDone(t *testing.T) {
	for _, keep := range []bool{true, false} {
		rest := &counting{}
		a, err := answerOf(readStream(keep), io.MultiReader(strings.NewReader(goodStream), rest), func() {})
		if err != nil || a.Text != "a dog" || (rest.reads > 0) != keep {
			t.Errorf("kept %v: %d reads after [DONE], %+v, %v", keep, rest.reads, a, err)
		}
	}
}

// counting is an empty body that counts how often it is asked.
type counting struct{ reads int }

func (c *counting) Read([]byte) (int, error) { c.reads++; return 0, io.EOF }

func TestBodyAnswer(t *testing.T) {
	a, err := answerOf(readBody, strings.NewReader(goodBody), func() { t.Error("an answer that does not stream has no first token") })
	want := loadgen.Answer{Chunks: 1, Text: "a dog", PromptTokens: 20, OutputTokens: 3, CachedTokens: results.UnknownTokens}
	if err != nil || a != want {
		t.Errorf("got %+v, %v; want %+v", a, err, want)
	}
}

func TestConfigRefuses(t *testing.T) {
	t.Setenv("EVABENCH_TEST_NO_KEY", "")
	for name, c := range map[string]Config{
		"path":     {Path: "v1"},
		"reserved": {Path: "/v1", Extra: map[string]any{"stream": false}},
		"no JSON":  {Path: "/v1", Extra: map[string]any{"x": make(chan int)}},
		"no key":   {Path: "/v1", APIKeyEnv: "EVABENCH_TEST_NO_KEY"},
	} {
		if _, err := New(c, nil); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// Two endpoints of one dialer share requests; those of another do not.
func TestAim(t *testing.T) {
	var ends []loadgen.Endpoint
	for range 2 {
		d, err := New(Default, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range []string{"http://a:1", "http://b:1/base/"} {
			e, err := d.Dial(u)
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, e)
		}
	}
	p, err := ends[0].Prepare(request)
	if err != nil {
		t.Fatal(err)
	}
	moved, ok := p.(loadgen.Aimer).Aim(ends[1])
	if !ok || moved.(prepared).call.URL.String() != "http://b:1/base/v1/chat/completions" || p.(prepared).call.URL.Host != "a:1" {
		t.Errorf("aimed %v: %+v", ok, moved)
	}
	if _, ok := p.(loadgen.Aimer).Aim(ends[2]); ok {
		t.Error("aimed at an endpoint of other arguments")
	}
}

// Whatever a server sends, the answer is one of few, and the counts hold.
func fuzzRead(f *testing.F, streams bool, read func(io.Reader, func(), *loadgen.Answer) error, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		calls := 0
		a, err := answerOf(read, strings.NewReader(string(in)), func() { calls++ })
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("a reader without faults gave %v", err)
		}
		switch a.Outcome {
		case 0, results.HTTP5xx, results.OOM, results.Malformed, results.WrongAnswer:
		default:
			t.Fatalf("outcome %v", a.Outcome)
		}
		if (a.Outcome == 0) != (a.Detail == "") || calls > 1 || (streams && a.Chunks > 0) != (calls == 1) || a.OutputTokens < results.UnknownTokens {
			t.Fatalf("first called %d times, %+v", calls, a)
		}
	})
}

func FuzzStream(f *testing.F) {
	seeds := []string{goodStream}
	for _, r := range streamed(refusals) {
		if len(r.Body) < 1000 {
			seeds = append(seeds, r.Body)
		}
	}
	fuzzRead(f, true, readStream(true), seeds...)
}

func FuzzBody(f *testing.F) {
	seeds := []string{goodBody}
	for _, r := range refusals {
		seeds = append(seeds, r.Body)
	}
	fuzzRead(f, false, readBody, seeds...)
}
