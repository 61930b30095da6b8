package sim

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/expfmt"
	prom "github.com/prometheus/common/model"

	"github.com/evabench/evabench/sim/model"
)

// chatJSON is a request with one image.
func chatJSON(frame []byte, more string) string {
	return fmt.Sprintf(`{"model":"qwen3-vl-8b","messages":[{"role":"system","content":"You watch cameras."},
		{"role":"user","content":[{"type":"text","text":"What is to be seen?"},
		{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,%s"}}]}]%s}`, base64.StdEncoding.EncodeToString(frame), more)
}

func TestChatWhole(t *testing.T) {
	c, _ := start(t, Options{})
	i, err := c.launch(t.Context(), agentRequest("agent-0"))
	if err != nil {
		t.Fatal(err)
	}
	frame := jpegFrame(t, 100, 33, 1)
	resp, body := post(t, i.URL+"/v1/chat/completions", "application/json", []byte(chatJSON(frame, `,"max_tokens":3,"ignore_eos":true`)))
	var answer struct {
		Object  string
		Choices []struct {
			Message struct{ Role, Content string }
			Reason  string `json:"finish_reason"`
		}
		Usage usage
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %v: %s", resp.Status, err, body)
	}
	// Text: 18 characters are 5 tokens, 19 are 5; two turns are 8 more; the
	// image is 4 x 2 squares of 32 pixels, begun ones too.
	if want := (usage{5 + 5 + 8 + 8, 3, 29}); answer.Usage != want {
		t.Errorf("usage %+v, want %+v", answer.Usage, want)
	}
	if len(answer.Choices) != 1 || answer.Choices[0].Reason != "length" || len(strings.Fields(answer.Choices[0].Message.Content)) != 3 {
		t.Errorf("answer %s", body)
	}
	for path, want := range map[string]string{
		"/health": "", "/version": "-simulated", "/load": `{"server_load":0}`, "/v1/models": `"max_model_len":32768`,
		"/metrics": `vllm:request_success_total{engine="0",model_name="qwen3-vl-8b",finished_reason="length"} 1`,
	} {
		if got := fetch(t, i.URL+path); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want …%s…", path, got, want)
		}
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
	const m = "qwen3-vl-8b"
	for _, test := range []struct {
		body   string
		status int
		want   string
	}{
		{`{`, 400, "BadRequestError"},
		{text("gpt", `"hi"`, ""), 404, `"type":"NotFoundError"`},
		{`{"model":"qwen3-vl-8b","messages":[]}`, 400, "at least one"},
		{text(m, `"hi"`, `,"max_tokens":0`), 400, "at least 1"},
		// 4 + 1 tokens of prompt leave 95.
		{text(m, `"hi"`, `,"max_tokens":96`), 400, "maximum context length is 100"},
		{text(m, `[{"type":"video"}]`, ""), 400, "video"},
		{text(m, `[{"type":"image_url","image_url":{"url":"http://example.com/a.jpg"}}]`, ""), 400, "data:image/jpeg"},
		{text(m, `[{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,AAAA"}}]`, ""), 400, "identify image"},
	} {
		resp, body := post(t, i.URL+"/v1/chat/completions", "application/json", []byte(test.body))
		if resp.StatusCode != test.status || !strings.Contains(body, test.want) {
			t.Errorf("%.80s: %s %s, want %d …%s…", test.body, resp.Status, body, test.status, test.want)
		}
	}
}

