package analysis

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
)

// loadedSteps are steps of 100 s with 20 s between them.
func loadedSteps(n int) cellFacts {
	var c cellFacts
	for i := range n {
		from := time.Duration(i) * 120 * time.Second
		c.steps = append(c.steps, stepFacts{step: results.Step{Start: at0(from), WindowStart: at0(from), WindowEnd: at0(from + 100*time.Second)}})
	}
	return c
}

// Readings each second with a noise of a megabyte, around what memory gives at a moment.
func memoryReadings(c cellFacts, memory func(at float64) float64) []stats.Point {
	random := rand.New(rand.NewPCG(3, 4))
	var list []stats.Point
	for at := 0.0; at < c.steps[len(c.steps)-1].step.WindowEnd.Seconds(); at++ {
		list = append(list, stats.Point{At: at, Value: memory(at) + random.NormFloat64()*1e6})
	}
	return list
}

func TestMemoryTrend(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		name   string
		steps  int
		memory func(at float64) float64
		want   string
	}{
		{"leak", 1, func(at float64) float64 { return 10*gib + 10e6*at }, Grew},
		{"leak over steps", 5, func(at float64) float64 { return 10*gib + 2e6*at }, Grew},
		{"flat", 5, func(float64) float64 { return 10 * gib }, Steady},
		{"less than a hundredth", 1, func(at float64) float64 { return 10*gib + 1e6*at }, Steady}, // 95 MB of 10.7 GB
		{"just more than it", 1, func(at float64) float64 { return 10*gib + 1.2e6*at }, Grew},
		{"a cache that fills at the begin", 1, func(at float64) float64 { return 10*gib + 50e6*min(at, 40) }, Steady},
		{"more with each step's load", 5, func(at float64) float64 { return 10*gib + 1e9*float64(int(at/120)) }, Steady},
		{"given back", 1, func(at float64) float64 { return 10*gib - 10e6*at }, Steady},
	} {
		cell := loadedSteps(c.steps)
		got := trendOf(memoryReadings(cell, c.memory), cell)
		if got.Result != c.want {
			t.Errorf("%s: %+v, want %s", c.name, got, c.want)
		}
	}
	cell := loadedSteps(1)
	if got := trendOf(memoryReadings(cell, func(float64) float64 { return 1 })[:memoryLeast-1], cell); got.Result != NotJudged || got.Why == "" || got.PerSecond.Known() {
		t.Errorf("of %d readings: %+v", memoryLeast-1, got)
	}
	got := trendOf(memoryReadings(cell, func(at float64) float64 { return 10*gib + 10e6*at }), cell)
	if slope := *got.PerSecond.Number; slope < 9.9e6 || slope > 10.1e6 {
		t.Errorf("slope %v, want 10e6 B/s", slope)
	}
}

// A device of 12 GiB that has 11 GiB and grows by 10 MiB a second is full in 102.4 s; a
// process has no limit.
func TestMemoryOfCell(t *testing.T) {
	c := loadedSteps(1)
	c.layout.Devices = []device.Device{{UUID: "GPU-1", GPU: "GPU-1", Name: "gpu0", MemoryBytes: 12 << 30}, {UUID: "GPU-2", GPU: "GPU-2", Name: "gpu1"}}
	d := &deviceReadings{}
	for at := range 101 {
		used := float64(10<<30) + float64(at)*(10<<20)
		for _, o := range []results.Observation{
			{Source: "nvml", Series: "nvml:memory_used_bytes", Subject: results.Subject{Kind: results.SubjectGPU, ID: "GPU-1"}},
			{Source: "host", Series: "host:process_resident_memory_bytes", Subject: results.Subject{Kind: results.SubjectProcess, ID: "vision-0/77"}},
		} {
			o.At, o.Value = at0(time.Duration(at)*time.Second), used
			if !d.add(o, c.steps) {
				t.Fatalf("%s was not taken", o.Series)
			}
		}
	}
	list := d.memory(c)
	if len(list) != 2 || list[0].Of != "gpu0" || list[1].Of != "vision-0" || !list[1].Process || list[0].Process {
		t.Fatalf("memory of %+v", list)
	}
	for _, m := range list {
		if m.Result != Grew {
			t.Errorf("%+v did not grow", m)
		}
	}
	// The last block is of the last reading, at 100 s: 11,240 MiB of 12,288 are used.
	if full := *list[0].Full.Number; full < 104 || full > 107 {
		t.Errorf("full in %v s, want some (12288 - 11240) / 10 = 104.8", full)
	}
	if list[1].Full.Known() || !list[1].Full.Inapplicable {
		t.Errorf("a process is full in %+v", list[1].Full)
	}
}
