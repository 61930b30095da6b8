//go:build real

package realtest

import (
	"errors"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// hdrHistogram runs HdrHistogram's own reader of logs, in Java, on the intervals of a tag,
// and gives what it says of all their values, in nanoseconds.
func hdrHistogram(t *testing.T, log, tag string) string {
	t.Helper()
	jar, java := env(t, "EVABENCH_HDRHISTOGRAM"), filepath.Join(filepath.Dir(env(t, "EVABENCH_TORCHSERVE")), "java")
	out, err := exec.CommandContext(t.Context(), java, "-cp", jar, "org.HdrHistogram.HistogramLogProcessor",
		"-i", log, "-tag", tag, "-outputValueUnitRatio", "1").CombinedOutput()
	if err != nil {
		t.Fatalf("HistogramLogProcessor: %v\n%s", err, out)
	}
	return string(out)
}

// The latency.hlog of a run is read by HdrHistogram's own program, which finds as many
// values as there are samples, and the same mean, maximum and percentiles, to three digits.
func TestLatencyLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	// A second is too short to judge the server (exit status 4); its requests are as real.
	talk, err := exec.CommandContext(t.Context(), env(t, "EVABENCH_BIN"), "sweep", "../cmd/evabench/testdata/small.yaml", "--out", dir).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 4) {
		t.Fatalf("evabench: %v\n%s", err, talk)
	}
	run, err := results.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, cell := range run.Cells {
		for _, step := range cell.Steps {
			latencies := map[string][]float64{}
			for sample, err := range step.Samples() {
				if err != nil {
					t.Fatal(err)
				}
				if sample.Outcome == results.OK && sample.Due >= step.Step.WindowStart && sample.Due < step.Step.WindowEnd {
					latencies[sample.Service] = append(latencies[sample.Service], float64(sample.Done.Sub(sample.Due)))
				}
			}
			log := filepath.Join(dir, "cells", cell.Cell.Folder, "steps", fmt.Sprintf("%02d", step.Step.Index), "latency.hlog")
			for service, values := range latencies {
				slices.Sort(values)
				checkLog(t, service, hdrHistogram(t, log, service), values)
				read++
			}
		}
	}
	if read == 0 {
		t.Error("no service had an answer")
	}
}

var (
	hdrTotals = regexp.MustCompile(`Mean +=\s*([0-9.]+)[^\n]*\n#\[Max +=\s*([0-9.]+), Total count +=\s*([0-9]+)\]`)
	hdrPoint  = regexp.MustCompile(`(?m)^\s*([0-9.]+) ([0-9.]+)\s+([0-9]+)\s+[0-9.]+$`)
)

func checkLog(t *testing.T, service, said string, sorted []float64) {
	t.Helper()
	totals := hdrTotals.FindStringSubmatch(said)
	if totals == nil {
		t.Fatalf("%s: no totals in\n%s", service, said)
	}
	number := func(text string) float64 {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	same := func(what string, got, want float64) {
		if math.Abs(got-want) > want/1000 {
			t.Errorf("%s: %s is %v, by HdrHistogram %v", service, what, time.Duration(want), time.Duration(got))
		}
	}
	mean := 0.0
	for _, v := range sorted {
		mean += v / float64(len(sorted))
	}
	same("the mean", number(totals[1]), mean)
	same("the most", number(totals[2]), sorted[len(sorted)-1])
	if number(totals[3]) != float64(len(sorted)) {
		t.Errorf("%s: %d values, by HdrHistogram %s", service, len(sorted), totals[3])
	}
	points := hdrPoint.FindAllStringSubmatch(said, -1)
	for _, p := range points {
		// Its third column counts the values up to the first: they end with that one.
		n := int(number(p[3]))
		same("p"+p[2], number(p[1]), sorted[n-1])
	}
	if len(points) < 5 {
		t.Errorf("%s: %d percentiles in\n%s", service, len(points), said)
	}
}
