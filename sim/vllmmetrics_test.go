package sim

import (
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/sim/model"
)

// In virtual time, also when it runs faster than the clock: the page tells
// what two calls met in the server's time.
func TestVLLMPage(t *testing.T) {
	for _, scale := range []float64{1, 60} {
		synctest.Test(t, func(t *testing.T) {
			v := virtualVLLM(t, scale, vllmOptions{}, func(c *model.EngineConfig) { c.MaxSeqs = 1 })
			done := make(chan struct{})
			for _, text := range []string{"1234", "abcd"} {
				go func() {
					v.ask(text, 3, "")
					done <- struct{}{}
				}()
				synctest.Wait()
			}
			<-done
			checkPage(t, v.handler(), map[string]float64{"vllm:request_queue_time_seconds_count" + labels: 1})
			<-done
			// Each call takes 3 steps of 10 ms, one after the other; 5 prompt tokens.
			checkPage(t, v.handler(), map[string]float64{
				"vllm:num_requests_running" + labels: 0, "vllm:kv_cache_usage_perc" + labels: 0,
				"vllm:request_queue_time_seconds_sum" + labels: 0.03, "vllm:request_queue_time_seconds_count" + labels: 2,
				"vllm:request_queue_time_seconds_lowest" + labels:                                0.3,
				"vllm:time_to_first_token_seconds_sum" + labels:                                  0.01 + 0.04,
				"vllm:inter_token_latency_seconds_count" + labels:                                4,
				"vllm:inter_token_latency_seconds_sum" + labels:                                  0.04,
				"vllm:request_time_per_output_token_seconds_count" + labels:                      2,
				"vllm:request_time_per_output_token_seconds_sum" + labels:                        0.02,
				"vllm:e2e_request_latency_seconds_sum" + labels:                                  0.03 + 0.06,
				"vllm:request_prefill_time_seconds_sum" + labels:                                 0.02,
				"vllm:request_decode_time_seconds_sum" + labels:                                  0.04,
				"vllm:request_inference_time_seconds_sum" + labels:                               0.06,
				"vllm:request_prompt_tokens_sum" + labels:                                        10,
				"vllm:request_generation_tokens_sum" + labels:                                    6,
				"vllm:request_params_max_tokens_sum" + labels:                                    6,
				"vllm:request_params_n_sum" + labels:                                             2,
				"vllm:iteration_tokens_total_sum" + labels:                                       16,
				"vllm:iteration_tokens_total_count" + labels:                                     6,
				"vllm:prompt_tokens_total" + labels:                                              10,
				"vllm:generation_tokens_total" + labels:                                          6,
				"vllm:num_preemptions_total" + labels:                                            0,
				"vllm:prompt_tokens_cached_total" + labels:                                       0,
				"vllm:prefix_cache_queries_total" + labels:                                       10,
				"vllm:request_success_total{engine=0,finished_reason=length,model_name=m}":       2,
				"vllm:prompt_tokens_by_source_total{engine=0,model_name=m,source=local_compute}": 10,
				"vllm:cache_config_info{block_size=16,cache_dtype=auto,enable_prefix_caching=True,engine=0,gpu_memory_utilization=0.9,num_gpu_blocks=1000}": 1,
			})
		})
	}
}

// The gauges are of the latest step: what comes during one is not there yet.
func TestVLLMGaugesAreOfTheLatestStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtualVLLM(t, 1, vllmOptions{}, func(c *model.EngineConfig) { c.MaxSeqs = 1 })
		for range 3 {
			go v.ask("hi", 5, "")
		}
		time.Sleep(5 * time.Millisecond) // virtual: within the first step
		checkPage(t, v.handler(), map[string]float64{
			"vllm:num_requests_running" + labels: 0, "vllm:num_requests_waiting" + labels: 0, "vllm:kv_cache_usage_perc" + labels: 0,
		})
		time.Sleep(10 * time.Millisecond)
		checkPage(t, v.handler(), map[string]float64{"vllm:num_requests_running" + labels: 1, "vllm:kv_cache_usage_perc" + labels: 0.001})
		time.Sleep(10 * time.Millisecond)
		checkPage(t, v.handler(), map[string]float64{"vllm:num_requests_running" + labels: 1, "vllm:num_requests_waiting" + labels: 2})
		time.Sleep(time.Second)
	})
}

