package sim

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/sim/model"
)

// chatJSON is a request with one image.
func chatJSON(frame []byte, more string) string {
	return fmt.Sprintf(`{"model":"qwen3-vl-8b","messages":[{"role":"system","content":"You watch cameras."},
		{"role":"user","content":[{"type":"text","text":"What is to be seen?"},
		{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,%s"}}]}]%s}`, base64.StdEncoding.EncodeToString(frame), more)
}

const chatPath = "/v1/chat/completions"

// A chatAnswer is what of an answer or an event is looked at; Usage and the
// like are raw, to tell null from absent.
type chatAnswer struct {
	ID, Object, Model string
	Choices           []struct {
		Message, Delta *struct{ Role, Content string }
		Reason         *string `json:"finish_reason"`
	}
	Usage json.RawMessage
}

func parse(t *testing.T, text string) (a chatAnswer) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return a
}

// eventsOf are the events of a stream, without the last, [DONE].
func eventsOf(t *testing.T, body string) (list []chatAnswer) {
	t.Helper()
	parts := strings.Split(strings.TrimSuffix(body, "\n\n"), "\n\n")
	if parts[len(parts)-1] != "data: [DONE]" {
		t.Fatalf("the stream does not end with [DONE]: %s", body)
	}
	for _, e := range parts[:len(parts)-1] {
		data, ok := strings.CutPrefix(e, "data: ")
		if !ok {
			t.Fatalf("event %q", e)
		}
		list = append(list, parse(t, data))
	}
	return list
}

// virtualVLLM is an engine in virtual time whose steps take 10 ms, and whose
// frontend takes none.
func virtualVLLM(t *testing.T, scale float64, options vllmOptions, edit func(*model.EngineConfig)) *vllmServer {
	d := newScaledDriver(scale, newTimerAlarm())
	go d.run(t.Context())
	cfg := model.EngineConfig{
		MaxSeqs: 256, MaxTokens: 4096, KVBlocks: 1000, BlockTokens: 16, Base: 1, Parallel: 100, PrefixCache: true, ImageCache: 10,
	}
	edit(&cfg)
	v := &vllmServer{driver: d, name: "m", maxTokens: 4000, answer: 10, gone: make(chan struct{}), options: options, metrics: newVLLMMetrics(4000)}
	v.use(cfg, 0.9)
	d.do(func(w *model.World) {
		v.engine = model.NewEngine(w, model.NewHost(w, 64), w.AddDevice(testGPU), model.Client{Share: 1}, cfg)
	})
	return v
}

func unchanged(*model.EngineConfig) {}

// chat asks for n tokens about a text.
func (v *vllmServer) ask(text string, n int, more string) *httptest.ResponseRecorder {
	return call(v.handler(), "POST", chatPath, "application/json",
		fmt.Sprintf(`{"messages":[{"role":"user","content":%q}],"max_tokens":%d,"ignore_eos":true%s}`, text, n, more))
}

const labels = "{engine=0,model_name=m}"

func TestChatWhole(t *testing.T) {
	c, _ := start(t, Options{})
	i, err := c.launch(t.Context(), agentRequest("agent-0"))
	if err != nil {
		t.Fatal(err)
	}
	frame := jpegFrame(t, 100, 33, 1)
	resp, body := post(t, i.URL+chatPath, "application/json", []byte(chatJSON(frame, `,"max_tokens":3,"ignore_eos":true`)))
	a := parse(t, body)
	// Text: 18 characters are 5 tokens, 19 are 5; two turns are 8 more; the
	// image is 4 x 2 squares of 32 pixels, begun ones too.
	if want := `{"prompt_tokens":26,"total_tokens":29,"completion_tokens":3,"prompt_tokens_details":null}`; string(a.Usage) != want {
		t.Errorf("usage %s, want %s", a.Usage, want)
	}
	if resp.StatusCode != 200 || a.Object != "chat.completion" || len(a.Choices) != 1 || *a.Choices[0].Reason != "length" ||
		a.Choices[0].Message.Role != "assistant" || len(strings.Fields(a.Choices[0].Message.Content)) != 3 {
		t.Errorf("answer %s %s", resp.Status, body)
	}
	for path, want := range map[string]string{
		"/health": "", "/ping": "", "/version": vllmVersion, "/load": `{"server_load":0}`, "/v1/models": `"max_model_len":`,
		"/metrics": `vllm:request_success_total{engine="0",finished_reason="length",model_name="qwen3-vl-8b"} 1.0`,
	} {
		if got := fetch(t, i.URL+path); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: %s, want …%s…", path, got, want)
		}
	}
	if !strings.HasSuffix(vllmVersion, "-simulated") {
		t.Errorf("version %s does not say that it is simulated", vllmVersion)
	}
}

