package sim

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evabench/evabench/sim/model"
)

// vllmMetrics is what the engine counts, under the names, labels and buckets of
// vLLM 0.17.1 (vllm/v1/metrics/loggers.py and stats.py). Times are the World's.
// It belongs to the driver.
type vllmMetrics struct {
	promptTokens, cachedTokens, recomputedTokens, generation float64
	success                                                  map[string]float64 // by finished_reason

	// One value a token, a step or a finished request.
	ttft, itl, iteration                         *histogram
	queue, prefill, decode, inference, e2e, tpot *histogram
	prompt, output, maxOutput, n, maxTokens      *histogram
	computed                                     *histogram

	stepAt     time.Duration // of the tokens that are not in iteration yet
	stepTokens int
	config     string // labels of cache_config_info
}

// The reasons for which a request can finish, vllm/v1/engine's FinishReason.
var finishedReasons = [...]string{"stop", "length", "abort", "error", "repetition"}

func newVLLMMetrics(maxModelLen int) *vllmMetrics {
	request := []float64{0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680}
	first := []float64{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560}
	token := []float64{0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80}
	step := []float64{1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384}
	length := buckets125(maxModelLen)
	return &vllmMetrics{
		success: make(map[string]float64),
		ttft:    newHistogram(first), itl: newHistogram(token), iteration: newHistogram(step),
		queue: newHistogram(request), prefill: newHistogram(request), decode: newHistogram(request),
		inference: newHistogram(request), e2e: newHistogram(request), tpot: newHistogram(token),
		prompt: newHistogram(length), output: newHistogram(length), maxOutput: newHistogram(length),
		n: newHistogram([]float64{1, 2, 5, 10, 20}), maxTokens: newHistogram(length), computed: newHistogram(length),
	}
}

// buckets125 are vLLM's build_1_2_5_buckets.
func buckets125(most int) (b []float64) {
	for unit := 1; ; unit *= 10 {
		for _, m := range []int{1, 2, 5} {
			if m*unit > most {
				return b
			}
			b = append(b, float64(m*unit))
		}
	}
}

// token counts one output token; last is when the one before came. A prompt's
// tokens count when its first output token comes, all at once.
func (m *vllmMetrics) token(s *model.Sequence, now, last time.Duration) {
	if now > m.stepAt {
		m.endStep()
		m.stepAt = now
	}
	m.generation++
	m.stepTokens++
	if s.Output > 1 {
		m.itl.seconds(now - last)
		return
	}
	m.stepTokens += s.PromptTokens
	m.promptTokens += float64(s.PromptTokens)
	m.cachedTokens += float64(s.Cached)
	if s.Cached+1 == s.PromptTokens {
		m.recomputedTokens++
	}
	m.ttft.seconds(now - s.Arrived)
}

// endStep counts the latest step, if it gave tokens: of others vLLM makes no
// statistics.
func (m *vllmMetrics) endStep() {
	if m.stepTokens > 0 {
		m.iteration.observe(float64(m.stepTokens))
		m.stepTokens = 0
	}
}

func (m *vllmMetrics) finished(s *model.Sequence, reason string, maxTokens int) {
	m.success[reason]++
	m.queue.seconds(s.Scheduled - s.Queued)
	m.prefill.seconds(s.First - s.Scheduled)
	m.decode.seconds(s.Finished - s.First)
	m.inference.seconds(s.Finished - s.Scheduled)
	m.e2e.seconds(s.Finished - s.Arrived)
	m.tpot.seconds((s.Finished - s.First) / time.Duration(max(1, s.Output-1))) // 0 for one token
	m.prompt.observe(float64(s.PromptTokens))
	m.output.observe(float64(s.Output))
	m.maxOutput.observe(float64(s.Output))
	m.n.observe(1)
	m.maxTokens.observe(float64(maxTokens))
	m.computed.observe(float64(s.PromptTokens - s.Cached))
}

// page writes /metrics.
func (v *vllmServer) page(w http.ResponseWriter, _ *http.Request) {
	var page strings.Builder
	if v.driver.do(func(*model.World) {
		v.metrics.endStep()
		v.metrics.write(&page, v.name, v.engine.Stats())
	}) != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	io.WriteString(w, page.String())
}

