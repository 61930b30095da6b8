// Package llamaserver reads the metrics page of a llama.cpp llama-server that
// was started with --metrics.
package llamaserver

import (
	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/internal/page"
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/trust"
)

// Config says how the page is reached.
type Config struct {
	trust.Access `yaml:",inline"`
}

// Kind is the source "llama-server".
var Kind = kind.New("llama-server", "metrics page of a llama.cpp llama-server (--metrics)", Config{},
	func(c Config) (collectors.Source, error) { return source(c), c.Check() })

type source Config

// Collector reads the page at target's URL, the server's base URL.
func (s source) Collector(target collectors.Target) (collectors.Collector, error) {
	c, err := page.NewCollector(target, s.Access, series(), page.RefuseRouter)
	if err != nil {
		return nil, err
	}
	c.Hint = "llama-server tells its metrics only with --metrics"
	// Averages since the server's start, and speculative decoding.
	c.Own, c.Ignored = "llamacpp:", []string{"prompt_tokens_seconds", "predicted_tokens_seconds", "n_busy_slots_per_decode", "spec_decode_*"}
	return c, nil
}

// series is the list in tools/server/README.md of ggml-org/llama.cpp, less
// the averages since the server's start. Requests deferred wait for a slot; no
// time in the queue is told.
func series() []page.Series {
	plain := func(name, unit string) page.Series {
		return page.Series{Names: []string{"llamacpp:" + name}, Unit: unit}
	}
	needed := func(name string) page.Series {
		return page.Series{Names: []string{"llamacpp:" + name}, Unit: "1", Needed: true}
	}
	return []page.Series{
		needed("requests_processing"),
		needed("requests_deferred"),
		plain("prompt_tokens_total", "1"),
		plain("prompt_tokens_cached_total", "1"), // taken from the cache, not in prompt_tokens_total
		plain("prompt_seconds_total", "s"),
		plain("tokens_predicted_total", "1"),
		plain("tokens_predicted_seconds_total", "s"),
		plain("n_decode_total", "1"),
		plain("n_tokens_max", "1"),
		plain("kv_cache_usage_ratio", "ratio"), // older versions
		plain("kv_cache_tokens", "1"),          // older versions
	}
}
