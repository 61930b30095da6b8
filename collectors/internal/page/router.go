package page

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ErrRouter is a page that tells of a router, not of an engine.
var ErrRouter = errors.New("the page is a router's: its running requests are those it passed on and it tells no engine's queue; point the scrape at each engine")

// routers are what only routers' pages have, by the beginning of their names:
// production-stack's src/vllm_router, sglang's sgl-router (now the model gateway,
// smg), the endpoint picker of llm-d and of the Gateway API inference extension
// (pkg/epp/metrics), and NVIDIA Dynamo's
// frontend and router (lib/runtime/src/metrics/prometheus_names.rs of ai-dynamo/dynamo), unless
// its environment names another prefix (DYN_METRICS_PREFIX).
func routers() []struct{ prefix, who string } {
	return []struct{ prefix, who string }{
		{"vllm:healthy_pods_total", "vLLM production-stack"},
		{"vllm:num_incoming_requests", "vLLM production-stack"},
		{"router_cpu_usage_percent", "vLLM production-stack"},
		{"sgl_router_", "SGLang"},
		{"smg_", "SGLang"},
		{"llm_d_epp_", "llm-d endpoint picker"},
		{"inference_pool_", "endpoint picker"},
		{"inference_extension_", "endpoint picker"},
		{"inference_objective_", "endpoint picker"},
		{"dynamo_frontend_", "Dynamo frontend"},
		{"dynamo_router_", "Dynamo router"},
	}
}

// RefuseRouter refuses, with [ErrRouter], the pages of routers, some of which name
// series as engines do, and pages on which a router puts many engines together:
// there a label tells the engine.
func RefuseRouter(p Page) error {
	for _, name := range slices.Sorted(maps.Keys(p)) {
		for _, r := range routers() {
			if strings.HasPrefix(name, r.prefix) {
				return fmt.Errorf("%w (%s: %s)", ErrRouter, r.who, name)
			}
		}
		if strings.HasPrefix(name, "vllm:") && p.Labelled(name, "server") {
			return fmt.Errorf("%w (%s has the label server)", ErrRouter, name)
		}
		if strings.HasPrefix(name, "sglang") && p.Labelled(name, "worker_addr") {
			return fmt.Errorf("%w (%s has the label worker_addr)", ErrRouter, name)
		}
	}
	return nil
}