// write writes the page. The gauges are those of the latest step, as vLLM's
// are; when nothing is left they are 0, for then it makes one more.
func (m *vllmMetrics) write(w io.Writer, name string, s model.EngineStats) {
	if s.Running+s.Waiting == 0 {
		s.LastRunning, s.LastWaiting, s.LastKVUsage = 0, 0, 0
	}
	p := promPage{w: w, engine: `engine="0",`, model: fmt.Sprintf("model_name=%q", name)}
	p.one("num_requests_running", "gauge", "Number of requests in model execution batches.", float64(s.LastRunning))
	p.one("num_requests_waiting", "gauge", "Number of requests waiting to be processed.", float64(s.LastWaiting))
	p.one("kv_cache_usage_perc", "gauge", "KV-cache usage. 1 means 100 percent usage.", s.LastKVUsage)
	for _, c := range []struct {
		series, help string
		value        float64
	}{
		{"prefix_cache_queries", "Prefix cache queries, in terms of number of queried tokens.", float64(s.PrefixQueries)},
		{"prefix_cache_hits", "Prefix cache hits, in terms of number of cached tokens.", float64(s.PrefixHits)},
		{"external_prefix_cache_queries", "External prefix cache queries from KV connector.", 0},
		{"external_prefix_cache_hits", "External prefix cache hits from KV connector.", 0},
		{"mm_cache_queries", "Multi-modal cache queries, in terms of number of queried items.", float64(s.ImageQueries)},
		{"mm_cache_hits", "Multi-modal cache hits, in terms of number of cached items.", float64(s.ImageHits)},
		{"num_preemptions", "Cumulative number of preemption from the engine.", float64(s.Preemptions)},
		{"prompt_tokens", "Number of prefill tokens processed.", m.promptTokens},
		{"prompt_tokens_cached", "Number of cached prompt tokens (local + external).", m.cachedTokens},
		{"prompt_tokens_recomputed", "Number of cached tokens recomputed for forward pass.", m.recomputedTokens},
		{"generation_tokens", "Number of generation tokens processed.", m.generation},
	} {
		p.one(c.series+"_total", "counter", c.help, c.value)
	}
	p.family("prompt_tokens_by_source_total", "counter", "Number of prompt tokens by source.")
	p.sample("prompt_tokens_by_source_total", `,source="local_compute"`, m.promptTokens-m.cachedTokens)
	p.sample("prompt_tokens_by_source_total", `,source="local_cache_hit"`, m.cachedTokens+m.recomputedTokens)
	p.sample("prompt_tokens_by_source_total", `,source="external_kv_transfer"`, 0)
	p.family("request_success_total", "counter", "Count of successfully processed requests.")
	for _, reason := range finishedReasons {
		p.finished(reason, m.success[reason])
	}
	m.histograms(&p)
	fmt.Fprintf(w, "# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig\n# TYPE vllm:cache_config_info gauge\n"+
		"vllm:cache_config_info{%s} 1.0\n", m.config)
}

func (m *vllmMetrics) histograms(p *promPage) {
	for _, h := range []struct {
		series, help string
		h            *histogram
	}{
		{"request_prompt_tokens", "Number of prefill tokens processed.", m.prompt},
		{"request_generation_tokens", "Number of generation tokens processed.", m.output},
		{"iteration_tokens_total", "Histogram of number of tokens per engine_step.", m.iteration},
		{"request_max_num_generation_tokens", "Histogram of maximum number of requested generation tokens.", m.maxOutput},
		{"request_params_n", "Histogram of the n request parameter.", m.n},
		{"request_params_max_tokens", "Histogram of the max_tokens request parameter.", m.maxTokens},
		{"time_to_first_token_seconds", "Histogram of time to first token in seconds.", m.ttft},
		{"inter_token_latency_seconds", "Histogram of inter-token latency in seconds.", m.itl},
		{"request_time_per_output_token_seconds", "Histogram of time_per_output_token_seconds per request.", m.tpot},
		{"e2e_request_latency_seconds", "Histogram of e2e request latency in seconds.", m.e2e},
		{"request_queue_time_seconds", "Histogram of time spent in WAITING phase for request.", m.queue},
		{"request_inference_time_seconds", "Histogram of time spent in RUNNING phase for request.", m.inference},
		{"request_prefill_time_seconds", "Histogram of time spent in PREFILL phase for request.", m.prefill},
		{"request_decode_time_seconds", "Histogram of time spent in DECODE phase for request.", m.decode},
		{"request_prefill_kv_computed_tokens", "Histogram of new KV tokens computed during prefill (excluding cached tokens).", m.computed},
	} {
		p.histogram(h.series, h.help, h.h)
	}
}

// A promPage writes samples as prometheus_client for Python does: labels in
// the order of their names, and every number with a point.
type promPage struct {
	w             io.Writer
	engine, model string // labels
}

func (p *promPage) family(series, kind, help string) {
	fmt.Fprintf(p.w, "# HELP vllm:%s %s\n# TYPE vllm:%s %s\n", series, help, series, kind)
}

// sample writes one; further are labels that come after model_name.
func (p *promPage) sample(series, further string, value float64) {
	fmt.Fprintf(p.w, "vllm:%s{%s%s%s} %s\n", series, p.engine, p.model, further, pythonFloat(value))
}

func (p *promPage) one(series, kind, help string, value float64) {
	p.family(series, kind, help)
	p.sample(series, "", value)
}

func (p *promPage) finished(reason string, value float64) {
	fmt.Fprintf(p.w, "vllm:request_success_total{%sfinished_reason=%q,%s} %s\n", p.engine, reason, p.model, pythonFloat(value))
}

func (p *promPage) histogram(series, help string, h *histogram) {
	p.family(series, "histogram", help)
	var total float64
	for i, n := range h.counts {
		total += n
		bound := "+Inf"
		if i < len(h.bounds) {
			bound = pythonFloat(h.bounds[i])
		}
		fmt.Fprintf(p.w, "vllm:%s_bucket{%sle=%q,%s} %s\n", series, p.engine, bound, p.model, pythonFloat(total))
	}
	p.sample(series+"_count", "", total)
	p.sample(series+"_sum", "", h.sum)
}

// pythonFloat prints whole numbers with a point, as Python does.
func pythonFloat(v float64) string {
	if v == float64(int64(v)) && v < 1e16 && v > -1e16 {
		return strconv.FormatInt(int64(v), 10) + ".0"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// A histogram counts values as Prometheus does.
type histogram struct {
	bounds []float64 // ascending
	counts []float64 // by first bound that is not less, and one more above all
	sum    float64
}

func newHistogram(bounds []float64) *histogram {
	return &histogram{bounds: bounds, counts: make([]float64, len(bounds)+1)}
}

func (h *histogram) observe(v float64) {
	i, _ := slices.BinarySearch(h.bounds, v)
	h.counts[i]++
	h.sum += v
}

func (h *histogram) seconds(d time.Duration) { h.observe(d.Seconds()) }
