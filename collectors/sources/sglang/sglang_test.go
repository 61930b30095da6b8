package sglang

import (
	"flag"
	"testing"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sourcetest"
	"github.com/evabench/evabench/internal/kind"
)

var update = flag.Bool("update", false, "write the golden parses")

func build(t *testing.T) collectors.Source {
	t.Helper()
	s, err := kind.Set[collectors.Source]{Kind}.Build(kind.Spec{Name: "sglang"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	good, _ := sourcetest.Served(t, "testdata/transcribed-v05-ranks.txt")
	sourcetest.Page(t, build(t), good)
}

func TestPages(t *testing.T) { sourcetest.Pages(t, build(t), *update) }

// Data-parallel ranks add up (16 + 15 running, 7 + 2 waiting), and what tensor-parallel
// ranks and priorities tell again is counted once, whatever the colon became.
func TestCountedOnce(t *testing.T) {
	for _, file := range []string{"v05-ranks", "v05-priorities", "underscores"} {
		_, text := sourcetest.Served(t, "testdata/transcribed-"+file+".txt")
		got, err := sourcetest.Text(t, build(t), text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		for name, want := range map[string]float64{
			"sglang:num_running_reqs": 31, "sglang:num_queue_reqs": 9,
			"sglang:token_usage": 0.375, "sglang:cache_hit_rate": 0.5,
			"sglang:queue_time_seconds_sum": 55, "sglang:queue_time_seconds_count": 140,
			"sglang:cached_tokens_total": 8500,
		} {
			if got[name] != want {
				t.Errorf("%s: %s: got %v, want %v", file, name, got[name], want)
			}
		}
	}
}

// What the tokenizer counts, it counts under each request's own priority: the line with none
// is of the requests that have none, and no total.
func TestCountersByPriority(t *testing.T) {
	got, err := sourcetest.Text(t, build(t), `sglang:num_running_reqs{priority=""} 0
sglang:num_queue_reqs{priority=""} 0
sglang:num_requests_total{priority=""} 1
sglang:num_requests_total{priority="5"} 40
# TYPE sglang:e2e_request_latency_seconds histogram
sglang:e2e_request_latency_seconds_sum{priority=""} 2
sglang:e2e_request_latency_seconds_count{priority=""} 1
sglang:e2e_request_latency_seconds_sum{priority="5"} 80
sglang:e2e_request_latency_seconds_count{priority="5"} 40
`)
	for name, want := range map[string]float64{
		"sglang:num_requests_total": 41, "sglang:e2e_request_latency_seconds_sum": 82, "sglang:e2e_request_latency_seconds_count": 41,
	} {
		if err != nil || got[name] != want {
			t.Errorf("%s: got %v, %v, want %v", name, got[name], err, want)
		}
	}
}

// A server in whose page only parts by priority are told has their sum.
func TestPartsWithoutTotal(t *testing.T) {
	got, err := sourcetest.Text(t, build(t), `sglang:num_running_reqs{dp_rank="0"} 2
sglang:num_queue_reqs{dp_rank="0",priority="0"} 2
sglang:num_queue_reqs{dp_rank="0",priority="1"} 3
sglang:num_queue_reqs{dp_rank="1",priority="0"} 9
sglang:num_queue_reqs{dp_rank="1"} 10
`)
	if err != nil || got["sglang:num_queue_reqs"] != 15 { // 2 + 3, and the total 10
		t.Errorf("got %v, %v, want 15", got, err)
	}
}