func TestChatRefusals(t *testing.T) {
	c, _ := start(t, Options{})
	r := agentRequest("agent-0")
	r.Params = map[string]string{"max_model_len": "100"}
	i, err := c.launch(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	text := func(model, content, more string) string {
		return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%s}]%s}`, model, content, more)
	}
	const m, ask = "qwen3-vl-8b", `"hi"`
	for _, test := range []struct {
		body   string
		status int
		kind   string
		want   string
	}{
		{`{`, 400, "Bad Request", ""},
		{text("gpt", ask, ""), 404, "NotFoundError", "`gpt` does not exist"},
		{`{"model":"qwen3-vl-8b","messages":[]}`, 400, "Bad Request", "at least one"},
		{text(m, ask, `,"stream_options":{"include_usage":true}`), 400, "Bad Request", "stream=True"},
		{text(m, ask, `,"max_tokens":0`), 400, "BadRequestError", "at least 1"},
		{text(m, ask, `,"max_tokens":3,"min_tokens":4`), 400, "BadRequestError", "min_tokens"},
		{text(m, ask, `,"n":2`), 400, "BadRequestError", "one choice"},
		// 4 + 1 tokens of prompt leave 95.
		{text(m, ask, `,"max_tokens":96`), 400, "BadRequestError", "maximum context length is 100"},
		{text(m, `"`+strings.Repeat("abcd", 96)+`"`, ""), 400, "BadRequestError", "maximum context length is 100"},
		{text(m, `[{"type":"video"}]`, ""), 400, "BadRequestError", "video"},
		{text(m, `[{"type":"image_url","image_url":{"url":"http://example.com/a.jpg"}}]`, ""), 400, "BadRequestError", "data:image/jpeg"},
		{text(m, `[{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,AAAA"}}]`, ""), 400, "BadRequestError", "identify image"},
		{text(m, `[{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,!"}}]`, ""), 400, "BadRequestError", "illegal base64"},
	} {
		resp, body := post(t, i.URL+chatPath, "application/json", []byte(test.body))
		var got struct {
			Error struct {
				Message, Type string
				Code          int
			}
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || resp.StatusCode != test.status || got.Error.Code != test.status ||
			got.Error.Type != test.kind || !strings.Contains(got.Error.Message, test.want) {
			t.Errorf("%.80s: %s %s, want %d %s …%s…", test.body, resp.Status, body, test.status, test.kind, test.want)
		}
	}
	if resp, body := post(t, i.URL+chatPath, "text/plain", []byte(text(m, ask, ""))); resp.StatusCode != 400 || !strings.Contains(body, "Unsupported Media Type") {
		t.Errorf("a text: %s %s", resp.Status, body)
	}
	if resp, body := post(t, i.URL+chatPath, "application/json", []byte(text(m, ask, `,"max_tokens":95,"ignore_eos":true`))); resp.StatusCode != 200 {
		t.Errorf("as many tokens as there is room for: %s %s", resp.Status, body)
	}
}

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

func (s *stamped) Flush() { s.flushed = append(s.flushed, time.Since(s.begin)) }

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

// The load is counted only when vLLM is told to, images that wait for the
// frontend with it.
func TestLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, track := range []bool{false, true} {
			v := virtualVLLM(t, 1, vllmOptions{trackLoad: track}, func(c *model.EngineConfig) { c.Frontend = time.Second })
			done := make(chan struct{})
			for range 3 {
				go func() {
					v.ask("hi", 2, "")
					done <- struct{}{}
				}()
			}
			synctest.Wait()
			want := map[bool]string{false: `{"server_load":0}`, true: `{"server_load":3}`}[track]
			if got := call(v.handler(), "GET", "/load", "", "").Body.String(); got != want {
				t.Errorf("tracking %v: %s, want %s", track, got, want)
			}
			// Clients wait, and neither gauge shows it: the frontend's backlog.
			checkPage(t, v.handler(), map[string]float64{"vllm:num_requests_running" + labels: 0, "vllm:num_requests_waiting" + labels: 0})
			for range 3 {
				<-done
			}
			if got := call(v.handler(), "GET", "/load", "", "").Body.String(); got != `{"server_load":0}` {
				t.Errorf("at rest: %s", got)
			}
			// Nor does the queue's histogram; that to the first token does.
			checkPage(t, v.handler(), map[string]float64{
				"vllm:request_queue_time_seconds_sum" + labels:  0,
				"vllm:time_to_first_token_seconds_sum" + labels: 1.01 + 2.01 + 3.01,
			})
		}
	})
}

