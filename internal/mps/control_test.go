package mps_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/mps/mpsfake"
)

// script makes a control program of shell lines.
func script(t *testing.T, lines string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), mps.Name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+lines+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestNobodyThere tells a missing program from a missing daemon.
func TestNobodyThere(t *testing.T) {
	none := mps.Control{Path: filepath.Join(t.TempDir(), mps.Name)}
	if _, err := none.Ask(t.Context(), "/nowhere", "get_server_list"); !errors.Is(err, mps.ErrNoProgram) {
		t.Errorf("ask without a program: %v", err)
	}
	if err := none.Start(t.Context(), nil, os.Geteuid()); !errors.Is(err, mps.ErrNoProgram) {
		t.Errorf("start without a program: %v", err)
	}
	if err := os.Symlink("built-anew", none.Path); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{none.Path, none.Path + "-too"} { // never those of real GPUs
		if found, err := (mps.Control{Path: path}).Find(t.Context()); !errors.Is(err, mps.ErrNoProgram) || !strings.Contains(err.Error(), path) {
			t.Errorf("find without a program: %v, %v", found, err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := (mps.Control{}).Ask(t.Context(), "/nowhere", "get_server_list"); !errors.Is(err, mps.ErrNoProgram) || strings.Contains(err.Error(), "\n") {
		t.Errorf("ask with none in PATH: %v, want one line", err)
	}
	if _, err := (mps.Control{Path: program}).Ask(t.Context(), t.TempDir(), "get_server_list"); !errors.Is(err, mps.ErrNoDaemon) || errors.Is(err, mps.ErrNoProgram) {
		t.Errorf("ask without a daemon: %v", err)
	}
}

// TestAnswers: what a program says counts only if it ended well and did not
// complain, whichever way it says that no daemon is there.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		lines, said string
		none, fault bool
	}{
		{"cat", "get_server_list", false, false},
		{"echo 12; echo 13", "12\n13", false, false},
		{"echo $CUDA_MPS_PIPE_DIRECTORY", "/pipe/of", false, false},
		// An interrupt at the terminal is for evabench alone.
		{"read -r _ _ _ _ group _ < /proc/$$/stat; test $group = $$ && echo 1", "1", false, false},
		{"echo 12; exit 1", "", false, true},
		{"echo 12; echo trouble >&2", "", false, true},
		{"echo Cannot find MPS control daemon process; exit 1", "", true, true},
		{"echo Cannot find MPS control daemon process >&2; exit 1", "", true, true},
		{"echo Cannot find MPS control daemon process", "", true, true},
	} {
		said, err := mps.Control{Path: script(t, c.lines)}.Ask(t.Context(), "/pipe/of", "get_server_list")
		if said != c.said || (err != nil) != c.fault || errors.Is(err, mps.ErrNoDaemon) != c.none {
			t.Errorf("%s: %q, %v; want %q, fault %v", c.lines, said, err, c.said, c.fault)
		}
	}
	for _, command := range []string{"", "a\nquit"} {
		if _, err := (mps.Control{Path: script(t, "cat")}).Ask(t.Context(), "/pipe/of", command); err == nil {
			t.Errorf("command %q was put", command)
		}
	}
	if err := (mps.Control{Path: script(t, "echo no room; exit 3")}).Start(t.Context(), nil, os.Geteuid()); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("a failed start says %v, want what the program said", err)
	}
}

// TestHangingControl: a control program that hangs ends with the context or the
// limit, and its process with it.
func TestHangingControl(t *testing.T) {
	note := filepath.Join(t.TempDir(), "pid")
	hangs := script(t, "echo $$ >"+note+".new; mv "+note+".new "+note+"; exec sleep 1000")
	for _, c := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"ask", func(ctx context.Context) error {
			_, err := mps.Control{Path: hangs}.Ask(ctx, "/pipe/of", "quit")
			return err
		}},
		{"start", func(ctx context.Context) error { return mps.Control{Path: hangs}.Start(ctx, nil, os.Geteuid()) }},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.run(ctx) }()
		var pid int
		waitUntil(t, func() bool {
			text, err := os.ReadFile(note)
			pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
			return err == nil
		})
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "interrupted") || strings.Contains(err.Error(), "within") {
			t.Errorf("%s: %v", c.name, err)
		}
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s: process %d is left: %v", c.name, pid, err)
		}
		if err := os.Remove(note); err != nil {
			t.Fatal(err)
		}
	}
	_, err := mps.Control{Path: hangs, Limit: time.Millisecond}.Ask(t.Context(), "/pipe/of", "quit")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "not done within 1ms") {
		t.Errorf("past the limit: %v", err)
	}
}