func TestChatStream(t *testing.T) {
	c, _ := start(t, Options{})
	i, err := c.launch(t.Context(), agentRequest("agent-0"))
	if err != nil {
		t.Fatal(err)
	}
	for _, withUsage := range []bool{true, false} {
		more := `,"stream":true,"max_completion_tokens":4,"ignore_eos":true`
		if withUsage {
			more += `,"stream_options":{"include_usage":true}`
		}
		resp, body := post(t, i.URL+"/v1/chat/completions", "application/json", []byte(chatJSON(jpegFrame(t, 32, 32, 1), more)))
		if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
			t.Errorf("content type %q", resp.Header.Get("Content-Type"))
		}
		events := strings.Split(strings.TrimSuffix(body, "\n\n"), "\n\n")
		// The role, four words, the usage if asked for, and the end.
		want := 6
		if withUsage {
			want = 7
		}
		if len(events) != want || events[want-1] != "data: [DONE]" {
			t.Fatalf("%d events, want %d: %s", len(events), want, body)
		}
		if !strings.Contains(events[0], `"delta":{"role":"assistant","content":""}`) || !strings.Contains(events[4], `"finish_reason":"length"`) {
			t.Errorf("first %s, last %s", events[0], events[4])
		}
		if got := strings.Count(body, `"usage":null`); withUsage != (got == 5) || !withUsage && got != 0 {
			t.Errorf("with usage %v: %d events with null usage", withUsage, got)
		}
		if withUsage && !(strings.Contains(events[5], `"choices":[]`) && strings.Contains(events[5], `"completion_tokens":4`)) {
			t.Errorf("usage event %s", events[5])
		}
	}
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
	r, err := http.NewRequestWithContext(ctx, "POST", i.URL+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if page := fetch(t, i.URL+"/metrics"); !strings.Contains(page, `vllm:num_requests_running{engine="0",model_name="qwen3-vl-8b"} 1`+"\n") {
		t.Errorf("while it runs: %s", page)
	}
	cancel()
	// Reading the page is the event that we wait on: the abort comes after the
	// server has seen the connection end.
	limit, cancelLimit := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancelLimit()
	for page := ""; !strings.Contains(page, `finished_reason="abort"} 1`); page = fetch(t, i.URL+"/metrics") {
		if limit.Err() != nil {
			t.Fatal("never aborted")
		}
	}
	if page := fetch(t, i.URL+"/metrics"); !strings.Contains(page, `vllm:num_requests_running{engine="0",model_name="qwen3-vl-8b"} 0`+"\n") {
		t.Errorf("after the abort: %s", page)
	}
}

// In virtual time: the page tells what two calls met, and every series of it is
// one that Prometheus' own reader takes.
func TestVLLMPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDriver()
		go d.run(t.Context())
		v := &vllmServer{driver: d, name: "m", maxTokens: 1000, answer: 10, gone: make(chan struct{}), metrics: newVLLMMetrics()}
		d.do(func(w *model.World) {
			v.engine = model.NewEngine(w, w.AddDevice(turns(100)), model.Client{Share: 1}, model.EngineConfig{
				MaxSeqs: 1, MaxTokens: 100, KVTokens: 1000, Base: 1, Parallel: 100, // a step is 10 ms
			})
		})
		done := make(chan struct{})
		for range 2 {
			go func() {
				body := `{"model":"m","max_tokens":3,"ignore_eos":true,"messages":[{"role":"user","content":"1234"}]}`
				v.handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(body)))
				done <- struct{}{}
			}()
		}
		synctest.Wait()
		read := func() map[string]float64 {
			w := httptest.NewRecorder()
			v.handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
			parser := expfmt.NewTextParser(prom.LegacyValidation)
			families, err := parser.TextToMetricFamilies(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			values := make(map[string]float64)
			for name, f := range families {
				for _, m := range f.Metric {
					switch {
					case m.Histogram != nil:
						values[name+"_sum"] += m.Histogram.GetSampleSum()
						values[name+"_count"] += float64(m.Histogram.GetSampleCount())
					case m.Counter != nil:
						values[name] += m.Counter.GetValue()
					default:
						values[name] += m.Gauge.GetValue()
					}
				}
			}
			return values
		}
		if got := read(); got["vllm:num_requests_running"] != 1 || got["vllm:num_requests_waiting"] != 1 {
			t.Errorf("while one waits: %v", got)
		}
		<-done
		<-done
		got := read()
		// Each call takes 3 steps of 10 ms, one after the other; 5 prompt tokens.
		for name, want := range map[string]float64{
			"vllm:num_requests_running": 0, "vllm:kv_cache_usage_perc": 0,
			"vllm:request_queue_time_seconds_sum": 0.03, "vllm:request_queue_time_seconds_count": 2,
			"vllm:time_to_first_token_seconds_sum": 0.01 + 0.04, "vllm:inter_token_latency_seconds_count": 4,
			"vllm:inter_token_latency_seconds_sum": 0.04, "vllm:e2e_request_latency_seconds_sum": 0.03 + 0.06,
			"vllm:request_success_total": 2, "vllm:prompt_tokens_total": 10, "vllm:generation_tokens_total": 6,
		} {
			if v, ok := got[name]; !ok || v < want-1e-9 || v > want+1e-9 {
				t.Errorf("%s is %v (%v), want %v", name, v, ok, want)
			}
		}
	})
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
			det := model.NewDetector(w, w.AddDevice(turns(100)), model.Client{Share: 1}, model.DetectorConfig{
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
