package report

import (
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
)

// vllmSource is where the keys and what they mean were read.
const vllmSource = "vllm/benchmarks/serve.py at commit 009e6d4a1cd6ba3fb2a9fc00f4ec06f5297232a1"

// vllmDiffers says what of a result is not as vllm bench serve has it.
var vllmDiffers = map[string]string{
	"duration":                "the step's window: arrivals due before and after it count for nothing",
	"completed":               "ok answers that came within the window, whenever they were due; with the tokens and throughputs, which are of these. The times are of the ok answers to the arrivals due in the window",
	"failed":                  "arrivals due in the window that did not end ok; completed + failed need not be num_prompts",
	"num_prompts":             "arrivals that fell due in the window",
	"percentiles":             "exact, the smallest value that at least such a share do not pass; vLLM interpolates. One that the scenario does not ask for, or with too few samples for an interval, is left out",
	"ttft, e2el":              "from when a request was sent, as vLLM's; evabench's own figures count from when it was due: e2el_including_client_queue, and ttft_from_due below",
	"tpot":                    "(last chunk - first chunk) / (output tokens - 1); vLLM takes the end of the answer for its last chunk",
	"itl":                     "time between chunks of content over all answers due in the window, also those that did not end ok; to three digits",
	"max_concurrent_requests": "of all requests, also those that did not end ok",
	"std":                     "of the answers themselves, as numpy's; left out of fewer than two, where vLLM has 0",
	"left out":                "mean_itl_ms, std_itl_ms: a step records how many times between chunks there were and their percentiles, and neither their sum nor that of their squares; request_goodput, max_output_tokens_per_s, rtfx and per-request lists: a summary does not have them",
}

// VLLMResults gives, for each agent service of each step in the order of running, an
// object with the keys of a result file of vllm bench serve, in vLLM's units (ms, 1/s).
// What is not known is left out, never 0. The key "evabench" says what the object is of
// and what differs from vLLM in definition. Texts are as they came.
func VLLMResults(s *analysis.Summary) []map[string]any {
	results := []map[string]any{}
	for _, p := range places(s) {
		if p.service.Role == "agent" {
			results = append(results, vllmResult(s, p))
		}
	}
	return results
}

// A vllmMetric is one that vLLM tells mean, deviation and percentiles of.
type vllmMetric struct {
	name string
	of   analysis.Distribution
}

func vllmResult(s *analysis.Summary, p place) map[string]any {
	g, in := p.service.Total, p.service.Integrity
	r := map[string]any{
		"date": p.cell.Cell.Started.UTC().Format("20060102-150405"), "backend": "openai-chat", "endpoint_type": "openai-chat",
		"label": p.cell.Cell.Config.Name, "num_prompts": g.Due,
		"duration": p.step.Window, "completed": g.Completed, "failed": g.Due - g.OK,
		"max_concurrent_requests": in.PeakInFlight,
	}
	if len(p.service.Models) == 1 {
		r["model_id"] = p.service.Models[0].Name
	}
	p.vllmLoad(r)
	put(r, "request_throughput", g.Throughput, 1)
	if g.Prompt.Untold == 0 && g.Prompt.PerSecond.Known() {
		r["total_input_tokens"] = g.Prompt.Sum
	}
	if g.Output.PerSecond.Known() {
		r["total_output_tokens"] = g.Output.Sum
		put(r, "output_throughput", g.Output.PerSecond, 1)
	}
	if in, out := g.Prompt.PerSecond, g.Output.PerSecond; in.Known() && out.Known() {
		r["total_token_throughput"] = *in.Number + *out.Number
	}
	for _, m := range []vllmMetric{{"ttft", g.SentTTFT}, {"tpot", g.TPOT}, {"e2el", g.Served}, {"client_queue_time", g.Wait}, {"e2el_including_client_queue", g.Latency}} {
		m.put(r)
	}
	if gaps := in.Gaps; gaps.N > 0 {
		r["median_itl_ms"], r["p90_itl_ms"], r["p99_itl_ms"] = gaps.P50.Seconds()*1e3, gaps.P90.Seconds()*1e3, gaps.P99.Seconds()*1e3
	}
	r["evabench"] = p.vllmAbout(s)
	return r
}

// vllmLoad tells the load, where vLLM has a word for it: a rate of single requests, or so
// many at once without a pause between them.
func (p place) vllmLoad(r map[string]any) {
	single := p.service.Identity.Begun+p.service.Total.Retries == p.service.Total.Due
	switch rate := p.service.Integrity.Offered; {
	case p.service.Level.Arrivals == "closed":
		r["request_rate"], r["max_concurrency"] = "inf", p.service.Level.Value
	case rate != nil && single:
		r["request_rate"], r["max_concurrency"] = *rate, nil
		if p.service.Level.Arrivals == "poisson" {
			r["burstiness"] = 1
		}
	}
}

// put adds a metric's mean, deviation and percentiles, in milliseconds.
func (m vllmMetric) put(r map[string]any) {
	put(r, "mean_"+m.name+"_ms", m.of.Mean, 1e3)
	put(r, "std_"+m.name+"_ms", m.of.Deviation, 1e3)
	for _, q := range m.of.Quantiles {
		put(r, quantileName(q.Q)+"_"+m.name+"_ms", q.Value, 1e3)
		if q.Q == 0.5 {
			put(r, "median_"+m.name+"_ms", q.Value, 1e3)
		}
	}
}

func put(r map[string]any, key string, v analysis.Value, times float64) {
	if v.Known() {
		r[key] = *v.Number * times
	}
}

// vllmAbout says what a result is of.
func (p place) vllmAbout(s *analysis.Summary) map[string]any {
	about := map[string]any{
		"about": "made by evabench, not by vllm bench serve; keys and units as in " + vllmSource, "differs": vllmDiffers,
		"version": s.Environment.Evabench, "scenario": s.Environment.Scenario,
		"cell": p.cell.Cell.Folder, "configuration": p.cell.Cell.Config.Name, "replicate": p.cell.Cell.Replicate,
		"step": p.step.Index, "step_name": p.step.Name, "service": p.service.Name,
		"load":    map[string]any{"arrivals": p.service.Level.Arrivals, "value": p.service.Level.Value, "unit": p.service.Level.Unit},
		"verdict": p.service.Verdict.Is, "verdict_why": p.service.Verdict.Why,
	}
	if s.Environment.Simulated != "" {
		about["simulated"] = s.Environment.Simulated
	}
	if think := p.service.Sessions.Think; think.Known() {
		about["think_mean_seconds"] = *think.Number
	}
	vllmMetric{"ttft_from_due", p.service.Total.TTFT}.put(about)
	others := []string{}
	for _, o := range p.step.Services {
		if o.Name != p.service.Name {
			others = append(others, load(o)+" of "+o.Name)
		}
	}
	if len(others) > 0 {
		slices.Sort(others)
		about["beside"] = strings.Join(others, ", ")
	}
	return about
}