// TestExactEnvironment: a daemon has the environment that it was given, and
// nothing of ours.
func TestExactEnvironment(t *testing.T) {
	t.Setenv("EVABENCH_TEST_SECRET", "x")
	dir := t.TempDir()
	c := mps.Control{Path: program}
	want := map[string]string{mps.PipeVariable: dir, mps.LogVariable: dir, "ODD": "a=b c"}
	var lines []string
	for name, value := range want {
		lines = append(lines, name+"="+value)
	}
	if err := c.Start(t.Context(), lines, os.Geteuid()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { quitAt(t, dir) })
	found, err := c.Find(t.Context())
	if err != nil || len(found) != 1 || !maps.Equal(found[0].Env, want) || found[0].UID != os.Geteuid() {
		t.Errorf("found %+v, %v; want one with %v", found, err, want)
	}
	err = c.Start(t.Context(), lines, os.Geteuid())
	if err == nil || !strings.Contains(err.Error(), "An instance of this daemon is already running") {
		t.Errorf("a second daemon of a folder: %v", err)
	}
}

// quitAt ends the daemon of a pipe folder and waits until its process is gone.
func quitAt(t *testing.T, pipe string) {
	t.Helper()
	c := mps.Control{Path: program}
	ctx := context.Background()
	for {
		// It may not listen yet, or be ending just now: what counts is that it goes.
		if _, err := c.Ask(ctx, pipe, "quit"); err != nil {
			t.Log(err)
		}
		found, err := c.Find(ctx)
		if err != nil {
			t.Fatal(err)
		}
		left := false
		for _, p := range found {
			left = left || p.Env[mps.PipeVariable] == pipe
		}
		if !left {
			return
		}
	}
}

// TestFindOnlyDaemons: a process that asks is no daemon, and daemons of a stand-in
// are not seen by another program's path, nor by the real one's.
func TestFindOnlyDaemons(t *testing.T) {
	dir := shortDir(t)
	ds := mps.New(mps.Control{Path: program}, options(dir))
	if _, err := ds.Start(t.Context(), limited(gpuA)); err != nil {
		t.Fatal(err)
	}
	stopAfter(t, ds, gpuA)
	asker := exec.Command(program)
	in, err := asker.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := asker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); asker.Wait() })
	found, err := mps.Control{Path: program}.Find(t.Context())
	if err != nil || len(found) != 1 || found[0].PID == asker.Process.Pid {
		t.Errorf("found %+v, %v; want the daemon and not the asking process %d", found, err, asker.Process.Pid)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	other, err := mpsfake.Install(t.TempDir(), exe)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []mps.Control{{}, {Path: other}} {
		all, err := c.Find(t.Context())
		for _, p := range all {
			if p.PID == found[0].PID || err != nil {
				t.Errorf("%+v sees the simulated daemon of another path, %v", c, err)
			}
		}
	}
}

// TestSignalIdentity: a signal goes to the process that was found, or to none.
func TestSignalIdentity(t *testing.T) {
	dir := shortDir(t)
	c := mps.Control{Path: program}
	ds := mps.New(c, options(dir))
	if _, err := ds.Start(t.Context(), limited(gpuA)); err != nil {
		t.Fatal(err)
	}
	stopAfter(t, ds, gpuA)
	found, err := c.Find(t.Context())
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	later, elsewhere := found[0], found[0]
	later.Started++
	elsewhere.Env = maps.Clone(elsewhere.Env)
	elsewhere.Env[mps.PipeVariable] = "/elsewhere"
	if err := c.Signal(t.Context(), later, syscall.SIGKILL); err != nil {
		t.Errorf("signal to one that ended: %v", err)
	}
	if err := c.Signal(t.Context(), elsewhere, syscall.SIGKILL); err == nil {
		t.Error("signal to one of another pipe folder was sent")
	}
	if _, err := ds.Clients(t.Context(), gpuA); err != nil {
		t.Errorf("the daemon was hit: %v", err)
	}
}
