package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	after bool
}

func (l leftover) AfterConsent() bool { return l.after }

func (l leftover) EndOrphans(context.Context) ([]string, error) { return l.ended, l.fault }

// Each launcher is asked in its time, also after one that fails, and what was ended is
// told. One that could not look ends nothing.
func TestEndOrphans(t *testing.T) {
	fault := errors.New("it holds on")
	all := []runner.Service{
		{Service: scenarios.Service{Name: "hung"}, Launcher: leftover{fault: fmt.Errorf("%w: no answer", services.ErrNotLooked)}},
		{Service: scenarios.Service{Name: "eyes"}, Launcher: leftover{ended: []string{"container a"}, fault: fault}},
		{Service: scenarios.Service{Name: "other"}},
		{Service: scenarios.Service{Name: "agent"}, Launcher: leftover{ended: []string{"container b"}}},
		{Service: scenarios.Service{Name: "own"}, Launcher: leftover{ended: []string{"container c"}, after: true}},
	}
	var before, after bytes.Buffer
	if err := endOrphans(t.Context(), all, false, &before); !errors.Is(err, fault) || !strings.Contains(err.Error(), "service eyes") || errors.Is(err, services.ErrNotLooked) {
		t.Errorf("endOrphans() = %v", err)
	}
	want := "evabench: warning: service hung: what an earlier run left could not be looked for: no answer; something may be left\n" +
		"evabench: an earlier run was killed and left container a; it was ended\n" +
		"evabench: an earlier run was killed and left container b; it was ended\n"
	if before.String() != want {
		t.Errorf("it tells %q, want %q", before.String(), want)
	}
	if err := endOrphans(t.Context(), all, true, &after); err != nil || after.String() != "evabench: an earlier run was killed and left container c; it was ended\n" {
		t.Errorf("after consent it tells %q, %v", after.String(), err)
	}
}

// A docker command that the scenario names by its path is run when that was agreed to,
// and not before. The commands that everybody knows are asked at once.
func TestOwnCommandWaitsForConsent(t *testing.T) {
	for _, c := range []struct {
		command string // of the scenario
		yes     bool
		runs    bool
	}{{"PATH/docker", false, false}, {"PATH/docker", true, true}, {"docker", false, true}} {
		dir := t.TempDir()
		program, ran := filepath.Join(dir, "docker"), filepath.Join(dir, "ran")
		if err := os.WriteFile(program, []byte("#!/bin/sh\necho \"$@\" >> "+ran+"\nexit 1\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
		file := filepath.Join(dir, "own.yaml")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(ownCommand, "COMMAND", strings.Replace(c.command, "PATH", dir, 1))), 0o600); err != nil {
			t.Fatal(err)
		}
		args := []string{"sweep", file, "--no-selftest", "--out", filepath.Join(dir, "out"), "--state-dir", filepath.Join(dir, "state")}
		if c.yes {
			args = append(args, "--yes")
		}
		code, _, talk := command(t, args...)
		text, _ := os.ReadFile(ran) // it is not there where nothing ran
		if runs := strings.HasPrefix(string(text), "ps "); code == exitDone || runs != c.runs || strings.Contains(talk, "say --yes") == c.yes {
			t.Errorf("command %s, agreed %v: status %d; it ran %q, want that: %v\n%s", c.command, c.yes, code, text, c.runs, talk)
		}
	}
}

const ownCommand = `version: 1
name: own
server: {backend: {kind: none}}
services:
  vision:
    role: vision
    launcher: {kind: docker, command: COMMAND, image: "x:1", instances: 1, gpu: none}
    endpoint: torchserve
    models: {omdet: {workers: 1}}
    workload:
      kind: vision
      images: {width: 320, height: 180, kilobytes: 20, count: 2}
      classes: [{name: omdet, model: omdet}]
    load: {arrivals: poisson, levels: [5]}
  agent:
    role: agent
    launcher: {kind: external, instances: [{url: "http://127.0.0.1:9"}], adapt: {argv: [/bin/true]}}
    endpoint: openai-chat
    models: {m: {}}
    workload: {kind: agent, model: m, inspect: 1, max_tokens: 4, images: {width: 320, height: 180, kilobytes: 20}}
    load: {arrivals: closed, levels: [1]}
steps: {warmup: 500ms, window: 1s}
matrix: {layout: ["off"]}
`

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
	orphan := exec.Command("cat")
	orphan.Env = append(os.Environ(), fmt.Sprintf("EVABENCH_SUPERVISED=mark/%[1]d/1/%[1]d/1", dead.Process.Pid))
	startCat(t, orphan)
	defer orphan.Process.Kill()
	go orphan.Wait() // as init does
	if err := gpus.API.(*nvml.Fake).AddProcess(devices[0].UUID, orphan.Process.Pid, "cat", 1<<30); err != nil {
		t.Fatal(err)
	}

	code, said, talk := command(t, "gpu", "restore", "--sim", "pro6000x1", "--sim-dir", dir)
	want := fmt.Sprintf("left cat (process %d); it was ended", orphan.Process.Pid)
	if code != exitDone || !strings.Contains(said, "put back and verified") || !strings.Contains(talk, want) {
		t.Errorf("status %d, want %d, a restore and %q in\n%s%s", code, exitDone, want, said, talk)
	}
	now, err := gpus.Backend.Inspect(t.Context(), []string{"0"})
	if err != nil {
		t.Fatal(err)
	}
	if d := before.Differences(now); len(d) > 0 {
		t.Errorf("the GPUs differ: %q", d)
	}
}

// startCat starts cat and waits until it answers: until a process runs its own program, the
// environment it was given may not be there to read.
func startCat(t *testing.T, cat *exec.Cmd) {
	t.Helper()
	in, err := cat.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cat.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cat.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintln(in); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

// onWrite does something at each line.
type onWrite func(string)

func (f onWrite) Write(line []byte) (int, error) {
	f(string(line))
	return len(line), nil
}

// What a killed evabench's supervisor still lets end is waited for, and told.
func TestStartWaitsForWhatStillEnds(t *testing.T) {
	supervisor := exec.Command("cat")
	hold, err := supervisor.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := supervisor.Start(); err != nil {
		t.Fatal(err)
	}
	waited := make(chan struct{})
	go func() { defer close(waited); _ = supervisor.Wait() }() // so that it is no zombie
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", supervisor.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	server := exec.Command("cat")
	begin := strings.Fields(string(stat))[21] // "cat" has no space
	server.Env = []string{fmt.Sprintf("EVABENCH_SUPERVISED=mark/%d/1/%d/%s", dead.Process.Pid, supervisor.Process.Pid, begin)}
	startCat(t, server)
	defer server.Process.Kill()
	go server.Wait() // as init does
	var talk strings.Builder
	err = endProcesses(t.Context(), onWrite(func(line string) {
		talk.WriteString(line)
		if strings.Contains(line, "waiting") {
			hold.Close()
			<-waited
		}
	}))
	name := fmt.Sprintf("cat (process %d)", server.Process.Pid)
	want := []string{"an earlier run was killed, and of it still end: ", name, "; waiting for them, at most 1m0s\n", "left " + name + "; it was ended\n"}
	for _, w := range want {
		if err != nil || !strings.Contains(talk.String(), w) {
			t.Errorf("endProcesses() = %v and tells %q, want %q", err, talk.String(), w)
		}
	}
}
