package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"

	"github.com/evabench/evabench/collectors/sources/host"
	"github.com/evabench/evabench/internal/supervise"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/sim"
)

// started runs a program under a supervisor of ours until the test ends.
func started(t *testing.T, log string, argv ...string) {
	t.Helper()
	p, err := supervise.Start(t.Context(), supervise.Order{
		Argv: argv, Env: os.Environ(), Log: supervise.Log{Path: log, MaxBytes: 1 << 16}, Grace: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

// sleepers gives the program sleep, and a copy that is called docker.
func sleepers(t *testing.T) (sleep, docker string) {
	t.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	docker = filepath.Join(t.TempDir(), "docker")
	if err := os.WriteFile(docker, program, 0o755); err != nil {
		t.Fatal(err)
	}
	return sleep, docker
}

// The services that we started are found by their logs' names, and the host's collector
// tells of each; what only asks another to do the work, and our other children, are none.
func TestOwnServices(t *testing.T) {
	was := os.Args[0]
	os.Args[0] = "evabench" // what the supervisor is called, so that TestMain knows it
	t.Cleanup(func() { os.Args[0] = was })
	logs := t.TempDir()
	sleep, docker := sleepers(t)
	started(t, filepath.Join(logs, "agent-0.log"), sleep, "1000")
	started(t, filepath.Join(logs, "eyes-1.log"), sleep, "1000")
	started(t, filepath.Join(logs, "mind-0.log"), docker, "1000")
	other := exec.Command(sleep, "1000")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })

	o := &ownServices{proc: procfs.DefaultMountPoint, us: os.Getpid()}
	found, err := o.processes()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range found {
		names = append(names, p.Name)
		if !p.Keeper {
			t.Errorf("%+v is no keeper", p)
		}
	}
	if !slices.Equal(names, []string{"agent-0", "eyes-1"}) {
		t.Errorf("found %q", names)
	}

	b := &bench{kinds: knownKinds(sim.NewHost("", "", io.Discard))}
	jobs, err := b.deviceJobs(nil)
	if err != nil {
		t.Fatal(err)
	}
	processes := map[string]float64{}
	for _, j := range jobs {
		if j.Name != host.Name {
			continue
		}
		readings, err := j.Collector.Read(t.Context())
		if err != nil {
			t.Error(err)
		}
		for _, r := range readings {
			if r.Series == host.SeriesProcesses && r.Subject.Kind == results.SubjectProcess {
				name, _, _ := strings.Cut(r.Subject.ID, "/")
				processes[name] = r.Value
			}
		}
	}
	if len(processes) != 2 || processes["agent-0"] != 1 || processes["eyes-1"] != 1 {
		t.Errorf("the host's collector tells of %v", processes)
	}
}
