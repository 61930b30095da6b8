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
	// server has seen the connection end. Else it would run to its length.
	page := ""
	for !strings.Contains(page, running+"0.0\n") {
		page = fetch(t, i.URL+"/metrics")
	}
	if !strings.Contains(page, `vllm:request_success_total{engine="0",finished_reason="length",model_name="qwen3-vl-8b"} 0.0`+"\n") {
		t.Errorf("it was not aborted: %s", page)
	}
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
