package triton

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
	s, err := kind.Set[collectors.Source]{Kind}.Build(kind.Spec{Name: "triton"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	good, _ := sourcetest.Served(t, "testdata/transcribed-counters.txt")
	sourcetest.Page(t, build(t), good)
}

func TestPages(t *testing.T) { sourcetest.Pages(t, build(t), *update) }

// The same server tells the same sums by counters and by summaries: of the detector,
// whose two versions add up, 45 s + 5 s in the queue of 900 + 100 requests, 20 + 3
// failures each and 12 + 3 pending. An older server tells no pending requests: that is
// unknown, and a warning, once.
func TestVersions(t *testing.T) {
	for file, want := range map[string]map[string]float64{
		"counters":  {"nv_inference_pending_request_count[detector]": 15, "nv_inference_request_failure[detector]": 46},
		"summaries": {"nv_inference_pending_request_count[detector]": 15, "nv_inference_request_failure[detector]": 46},
		"old":       {"nv_inference_request_failure[detector]": 3},
	} {
		want["triton:queue_seconds_total[detector]"] = 50
		want["triton:request_seconds_total[detector]"] = 100
		want["nv_inference_request_success[detector]"] = 1000
		want["nv_inference_request_success[embed]"] = 50
		_, text := sourcetest.Served(t, "testdata/transcribed-"+file+".txt")
		got, err := sourcetest.Text(t, build(t), text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		for name, value := range want {
			if d := got[name] - value; d < -1e-9 || d > 1e-9 {
				t.Errorf("%s: %s: got %v, want %v", file, name, got[name], value)
			}
		}
		if _, told := got["nv_inference_pending_request_count[detector]"]; told != (file != "old") {
			t.Errorf("%s: pending told: %v", file, told)
		}
	}
}
