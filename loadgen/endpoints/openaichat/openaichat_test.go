package openaichat

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/endpointtest"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/results"
)

var request = &loadgen.Request{
	Class: "inspect", Model: "vlm", MaxTokens: 8,
	Messages: []loadgen.Message{
		{Role: "system", Text: "look"},
		{Role: "user", Text: "what <is> this?", Images: [][]byte{[]byte("\xff\xd8\xff")}},
	},
}

// The body that request must become, in its parts.
const wantMessages = `[{"role":"system","content":"look"},{"role":"user","content":[{"type":"text","text":"what <is> this?"},` +
	`{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,/9j/"}}]}]`

func isRequest(r *http.Request, stream bool) error {
	var body map[string]json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return err
	}
	want := map[string]string{"messages": wantMessages, "model": `"vlm"`, "max_tokens": "8", "cache_prompt": "false"}
	if stream {
		want["stream"], want["stream_options"] = "true", `{"include_usage":true}`
	}
	if len(body) != len(want) {
		return fmt.Errorf("%d fields, want %d", len(body), len(want))
	}
	for name, text := range want {
		if string(body[name]) != text {
			return fmt.Errorf("%s is %s, want %s", name, body[name], text)
		}
	}
	if r.URL.Path != "/v1/chat/completions" || r.Header.Get("Authorization") != "Bearer sesame" {
		return fmt.Errorf("path %s, authorization %q", r.URL.Path, r.Header.Get("Authorization"))
	}
	return nil
}

const goodStream = `data: {"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}

data: {"choices":[{"delta":{"content":"a "}}]}

data: {"choices":[{"delta":{"content":"dog"}}]}

data: {"choices":[{"delta":{},"finish_reason":"stop"}]}

data: {"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":16}}}

data: [DONE]

`

const goodBody = `{"choices":[{"message":{"role":"assistant","content":"a dog"},"finish_reason":"stop"}],` +
	`"usage":{"prompt_tokens":20,"completion_tokens":3}}`

var isJSON = http.Header{"Content-Type": {"application/json"}}

var refusals = map[string]endpointtest.Refusal{
	"queue full":         {Status: 503, Body: `{"error":{"message":"queue is full","type":"ServiceUnavailable","code":503}}`, Want: results.Shed},
	"admission":          {Status: 503, Body: `{"object":"error","message":"Admission limit reached","type":"x"}`, Want: results.Shed},
	"engine dead":        {Status: 503, Body: `{"error":{"message":"EngineDeadError","type":"InternalServerError","code":503}}`, Want: results.HTTP5xx},
	"context too long":   {Status: 400, Body: `{"error":{"message":"too long","type":"BadRequestError"}}`, Want: results.HTTP4xx},
	"200 with a fault":   {Status: 200, Body: `{"error":{"message":"broke"}}`, Want: results.HTTP5xx},
	"200 out of memory":  {Status: 200, Body: `{"error":{"message":"CUDA Out Of Memory"}}`, Want: results.OOM},
	"200, queue full":    {Status: 200, Body: `{"error":{"message":"queue is full","code":503}}`, Want: results.Shed},
	"200 without choice": {Status: 200, Body: `{"choices":[]}`, Want: results.WrongAnswer},
	"streamed anyway":    {Status: 200, Body: goodStream, Header: http.Header{"Content-Type": {"text/event-stream; charset=utf-8"}}, Want: results.OK, Otherwise: true},
	"a page with JSON":   {Status: 200, Body: goodBody, Header: http.Header{"Content-Type": {"Text/HTML;charset=utf-8"}}, Want: results.Malformed},
	"wrong types":        {Status: 200, Body: `{"choices":[{"message":{"content":5}}]}`, Want: results.Malformed},
	"200 says nothing":   {Status: 200, Body: `{"choices":[{"message":{"content":""},"finish_reason":"stop"}],"usage":{"completion_tokens":0}}`, Want: results.WrongAnswer},
}

