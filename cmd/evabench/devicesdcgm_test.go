package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sources/dcgm"
	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/sim"
)

// A scenario that names dcgm-exporter's page has it read for the devices of the layout,
// by the GPU instance's id.
func TestDCGMJob(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `DCGM_FI_PROF_SM_ACTIVE{UUID="GPU-b",GPU_I_ID="3",GPU_I_PROFILE="2g.20gb"} 0.25`+"\n"+
			`DCGM_FI_DEV_POWER_USAGE{UUID="GPU-b",GPU_I_ID="3",GPU_I_PROFILE="2g.20gb"} 300`+"\n")
	}))
	defer page.Close()
	devices := []device.Device{{UUID: "MIG-1", GPU: "GPU-b", Instance: &device.Instance{GI: 3, Profile: "2g.20gb"}}}
	b := &bench{kinds: knownKinds(sim.NewHost("", "", io.Discard)), scenario: &scenarios.Scenario{DCGM: page.URL + "/metrics"}}
	jobs, err := b.deviceJobs(devices)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]collectors.Reading{}
	for _, j := range jobs {
		if j.Name == dcgm.Name {
			readings, err := j.Collector.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range readings {
				got[r.Series] = r
			}
		}
	}
	instance := results.Subject{Kind: results.SubjectInstance, ID: "MIG-1", GPU: "GPU-b", Detail: "2g.20gb"}
	gpu := results.Subject{Kind: results.SubjectGPU, ID: "GPU-b"}
	if r := got["DCGM_FI_PROF_SM_ACTIVE"]; r.Subject != instance || r.Value != 0.25 {
		t.Errorf("activity: %+v", r)
	}
	if r := got["DCGM_FI_DEV_POWER_USAGE"]; r.Subject != gpu || r.Value != 300 {
		t.Errorf("power: %+v", r)
	}
	if _, err := b.deviceJobs(nil); err == nil {
		t.Error("without devices: no error")
	}

	b.scenario.DCGM = ""
	if none, err := b.dcgmJob(devices, gpu); err != nil || len(none) > 0 {
		t.Errorf("not named: %v, %v", none, err)
	}
}

// On a simulated server its own page is read, for its own cards, whatever page the scenario
// names; and no page of real GPUs would be taken for it.
func TestSimulatedDCGMJob(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "evabench") // by this name the test is the program
	if err := os.Symlink(exe, program); err != nil {
		t.Fatal(err)
	}
	h := sim.NewHost(program, filepath.Join(dir, "state"), os.Stderr)
	defer func() {
		if err := h.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	b := &bench{kinds: knownKinds(h), host: h, simulated: simulation{server: "pro6000x1", scale: 1}, scenario: &scenarios.Scenario{DCGM: "http://127.0.0.1:1/metrics"}}
	machine, err := h.Open("pro6000x1", 1)
	if err != nil {
		t.Fatal(err)
	}
	cards, err := machine.GPUs.Devices()
	if err != nil {
		t.Fatal(err)
	}
	gpu := cards[0]
	devices := []device.Device{{UUID: gpu.UUID, GPU: gpu.UUID, Name: "gpu0"}}
	jobs, err := b.deviceJobs(devices)
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, j := range jobs {
		if j.Name != dcgm.Name {
			continue
		}
		readings, err := j.Collector.Read(t.Context())
		if err != nil {
			t.Error(err)
		}
		for _, r := range readings {
			if r.Series == "DCGM_FI_DEV_FB_TOTAL" {
				read++
				if r.Subject.ID != gpu.UUID || r.Value != float64(gpu.Memory.TotalBytes) {
					t.Errorf("%+v, want %d bytes of %s", r, gpu.Memory.TotalBytes, gpu.UUID)
				}
			}
		}
	}
	if read != 1 {
		t.Errorf("the memory was read %d times", read)
	}

	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `DCGM_FI_DEV_FB_TOTAL{UUID="`+gpu.UUID+`"} 1`+"\n")
	}))
	defer page.Close()
	c, err := dcgm.NewSimulated([]dcgm.Device{{UUID: gpu.UUID, GPU: gpu.UUID}}).Collector(collectors.Target{URL: page.URL})
	if err != nil {
		t.Fatal(err)
	}
	if readings, err := c.Read(t.Context()); len(readings) > 0 || err == nil || !strings.Contains(err.Error(), "of real GPUs") {
		t.Errorf("a page of real GPUs: %v, %v", readings, err)
	}
}
