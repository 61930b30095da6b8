package sim

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestChatStream(t *testing.T) {
	c, _ := start(t, Options{})
	i, err := c.launch(t.Context(), agentRequest("agent-0"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		options  string
		ordinary string // usage of the second word's event, "" if absent
		last     bool
	}{
		{"", "", false},
		{`,"stream_options":{"include_usage":false,"continuous_usage_stats":true}`, "", false},
		{`,"stream_options":{"include_usage":true}`, "", true},
		{`,"stream_options":{"include_usage":true,"continuous_usage_stats":true}`, `{"prompt_tokens":19,"total_tokens":21,"completion_tokens":2}`, true},
	} {
		more := `,"stream":true,"max_completion_tokens":4,"ignore_eos":true,"max_tokens":1` + test.options
		resp, body := post(t, i.URL+chatPath, "application/json", []byte(chatJSON(jpegFrame(t, 32, 32, 1), more)))
		if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
			t.Errorf("content type %q", resp.Header.Get("Content-Type"))
		}
		// The role, four words, and the usage if asked for.
		list := eventsOf(t, body)
		want := 5
		if test.last {
			want = 6
			last := list[len(list)-1]
			if len(last.Choices) != 0 || string(last.Usage) != `{"prompt_tokens":19,"total_tokens":23,"completion_tokens":4}` {
				t.Errorf("%s: last event %+v %s", test.options, last, last.Usage)
			}
		}
		if len(list) != want {
			t.Fatalf("%s: %d events, want %d: %s", test.options, len(list), want, body)
		}
		if d := list[0].Choices[0].Delta; d.Role != "assistant" || d.Content != "" {
			t.Errorf("%s: first %+v", test.options, d)
		}
		if string(list[2].Usage) != test.ordinary {
			t.Errorf("%s: usage of an ordinary event %q, want %q", test.options, list[2].Usage, test.ordinary)
		}
		for k, e := range list[:5] {
			if reason := e.Choices[0].Reason; (reason != nil) != (k == 4) || reason != nil && *reason != "length" {
				t.Errorf("%s: event %d ends with %v", test.options, k, reason)
			}
		}
	}
}

// The answer of a stream is that of no stream.
func TestStreamSaysTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtualVLLM(t, 1, vllmOptions{}, unchanged)
		whole := parse(t, v.ask("hello", 12, "").Body.String()).Choices[0].Message.Content
		var pieces strings.Builder
		for _, e := range eventsOf(t, v.ask("hello", 12, `,"stream":true`).Body.String()) {
			pieces.WriteString(e.Choices[0].Delta.Content)
		}
		if pieces.String() != whole || len(strings.Fields(whole)) != 12 {
			t.Errorf("streamed %q, whole %q", pieces.String(), whole)
		}
	})
}

// An answer that ends by itself has a token without text.
func TestEndOfSequenceCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtualVLLM(t, 1, vllmOptions{}, unchanged)
		ask := func(more string) (words, tokens int, reason string) {
			a := parse(t, call(v.handler(), "POST", chatPath, "application/json",
				`{"messages":[{"role":"user","content":"hi"}]`+more+`}`).Body.String())
			var u struct {
				Tokens int `json:"completion_tokens"`
			}
			if err := json.Unmarshal(a.Usage, &u); err != nil {
				t.Fatal(err)
			}
			return len(strings.Fields(a.Choices[0].Message.Content)), u.Tokens, *a.Choices[0].Reason
		}
		words, tokens, reason := ask("")
		if reason != "stop" || tokens < 2 || words != tokens-1 {
			t.Errorf("%d words of %d tokens, %s", words, tokens, reason)
		}
		if words, tokens, reason := ask(fmt.Sprintf(`,"max_tokens":%d`, tokens-1)); reason != "length" || words != tokens {
			t.Errorf("cut: %d words of %d tokens, %s", words, tokens, reason)
		}
		if _, tokens, reason := ask(`,"min_tokens":200`); reason != "stop" || tokens != 200 {
			t.Errorf("min_tokens: %d tokens, %s", tokens, reason)
		}
	})
}

// The headers come at once, the role with the first token.
func TestStreamHeadersBeforeTheFirstToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtualVLLM(t, 1, vllmOptions{}, unchanged)
		begin := time.Now()
		w := &stamped{ResponseRecorder: httptest.NewRecorder(), begin: begin}
		body := `{"messages":[{"role":"user","content":"hi"}],"max_tokens":3,"ignore_eos":true,"stream":true}`
		r := httptest.NewRequest("POST", chatPath, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		v.handler().ServeHTTP(w, r)
		const ms = time.Millisecond
		if want := []time.Duration{0, 10 * ms, 20 * ms, 30 * ms}; !slices.Equal(w.flushed, want) {
			t.Errorf("flushed at %v, want %v", w.flushed, want)
		}
	})
}

type stamped struct {
	*httptest.ResponseRecorder
	begin   time.Time
	flushed []time.Duration
}

// Tokens that are ready together are written together, each its own event.
func TestLateReaderGetsAllEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtualVLLM(t, 1, vllmOptions{}, unchanged)
		w := &slow{ResponseRecorder: httptest.NewRecorder()}
		body := `{"messages":[{"role":"user","content":"hi"}],"max_tokens":50,"ignore_eos":true,"stream":true}`
		r := httptest.NewRequest("POST", chatPath, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		v.handler().ServeHTTP(w, r)
		if n := len(eventsOf(t, w.Body.String())); n != 51 || w.writes > 10 {
			t.Errorf("%d events in %d writes, want 51 in fewer than 10", n, w.writes)
		}
	})
}

// A slow response takes 100 ms for each write, that is 10 tokens.
type slow struct {
	*httptest.ResponseRecorder
	writes int
}

func (s *slow) Write(b []byte) (int, error) {
	s.writes++
	time.Sleep(100 * time.Millisecond) // virtual
	return s.ResponseRecorder.Write(b)
}

func (s *stamped) Flush() { s.flushed = append(s.flushed, time.Since(s.begin)) }

func TestRequestID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, echo := range []bool{false, true} {
			v := virtualVLLM(t, 1, vllmOptions{idHeaders: echo}, unchanged)
			r := httptest.NewRequest("POST", chatPath, strings.NewReader(`{"messages":[{"role":"user","content":"hi"}],"max_tokens":1}`))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Request-Id", `my "id"`)
			w := httptest.NewRecorder()
			v.handler().ServeHTTP(w, r)
			if got := parse(t, w.Body.String()).ID; got != `chatcmpl-my "id"` {
				t.Errorf("id %q", got)
			}
			if got := w.Header().Get("X-Request-Id"); (got == `my "id"`) != echo || !echo && got != "" {
				t.Errorf("with --enable-request-id-headers %v: header %q", echo, got)
			}
		}
	})
}
