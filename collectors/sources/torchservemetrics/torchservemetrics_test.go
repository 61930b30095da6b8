package torchservemetrics

import (
	"errors"
	"flag"
	"testing"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/internal/page"
	"github.com/evabench/evabench/collectors/sourcetest"
	"github.com/evabench/evabench/internal/kind"
)

var update = flag.Bool("update", false, "write the golden parses")

func build(t *testing.T) collectors.Source {
	t.Helper()
	s, err := kind.Set[collectors.Source]{Kind}.Build(kind.Spec{Name: "torchserve-metrics"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	good, _ := sourcetest.Served(t, "testdata/recorded-refused.txt")
	sourcetest.Page(t, build(t), good)
}

func TestPages(t *testing.T) { sourcetest.Pages(t, build(t), *update) }

// While eight requests wait for the first answer only their arrival is told: sums of the
// queue are unknown, not zero. After 38 requests, 13 of them refused, the 25 that
// were answered waited 185.002060707 s (the page's microseconds).
func TestSums(t *testing.T) {
	for file, want := range map[string]map[string]float64{
		"busy": {"torchserve:inference_requests_total[detector]": 8},
		"refused": {
			"torchserve:inference_requests_total[detector]": 38,
			"torchserve:queue_seconds_total[detector]":      185.002060707,
			"torchserve:inference_seconds_total[detector]":  214.445696347,
		},
	} {
		_, text := sourcetest.Served(t, "testdata/recorded-"+file+".txt")
		got, err := sourcetest.Text(t, build(t), text)
		if err != nil || len(got) != len(want) {
			t.Errorf("%s: got %v, %v, want %v", file, got, err, want)
		}
		for name, value := range want {
			if d := got[name] - value; d < -1e-9 || d > 1e-9 {
				t.Errorf("%s: %s: got %v, want %v", file, name, got[name], value)
			}
		}
	}
}

// The empty page of log mode is no evidence, and the error says what to set.
func TestLogMode(t *testing.T) {
	_, text := sourcetest.Served(t, "testdata/recorded-log-mode.txt")
	got, err := sourcetest.Text(t, build(t), text)
	if !errors.Is(err, ErrLogMode) || !errors.Is(err, page.ErrEmpty) || len(got) > 0 {
		t.Errorf("got %v, %v, want that log mode is no evidence", got, err)
	}
}