// As in vLLM an aborted call's tokens are counted and nothing else of it, not
// even as finished_reason="abort".
func TestAbortedCallsAreNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtualVLLM(t, 1, vllmOptions{}, unchanged)
		for _, more := range []string{"", `,"stream":true`} {
			ctx, cancel := context.WithTimeout(t.Context(), 35*time.Millisecond)
			r := httptest.NewRequest("POST", chatPath, strings.NewReader(
				`{"messages":[{"role":"user","content":"hi"}],"max_tokens":100,"ignore_eos":true`+more+`}`)).WithContext(ctx)
			r.Header.Set("Content-Type", "application/json")
			v.handler().ServeHTTP(httptest.NewRecorder(), r)
			cancel()
		}
		checkPage(t, v.handler(), map[string]float64{
			"vllm:prompt_tokens_total" + labels: 10, "vllm:generation_tokens_total" + labels: 6,
			"vllm:request_success_total{engine=0,finished_reason=abort,model_name=m}": 0,
			"vllm:e2e_request_latency_seconds_count" + labels:                         0, "vllm:num_requests_running" + labels: 0, "vllm:kv_cache_usage_perc" + labels: 0,
			"vllm:time_to_first_token_seconds_count" + labels: 2,
		})
	})
}

// The load is counted only when vLLM is told to, images that wait for the
// frontend with it.
func TestLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, track := range []bool{false, true} {
			v := virtualVLLM(t, 1, vllmOptions{trackLoad: track}, func(c *model.EngineConfig) { c.Frontend = time.Second })
			done := make(chan struct{})
			for range 3 {
				go func() {
					v.ask("hi", 2, "")
					done <- struct{}{}
				}()
			}
			synctest.Wait()
			want := map[bool]string{false: `{"server_load":0}`, true: `{"server_load":3}`}[track]
			if got := call(v.handler(), "GET", "/load", "", "").Body.String(); got != want {
				t.Errorf("tracking %v: %s, want %s", track, got, want)
			}
			// Clients wait, and neither gauge shows it: the frontend's backlog.
			checkPage(t, v.handler(), map[string]float64{"vllm:num_requests_running" + labels: 0, "vllm:num_requests_waiting" + labels: 0})
			for range 3 {
				<-done
			}
			if got := call(v.handler(), "GET", "/load", "", "").Body.String(); got != `{"server_load":0}` {
				t.Errorf("at rest: %s", got)
			}
			// Nor does the queue's histogram; that to the first token does.
			checkPage(t, v.handler(), map[string]float64{
				"vllm:request_queue_time_seconds_sum" + labels:  0,
				"vllm:time_to_first_token_seconds_sum" + labels: 1.01 + 2.01 + 3.01,
			})
		}
	})
}

func TestBuckets125(t *testing.T) {
	if got := buckets125(100); !slices.Equal(got, []float64{1, 2, 5, 10, 20, 50, 100}) {
		t.Errorf("up to 100: %v", got)
	}
}

// A prompt of three steps is one value, of all its tokens and the first output.
func TestIterationTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := virtualVLLM(t, 1, vllmOptions{}, func(c *model.EngineConfig) { c.MaxTokens = 16 })
		v.ask(strings.Repeat("word", 36), 2, "") // 36 tokens and 4 of the turn
		checkPage(t, v.handler(), map[string]float64{
			"vllm:iteration_tokens_total_sum" + labels: 42, "vllm:iteration_tokens_total_count" + labels: 2,
			"vllm:time_to_first_token_seconds_sum" + labels: 0.03,
		})
	})
}
