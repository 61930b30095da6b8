package formats

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"regexp"
	"testing"

	"github.com/evabench/evabench/analysis"
)

// vllmKeys are the keys that vllm/benchmarks/serve.py writes at commit
// 009e6d4a1cd6ba3fb2a9fc00f4ec06f5297232a1 (result_json in main_async, result in benchmark,
// process_one_metric), of a generation task without lists of single requests.
var vllmKeys = regexp.MustCompile(`^(date|endpoint_type|backend|label|model_id|tokenizer_id|num_prompts|request_rate|burstiness|max_concurrency` +
	`|duration|completed|failed|total_input_tokens|total_output_tokens|request_throughput|request_goodput|output_throughput|total_token_throughput` +
	`|max_output_tokens_per_s|max_concurrent_requests|rtfx` +
	`|(mean|median|std|p[0-9]+(\.[0-9]+)?)_(ttft|tpot|itl|e2el|client_queue_time|e2el_including_client_queue)_ms)$`)

// agents lists the agent services of a Summary with their steps, in the order of running.
func agents(s *analysis.Summary) (steps []analysis.Step, services []analysis.Service) {
	for _, c := range s.Cells {
		for _, step := range c.Steps {
			for _, service := range step.Services {
				if service.Role == "agent" {
					steps, services = append(steps, step), append(services, service)
				}
			}
		}
	}
	return steps, services
}

// Each agent service of each step has an object with vLLM's keys and no other but one; its
// numbers are the Summary's in vLLM's units, and what the Summary does not know is not there.
func TestVLLMBench(t *testing.T) {
	seen := map[string]int{}
	for _, name := range []string{"summary.json", "open.json", "sweep.json", "failover.json"} {
		s := read(t, name)
		steps, services := agents(s)
		lines := json.NewDecoder(bytes.NewReader(written(t, "vllm-bench", s)))
		for i, service := range services {
			var got map[string]any
			if err := lines.Decode(&got); err != nil {
				t.Fatalf("%s: object %d of %d: %v", name, i, len(services), err)
			}
			about, _ := got["evabench"].(map[string]any)
			if about["service"] != service.Name || about["differs"] == nil || (about["simulated"] == nil) != (s.Environment.Simulated == "") {
				t.Errorf("%s: evabench: %v", name, about)
			}
			delete(got, "evabench")
			for key := range got {
				seen[key]++
				if !vllmKeys.MatchString(key) {
					t.Errorf("%s: vLLM has no key %s", name, key)
				}
			}
			checkVLLM(t, name, got, steps[i], service)
		}
		if err := lines.Decode(new(any)); err != io.EOF {
			t.Errorf("%s: more than %d objects (%v)", name, len(services), err)
		}
	}
	for _, key := range []string{"model_id", "request_throughput", "total_token_throughput", "mean_ttft_ms", "std_ttft_ms", "std_tpot_ms", "std_e2el_ms", "median_tpot_ms", "p90_e2el_ms", "median_itl_ms", "max_concurrency", "total_input_tokens"} {
		if seen[key] == 0 {
			t.Errorf("no object has %s", key)
		}
	}
}

func checkVLLM(t *testing.T, name string, got map[string]any, step analysis.Step, service analysis.Service) {
	t.Helper()
	known := func(v float64) analysis.Value { return analysis.Value{Number: &v} }
	g := service.Total
	type figure struct {
		analysis.Value
		times float64
	}
	want := map[string]figure{
		"duration": {known(step.Window), 1}, "completed": {known(float64(g.Completed)), 1}, "failed": {known(float64(g.Due - g.OK)), 1}, "num_prompts": {known(float64(g.Due)), 1},
		"request_throughput": {g.Throughput, 1}, "output_throughput": {g.Output.PerSecond, 1}, "max_concurrent_requests": {known(float64(service.Integrity.PeakInFlight)), 1},
		"mean_itl_ms": {}, "std_itl_ms": {}, "request_goodput": {}, "max_output_tokens_per_s": {}, "rtfx": {},
	}
	for metric, d := range map[string]analysis.Distribution{"ttft": g.SentTTFT, "tpot": g.TPOT, "e2el": g.Served, "client_queue_time": g.Wait, "e2el_including_client_queue": g.Latency} {
		want["mean_"+metric+"_ms"] = figure{d.Mean, 1000}
		want["std_"+metric+"_ms"] = figure{d.Deviation, 1000}
		for _, q := range d.Quantiles {
			want[percentile(q.Q)+"_"+metric+"_ms"] = figure{q.Value, 1000}
			if q.Q == 0.5 {
				want["median_"+metric+"_ms"] = figure{q.Value, 1000}
			}
		}
	}
	for key, w := range want {
		v, there := got[key].(float64)
		if there != w.Known() || there && math.Abs(v-*w.Number*w.times) > 1e-12*math.Abs(v) {
			t.Errorf("%s: %s is %v (%v), want %+v", name, key, got[key], there, w.Value)
		}
	}
	// what adds up: a rate is a count over the window
	if rate, ok := got["total_token_throughput"].(float64); ok {
		sum := got["total_input_tokens"].(float64) + got["total_output_tokens"].(float64)
		if math.Abs(rate*step.Window-sum) > 1e-6*sum {
			t.Errorf("%s: %v tokens a second in %v s, and %v tokens", name, rate, step.Window, sum)
		}
	}
}
