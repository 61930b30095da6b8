package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/evabench/evabench/collectors"
	source "github.com/evabench/evabench/collectors/sources/nvml"
	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/internal/nvml/nvmltest"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/sim"
)

// An error is of the one device that is in the instance it is told of, else of the GPU.
func TestXidSubject(t *testing.T) {
	instance := func(uuid, gpu string, gi, ci int) device.Device {
		return device.Device{UUID: uuid, GPU: gpu, Instance: &device.Instance{GI: gi, CI: ci, Profile: "1g"}}
	}
	devices := []device.Device{
		instance("MIG-other", "GPU-b", 3, 0), instance("MIG-1", "GPU-a", 3, 0), instance("MIG-2", "GPU-a", 4, 0), instance("MIG-3", "GPU-a", 4, 1),
	}
	for _, tt := range []struct {
		at   *nvml.XidInstance
		want string
	}{
		{nil, "GPU-a"},
		{&nvml.XidInstance{GI: 3, CI: -1}, "MIG-1"},
		{&nvml.XidInstance{GI: 3, CI: 0}, "MIG-1"},
		{&nvml.XidInstance{GI: 4, CI: 1}, "MIG-3"},
		{&nvml.XidInstance{GI: 4, CI: -1}, "GPU-a"}, // one of two
		{&nvml.XidInstance{GI: 9, CI: -1}, "GPU-a"}, // not of the layout
	} {
		if got := (xidWatch{nil, "GPU-a", devices}).subject(tt.at); got.ID != tt.want {
			t.Errorf("an error at %+v is of %s, want %s", tt.at, got.ID, tt.want)
		}
	}
}

// An untilSeries ends a run when a series has been observed of each of some subjects.
type untilSeries struct {
	collected
	series string
	of     map[string]bool // those that are left
	cancel func()
}

func (u *untilSeries) Observation(o results.Observation) {
	u.collected.Observation(o)
	if o.Series == u.series {
		if delete(u.of, o.Subject.ID); len(u.of) == 0 {
			u.cancel()
		}
	}
}

// xidsOf runs the nvml collector of a bench until a series is told of each GPU: each has a
// watch of its own.
func xidsOf(t *testing.T, b *bench, devices []device.Device, series string) ([]results.Observation, []results.Warning) {
	t.Helper()
	jobs, err := b.deviceJobs(devices)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	sink := &untilSeries{series: series, of: map[string]bool{}, cancel: cancel}
	for _, d := range devices {
		sink.of[d.GPU] = true
	}
	var warnings []results.Warning
	for _, j := range jobs {
		if j.Name == source.Name {
			j.Every, j.Timeout = collectors.ShortestEvery, time.Minute
			warnings = collectors.Run(ctx, results.NewOrigin(time.Now()), []collectors.Job{j}, sink)
		}
	}
	return sink.collected, warnings
}

// What is put into a simulated card's file is told by the collector, once.
func TestSimulatedXid(t *testing.T) {
	fake, cards := oneCard(t)
	gpu := cards[0].UUID
	b := &bench{backend: libraryBackend{api: putsXid{fake, gpu}}, kinds: knownKinds(sim.NewHost("", "", io.Discard))}
	told, warnings := xidsOf(t, b, []device.Device{{UUID: gpu, GPU: gpu, Name: "gpu0"}}, source.SeriesXid)
	var got []string
	for _, o := range told {
		if o.Series == source.SeriesXid || o.Series == source.SeriesXidWatched {
			got = append(got, fmt.Sprintf("%s %s=%g", o.Subject.ID, o.Series, o.Value))
		}
	}
	want := []string{gpu + " nvml:xid_watched=1", gpu + " nvml:xid=79"}
	if fmt.Sprint(got) != fmt.Sprint(want) || len(warnings) > 0 {
		t.Errorf("told %q, want %q; warnings %+v", got, want, warnings)
	}
}

// A putsXid is a fake whose card meets an error as soon as it is watched.
type putsXid struct {
	*nvml.Fake
	gpu string
}

func (p putsXid) Xids(gpu string) (nvml.XidWatch, error) {
	w, err := p.Fake.Xids(gpu)
	return w, errors.Join(err, p.AddXid(p.gpu, nvml.Xid{Number: 79}))
}

// A driver that tells no events is one warning for each GPU, and is closed.
func TestNoXids(t *testing.T) {
	script := &nvmltest.Script{
		OnXid:   func(string, time.Duration) (nvml.Xid, error) { return nvml.Xid{}, nvml.ErrTimeout },
		OnWatch: func(string) error { return fmt.Errorf("ask for Xid events: %w", nvml.ErrNotSupported) },
	}
	b := &bench{backend: libraryBackend{api: tellingAPI{memoryReader{}, script}}, kinds: knownKinds(sim.NewHost("", "", io.Discard))}
	_, warnings := xidsOf(t, b, mixed, source.SeriesXidWatched)
	subjects := map[string]int64{}
	for _, w := range warnings {
		if w.Code == source.WarnXidUnknown {
			subjects[w.Subject] += w.Count
		}
	}
	if subjects["GPU-a"] != 1 || subjects["GPU-b"] != 1 || script.Watches() != 0 {
		t.Errorf("warnings %+v, %d watches open", warnings, script.Watches())
	}
	for _, g := range watchedGPUs(script, mixed) { // and is not asked again
		if _, err := g.Open(); !errors.Is(err, source.ErrUnsupported) {
			t.Errorf("%s: %v, want %v", g.Label, err, source.ErrUnsupported)
		}
	}
}
