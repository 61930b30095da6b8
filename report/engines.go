package report

// An engine says which metrics a server's own page has for Prometheus. Names are
// those that the collector of its kind reads; an empty one is not there.
type engine struct {
	kind, name string // the collector's kind, and the server for people
	requests   string // counter of requests
	arriving   bool   // it counts them as they come, not as they are done
	failed     string // counter of requests that failed
	failedBy   string // matcher of those lines of failed that count
	tokens     string // counter of output tokens
	queue      string // gauge of requests that wait
	// waited is a counter of time in the queue, perSecond how many of its units are a
	// second: by Little's law its rate is the mean number that wait.
	waited    string
	perSecond string
	latency   string // histogram in seconds
	ttft      string // likewise
	model     string // label that names the model
	alive     string // there as long as the server is
}

// engines lists what is known, by collector kind. Sources: docs/usage/metrics.md of
// vllm-project/vllm; docs/references/production_metrics.md of sgl-project/sglang;
// docs/user_guide/metrics.md of triton-inference-server/server;
// ts/configs/metrics.yaml of pytorch/serve; tools/server/README.md of
// ggml-org/llama.cpp.
//
// Note: TorchServe's Requests2XX counts calls of its management too, and its gauges
// tell the last request only; Triton's summaries of latency are off unless they are
// asked for. Neither is used.
func engines() []engine {
	return []engine{
		{
			kind: "llama-server", name: "llama-server", tokens: "llamacpp:tokens_predicted_total",
			queue: "llamacpp:requests_deferred", alive: "llamacpp:requests_processing",
		},
		{
			kind: "sglang", name: "SGLang", requests: "sglang:num_requests_total", tokens: "sglang:generation_tokens_total",
			queue: "sglang:num_queue_reqs", latency: "sglang:e2e_request_latency_seconds", ttft: "sglang:time_to_first_token_seconds",
			alive: "sglang:num_running_reqs",
		},
		{
			kind: "torchserve-metrics", name: "TorchServe", requests: "ts_inference_requests_total", arriving: true,
			waited: "ts_queue_latency_microseconds", perSecond: "1e6", model: "model_name", alive: "ts_inference_requests_total",
		},
		{
			kind: "triton", name: "Triton", requests: "nv_inference_request_success", failed: "nv_inference_request_failure",
			queue: "nv_inference_pending_request_count", model: "model", alive: "nv_inference_request_success",
		},
		{
			kind: "vllm", name: "vLLM", requests: "vllm:request_success_total", failed: "vllm:request_success_total",
			failedBy: `finished_reason=~"abort|error"`, tokens: "vllm:generation_tokens_total", queue: "vllm:num_requests_waiting",
			latency: "vllm:e2e_request_latency_seconds", ttft: "vllm:time_to_first_token_seconds", alive: "vllm:num_requests_running",
		},
	}
}

// engineOf finds the engine of a service by the pages that tell of its instances, or
// says which pages there are instead.
func (c searched) engineOf(service string) (*engine, string) {
	var kinds []string
	for _, i := range c.cell.Cell.Instances {
		if i.Service != service {
			continue
		}
		for _, page := range i.Scrapes {
			for _, e := range engines() {
				if e.kind == page.Kind {
					return &e, ""
				}
			}
			kinds = append(kinds, page.Kind)
		}
	}
	if len(kinds) == 0 {
		return nil, "no page of its servers was read"
	}
	return nil, "of its pages (" + joined(kinds) + ") none is of an engine whose metrics for Prometheus are known"
}
