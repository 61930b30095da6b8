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

// vllmMetrics is what the engine counts, under the names of vLLM's V1 engine.
// It belongs to the driver.
type vllmMetrics struct {
	prompt, generation int64
	success            map[string]int64 // by finished_reason

	queue, prefill, decode, inference, e2e *histogram
	ttft, itl, perToken                    *histogram
}

// The reasons for which a request can finish, in the page's order.
var finishedReasons = [...]string{"stop", "length", "abort"}

func newVLLMMetrics() *vllmMetrics {
	// The bounds are those of vLLM's metrics: vllm/v1/metrics/loggers.py.
	request := []float64{0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680}
	first := []float64{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560}
	token := []float64{0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80}
	return &vllmMetrics{
		success: make(map[string]int64),
		queue:   newHistogram(request), prefill: newHistogram(request), decode: newHistogram(request),
		inference: newHistogram(request), e2e: newHistogram(request),
		ttft: newHistogram(first), itl: newHistogram(token), perToken: newHistogram(token),
	}
}

// token counts one output token; last is when the one before came.
func (m *vllmMetrics) token(s *model.Sequence, now, last time.Duration) {
	m.generation++
	if s.Output == 1 {
		m.prompt += int64(s.PromptTokens)
		m.ttft.observe(now - s.Arrived)
		return
	}
	m.itl.observe(now - last)
}

func (m *vllmMetrics) finished(s *model.Sequence, reason string) {
	m.success[reason]++
	m.queue.observe(s.Scheduled - s.Queued)
	m.prefill.observe(s.First - s.Scheduled)
	m.decode.observe(s.Finished - s.First)
	m.inference.observe(s.Finished - s.Scheduled)
	m.e2e.observe(s.Finished - s.Arrived)
	if s.Output > 1 {
		m.perToken.observe((s.Finished - s.First) / time.Duration(s.Output-1))
	}
}

// page writes /metrics. The gauges tell the present; vLLM's own are those of
// the latest step.
func (v *vllmServer) page(w http.ResponseWriter, _ *http.Request) {
	var page strings.Builder
	if v.driver.do(func(*model.World) { v.metrics.write(&page, v.name, v.engine) }) != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	io.WriteString(w, page.String())
}

func (m *vllmMetrics) write(w io.Writer, name string, e *model.Engine) {
	labels := fmt.Sprintf("engine=\"0\",model_name=%q", name)
	one := func(series, kind, help string, value float64) {
		fmt.Fprintf(w, "# HELP vllm:%s %s\n# TYPE vllm:%s %s\nvllm:%s{%s} %v\n", series, help, series, kind, series, labels, value)
	}
	one("num_requests_running", "gauge", "Number of requests in model execution batches.", float64(e.Running()))
	one("num_requests_waiting", "gauge", "Number of requests waiting to be processed.", float64(e.Waiting()))
	one("kv_cache_usage_perc", "gauge", "KV-cache usage. 1 means 100 percent usage.", e.KVUsage())
	one("num_preemptions_total", "counter", "Cumulative number of preemption from the engine.", 0)
	one("prompt_tokens_total", "counter", "Number of prefill tokens processed.", float64(m.prompt))
	one("generation_tokens_total", "counter", "Number of generation tokens processed.", float64(m.generation))
	fmt.Fprint(w, "# HELP vllm:request_success_total Count of successfully processed requests.\n# TYPE vllm:request_success_total counter\n")
	for _, reason := range finishedReasons {
		fmt.Fprintf(w, "vllm:request_success_total{%s,finished_reason=%q} %d\n", labels, reason, m.success[reason])
	}
	for _, h := range []struct {
		series, help string
		h            *histogram
	}{
		{"time_to_first_token_seconds", "Histogram of time to first token in seconds.", m.ttft},
		{"inter_token_latency_seconds", "Histogram of inter-token latency in seconds.", m.itl},
		{"request_time_per_output_token_seconds", "Histogram of time_per_output_token_seconds per request.", m.perToken},
		{"e2e_request_latency_seconds", "Histogram of e2e request latency in seconds.", m.e2e},
		{"request_queue_time_seconds", "Histogram of time spent in WAITING phase for request.", m.queue},
		{"request_inference_time_seconds", "Histogram of time spent in RUNNING phase for request.", m.inference},
		{"request_prefill_time_seconds", "Histogram of time spent in PREFILL phase for request.", m.prefill},
		{"request_decode_time_seconds", "Histogram of time spent in DECODE phase for request.", m.decode},
	} {
		h.h.write(w, "vllm:"+h.series, h.help, labels)
	}
}

// A histogram counts spans as Prometheus does.
type histogram struct {
	bounds []float64 // seconds, ascending
	counts []int64   // by first bound that is not less, and one more above all
	sum    time.Duration
}

func newHistogram(bounds []float64) *histogram {
	return &histogram{bounds: bounds, counts: make([]int64, len(bounds)+1)}
}

func (h *histogram) observe(d time.Duration) {
	i, _ := slices.BinarySearch(h.bounds, d.Seconds())
	h.counts[i]++
	h.sum += d
}

func (h *histogram) write(w io.Writer, series, help, labels string) {
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s histogram\n", series, help, series)
	var total int64
	for i, n := range h.counts {
		total += n
		bound := "+Inf"
		if i < len(h.bounds) {
			bound = strconv.FormatFloat(h.bounds[i], 'g', -1, 64)
		}
		fmt.Fprintf(w, "%s_bucket{%s,le=%q} %d\n", series, labels, bound, total)
	}
	fmt.Fprintf(w, "%s_sum{%s} %v\n%s_count{%s} %d\n", series, labels, h.sum.Seconds(), series, labels, total)
}