func TestDisconnectAborts(t *testing.T) {
	c, _ := start(t, Options{})
	i, err := c.launch(t.Context(), agentRequest("agent-0"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body := chatJSON(jpegFrame(t, 32, 32, 1), `,"stream":true,"max_tokens":2000,"ignore_eos":true`)
	r, err := http.NewRequestWithContext(ctx, "POST", i.URL+chatPath, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	const running = `vllm:num_requests_running{engine="0",model_name="qwen3-vl-8b"} `
	if page := fetch(t, i.URL+"/metrics"); !strings.Contains(page, running+"1.0\n") {
		t.Errorf("while it runs: %s", page)
	}
	cancel()
	// Reading the page is the event that we wait on: the abort comes after the
	// server has seen the connection end.
	limit, cancelLimit := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancelLimit()
	for page := ""; !strings.Contains(page, running+"0.0\n"); page = fetch(t, i.URL+"/metrics") {
		if limit.Err() != nil {
			t.Fatal("never aborted")
		}
	}
}

// As in vLLM an aborted call's tokens are counted and nothing else of it, not
// even as finished_reason="abort".
func TestAbortedCallsAreNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtualVLLM(t, 1, vllmOptions{}, unchanged)
		for _, more := range []string{"", `,"stream":true`} {
			ctx, cancel := context.WithTimeout(t.Context(), 35*time.Millisecond)
			r := httptest.NewRequest("POST", chatPath, strings.NewReader(
				`{"messages":[{"role":"user","content":"hi"}],"max_tokens":100,"ignore_eos":true`+more+`}`)).WithContext(ctx)
			r.Header.Set("Content-Type", "application/json")
			v.handler().ServeHTTP(httptest.NewRecorder(), r)
			cancel()
		}
		checkPage(t, v.handler(), map[string]float64{
			"vllm:prompt_tokens_total" + labels: 10, "vllm:generation_tokens_total" + labels: 6,
			"vllm:request_success_total{engine=0,finished_reason=abort,model_name=m}": 0,
			"vllm:e2e_request_latency_seconds_count" + labels:                         0, "vllm:num_requests_running" + labels: 0, "vllm:kv_cache_usage_perc" + labels: 0,
			"vllm:time_to_first_token_seconds_count" + labels: 2,
		})
	})
}

