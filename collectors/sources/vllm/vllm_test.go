package vllm

import (
	"errors"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/internal/page"
	"github.com/evabench/evabench/collectors/sourcetest"
	"github.com/evabench/evabench/internal/kind"
)

func build(t *testing.T) collectors.Source {
	t.Helper()
	s, err := kind.Set[collectors.Source]{Kind}.Build(kind.Spec{Name: "vllm"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestConformance(t *testing.T) {
	text := read(t, "v1.txt")
	sourcetest.Page(t, build(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(text))
	}))
}

// Both generations of names give the newest ones. Counts are summed over the
// engines, the cache's share (0.5 and 0.25) is averaged; what a page does not
// tell is absent, not zero; names that only begin alike are left alone.
func TestPages(t *testing.T) {
	for file, want := range map[string]map[string]float64{
		"v1.txt": {
			"vllm:num_requests_running": 5, "vllm:num_requests_waiting": 7,
			"vllm:kv_cache_usage_perc":        0.375,
			"vllm:prefix_cache_queries_total": 1500, "vllm:prefix_cache_hits_total": 250,
			"vllm:num_preemptions_total": 1,
			"vllm:prompt_tokens_total":   41220, "vllm:generation_tokens_total": 2560,
			"vllm:request_success_total[stop]": 40, "vllm:request_success_total[length]": 4, "vllm:request_success_total[abort]": 2,
			"vllm:time_to_first_token_seconds_sum": 20, "vllm:time_to_first_token_seconds_count": 46,
			"vllm:request_queue_time_seconds_sum": 9.25, "vllm:request_queue_time_seconds_count": 36,
			"vllm:e2e_request_latency_seconds_sum": 120, "vllm:e2e_request_latency_seconds_count": 36,
		},
		"v0.txt": {
			"vllm:num_requests_running": 4, "vllm:num_requests_waiting": 1,
			"vllm:kv_cache_usage_perc": 0.125, "vllm:prompt_tokens_total": 100,
			"vllm:request_queue_time_seconds_sum": 2.5, "vllm:request_queue_time_seconds_count": 5,
			"vllm:inter_token_latency_seconds_sum": 0.75, "vllm:inter_token_latency_seconds_count": 50,
		},
	} {
		got, err := sourcetest.Text(t, build(t), read(t, file))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: got %v\nwant %v", file, got, want)
		}
	}
}

func TestRouterIsRefused(t *testing.T) {
	router := read(t, "router.txt")
	idle := strings.ReplaceAll(router, `vllm:num_requests_running{server="http://engine-0:8000"} 6.0`, "")
	if idle == router {
		t.Fatal("router.txt does not have the line that makes it busy")
	}
	for name, text := range map[string]string{"busy": router, "idle": idle} {
		got, err := sourcetest.Text(t, build(t), text)
		if !errors.Is(err, page.ErrRouter) || len(got) > 0 {
			t.Errorf("%s: got %v, %v, want a refusal", name, got, err)
		}
	}
}

func TestSpoiledPages(t *testing.T) {
	good := read(t, "v1.txt")
	for _, c := range []struct {
		name, text, fault string
		readings          bool
	}{
		{"statistics off", strings.ReplaceAll(good, "vllm:num_requests_", "vllm:no_requests_"), "does not tell vllm:num_requests_running, vllm:num_requests_waiting", true},
		{"not a number", strings.ReplaceAll(good, `vllm:num_requests_waiting{engine="0",model_name="qwen3-vl-8b"} 7.0`, `vllm:num_requests_waiting{engine="0",model_name="qwen3-vl-8b"} NaN`), "does not tell vllm:num_requests_waiting", true},
		{"cut within a line", good[:len(good)/2], "unexpected end", false},
		{"a line twice", good + "http_requests_total{handler=\"/v1/chat/completions\",method=\"POST\",status=\"2xx\"} 46.0\n", "twice", false},
	} {
		got, err := sourcetest.Text(t, build(t), c.text)
		if err == nil || !strings.Contains(err.Error(), c.fault) || (len(got) > 0) != c.readings {
			t.Errorf("%s: got %v, %v, want %q", c.name, got, err, c.fault)
		}
	}
}
