package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/evabench/evabench/internal/leaks"
	"github.com/evabench/evabench/internal/mps/mpsfake"
	"github.com/evabench/evabench/results"
)

func TestMain(m *testing.M) {
	if mpsfake.Called() {
		held()
		// Not os.Exit: under the race detector that takes a second, at every command.
		syscall.Exit(mpsfake.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
	}
	// Under the race detector a command that ends waits a second for other
	// goroutines' races: what they do in that second is no part of a test.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")); err != nil {
		panic(err)
	}
	testscript.Main(unleaking{m, leaks.Find}, map[string]func(){"evabench": main, "worker": worker})
}

// held keeps the MPS control program from starting a daemon for as long as somebody who
// listens at "hold" beside it does not hang up.
func held() {
	if !slices.Contains(os.Args, "-d") {
		return
	}
	if c, err := net.Dial("unix", filepath.Join(filepath.Dir(os.Args[0]), "hold")); err == nil {
		_, _ = io.Copy(io.Discard, c)
	}
}

// unleaking runs the tests, and fails if a goroutine outlives them.
type unleaking struct {
	*testing.M
	find func(...goleak.Option) error
}

func (m unleaking) Run() int {
	// What nohup or a shell's background has us ignore, commands that we start would ignore,
	// too, and tests of how they are interrupted wait for ever. Caught, it is theirs again.
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
	status := m.M.Run()
	if err := m.find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}

// TestScripts tries the command as users type it. The command "status" of a
// script runs a command, asks for its exit status (or one of two: 0|4), and
// leaves its output in the files out and err.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	cache := t.TempDir() // the load generator measures itself once for all
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_CACHE_HOME", cache)
			e.Setenv("GORACE", os.Getenv("GORACE"))
			e.Setenv("TMPDIR", filepath.Join(e.WorkDir, ".tmp"))
			return os.MkdirAll(filepath.Join(e.WorkDir, ".tmp"), 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":  exitStatus,
			"empty":   empty,
			"oneline": oneLine,
			"window":  window,
			"made":    made,
		},
	})
}

// exitStatus is the script command status.
func exitStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N[|N] COMMAND ARG…")
	}
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	for dir := range strings.SplitSeq(ts.Getenv("PATH"), string(os.PathListSeparator)) {
		if _, err := os.Stat(filepath.Join(dir, args[1])); err == nil {
			path = filepath.Join(dir, args[1])
			break
		}
	}
	var out, talk strings.Builder
	c := exec.Command(path, args[2:]...)
	c.Dir, c.Stdout, c.Stderr = ts.MkAbs("."), &out, &talk
	c.Env = append(os.Environ(), "TMPDIR="+ts.Getenv("TMPDIR"), "XDG_CACHE_HOME="+ts.Getenv("XDG_CACHE_HOME"))
	err = c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("run %v: %v", args[1:], err)
	}
	ts.Check(os.WriteFile(ts.MkAbs("out"), []byte(out.String()), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("err"), []byte(talk.String()), 0o600))
	got := strconv.Itoa(c.ProcessState.ExitCode())
	if !slices.Contains(strings.Split(args[0], "|"), got) {
		ts.Fatalf("exit status %s, want %s\nstdout:\n%s\nstderr:\n%s", got, args[0], out.String(), talk.String())
	}
}

// empty asks that a folder has nothing in it.
func empty(ts *testscript.TestScript, neg bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	if neg == (len(entries) == 0) {
		ts.Fatalf("%s holds %v", args[0], entries)
	}
}

// oneLine asks that a file has one line.
func oneLine(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile(args[0])
	if neg || strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
		ts.Fatalf("%s is not one line:\n%s", args[0], text)
	}
}

// window asks that the first step of a run has a recorded window of that span,
// and samples due in all of it, and none after the load's end.
func window(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: window RUN SPAN")
	}
	want, err := time.ParseDuration(args[1])
	ts.Check(err)
	run, err := results.Read(ts.MkAbs(args[0]))
	ts.Check(err)
	step := run.Cells[0].Steps[0]
	if got := step.Step.WindowEnd.Sub(step.Step.WindowStart); got != want {
		ts.Fatalf("the window is %v, want %v", got, want)
	}
	last := results.Offset(0)
	for s, err := range step.Samples() {
		ts.Check(err)
		if s.Due >= step.Step.LoadEnd {
			ts.Fatalf("an arrival was due %v after the load's end", s.Due.Sub(step.Step.LoadEnd))
		}
		if s.Due < step.Step.WindowEnd {
			last = max(last, s.Due)
		}
	}
	if late := step.Step.WindowEnd.Sub(last); late < 0 || late > want/4 {
		ts.Fatalf("the last arrival was due %v before the window's end", late)
	}
}