// In virtual time, also when it runs faster than the clock: the page tells
// what two calls met in the server's time.
func TestVLLMPage(t *testing.T) {
	for _, scale := range []float64{1, 60} {
		synctest.Test(t, func(t *testing.T) {
			v := virtualVLLM(t, scale, vllmOptions{}, func(c *model.EngineConfig) { c.MaxSeqs = 1 })
			done := make(chan struct{})
			for _, text := range []string{"1234", "abcd"} {
				go func() {
					v.ask(text, 3, "")
					done <- struct{}{}
				}()
				synctest.Wait()
			}
			<-done
			checkPage(t, v.handler(), map[string]float64{"vllm:request_queue_time_seconds_count" + labels: 1})
			<-done
			// Each call takes 3 steps of 10 ms, one after the other; 5 prompt tokens.
			checkPage(t, v.handler(), map[string]float64{
				"vllm:num_requests_running" + labels: 0, "vllm:kv_cache_usage_perc" + labels: 0,
				"vllm:request_queue_time_seconds_sum" + labels: 0.03, "vllm:request_queue_time_seconds_count" + labels: 2,
				"vllm:request_queue_time_seconds_lowest" + labels:                                0.3,
				"vllm:time_to_first_token_seconds_sum" + labels:                                  0.01 + 0.04,
				"vllm:inter_token_latency_seconds_count" + labels:                                4,
				"vllm:inter_token_latency_seconds_sum" + labels:                                  0.04,
				"vllm:request_time_per_output_token_seconds_sum" + labels:                        0.02,
				"vllm:e2e_request_latency_seconds_sum" + labels:                                  0.03 + 0.06,
				"vllm:request_prefill_time_seconds_sum" + labels:                                 0.02,
				"vllm:request_decode_time_seconds_sum" + labels:                                  0.04,
				"vllm:request_inference_time_seconds_sum" + labels:                               0.06,
				"vllm:request_prompt_tokens_sum" + labels:                                        10,
				"vllm:request_generation_tokens_sum" + labels:                                    6,
				"vllm:request_params_max_tokens_sum" + labels:                                    6,
				"vllm:request_params_n_sum" + labels:                                             2,
				"vllm:iteration_tokens_total_sum" + labels:                                       16,
				"vllm:iteration_tokens_total_count" + labels:                                     6,
				"vllm:prompt_tokens_total" + labels:                                              10,
				"vllm:generation_tokens_total" + labels:                                          6,
				"vllm:num_preemptions_total" + labels:                                            0,
				"vllm:prompt_tokens_cached_total" + labels:                                       0,
				"vllm:prefix_cache_queries_total" + labels:                                       10,
				"vllm:request_success_total{engine=0,finished_reason=length,model_name=m}":       2,
				"vllm:prompt_tokens_by_source_total{engine=0,model_name=m,source=local_compute}": 10,
				"vllm:cache_config_info{block_size=16,cache_dtype=auto,enable_prefix_caching=True,engine=0,gpu_memory_utilization=0.9,num_gpu_blocks=1000}": 1,
			})
		})
	}
}

// The gauges are of the latest step: what comes during one is not there yet.
func TestVLLMGaugesAreOfTheLatestStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtualVLLM(t, 1, vllmOptions{}, func(c *model.EngineConfig) { c.MaxSeqs = 1 })
		for range 3 {
			go v.ask("hi", 5, "")
		}
		time.Sleep(5 * time.Millisecond) // virtual: within the first step
		checkPage(t, v.handler(), map[string]float64{"vllm:num_requests_running" + labels: 0, "vllm:num_requests_waiting" + labels: 0})
		time.Sleep(10 * time.Millisecond)
		checkPage(t, v.handler(), map[string]float64{"vllm:num_requests_running" + labels: 1})
		time.Sleep(10 * time.Millisecond)
		checkPage(t, v.handler(), map[string]float64{"vllm:num_requests_running" + labels: 1, "vllm:num_requests_waiting" + labels: 2})
		time.Sleep(time.Second)
	})
}

