// Package triton reads the metrics page of a Triton Inference Server (port
// 8002): what waits, and for how long, of every model.
package triton

import (
	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/internal/page"
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/trust"
)

// The series that are recorded in seconds, which the page tells in microseconds or
// milliseconds; each per model, whose name is the subject's Detail. All are sums since
// the server's start.
const (
	SeriesRequestSeconds       = "triton:request_seconds_total" // from arrival to answer, the queue included
	SeriesQueueSeconds         = "triton:queue_seconds_total"
	SeriesInputSeconds         = "triton:compute_input_seconds_total"
	SeriesInferSeconds         = "triton:compute_infer_seconds_total"
	SeriesOutputSeconds        = "triton:compute_output_seconds_total"
	SeriesFirstResponseSeconds = "triton:first_response_seconds_total"
)

// Config says how the page is reached.
type Config struct {
	trust.Access `yaml:",inline"`
}

// Kind is the source "triton".
var Kind = kind.New("triton", "metrics page of a Triton Inference Server (port 8002), per model", Config{},
	func(c Config) (collectors.Source, error) { return source(c), c.Check() })

type source Config

// Collector reads the page at target's URL, the base URL of the server's metrics port.
func (s source) Collector(target collectors.Target) (collectors.Collector, error) {
	c, err := page.NewCollector(target, s.Access, series(), page.RefuseRouter)
	if err != nil {
		return nil, err
	}
	c.Hint = "Triton tells its models there unless it runs with --allow-metrics=false, on port 8002 unless --metrics-port says another"
	return c, nil
}

// series is the names in src/metrics.cc of triton-inference-server/core and
// docs/user_guide/metrics.md of triton-inference-server/server. A page has one line per
// model, version and GPU: they add up to the model.
//
// An ensemble is a model of its own: its requests are told again by each model that it
// is made of. Requests that the cache answered are in the requests, not in the inferences:
// the mean batch is nv_inference_count by nv_inference_exec_count.
//
// Versions differ: pending requests are told by newer servers only; latencies are
// counters, or summaries where --metrics-config turns counters off and those on; the
// failures of newer servers have a reason (REJECTED is a full queue).
func series() []page.Series {
	count := func(name string) page.Series {
		return page.Series{Names: []string{name}, Unit: "1", By: "model"}
	}
	micro := func(as, part string) page.Series {
		return page.Series{
			Names: []string{"nv_inference_" + part + "_duration_us", "nv_inference_" + part + "_summary_us_sum"},
			As:    as, Unit: "s", Scale: 1e-6, By: "model",
		}
	}
	requests, pending := count("nv_inference_request_success"), count("nv_inference_pending_request_count")
	requests.Needed, pending.Wanted = true, true
	return []page.Series{
		requests,
		pending,
		count("nv_inference_request_failure"),
		count("nv_inference_count"),
		count("nv_inference_exec_count"),
		micro(SeriesRequestSeconds, "request"),
		micro(SeriesQueueSeconds, "queue"),
		micro(SeriesInputSeconds, "compute_input"),
		micro(SeriesInferSeconds, "compute_infer"),
		micro(SeriesOutputSeconds, "compute_output"),
		{Names: []string{"nv_inference_first_response_histogram_ms_sum"}, As: SeriesFirstResponseSeconds, Unit: "s", Scale: 1e-3, By: "model"},
		count("nv_inference_first_response_histogram_ms_count"),
		count("nv_cache_num_hits_per_model"),
	}
}
