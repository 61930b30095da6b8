package main

import (
	"io"
	"net/http"
	"net/http/httptest"
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
// by the GPU instance's id; a simulated server's run reads none, and says so.
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

	b.simulated.server = "pro6000x1"
	simulated, err := b.dcgmJob(devices, gpu)
	if err != nil || len(simulated) != 1 {
		t.Fatalf("simulated: %v, %v", simulated, err)
	}
	if readings, err := simulated[0].Collector.Read(t.Context()); len(readings) > 0 || err == nil || !strings.Contains(err.Error(), "the server is simulated") {
		t.Errorf("simulated: %v, %v", readings, err)
	}
	b.scenario.DCGM = ""
	if none, err := b.dcgmJob(devices, gpu); err != nil || len(none) > 0 {
		t.Errorf("not named: %v, %v", none, err)
	}
}
