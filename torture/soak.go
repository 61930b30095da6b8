package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/evabench/evabench/loadgen/stub"
	"github.com/evabench/evabench/results"
)

// soak is the class of long runs: a fault is a step of ten seconds, after which nothing may have
// grown.
var soak = class{
	name: "soak", about: "steps of 10 s at high load, one after the other; memory, descriptors, threads, files and the schedule stay as they were",
	few: 6, many: 180,
	try: trySoak,
}

// The load of a soak.
const (
	soakRate   = 2000 // requests a second of the first step; each one more has one more
	soakWarmup = time.Second
	soakWindow = 9 * time.Second
	soakEvery  = 500 * time.Millisecond // of looks at the process
	soakFlight = 64                     // requests at once, at most, and so many connections
	soakFirst  = 3                      // steps in which memory settles
)

// What may differ from the first steps without being growth.
const (
	soakMemory = 24 << 20 // bytes; a step's samples are 6 MB, and three steps' may be there at once
	soakFiles  = soakFlight + 4
	soakTasks  = 6 // threads: the runtime's own come and go
	// soakSample is the most that a request may take on the disk, in bytes.
	soakSample = 100
)

// use is what a process had at a moment.
type use struct {
	at                   time.Time
	memory, files, tasks int64
}

// soakScenario is a ladder of n steps against a server that answers at once.
func soakScenario(url string, n int) string {
	var levels []string
	for i := range n {
		levels = append(levels, strconv.Itoa(soakRate+i))
	}
	return fmt.Sprintf(`version: 1
name: soak
server: {backend: none}
services:
  eyes:
    role: vision
    launcher: {kind: external, instances: [{url: %q}]}
    endpoint: {kind: detect-http, method: GET, path: /predictions/stub, form: none}
    models: {stub: {}}
    workload: {kind: vision, images: {width: 16, height: 16, kilobytes: 1, count: 1}, classes: [{model: stub}]}
    load: {arrivals: constant, levels: [%s]}
    warm: 0s
    timeout: 30s
    max_in_flight: %d
steps: {warmup: %s, window: %s}
`, url, strings.Join(levels, ", "), soakFlight, soakWarmup, soakWindow)
}

// trySoak runs n steps and looks at each.
func trySoak(ctx context.Context, b *bed, n int) (t tally, err error) {
	server, err := stub.Start(stub.Options{Log: true})
	if err != nil {
		return t, err
	}
	scenario, err := b.file("soak.yaml", soakScenario(server.URL(), n))
	if err != nil {
		return t, errors.Join(err, closed(server))
	}
	dir := filepath.Join(b.dir, "run")
	var uses []use
	said, err := watched(b.command(ctx, "sweep", scenario, "--yes", "--no-selftest", "--out", dir), func(pid int) {
		now := time.Now()
		if len(uses) == 0 || now.Sub(uses[len(uses)-1].at) >= soakEvery {
			if u, ok := useOf(pid, now); ok {
				uses = append(uses, u)
			}
		}
	})
	if fault := closed(server); fault != nil {
		return t, fault
	}
	// That a step was late, on a busy machine, is judged here by itself.
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 4) {
		return t, fmt.Errorf("sweep: %w\n%s", err, said)
	}
	run, err := results.Read(dir)
	if err != nil {
		return t, err
	}
	if len(run.Problems) > 0 || len(run.Cells) != 1 || len(run.Cells[0].Steps) != n {
		return t, fmt.Errorf("the run directory has not %d steps: %+v\n%s", n, run, said)
	}
	if err := t.soaked(run.Cells[0], uses, server.Arrivals(), b.seed); err != nil {
		return t, err
	}
	if size, err := sizeOf(dir); err != nil || size > t.requests*soakSample+1<<20 {
		t.faults = append(t.faults, fmt.Sprintf("the run directory has %d bytes for %d requests (%v)", size, t.requests, err))
	}
	left, err := b.left()
	t.left = left
	return t, err
}

// closed ends the server.
func closed(s *stub.Server) error {
	_, err := s.Close()
	return err
}

