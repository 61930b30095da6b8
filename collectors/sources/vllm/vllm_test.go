package vllm

import (
	"flag"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/internal/page"
	"github.com/evabench/evabench/collectors/sourcetest"
	"github.com/evabench/evabench/internal/kind"
)

var update = flag.Bool("update", false, "write the golden parses")

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
	text := read(t, "transcribed-v1.txt")
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
func TestGenerations(t *testing.T) {
	for file, want := range map[string]map[string]float64{
		"transcribed-v1.txt": {
			"vllm:num_requests_running": 5, "vllm:num_requests_waiting": 7,
			"vllm:num_requests_waiting_by_reason[capacity]": 7, "vllm:num_requests_waiting_by_reason[deferred]": 0,
			"vllm:kv_cache_usage_perc":        0.375,
			"vllm:prefix_cache_queries_total": 1500, "vllm:prefix_cache_hits_total": 250,
			"vllm:num_preemptions_total": 1,
			"vllm:prompt_tokens_total":   41220, "vllm:generation_tokens_total": 2560,
			"vllm:request_success_total[stop]": 40, "vllm:request_success_total[length]": 4, "vllm:request_success_total[abort]": 2,
			"vllm:time_to_first_token_seconds_sum": 20, "vllm:time_to_first_token_seconds_count": 46,
			"vllm:request_queue_time_seconds_sum": 9.25, "vllm:request_queue_time_seconds_count": 36,
			"vllm:e2e_request_latency_seconds_sum": 120, "vllm:e2e_request_latency_seconds_count": 36,
		},
		"transcribed-v0.txt": {
			"vllm:num_requests_running": 4, "vllm:num_requests_waiting": 1, "vllm:num_requests_swapped": 0,
			"vllm:kv_cache_usage_perc": 0.125, "vllm:prompt_tokens_total": 100,
			"vllm:request_queue_time_seconds_sum": 2.5, "vllm:request_queue_time_seconds_count": 5,
			"vllm:inter_token_latency_seconds_sum": 0.75, "vllm:inter_token_latency_seconds_count": 50,
		},
	} {
		got, err := sourcetest.Text(t, build(t), read(t, file))
		maps.DeleteFunc(got, func(name string, _ float64) bool { return strings.HasPrefix(name, page.SeriesAlias) })
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: got %v\nwant %v", file, got, want)
		}
	}
}

func TestPages(t *testing.T) { sourcetest.Pages(t, build(t), *update) }

// The newest page, with two engines: 32 + 31 running, 9 + 2 waiting, 10 of them for
// capacity, 400 s in the queue of 370 requests. Nothing on it is unknown.
func TestNewest(t *testing.T) {
	got, err := sourcetest.Text(t, build(t), read(t, "transcribed-v029.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{
		"vllm:num_requests_running": 63, "vllm:num_requests_waiting": 11,
		"vllm:num_requests_waiting_by_reason[capacity]": 10, "vllm:num_requests_waiting_by_reason[deferred]": 1,
		"vllm:request_queue_time_seconds_sum": 400, "vllm:request_queue_time_seconds_count": 370,
		"vllm:engine_sleep_state[awake]": 2,
	} {
		if got[name] != want {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
	}
	for name := range got {
		if strings.HasPrefix(name, "evabench:") {
			t.Errorf("told of the page: %s", name)
		}
	}
}

// An older name is told once and recorded under the newest; where a page has both,
// the newest is read. Names that nobody knows are a warning, once each.
func TestNames(t *testing.T) {
	text := read(t, "transcribed-v0.txt") + "vllm:num_requests_pondering{model_name=\"m\"} 3\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }))
	defer server.Close()
	c, err := build(t).Collector(collectors.Target{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		readings, err := c.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := sourcetest.Values(readings)
		_, alias := got[page.SeriesAlias+"[vllm:kv_cache_usage_perc=vllm:gpu_cache_usage_perc]"]
		if alias != (i == 0) || got["vllm:kv_cache_usage_perc"] != 0.125 {
			t.Errorf("read %d: alias told %v, cache %v", i, alias, got["vllm:kv_cache_usage_perc"])
		}
		if _, told := got[page.SeriesUnknownNames]; told != (i == 0) {
			t.Errorf("read %d: unknown names told %v", i, told)
		}
	}
	warnings := c.(collectors.Warned).Warnings()
	if len(warnings) != 1 || warnings[0].Code != page.WarnUnknownNames || warnings[0].Count != 1 || !strings.Contains(warnings[0].Text, "vllm:num_requests_pondering") {
		t.Errorf("warnings %+v", warnings)
	}
	both, err := sourcetest.Text(t, build(t), read(t, "transcribed-v09.txt"))
	if _, told := both[page.SeriesAlias+"[vllm:kv_cache_usage_perc=vllm:gpu_cache_usage_perc]"]; err != nil || told {
		t.Errorf("a page with both names: %v, %v", both, err)
	}
}

func TestSpoiledPages(t *testing.T) {
	good := read(t, "transcribed-v1.txt")
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
