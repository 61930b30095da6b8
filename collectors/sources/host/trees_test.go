package host

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sourcetest"
	"github.com/evabench/evabench/internal/leaks"
	"github.com/evabench/evabench/results"
)

// part says which process of TestTree our own program is, run again.
const part = "EVABENCH_HOST_TEST_PART"

func TestMain(m *testing.M) {
	switch os.Getenv(part) {
	case "server":
		server()
	case "worker":
		fmt.Println("up")
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "burner":
		burn()
	default:
		leaks.Main(m)
	}
	syscall.Exit(0)
}

// burned is the processor time that the burner uses, s.
const burned = 0.1

func burn() {
	for x, used := uint64(1), (syscall.Rusage{}); ; x++ {
		if x%(1<<20) != 0 {
			continue
		}
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil || float64(used.Utime.Nano()) > burned*1e9 {
			return
		}
	}
}

// server starts a worker on each line "worker", runs a burner to its end on "burner",
// and answers each with "done".
func server() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		c := again(lines.Text())
		out, err := c.StdoutPipe()
		if err == nil && lines.Text() == "worker" {
			_, err = c.StdinPipe()
		}
		if err == nil {
			err = c.Start()
		}
		if err == nil && lines.Text() == "worker" {
			_, err = bufio.NewReader(out).ReadString('\n')
		} else if err == nil {
			err = c.Wait()
		}
		fmt.Println("done", err)
	}
}

func again(as string) *exec.Cmd {
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), part+"="+as)
	return c
}

// A service's processes are its root's descendants, as they come; the time of those
// that ended stays counted.
func TestTree(t *testing.T) {
	c := again("server")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = c.Wait() })
	answers := bufio.NewReader(out)
	do := func(what string) {
		t.Helper()
		fmt.Fprintln(in, what)
		if answer, err := answers.ReadString('\n'); err != nil || answer != "done <nil>\n" {
			t.Fatalf("%s: %q, %v", what, answer, err)
		}
	}
	roots := []Process{{Name: "agent-0", PID: c.Process.Pid}, {Name: "kept", PID: c.Process.Pid, Keeper: true}}
	read := readerOf(t)
	before := read(roots[:1]) // a keeper that keeps nothing is a fault
	if n := before["agent-0"][SeriesProcesses]; n != 1 {
		t.Errorf("alone: %v processes", n)
	}
	do("worker")
	do("burner")
	after := read(roots)
	if n := after["agent-0"][SeriesProcesses]; n != 2 {
		t.Errorf("with a worker and a burner that has ended: %v processes, want 2", n)
	}
	// The kernel's ticks are 10 ms: utime and stime may each be cut by one.
	if used := after["agent-0"][SeriesProcessCPU] - before["agent-0"][SeriesProcessCPU]; used < burned-0.02 {
		t.Errorf("CPU rose by %v s, want the %v s of the burner", used, burned)
	}
	if kept := after["kept"]; kept[SeriesProcesses] != 1 || kept[SeriesProcessCPU] < burned-0.02 {
		t.Errorf("the keeper itself counts, or what it has waited for does not: %v", kept)
	}
	if m := after["agent-0"]; m[SeriesProcessMemory] <= before["agent-0"][SeriesProcessMemory] || m[SeriesThreads] < 2 {
		t.Errorf("memory and threads: %v, before %v", m, before["agent-0"])
	}
	if wait := after["agent-0"][SeriesProcessWait]; wait < before["agent-0"][SeriesProcessWait] || before["agent-0"][SeriesProcessWait] != 0 {
		t.Errorf("run-queue wait: %v, before %v", wait, before["agent-0"][SeriesProcessWait])
	}
}

// A member's number that is another process's by now is not counted: the tree is
// searched again.
func TestReusedNumber(t *testing.T) {
	c := again("server")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = c.Wait() })
	ts := collectorOf(t, New(nil).(source)).trees
	root := c.Process.Pid
	ts.members = map[int][]int{root: {root, os.Getpid()}}
	ts.waits, ts.searched = map[int]*accumulated{root: {}}, time.Now()
	processes := 0.0
	err = ts.read(t.Context(), []Process{{Name: "agent-0", PID: root}}, ts.searched, func(_ results.Subject, series string, value float64, _ string) {
		if series == SeriesProcesses {
			processes += value
		}
	})
	if err != nil || processes != 1 {
		t.Errorf("got %v processes, %v, want the root alone", processes, err)
	}
}

// readerOf gives a reader of roots by name; each read looks for new descendants.
func readerOf(t *testing.T) func([]Process) map[string]map[string]float64 {
	ts := collectorOf(t, New(nil).(source)).trees
	now := time.Now()
	return func(roots []Process) map[string]map[string]float64 {
		t.Helper()
		now = now.Add(searchEvery)
		var all []collectors.Reading
		err := ts.read(t.Context(), roots, now, func(s results.Subject, series string, value float64, unit string) {
			all = append(all, collectors.Reading{Subject: s, Series: series, Value: value, Unit: unit})
		})
		if err != nil {
			t.Fatal(err)
		}
		sourcetest.Readings(t, all)
		got := make(map[string]map[string]float64)
		for _, r := range all {
			name, _, _ := strings.Cut(r.Subject.ID, "/")
			if got[name] == nil {
				got[name] = make(map[string]float64)
			}
			got[name][r.Series] = r.Value
		}
		return got
	}
}

// A root that has ended is a fault that says whose; the others are read.
func TestGone(t *testing.T) {
	c := again("burner")
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	roots := func() ([]Process, error) {
		return []Process{{Name: "gone", PID: c.Process.Pid}, {Name: "us", PID: os.Getpid()}}, nil
	}
	readings, err := collectorOf(t, New(roots).(source)).Read(t.Context())
	if err == nil || !strings.Contains(err.Error(), "processes of gone") || strings.Contains(err.Error(), "processes of us") {
		t.Errorf("got %v, want that one is gone", err)
	}
	for _, r := range readings {
		if r.Series == SeriesProcesses && (r.Value < 1 || !strings.HasPrefix(r.Subject.ID, "us/")) {
			t.Errorf("got %+v", r)
		}
	}
}

// The sum of waits only grows, also when threads end and their numbers come again.
func TestAccumulated(t *testing.T) {
	var a accumulated
	for i, c := range []struct {
		now  map[int]uint64
		want time.Duration
	}{
		{map[int]uint64{1: 100, 2: 50}, 0},
		{map[int]uint64{1: 130, 2: 50}, 30},
		{map[int]uint64{1: 130}, 30},
		{map[int]uint64{1: 130, 2: 7}, 37}, // a new thread 2
		{map[int]uint64{1: 5, 2: 8}, 43},   // a new thread 1
	} {
		if got := a.add(c.now); got != c.want {
			t.Errorf("step %d: got %d, want %d", i, got, c.want)
		}
	}
}

// A read of this machine; at 1 Hz it is this time of each second of one core. Ours, with
// its threads, stands for a service's processes.
func BenchmarkRead(b *testing.B) {
	for _, bench := range []struct {
		name  string
		roots func() ([]Process, error)
	}{{"host", nil}, {"host and a process", func() ([]Process, error) { return []Process{{Name: "us", PID: os.Getpid()}}, nil }}} {
		b.Run(bench.name, func(b *testing.B) {
			c := collectorOf(b, New(bench.roots).(source))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Read(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
