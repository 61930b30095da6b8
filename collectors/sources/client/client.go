// Package client reads evabench's own process, so that analysis can tell a
// slow server from a slow client. The program reads it in every cell, so this source is no
// kind that a service's scrape can name.
package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/procfs"

	"github.com/evabench/evabench/collectors"
)

// Name is the source's name in Observations.
const Name = "client"

// The series that a read gives.
const (
	SeriesCPU        = "client:cpu_seconds_total"      // user and system time since the start, s
	SeriesRSS        = "client:resident_memory_bytes"  // B
	SeriesGoroutines = "client:goroutines"             // 1
	SeriesPauses     = "client:gc_pause_seconds_total" // stop-the-world pauses since the start, s
	SeriesMaxProcs   = "client:gomaxprocs"             // CPUs that Go code may use at once, 1
)

// New gives the source of this process.
func New() collectors.Source { return source{} }

type source struct{}

// Collector reads this process; target has no URL.
func (source) Collector(target collectors.Target) (collectors.Collector, error) {
	if target.URL != "" {
		return nil, errors.New("evabench's own process has no URL")
	}
	return collector{target}, nil
}

type collector struct{ target collectors.Target }

// Read reads /proc/self and the Go runtime. CPU time has the kernel's
// resolution of 10 ms.
func (c collector) Read(context.Context) ([]collectors.Reading, error) {
	var readings []collectors.Reading
	add := func(series string, value float64, unit string) {
		readings = append(readings, collectors.Reading{Subject: c.target.Subject, Series: series, Value: value, Unit: unit})
	}
	var gc debug.GCStats
	debug.ReadGCStats(&gc)
	add(SeriesGoroutines, float64(runtime.NumGoroutine()), "1")
	add(SeriesPauses, gc.PauseTotal.Seconds(), "s")
	add(SeriesMaxProcs, float64(runtime.GOMAXPROCS(0)), "1")
	process, err := procfs.NewProc(os.Getpid())
	if err != nil {
		return readings, fmt.Errorf("read own process: %w", err)
	}
	stat, err := process.Stat()
	if err != nil {
		return readings, fmt.Errorf("read own process: %w", err)
	}
	add(SeriesCPU, stat.CPUTime(), "s")
	add(SeriesRSS, float64(stat.ResidentMemory()), "B")
	return readings, nil
}