// streamed puts the refusals that come with 200 into a stream of one event.
func streamed(all map[string]endpointtest.Refusal) map[string]endpointtest.Refusal {
	out := map[string]endpointtest.Refusal{
		// A stream that ends without a word was cut off.
		"200 without body":     {Status: 200, Body: ``, Want: results.Reset},
		"200 with a bare page": {Status: 200, Body: "<html>hello</html>\n", Header: http.Header{"Content-Type": nil}, Want: results.Reset},
		"whole, not streamed":  {Status: 200, Body: goodBody, Header: isJSON, Want: results.OK, Otherwise: true},
		"fault, not streamed":  {Status: 200, Body: `{"error":{"message":"broke"}}`, Header: isJSON, Want: results.HTTP5xx},
		"200 no JSON":          {Status: 200, Body: "data: hello\n\n", Want: results.Malformed},
		"200 other JSON":       {Status: 200, Body: "data: {}\n\n", Want: results.Malformed},
		"cut off":              {Status: 200, Body: `data: {"choices":[{"delta":{"content":"a"}}]}` + "\n\n", Want: results.Reset},
		"finished, not done":   {Status: 200, Body: `data: {"choices":[{"delta":{"content":"a"},"finish_reason":"length"}]}` + "\n\n", Want: results.OK},
		"done, not finished":   {Status: 200, Body: `data: {"choices":[{"delta":{"content":"a"}}]}` + "\n\ndata: [DONE]\n\n", Want: results.OK},
		"tokens without text":  {Status: 200, Body: `data: {"choices":[],"usage":{"completion_tokens":24}}` + "\n\ndata: [DONE]\n\n", Want: results.OK},
		"fault after tokens":   {Status: 200, Body: `data: {"choices":[{"delta":{"content":"a"}}]}` + "\n\n" + `data: {"error":"broke"}` + "\n\n", Want: results.HTTP5xx},
		"fault with choices":   {Status: 200, Body: `data: {"choices":[],"error":{"message":"broke"}}` + "\n\ndata: [DONE]\n\n", Want: results.HTTP5xx},
		"reasoning only":       {Status: 200, Body: `data: {"choices":[{"delta":{"reasoning_content":"hm"},"finish_reason":"stop"}]}` + "\n\n", Want: results.OK},
		"tool call only":       {Status: 200, Body: `data: {"choices":[{"delta":{"tool_calls":[{}]},"finish_reason":"tool_calls"}]}` + "\n\n", Want: results.OK},
		"role and nothing":     {Status: 200, Body: `data: {"choices":[{"delta":{"role":"assistant"},"finish_reason":"stop"}]}` + "\n\n", Want: results.WrongAnswer},
		"a line without bound": {Status: 200, Body: "data: " + strings.Repeat("x", 10_000_001) + "\n\n", Want: results.Malformed},
	}
	for name, r := range all {
		r.Otherwise = false
		if r.Status == 200 && r.Header == nil {
			r.Body = "data: " + r.Body + "\n\ndata: [DONE]\n\n"
		}
		out[name] = r
	}
	return out
}

func TestConformance(t *testing.T) {
	t.Setenv("EVABENCH_TEST_KEY", "sesame")
	for name, stream := range map[string]bool{"stream": true, "body": false} {
		config := Default
		config.Stream = stream
		config.Extra = map[string]any{"cache_prompt": false}
		config.APIKeyEnv = "EVABENCH_TEST_KEY"
		s := endpointtest.Subject{
			New: func(transport httpx.Transport, dial httpx.DialFunc) (loadgen.Dialer, error) {
				config := config
				config.Transport = transport
				return New(config, dial)
			},
			Request: request, Refusals: refusals, Whole: !stream, Told: toldAs(stream),
			Good: func(w http.ResponseWriter, r *http.Request) {
				if err := isRequest(r, stream); err != nil {
					http.Error(w, err.Error(), http.StatusBadRequest)
				} else if stream {
					_, _ = io.WriteString(w, goodStream)
				} else {
					_, _ = io.WriteString(w, goodBody)
				}
			},
		}
		if stream {
			s.Refusals = streamed(refusals)
		}
		t.Run(name, func(t *testing.T) { endpointtest.Run(t, s) })
	}
}
