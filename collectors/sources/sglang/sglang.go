// Package sglang reads the metrics page of one SGLang server that was started
// with --enable-metrics.
package sglang

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

// Kind is the source "sglang".
var Kind = kind.New("sglang", "metrics page of an SGLang server (--enable-metrics; not of a router)", Config{},
	func(c Config) (collectors.Source, error) { return source(c), c.Check() })

type source Config

// Collector reads the page at target's URL, the server's base URL.
func (s source) Collector(target collectors.Target) (collectors.Collector, error) {
	c, err := page.NewCollector(target, s.Access, series(), page.RefuseRouter)
	if err != nil {
		return nil, err
	}
	c.Hint = "SGLang tells its metrics only with --enable-metrics"
	return c, nil
}

// series is the names of SGLang's metrics (docs/references/production_metrics.md and
// python/sglang/srt/observability/metrics_collector.py of sgl-project/sglang, before
// python/sglang/srt/metrics/collector.py).
//
// A page has a line per data-parallel rank, and these add up; with
// --enable-metrics-for-all-schedulers also one per tensor- and pipeline-parallel rank
// of each, which tell the same requests again. Where requests have priorities, a gauge's
// line with none is their total; a counter's is of the requests that have none.
func series() []page.Series {
	return slices.Concat(
		[]page.Series{
			needed(gauge("num_running_reqs")),
			needed(gauge("num_queue_reqs")),
			gauge("num_grammar_queue_reqs"), // wait for their grammar, not in num_queue_reqs
			bootstrap(),
			gauge("num_prefill_inflight_queue_reqs"),
			gauge("num_decode_prealloc_queue_reqs"),
			gauge("num_decode_transfer_queue_reqs"),
			share("token_usage"),
			share("cache_hit_rate"),
			counted("prompt_tokens_total"),
			counted("generation_tokens_total"),
			counted("cached_tokens_total"),
			counted("num_requests_total"),
			counted("num_aborted_requests_total"),
			counted("num_retracted_requests_total"),
		},
		histogram("queue_time_seconds"),
		histogram("time_to_first_token_seconds"),
		histogram("inter_token_latency_seconds", "time_per_output_token_seconds"),
		histogram("e2e_request_latency_seconds"),
	)
}

// names gives a metric's names, with the colon that SGLang writes and with the
// underscore that it becomes where a page goes through a program that allows none.
func names(all ...string) []string {
	var list []string
	for _, name := range all {
		list = append(list, "sglang:"+name, "sglang_"+name)
	}
	return list
}

func counted(name string) page.Series {
	return page.Series{Names: names(name), Unit: "1", Repeated: []string{"tp_rank", "pp_rank", "moe_ep_rank"}}
}

func gauge(name string) page.Series {
	s := counted(name)
	s.Parts = "priority"
	return s
}

// bootstrap are the requests that a prefill server sets up with a decode server, under the
// name that replaced "prealloc".
func bootstrap() page.Series {
	s := gauge("num_prefill_bootstrap_queue_reqs")
	s.Names = names("num_prefill_bootstrap_queue_reqs", "num_prefill_prealloc_queue_reqs")
	return s
}

func needed(s page.Series) page.Series {
	s.Needed = true
	return s
}

// share is the mean of the data-parallel ranks.
func share(name string) page.Series {
	s := gauge(name)
	s.Unit, s.Mean = "ratio", true
	return s
}

// histogram gives the sum, in seconds, and the count of a histogram.
func histogram(all ...string) []page.Series {
	sum, count := counted(""), counted("")
	sum.Unit, sum.Names, count.Names = "s", nil, nil
	for _, name := range names(all...) {
		sum.Names = append(sum.Names, name+"_sum")
		count.Names = append(count.Names, name+"_count")
	}
	return []page.Series{sum, count}
}
