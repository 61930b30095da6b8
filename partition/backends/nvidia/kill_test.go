package nvidia

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/evabench/evabench/internal/leaks"
	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/mps/mpsfake"
	"github.com/evabench/evabench/internal/mps/mpstest"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/internal/nvml/nvmltest"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/partition/backendtest"
)

func TestMain(m *testing.M) {
	if mpsfake.Called() {
		// Not os.Exit: under the race detector that takes a second, at every command.
		syscall.Exit(mpsfake.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
	}
	leaks.Main(m)
}

// executable puts the fake control program, a real executable, into a folder. What it
// started and still runs when the test is over is told to quit.
func executable(t testing.TB, dir string) mps.Program {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path, err := mpsfake.Install(dir, exe)
	if err != nil {
		t.Fatal(err)
	}
	control := mps.Control{Path: path}
	t.Cleanup(func() {
		for {
			left, err := control.Find(context.Background())
			if err != nil {
				t.Error(err)
			}
			if len(left) == 0 {
				return
			}
			for _, p := range left { // one may not listen yet, or be ending just now
				if _, err := control.Ask(context.Background(), p.Env[mps.PipeVariable], "quit"); err != nil && !errors.Is(err, mps.ErrNoDaemon) {
					t.Errorf("quit what the test started: %v", err)
				}
			}
		}
	})
	return control
}

// newExecutableRig is a server whose MPS daemons are processes.
func newExecutableRig(t testing.TB, cards ...string) *rig {
	t.Helper()
	dir := fastDir(t)
	if err := nvml.CreateFake(filepath.Join(dir, "cards.json"), cards); err != nil {
		t.Fatal(err)
	}
	return openRig(t, dir, executable(t, dir))
}

// executableShare are the tests of the suite that run with processes without -long: those
// in which daemons start, stop, are counted and come back.
var executableShare = []string{"Events", "Count", "Stale"}

// TestBackendExecutable: the suite once more with daemons that are processes, so that
// the program in memory stands for them rightly; without -long a share of it.
func TestBackendExecutable(t *testing.T) {
	t.Parallel()
	only := executableShare
	if *long {
		only = nil
	}
	t.Logf("of the suite with processes run: %q (none is all; -long runs all)", only)
	backendtest.Run(t, func(t *testing.T) (partition.Backend, []string) {
		return newExecutableRig(t, a30).Backend, []string{"0"}
	}, only...)
}

// killVariable tells a child of the tests what to do.
const killVariable = "EVABENCH_TEST_KILL"

// A killing is a sweep that ends its own process by SIGKILL at a call.
type killing struct {
	Dir   string
	Drill int
	Which string // "nvml before", "nvml after" or "mps"; anything else never ends it
	Call  int
}

// A counted is how many calls a sweep made.
type counted struct{ NVML, MPS int }

// TestKillChild is not a test of its own: it is the process that is killed.
func TestKillChild(t *testing.T) {
	text, ok := os.LookupEnv(killVariable)
	if !ok {
		return
	}
	var k killing
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		t.Fatal(err)
	}
	r := openRig(t, k.Dir, mps.Control{Path: filepath.Join(k.Dir, mps.Name)})
	die := func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		select {}
	}
	place := nvmltest.Fault{After: k.Which == "nvml after", Do: die}
	if k.Which == "nvml before" || k.Which == "nvml after" {
		place.Call = k.Call
	}
	api := nvmltest.New(r.fake, place)
	program := &mpstest.Faulty{Program: r.program, Mode: mpstest.Call, Call: func(string) { die() }}
	if k.Which == "mps" {
		program.At = k.Call
	}
	err := drills[k.Drill].sweep(t.Context(), r.over(Options{API: api, MPS: r.daemons(program)}), k.Dir)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(counted{len(api.Calls()), program.Count()})
	if err == nil {
		err = os.WriteFile(filepath.Join(k.Dir, "counted.json"), data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// run runs the child and reports whether it was killed.
func (k killing) run(t *testing.T) (killed bool) {
	t.Helper()
	text, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKillChild$", "-test.count=1")
	cmd.Env = append(os.Environ(), killVariable+"="+string(text))
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if status, is := exit.Sys().(syscall.WaitStatus); !ok || !is || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the sweep's process ended by %v: %s", err, out)
	}
	return true
}

// killShare is of how many kills one is tried without -long.
const killShare = 40

// killers is how many servers are worked on at once.
const killers = 4

// TestKillEverywhere ends the process of a sweep by SIGKILL before and after the effect
// of every NVML call, and before every MPS command, which is after the one before. The
// daemons are processes and outlive it. What the journal says is put back, always.
func TestKillEverywhere(t *testing.T) {
	t.Parallel()
	r := newExecutableRig(t, drills[0].cards...)
	drills[0].prepare(r)
	all := r.all()
	if (killing{Dir: r.dir}).run(t) {
		t.Fatal("a sweep that nothing kills was killed")
	}
	if now := r.all(); now != all {
		t.Fatalf("a sweep that nothing kills left\n%s, was\n%s", now, all)
	}
	var calls counted
	data, err := os.ReadFile(filepath.Join(r.dir, "counted.json"))
	if err == nil {
		err = json.Unmarshal(data, &calls)
	}
	if err != nil || calls.NVML == 0 || calls.MPS == 0 {
		t.Fatalf("counted %+v, %v", calls, err)
	}
	var todo []killing
	for k := range calls.NVML {
		todo = append(todo, killing{Which: "nvml before", Call: k + 1}, killing{Which: "nvml after", Call: k + 1})
	}
	for k := range calls.MPS {
		todo = append(todo, killing{Which: "mps", Call: k + 1})
	}
	possible, share := len(todo), "all of them"
	if !*long {
		share = fmt.Sprintf("one in %d; -long tries all", killShare)
		todo = slices.DeleteFunc(todo, func(k killing) bool { return (k.Call+len(k.Which))%killShare != 0 })
	}
	var tried, restored, left, missed atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d NVML calls, %d MPS commands, %d places to die at; kills tried %d, restored %d, of them %d by the journal (%s); %d came too late, after the sweep's end",
			calls.NVML, calls.MPS, possible, tried.Load(), restored.Load(), left.Load(), share, missed.Load())
		if tried.Load() < 10 || missed.Load() > tried.Load()/10 || tried.Load() != restored.Load() || left.Load() == 0 {
			t.Error("that is too few")
		}
	})
	for n := range killers {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			r := newExecutableRig(t, drills[0].cards...)
			drills[0].prepare(r)
			all := r.all()
			for i := n; i < len(todo) && !t.Failed(); i += killers {
				k := todo[i]
				k.Dir = r.dir
				if !k.run(t) {
					// How often a daemon is asked until it answers is its affair: this
					// sweep had fewer commands than the one that was counted.
					missed.Add(1)
					continue
				}
				tried.Add(1)
				byJournal, err := openRig(t, r.dir, r.program).recover()
				if err != nil {
					t.Errorf("killed at %s call %d: %v", k.Which, k.Call, err)
				}
				if byJournal {
					left.Add(1)
				}
				if now := r.all(); now != all {
					t.Errorf("killed at %s call %d: restored to\n%s, was\n%s", k.Which, k.Call, now, all)
				}
				if !t.Failed() {
					restored.Add(1)
				}
			}
		})
	}
}
