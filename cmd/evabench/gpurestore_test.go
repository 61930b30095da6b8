package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/evabench/evabench/partition"
)

// Where GPUs cannot be put back, restore tells how containers are found that may hold them:
// by the label that the launcher gives them. Simulated GPUs are held by none.
func TestRestoreNamesContainers(t *testing.T) {
	source, err := os.ReadFile("../../services/launchers/docker/orphans.go")
	if err != nil || !strings.Contains(string(source), fmt.Sprintf("= %q", containerLabel)) {
		t.Errorf("the launcher has no label %s, %v", containerLabel, err)
	}
	fault := errors.New("gpu0 is in use")
	var o restoreOptions
	o.stateDir = "d"
	got := o.kept(fault)
	for _, want := range []string{"gpu0 is in use", "docker ps --all --filter label=evabench.owner", "docker rm --force", "evabench gpu restore --state-dir d"} {
		if !strings.Contains(got.Error(), want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
	if !errors.Is(got, fault) {
		t.Error("the fault is lost")
	}
	o.sim, o.simDir = "pro6000x1", "d"
	if got := o.kept(fault); strings.Contains(got.Error(), "docker") {
		t.Errorf("of simulated GPUs: %v", got)
	}
}

// Restore reads the GPUs back with the folder of MPS daemons that the scenario named which
// left them: a folder that can be none is refused before a driver is asked.
func TestRestoreKnowsTheFolder(t *testing.T) {
	dir := t.TempDir()
	j, err := partition.OpenJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.Begin(partition.State{MPSDir: "of-a-scenario"}), j.Close()); err != nil {
		t.Fatal(err)
	}
	var o restoreOptions
	o.stateDir = dir
	if err := o.restore(t.Context(), true, streams{nil, io.Discard, io.Discard}); err == nil || !strings.Contains(err.Error(), `mps_dir "of-a-scenario"`) {
		t.Errorf("restore() = %v, want that folder in it", err)
	}
}

// Whatever puts GPUs back says what of it will not last.
func TestRestoreWarns(t *testing.T) {
	j, err := partition.OpenJournal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Begin(partition.State{}); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	b := &faultyBackend{warning: "the daemon ends with night.service"}
	if err := (undoing{b, j, &said, markOf("pro6000x1")}).putBack(t.Context(), partition.State{}); err != nil {
		t.Error(err)
	}
	if got, want := said.String(), "evabench: SIMULATED server pro6000x1: warning: the daemon ends with night.service\n"; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

// What a run that broke off left on GPUs that are not named now is left alone: somebody
// may have made a layout of his own there since.
func TestUnnamedGPUsAreLeft(t *testing.T) {
	a, b := partition.GPU{Index: 0, UUID: "GPU-a"}, partition.GPU{Index: 1, UUID: "GPU-b"}
	for _, over := range []bool{false, true} {
		dir := t.TempDir()
		j, err := partition.OpenJournal(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(j.Begin(partition.State{GPUs: []partition.GPU{a}}), j.Close()); err != nil {
			t.Fatal(err)
		}
		s := streams{nil, io.Discard, io.Discard}
		var backend faultyBackend
		_, err = openJournal(t.Context(), &backend, keeping{dir: dir}, intent{partition.State{GPUs: []partition.GPU{b}}, over}, s)
		for _, want := range []string{"gpu0 (GPU-a)", "evabench gpu restore --state-dir " + dir, " --forget"} {
			if err == nil || !strings.Contains(err.Error(), want) || backend.restored != 0 {
				t.Errorf("openJournal() = %v, restored %d times; want a refusal with %q", err, backend.restored, want)
			}
		}
		held, err := openJournal(t.Context(), &backend, keeping{dir: dir}, intent{partition.State{GPUs: []partition.GPU{a, b}}, over}, s)
		if err != nil || backend.restored != 1 {
			t.Fatalf("openJournal() of that GPU too = %v, restored %d times; want it put back", err, backend.restored)
		}
		if err := held.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What others made since a run broke off is not destroyed by the next start, nor is a GPU
// changed that somebody manages now: a person says what becomes of it.
func TestWhatOthersMadeIsLeft(t *testing.T) {
	instance := func(profile string) partition.Instance { return partition.Instance{Profile: profile} }
	before := partition.GPU{UUID: "GPU-a", Name: "card", Makes: []partition.Instance{instance("1g.24gb")}}
	with := func(profile string) partition.State {
		g := before
		g.Instances = []partition.Instance{instance(profile)}
		return partition.State{GPUs: []partition.GPU{g}}
	}
	managed := with("1g.24gb")
	managed.Owners = []partition.Owner{{Name: "mig-manager", Why: "the service mig-manager runs"}}
	for _, c := range []struct {
		name string
		now  partition.State
		want string // of the refusal
	}{
		{"ours", with("1g.24gb"), ""},
		{"another's", with("2g.48gb"), "GPU 0 (card): 2g.48gb"},
		{"managed", managed, "the service mig-manager runs"},
		{"managed, as it was", partition.State{GPUs: []partition.GPU{before}, Owners: managed.Owners}, ""},
	} {
		dir := t.TempDir()
		j, err := partition.OpenJournal(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(j.Begin(partition.State{GPUs: []partition.GPU{before}}), j.Close()); err != nil {
			t.Fatal(err)
		}
		b := &faultyBackend{now: c.now}
		held, err := openJournal(t.Context(), b, keeping{dir: dir}, intent{on: c.now}, streams{nil, io.Discard, io.Discard})
		if c.want == "" {
			if err != nil || b.restored != 1 {
				t.Fatalf("%s: %v, restored %d times; want it put back", c.name, err, b.restored)
			}
			if err := held.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		for _, want := range []string{c.want, "evabench gpu restore --state-dir " + dir, "--forget"} {
			if err == nil || !strings.Contains(err.Error(), want) || b.restored != 0 {
				t.Errorf("%s: %v, restored %d times; want a refusal with %q", c.name, err, b.restored, want)
			}
		}
	}
}