// The queue has no end: what is too much waits, and nothing is refused.
func TestVLLMQueueIsUnbounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtualVLLM(t, 1, vllmOptions{}, func(c *model.EngineConfig) { c.MaxSeqs = 1 })
		codes := make(chan int)
		for range 500 {
			go func() { codes <- v.ask("hi", 1, "").Code }()
		}
		time.Sleep(15 * time.Millisecond) // virtual
		for range 500 {
			if code := <-codes; code != 200 {
				t.Errorf("status %d", code)
			}
		}
		// The k-th of them waits (k-1) steps of 10 ms.
		checkPage(t, v.handler(), map[string]float64{"vllm:request_queue_time_seconds_sum" + labels: 0.01 * 499 * 500 / 2})
	})
}

// A prompt that begins as an earlier one costs less, by whole blocks, never
// all of it; it is told in the usage only when vLLM is told to.
func TestPrefixCache(t *testing.T) {
	for _, caching := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			v := virtualVLLM(t, 1, vllmOptions{tokenDetails: true}, func(c *model.EngineConfig) { c.PrefixCache = caching })
			long := strings.Repeat("word", 59) // 59 tokens and 4 of the turn: 3 whole blocks of 16
			first := v.ask(long, 1, "").Body.String()
			again := v.ask(long, 1, "").Body.String()
			stream := v.ask(long+" and more", 1, `,"stream":true,"stream_options":{"include_usage":true}`).Body.String()
			other := v.ask("other"+long, 1, "").Body.String()
			const cached = `"prompt_tokens_details":{"cached_tokens":48}`
			if strings.Contains(first, cached) || strings.Contains(other, cached) ||
				strings.Contains(again, cached) != caching || strings.Contains(stream, cached) != caching {
				t.Errorf("caching %v: first %s again %s longer %s other %s", caching, first, again, stream, other)
			}
			if caching {
				checkPage(t, v.handler(), map[string]float64{
					"vllm:prefix_cache_hits_total" + labels: 96, "vllm:prompt_tokens_cached_total" + labels: 96,
					"vllm:prompt_tokens_by_source_total{engine=0,model_name=m,source=local_cache_hit}": 96,
					"vllm:prompt_tokens_total" + labels:                                                63 + 63 + 66 + 65,
					"vllm:prefix_cache_queries_total" + labels:                                         63 + 63 + 66 + 65,
					"vllm:request_prefill_kv_computed_tokens_sum" + labels:                             63 + 15 + 18 + 65,
				})
			}
			v.options.tokenDetails = false
			if got := v.ask(long, 1, "").Body.String(); !strings.Contains(got, `"prompt_tokens_details":null`) {
				t.Errorf("without the flag: %s", got)
			}
		})
	}
}

// Blocks are told apart by text, role and image.
func TestPromptHash(t *testing.T) {
	image := func(n int) string {
		return "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(jpegFrame(t, 128, 128, n))
	}
	request := func(role, text, url string) chatRequest {
		r := chatRequest{Messages: []chatMessage{{Role: role, Content: chatContent{{Type: "text", Text: text}, {Type: "image_url"}}}}}
		r.Messages[0].Content[1].ImageURL.URL = url
		return r
	}
	base := request("user", strings.Repeat("abcd", 30), image(1))
	seen := make(map[uint64]string)
	for name, r := range map[string]chatRequest{
		"base": base, "role": request("system", strings.Repeat("abcd", 30), image(1)),
		"text":  request("user", strings.Repeat("abcd", 29)+"abce", image(1)),
		"image": request("user", strings.Repeat("abcd", 30), image(2)),
	} {
		p, fault := r.measure(1000, 16)
		// 4 of the turn, 30 of text, 16 of the image: 3 whole blocks.
		if fault != nil || p.tokens != 50 || p.imageTokens != 16 || len(p.prefix) != 3 || len(p.imageKeys) != 1 {
			t.Fatalf("%s: %+v, %v", name, p, fault)
		}
		if other, dup := seen[p.seed]; dup {
			t.Errorf("%s is %s", name, other)
		}
		seen[p.seed] = name
	}
	p, _ := base.measure(1000, 16)
	changed := request("user", strings.Repeat("abcd", 30), image(2))
	q, _ := changed.measure(1000, 16)
	// The image begins at token 34, in the third block.
	if p.prefix[0] != q.prefix[0] || p.prefix[1] != q.prefix[1] || p.prefix[2] == q.prefix[2] {
		t.Errorf("blocks %x, with another image %x", p.prefix, q.prefix)
	}
}

