package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/sim"
)

// leftover is a launcher that an earlier run left something of.
type leftover struct {
	services.Launcher
	ended []string
	fault error
}

func (l leftover) EndOrphans(context.Context) ([]string, error) { return l.ended, l.fault }

// Each launcher is asked, also after one that fails, and what was ended is told.
func TestEndOrphans(t *testing.T) {
	fault := errors.New("it holds on")
	var talk bytes.Buffer
	err := endOrphans(t.Context(), []runner.Service{
		{Service: scenarios.Service{Name: "eyes"}, Launcher: leftover{ended: []string{"container a"}, fault: fault}},
		{Service: scenarios.Service{Name: "other"}},
		{Service: scenarios.Service{Name: "agent"}, Launcher: leftover{ended: []string{"container b"}}},
	}, &talk)
	if !errors.Is(err, fault) || !strings.Contains(err.Error(), "service eyes") {
		t.Errorf("endOrphans() = %v", err)
	}
	for _, want := range []string{"left container a; it was ended\n", "left container b; it was ended\n"} {
		if !strings.Contains(talk.String(), want) {
			t.Errorf("it tells %q, want %q", talk.String(), want)
		}
	}
}

// A process of a run that was killed with its supervisors holds a device of the layout
// which that run left: it is ended before the GPUs are put back.
func TestRestoreEndsOrphansFirst(t *testing.T) {
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	gpus, err := sim.OpenGPUs("pro6000x1", dir, exe)
	if err != nil {
		t.Fatal(err)
	}
	before, err := gpus.Backend.Inspect(t.Context(), []string{"0"})
	if err != nil {
		t.Fatal(err)
	}
	layout, err := partition.ParseLayout("2x2g.48gb")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := partition.MakePlan(before, layout)
	if err != nil {
		t.Fatal(err)
	}
	j, err := partition.OpenJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Begin(before); err != nil {
		t.Fatal(err)
	}
	devices, err := gpus.Backend.Apply(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	dead := exec.Command("true") // whose number nobody has for the moment
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	orphan := exec.Command("sleep", "600")
	orphan.Env = append(os.Environ(), fmt.Sprintf("EVABENCH_SUPERVISED=mark/%d/1", dead.Process.Pid))
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	defer orphan.Process.Kill()
	go orphan.Wait() // as init does
	if err := gpus.API.(*nvml.Fake).AddProcess(devices[0].UUID, orphan.Process.Pid, "sleep", 1<<30); err != nil {
		t.Fatal(err)
	}

	code, out, talk := command(t, "gpu", "restore", "--sim", "pro6000x1", "--sim-dir", dir)
	want := fmt.Sprintf("left sleep (process %d); it was ended", orphan.Process.Pid)
	if code != exitDone || !strings.Contains(out, "put back and verified") || !strings.Contains(talk, want) {
		t.Errorf("status %d, want %d, a restore and %q in\n%s%s", code, exitDone, want, out, talk)
	}
	now, err := gpus.Backend.Inspect(t.Context(), []string{"0"})
	if err != nil {
		t.Fatal(err)
	}
	if d := before.Differences(now); len(d) > 0 {
		t.Errorf("the GPUs differ: %q", d)
	}
}