// soaked adds the steps of a cell, and counts requests on both sides.
func (t *tally) soaked(cell *results.CellData, uses []use, arrivals []stub.Arrival, seed uint64) error {
	origin := cell.Cell.Started
	last := cell.Steps[len(cell.Steps)-1].Step
	for _, a := range arrivals {
		if at := time.Unix(0, a.First); !at.Before(origin) && !at.After(origin.Add(time.Duration(last.End))) {
			t.requests++
		}
	}
	var settled use
	for i, step := range cell.Steps {
		faults, sent, err := onSchedule(step)
		if err != nil {
			return err
		}
		t.accounted += sent
		most := mostOf(uses, origin.Add(time.Duration(step.Step.Start)), origin.Add(time.Duration(step.Step.End)))
		if i < soakFirst {
			settled = most.or(settled)
		} else {
			faults = append(faults, most.grown(settled)...)
		}
		t.add(seed+uint64(i), faults...)
	}
	return nil
}

// onSchedule says how a step's requests differ from its schedule, and counts what was sent.
// A constant rate has its n-th session n spans after the first: what adds up spans, or waits
// for answers, does not.
func onSchedule(step *results.StepData) (faults []string, sent int64, err error) {
	rate := step.Step.Plan.Levels[0].Value
	var first, late results.Offset
	var n int64
	for s, err := range step.Samples() {
		if err != nil {
			return nil, 0, err
		}
		if s.Outcome != results.OK {
			faults = append(faults, fmt.Sprintf("request %d ended %s", s.Seq, s.Outcome))
		}
		if s.Sent != results.NoOffset {
			sent++
		}
		if s.Due >= step.Step.WindowEnd { // until all is answered, which takes as long as it does
			continue
		}
		since := time.Duration(float64(s.Session) / rate * 1e9)
		if n++; n == 1 {
			first = s.Due.Add(-since)
		}
		late = max(late, results.Offset(s.Due.Sub(first.Add(since)).Abs()))
	}
	whole := step.Step.WindowEnd.Sub(step.Step.Start)
	if want := int64(rate * whole.Seconds()); n < want-1 || n > want+1 || whole != soakWarmup+soakWindow {
		faults = append(faults, fmt.Sprintf("%d requests in %v, want %d", n, whole, want))
	}
	if late > 2 {
		faults = append(faults, fmt.Sprintf("the schedule drifts: a request is %v from its place", time.Duration(late)))
	}
	if lag := step.Step.Services[0].Lag; lag.P50 > time.Millisecond {
		faults = append(faults, fmt.Sprintf("half of the requests were late by %v or more", lag.P50))
	}
	return faults, sent, nil
}

// mostOf gives the most that a process had within a stretch of time.
func mostOf(uses []use, from, to time.Time) (most use) {
	for _, u := range uses {
		if !u.at.Before(from) && u.at.Before(to) {
			most = u.or(most)
		}
	}
	return most
}

func (u use) or(v use) use {
	return use{memory: max(u.memory, v.memory), files: max(u.files, v.files), tasks: max(u.tasks, v.tasks)}
}

// grown says what is more than in the first steps.
func (u use) grown(settled use) (faults []string) {
	for _, x := range []struct {
		what             string
		now, then, bound int64
	}{
		{"bytes of memory", u.memory, settled.memory, settled.memory/4 + soakMemory},
		{"descriptors", u.files, settled.files, soakFiles},
		{"threads", u.tasks, settled.tasks, soakTasks},
	} {
		switch {
		case x.now == 0 || x.then == 0:
			faults = append(faults, "nobody looked at its "+x.what)
		case x.now > x.then+x.bound:
			faults = append(faults, fmt.Sprintf("%d %s, at first %d", x.now, x.what, x.then))
		}
	}
	return faults
}

// useOf looks at a process; false if it has ended.
func useOf(pid int, now time.Time) (u use, ok bool) {
	at := fmt.Sprintf("/proc/%d", pid)
	status, err := os.ReadFile(filepath.Join(at, "status"))
	open, fault := os.ReadDir(filepath.Join(at, "fd"))
	if err != nil || fault != nil {
		return u, false
	}
	u = use{at: now, files: int64(len(open))}
	for line := range strings.Lines(string(status)) {
		name, text, _ := strings.Cut(line, ":")
		value, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 10, 64)
		switch {
		case err != nil:
		case name == "VmRSS":
			u.memory = value << 10
		case name == "Threads":
			u.tasks = value
		}
	}
	return u, u.memory > 0
}

// sizeOf adds up the cells of a run directory.
func sizeOf(dir string) (bytes int64, err error) {
	err = filepath.WalkDir(filepath.Join(dir, "cells"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	return bytes, err
}
