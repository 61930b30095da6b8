package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/evabench/evabench/internal/roofline"
	"github.com/evabench/evabench/loadgen/stub"
	"github.com/evabench/evabench/results"
)

// scenario writes the scenario of a group and gives evabench's arguments: the
// real command, which records every sample.
func (b *bench) scenario(g group, url, dir string) ([]string, error) {
	endpoint, images := "{kind: detect-http, method: GET, path: /predictions/stub, form: none}", "{width: 16, height: 16, kilobytes: 1, count: 1}"
	if g.image { // one, as the others send: eight do not fit into a processor's own cache
		endpoint, images = "{kind: torchserve}", "{width: 1280, height: 720, kilobytes: 102, count: 1}"
	}
	load := fmt.Sprintf("{arrivals: constant, levels: [%d]}", g.rate)
	if g.rate == 0 {
		load = fmt.Sprintf("{arrivals: closed, levels: [%d]}", g.connections)
	}
	text := fmt.Sprintf(`version: 1
name: bench
server: {backend: {kind: none}}
services:
  vision:
    role: vision
    launcher: {kind: external, instances: [{url: %q}]}
    endpoint: %s
    models: {stub: {}}
    workload: {kind: vision, images: %s, classes: [{model: stub}]}
    load: %s
    timeout: 30s
steps: {warmup: 1s, window: %s}
`, url, endpoint, images, load, g.length)
	file := filepath.Join(dir, "scenario.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return []string{"sweep", file, "--yes", "--out", filepath.Join(dir, "run")}, nil
}

// own takes what evabench's run directory and the server say.
func (b *bench) own(g group, dir string, seen []stub.Arrival, r *reading) {
	run, err := results.Read(filepath.Join(dir, "run"))
	if err != nil || len(run.Cells) != 1 || len(run.Cells[0].Steps) != 1 || run.Cells[0].Steps[0].Step.Client == nil {
		r.fault = fmt.Sprintf("no whole step in its run directory: %v", err)
		return
	}
	cell, step := run.Cells[0].Cell, run.Cells[0].Steps[0]
	zero := cell.Started.UnixNano()
	var due []int64
	var latency []float64
	failed, inWindow := 0, int64(0)
	for s, err := range step.Samples() {
		if err != nil {
			r.fault = err.Error()
			return
		}
		if s.Outcome != results.OK {
			failed++
		}
		if s.Sent != results.NoOffset {
			due = append(due, zero+int64(s.Due))
		}
		if s.Due >= step.Step.WindowStart && s.Due < step.Step.WindowEnd {
			inWindow++
			latency = append(latency, s.Done.Sub(s.Due).Seconds())
		}
	}
	if failed > 0 {
		r.fault = fmt.Sprintf("%d of %d samples are not ok", failed, step.Rows)
	}
	// Its whole process also draws images, reads answers back and reports.
	r.cpu = step.Step.Client.CPU.Seconds() / float64(inWindow)
	r.lost = step.Step.Services[0].Due - inWindow
	r.quantiles = quantilesOf(latency)
	if g.rate > 0 {
		// What came before the step's origin asked whether the server was ready.
		seen = slices.DeleteFunc(seen, func(a stub.Arrival) bool { return a.First < zero })
		r.late = roofline.Lateness(due, seen, zero+int64(step.Step.WindowStart))
		r.lost += r.late.Lost
		r.perSecond = r.late.Achieved
	}
}

// stream lets evabench hold many streams, in its selftest: the stamps of tokens
// are kept in no run directory.
func (b *bench) stream(ctx context.Context, g group) reading {
	u, out, err := b.exec(ctx, g, b.evabench, []string{"selftest", "--json", "--only", roofline.Streams,
		"--streams", strconv.Itoa(g.streams), "--length", g.length.String(), "--server-cpu", strconv.Itoa(b.serverCPU)})
	r := reading{perSecond: math.NaN(), cpu: math.NaN(), peak: u.peak, others: math.NaN()}
	var s results.SelfTest
	if err == nil {
		err = json.Unmarshal([]byte(out), &s)
	}
	if err != nil || s.Streams == nil {
		r.fault = fmt.Sprintf("its selftest: %v", err)
		return r
	}
	r.streams = s.Streams
	return r
}
