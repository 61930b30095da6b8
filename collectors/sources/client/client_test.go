package client

import (
	"runtime"
	"testing"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sourcetest"
	"github.com/evabench/evabench/results"
)

func TestSource(t *testing.T) {
	source := New()
	sourcetest.Local(t, source)
	c, err := source.Collector(collectors.Target{Subject: results.Subject{Kind: results.SubjectClient, ID: "evabench"}})
	if err != nil {
		t.Fatal(err)
	}
	read := func() map[string]float64 {
		readings, err := c.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return sourcetest.Values(readings)
	}
	before := read()
	// Work until the kernel has counted 20 ms of it: the figure must follow.
	// If it never does, the test's time limit ends it.
	for read()[SeriesCPU]-before[SeriesCPU] < 0.02 {
	}
	runtime.GC()
	stop := make(chan struct{})
	for range 50 {
		go func() { <-stop }()
	}
	after := read()
	close(stop)
	if grown := after[SeriesGoroutines] - before[SeriesGoroutines]; grown < 50 {
		t.Errorf("50 more goroutines were seen as %v", grown)
	}
	if after[SeriesPauses] <= before[SeriesPauses] {
		t.Errorf("a collection's pauses are not in %v (before: %v)", after[SeriesPauses], before[SeriesPauses])
	}
	// A Go test needs more than 1 MiB and less than 10 GiB.
	if rss := after[SeriesRSS]; rss < 1<<20 || rss > 10<<30 {
		t.Errorf("resident memory %v B", rss)
	}
	if after[SeriesMaxProcs] != float64(runtime.GOMAXPROCS(0)) {
		t.Errorf("got %v CPUs", after[SeriesMaxProcs])
	}
}
