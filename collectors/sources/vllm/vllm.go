// Package vllm reads the metrics page of one vLLM engine, whatever the
// version's names: what is recorded has the newest ones.
package vllm

import (
	"slices"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/internal/page"
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/trust"
)

// Config says how the page is reached.
type Config struct {
	trust.Access `yaml:",inline"`
}

// Kind is the source "vllm".
var Kind = kind.New("vllm", "metrics page of a vLLM engine (not of a router)", Config{},
	func(c Config) (collectors.Source, error) { return source(c), c.Check() })

type source Config

// Collector reads the page at target's URL, the engine's base URL.
func (s source) Collector(target collectors.Target) (collectors.Collector, error) {
	c, err := page.NewCollector(target, s.Access, series(), page.RefuseRouter)
	if err != nil {
		return nil, err
	}
	c.Hint = "vLLM tells nothing with --disable-log-stats"
	c.Own, c.Ignored = "vllm:", ignored()
	return c, nil
}

// series is the names of vLLM's metrics (docs/usage/metrics.md and
// vllm/v1/metrics/loggers.py of vllm-project/vllm) with the older names of
// each. A page has one line per data-parallel engine and model: counts add up,
// the cache's share is their mean.
//
// The queue time is told when a request has finished, from its arrival in the engine:
// what images take before is not in it (vllm-project/vllm#44688).
func series() []page.Series {
	return slices.Concat(
		[]page.Series{
			{Names: []string{"vllm:num_requests_running"}, Unit: "1", Needed: true},
			{Names: []string{"vllm:num_requests_waiting"}, Unit: "1", Needed: true},
			{Names: []string{"vllm:num_requests_waiting_by_reason"}, Unit: "1", By: "reason"}, // adds up to num_requests_waiting
			{Names: []string{"vllm:num_requests_swapped"}, Unit: "1"},                         // V0 only: moved out of the GPU, waiting to come back
			{Names: []string{"vllm:engine_sleep_state"}, Unit: "1", By: "sleep_state"},
			{Names: []string{"vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"}, Unit: "ratio", Mean: true},
			{Names: []string{"vllm:prompt_tokens_total"}, Unit: "1"},
			{Names: []string{"vllm:prompt_tokens_cached_total"}, Unit: "1"},
			{Names: []string{"vllm:generation_tokens_total"}, Unit: "1"},
			{Names: []string{"vllm:request_success_total"}, Unit: "1", By: "finished_reason"}, // "abort" among them
			{Names: []string{"vllm:admission_rejections_total"}, Unit: "1", By: "reason"},
			{Names: []string{"vllm:num_preemptions_total"}, Unit: "1"},
			{Names: []string{"vllm:prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries_total"}, Unit: "1"},
			{Names: []string{"vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total"}, Unit: "1"},
			{Names: []string{"vllm:mm_cache_queries_total"}, Unit: "1"},
			{Names: []string{"vllm:mm_cache_hits_total"}, Unit: "1"},
		},
		histogram("vllm:request_queue_time_seconds", "vllm:time_in_queue_requests"),
		histogram("vllm:time_to_first_token_seconds"),
		histogram("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"),
		histogram("vllm:e2e_request_latency_seconds"),
		histogram("vllm:request_prefill_time_seconds"),
		histogram("vllm:request_decode_time_seconds"),
		histogram("vllm:request_inference_time_seconds"),
	)
}

// histogram gives the sum, in seconds, and the count of a histogram.
func histogram(names ...string) []page.Series {
	sum, count := page.Series{Unit: "s"}, page.Series{Unit: "1"}
	for _, name := range names {
		sum.Names = append(sum.Names, name+"_sum")
		count.Names = append(count.Names, name+"_count")
	}
	return []page.Series{sum, count}
}

// ignored are names of all versions that are known and say nothing that evabench
// uses: vllm/engine/metrics.py (V0), vllm/v1/metrics/loggers.py, vllm/v1/metrics/perf.py,
// vllm/v1/spec_decode/metrics.py and docs/usage/metrics.md of vllm-project/vllm.
func ignored() []string {
	return []string{
		"cache_config_info", "lora_requests_info", "engine_healthy", "corrupted_requests",
		"prompt_tokens_by_source", "prompt_tokens_recomputed", "external_prefix_cache_*", "kv_block_*", "kv_offload_*",
		"spec_decode_*", "nixl_*", "hisparse_*", "simple_kv_offload_*", "estimated_*",
		"iteration_tokens", "tokens", // families: without _total
		"request_prompt_tokens", "request_generation_tokens", "request_max_num_generation_tokens",
		"request_params_*", "request_prefill_kv_computed_tokens", "request_num_preemptions",
		"request_time_per_output_token_seconds",
		// V0
		"cpu_cache_usage_perc", "cpu_prefix_cache_hit_rate", "gpu_prefix_cache_hit_rate",
		"avg_prompt_throughput_toks_per_s", "avg_generation_throughput_toks_per_s",
		"model_forward_time_milliseconds", "model_execute_time_milliseconds",
	}
}
