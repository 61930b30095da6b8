package sim

import (
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/endpoints/openaichat"
	"github.com/evabench/evabench/loadgen/endpoints/torchserve"
	"github.com/evabench/evabench/results"
)

// The simulated servers tell no more than the real ones: TorchServe 0.12 tells no times of
// a request, and vLLM 0.17.1 does not know --enable-per-request-metrics yet
// (vllm-project/vllm#46768).
func TestNoTimesOfRequestsAreTold(t *testing.T) {
	c, _ := start(t, Options{})
	vision, err := c.launch(t.Context(), visionRequest("vision-0", 1))
	if err != nil {
		t.Fatal(err)
	}
	agent, err := c.launch(t.Context(), agentRequest("agent-0"))
	if err != nil {
		t.Fatal(err)
	}
	whole := openaichat.Default
	whole.Stream = false
	dialers := map[string]func() (loadgen.Dialer, error){
		"torchserve":       func() (loadgen.Dialer, error) { return torchserve.New(torchserve.Default, nil) },
		"vLLM, streamed":   func() (loadgen.Dialer, error) { return openaichat.New(openaichat.Default, nil) },
		"vLLM, as a whole": func() (loadgen.Dialer, error) { return openaichat.New(whole, nil) },
	}
	for name, dialer := range dialers {
		url, q := agent.URL, &loadgen.Request{Model: "qwen3-vl-8b", MaxTokens: 2, Messages: []loadgen.Message{{Role: "user", Text: "What is there?"}}}
		if name == "torchserve" {
			url, q = vision.URL, &loadgen.Request{Model: "rt-detrv2", Image: jpegFrame(t, 64, 48, 1)}
		}
		d, err := dialer()
		if err != nil {
			t.Fatal(err)
		}
		e, err := d.Dial(url)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		a, err := loadgen.Ask(t.Context(), e, q, time.Minute, nil)
		if err != nil || a.Outcome != results.OK || a.ServerQueue != results.Untold || a.ServerWork != results.Untold || a.ServerRefused {
			t.Errorf("%s: %v: %+v", name, err, a)
		}
	}
}
