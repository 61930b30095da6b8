package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
)

// brokenRun makes a run directory of this binary with one finished cell of two, and gives it
// as it is read.
func brokenRun(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	env := results.Environment{
		Scenario: "s", Planned: []string{"000-a-r1", "001-b-r1"},
		Host:       results.Host{Name: "here", OS: "linux", Arch: "amd64", CPUs: 8, CPUModel: "X"},
		Services:   []results.Service{{Name: "vision", Role: "vision", Timeout: time.Second}},
		Sessions:   []results.Session{{Evabench: buildVersion(), BinarySHA256: binaryHash()}},
		Impossible: []results.Impossible{{Config: results.Config{Name: "big"}, Reason: "no room"}},
	}
	w, err := results.Create(dir, env, []byte("name: s\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Before(keptState(stateBefore()), nil, results.Flags{}); err != nil {
		t.Fatal(err)
	}
	c, err := w.Cell("000-a-r1")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(results.Cell{Status: results.CellDone}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func stateBefore() partition.State {
	on, watts := true, 600.0
	return partition.State{
		System: partition.System{Driver: "580.1"},
		GPUs: []partition.GPU{{
			UUID: "GPU-1", Name: "card", MIG: partition.Mode{Supported: true}, ECC: &on, PowerLimitWatts: &watts, ComputeMode: "default",
			Processes: []partition.Process{{PID: 7}},
		}},
		MPS: []partition.Daemon{{Device: "GPU-1", PID: 5, Pipe: "/pipe", Env: map[string]string{"TOKEN": "secret"}}},
	}
}

// edit changes environment.json as a person would.
func edit(t *testing.T, dir string, change func(env map[string]any)) {
	t.Helper()
	path := filepath.Join(dir, "environment.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var env map[string]any
	if err := json.Unmarshal(text, &env); err != nil {
		t.Fatal(err)
	}
	delete(env, "sha256") // without, it is not known to have been changed
	change(env)
	if text, err = json.Marshal(env); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What is seen in the run directory alone refuses before the server is looked at, and says why.
func TestResumeRefusesTheDirectory(t *testing.T) {
	other := []any{map[string]any{"evabench": "v0.9", "binary_sha256": strings.Repeat("ab", 32), "started": "2026-01-02T03:04:05Z", "command": nil}}
	for name, test := range map[string]struct {
		change func(t *testing.T, dir string)
		accept bool
		want   []string // parts of the fault; none if it is not refused
	}{
		"as it was": {func(*testing.T, string) {}, false, nil},
		"measured otherwise": {
			func(t *testing.T, dir string) { edit(t, dir, func(e map[string]any) { e["measurement"] = 0 }) }, false,
			[]string{"measured by version 0 of measuring", "this evabench, ", fmt.Sprintf("measures by version %d", results.MeasurementVersion)},
		},
		"measured otherwise, whatever is accepted": {
			func(t *testing.T, dir string) {
				edit(t, dir, func(e map[string]any) { e["measurement"] = results.MeasurementVersion + 1 })
			}, true,
			[]string{fmt.Sprintf("by version %d of measuring", results.MeasurementVersion+1)},
		},
		"another binary": {
			func(t *testing.T, dir string) { edit(t, dir, func(e map[string]any) { e["sessions"] = other }) }, false,
			[]string{"begun by another binary, evabench v0.9 (sha256 abababababab), and this is " + buildVersion(), "--accept-binary"},
		},
		"another binary, accepted": {
			func(t *testing.T, dir string) { edit(t, dir, func(e map[string]any) { e["sessions"] = other }) }, true, nil,
		},
		"another schema": {
			func(t *testing.T, dir string) { edit(t, dir, func(e map[string]any) { e["schema"] = 4 }) }, true,
			[]string{"schema 4 was written by an older evabench"},
		},
		"another scenario": {
			func(t *testing.T, dir string) {
				if err := os.WriteFile(filepath.Join(dir, "scenario.yaml"), []byte("name: t\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}, true,
			[]string{"scenario.yaml: it was changed after the run", "a new run begins with"},
		},
		"a wrong digit": {
			func(t *testing.T, dir string) {
				path := filepath.Join(dir, "environment.json")
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, bytes.Replace(text, []byte(`"cpus": 8`), []byte(`"cpus": 9`), 1), 0o600); err != nil {
					t.Fatal(err)
				}
			}, true,
			[]string{"environment.json: it is not as it was written"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := brokenRun(t)
			test.change(t, dir)
			g, err := openRun(dir, test.accept)
			checkRefusal(t, err, dir, test.want)
			if err == nil && (!g.measured["000-a-r1"] || g.measured["001-b-r1"]) {
				t.Errorf("measured %v", g.measured)
			}
		})
	}
}

// checkRefusal wants a fault that begins with the directory and has some parts; nil for none.
func checkRefusal(t *testing.T, err error, dir string, want []string) {
	t.Helper()
	if len(want) == 0 {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if err == nil {
		t.Fatalf("not refused; want %q", want)
	}
	if !strings.HasPrefix(err.Error(), dir+" is not resumed: ") {
		t.Errorf("%v does not begin with what is not resumed", err)
	}
	for _, part := range want {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want %q in it", err, part)
		}
	}
}

// A server, or a program, that makes something else of the run refuses, and says what.
func TestResumeRefusesTheServer(t *testing.T) {
	for name, test := range map[string]struct {
		env   func(*results.Environment)
		state func(*partition.State)
		want  []string
	}{
		"as it was": {},
		"what comes and goes": {state: func(s *partition.State) {
			s.GPUs[0].Processes, s.GPUs[0].Holders, s.GPUs[0].Index = nil, []partition.Holder{{PID: 3}}, 4
			s.MPS[0].PID, s.MPS[0].Clients = 99, []int{1}
		}},
		"another cell": {env: func(e *results.Environment) { e.Planned[1] = "001-c-r1" }, want: []string{"number 2 was planned as 001-b-r1, and would be 001-c-r1 now"}},
		"one more":     {env: func(e *results.Environment) { e.Planned = append(e.Planned, "002-c-r1") }, want: []string{"planned as nothing, and would be 002-c-r1 now"}},
		"possible now": {env: func(e *results.Environment) { e.Impossible = nil }, want: []string{"configuration big could not be (no room), and can be now"}},
		"services":     {env: func(e *results.Environment) { e.Services[0].Timeout = 2 * time.Second }, want: []string{"reads the same scenario otherwise: its list of services was [{"}},
		"simulated":    {env: func(e *results.Environment) { e.SimulatedScale = 2 }, want: []string{"its simulated server was"}},
		"machine":      {env: func(e *results.Environment) { e.Host.CPUs = 4 }, want: []string{"begun on another machine: 8 CPUs", "this one has 4 CPUs"}},
		"host's name":  {env: func(e *results.Environment) { e.Host.Name = "there" }},
		"driver":       {state: func(s *partition.State) { s.System.Driver = "590.2" }, want: []string{`its driver was "580.1" and is "590.2"`}},
		"MIG":          {state: func(s *partition.State) { s.GPUs[0].MIG.Current = true }, want: []string{"the server is another than before", "MIG is on"}},
		"another card": {state: func(s *partition.State) { s.GPUs[0].UUID = "GPU-2"; s.MPS[0].Device = "GPU-2" }, want: []string{"GPU-1 is gone", "(GPU-2) was not among the named ones"}},
		"power": {state: func(s *partition.State) {
			less := 450.0
			s.GPUs[0].PowerLimitWatts = &less
		}, want: []string{"the power limit of GPU 0 was 600", "and is 450"}},
		"ECC unknown":  {state: func(s *partition.State) { s.GPUs[0].ECC = nil }, want: []string{"the ECC of GPU 0 was on and is unknown"}},
		"compute mode": {state: func(s *partition.State) { s.GPUs[0].ComputeMode = "exclusive" }, want: []string{"compute mode is exclusive, not default"}},
		"no daemon":    {state: func(s *partition.State) { s.MPS = nil }, want: []string{"MPS daemon", "is missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := brokenRun(t)
			g, err := openRun(dir, false)
			if err != nil {
				t.Fatal(err)
			}
			now := g.run.Environment
			now.Planned, now.Services = slices.Clone(now.Planned), slices.Clone(now.Services)
			if test.env != nil {
				test.env(&now)
			}
			state := stateBefore()
			if test.state != nil {
				test.state(&state)
			}
			why, err := g.differs(now)
			if err != nil {
				t.Fatal(err)
			}
			other, err := g.stateDiffers(state)
			if err != nil {
				t.Fatal(err)
			}
			checkRefusal(t, g.refused(append(why, other...)), dir, test.want)
		})
	}
}

// What is kept of the state before holds no environment of others' programs.
func TestStateBeforeHoldsNoSecret(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(brokenRun(t), "before.json"))
	if err != nil || !bytes.Contains(text, []byte("GPU-1")) || bytes.Contains(text, []byte("secret")) {
		t.Errorf("%v, %s", err, text)
	}
}

// A run that broke off before its first cell, and before its state was kept, may go on; one
// with a cell may not.
func TestResumeWithoutState(t *testing.T) {
	dir := brokenRun(t)
	if err := os.Remove(filepath.Join(dir, "before.json")); err != nil {
		t.Fatal(err)
	}
	g, err := openRun(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.stateDiffers(stateBefore()); err == nil {
		t.Error("a cell was measured on a server of which nothing is known, and it goes on")
	}
	g.measured["000-a-r1"] = false
	if why, err := g.stateDiffers(stateBefore()); err != nil || len(why) > 0 {
		t.Errorf("%v, %v", why, err)
	}
}

// One evabench at a time writes into a run directory.
func TestRunIsLocked(t *testing.T) {
	dir := brokenRun(t)
	var talk strings.Builder
	unlock, err := lockRun(dir, &talk)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockRun(dir, &talk); err == nil || !strings.Contains(err.Error(), "another evabench writes into "+dir) {
		t.Errorf("a second lock: %v", err)
	}
	err = run(t.Context(), []string{"sweep", "--resume", dir}, strings.NewReader(""), &talk, &talk)
	if err == nil || !strings.Contains(err.Error(), "another evabench writes into "+dir) {
		t.Errorf("a second session: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := lockRun(dir, &talk)
	if err != nil {
		t.Fatal(err)
	}
	if err := again(); err != nil || talk.String() != "" {
		t.Errorf("%v, told %q", err, talk.String())
	}
}

// Every flag of sweep either says what is measured, so that it does not go with --resume, or
// does not.
func TestFlagsBesideResume(t *testing.T) {
	goes := []string{"resume", "accept-binary", "state-dir", "sim-dir", "yes", "dry-run", "help", "plain", "json-events", "live"}
	sweep := newSweep(streams{})
	n := 0
	sweep.Flags().VisitAll(func(f *pflag.Flag) {
		n++
		if slices.Contains(goes, f.Name) == slices.Contains(saidByRun, f.Name) {
			t.Errorf("does --%s go with --resume? it must stand in saidByRun, or else in this test's list", f.Name)
		}
		refused := beside(f)
		if refused != slices.Contains(saidByRun, f.Name) {
			t.Errorf("--%s beside --resume: refused %v", f.Name, refused)
		}
	})
	if n < 8 {
		t.Errorf("sweep has %d flags", n)
	}
}

// beside reports whether a flag is refused beside --resume.
func beside(f *pflag.Flag) bool {
	flags := pflag.NewFlagSet("sweep", pflag.ContinueOnError)
	changed := *f
	changed.Changed = true
	flags.AddFlag(&changed)
	o := sweepOptions{resume: "run"}
	return o.checkResume(flags, nil) != nil
}