// An image that was seen costs the frontend nothing.
func TestImageCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtualVLLM(t, 1, vllmOptions{}, func(c *model.EngineConfig) { c.ImageFrontend = 100 * time.Millisecond })
		v.name = "qwen3-vl-8b"
		var took []time.Duration
		for _, n := range []int{1, 1, 2} {
			begin := time.Now()
			call(v.handler(), "POST", chatPath, "application/json", chatJSON(jpegFrame(t, 64, 64, n), `,"max_tokens":1`))
			took = append(took, time.Since(begin))
		}
		const ms = time.Millisecond
		if want := []time.Duration{110 * ms, 10 * ms, 110 * ms}; !slices.Equal(took, want) {
			t.Errorf("took %v, want %v", took, want)
		}
		const of = "{engine=0,model_name=qwen3-vl-8b}"
		checkPage(t, v.handler(), map[string]float64{"vllm:mm_cache_queries_total" + of: 3, "vllm:mm_cache_hits_total" + of: 1})
	})
}

// A full KV cache takes the latest call back; it comes again and ends.
func TestPreemptionIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtualVLLM(t, 1, vllmOptions{}, func(c *model.EngineConfig) { c.KVBlocks, c.PrefixCache = 8, false })
		codes := make(chan int)
		for range 2 { // of 5 + 100 tokens each, where 128 have room
			go func() { codes <- v.ask("hi", 100, "").Code }()
		}
		if a, b := <-codes, <-codes; a != 200 || b != 200 {
			t.Errorf("status %d and %d", a, b)
		}
		got := readPage(t, v.handler())
		if n := got["vllm:num_preemptions_total"+labels]; n < 1 {
			t.Errorf("%v preemptions", n)
		}
		// Tokens are counted once, and the queue's time is that before the first
		// step: one of them waited for the other's.
		checkPage(t, v.handler(), map[string]float64{
			"vllm:generation_tokens_total" + labels: 200, "vllm:prompt_tokens_total" + labels: 10,
			"vllm:request_queue_time_seconds_sum" + labels: 0.01,
		})
	})
}

func TestBuckets125(t *testing.T) {
	if got := buckets125(100); !slices.Equal(got, []float64{1, 2, 5, 10, 20, 50, 100}) {
		t.Errorf("up to 100: %v", got)
	}
}

// A call to an idle World finds it at the clock's time.
func TestCallsComeWhenTheyCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDriver()
		go d.run(t.Context())
		time.Sleep(7 * time.Millisecond) // virtual
		d.do(func(w *model.World) {
			if w.Now() != 7*time.Millisecond {
				t.Errorf("the World is at %v, want 7ms", w.Now())
			}
		})
	})
}

// The law behind the queue gauges: late timers do not slow the model. A driver
// whose goroutine is kept away for a second ends a call when it was due.
func TestLateTimerDoesNotSlowTheModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDriver()
		go d.run(t.Context())
		var ended []time.Duration
		d.do(func(w *model.World) {
			det := model.NewDetector(w, model.NewHost(w, 1), w.AddDevice(testGPU), model.Client{Share: 1}, model.DetectorConfig{
				Workers: 1, Queue: 9, Job: model.Job{Work: 1, Parallel: 100},
			})
			for range 3 {
				det.Submit(1, false, func(x model.Detection) { ended = append(ended, x.Done) })
			}
		})
		d.do(func(*model.World) { time.Sleep(time.Second) }) // virtual
		d.do(func(*model.World) {})
		want := []time.Duration{10 * time.Millisecond, 20 * time.Millisecond, 30 * time.Millisecond}
		if fmt.Sprint(ended) != fmt.Sprint(want) {
			t.Errorf("ended at %v, want %v", ended, want)
		}
	})
}
