package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/evabench/evabench/loadgen/stub"
	"github.com/evabench/evabench/results"
)

// longSweep writes a sweep of one step of ten minutes into a folder.
func longSweep(t *testing.T, dir, scenario string) {
	t.Helper()
	long := strings.NewReplacer("window: 1s", "window: 10m", "window: 300ms", "window: 10m").Replace(scenario)
	if long == scenario {
		t.Fatal("its windows are others")
	}
	if err := os.WriteFile(dir+"/long.yaml", []byte(long), 0o600); err != nil {
		t.Fatal(err)
	}
}

// smallSweep is longSweep of the small scenario.
func smallSweep(t *testing.T, dir string) {
	t.Helper()
	scenario, err := os.ReadFile("testdata/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	longSweep(t, dir, string(scenario))
}

// TestInterrupt sends signals in the middle of a step, the second once the first is
// told: the command ends with its status, records the cell as interrupted, and leaves
// no process and no file behind. An ended terminal hangs up twice, and an end of the
// machine terminates besides, so that a SIGHUP is none of the two that end it at once.
func TestInterrupt(t *testing.T) {
	const hup = syscall.SIGHUP
	for name, signals := range map[string][]syscall.Signal{
		"interrupt": {syscall.SIGINT}, "terminated": {syscall.SIGTERM}, "hangup": {hup},
		"hangup twice": {hup, hup}, "terminated and hangup": {syscall.SIGTERM, hup}, "hangup and terminated": {hup, syscall.SIGTERM},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			smallSweep(t, dir)
			temp := filepath.Join(dir, "tmp")
			if err := os.Mkdir(temp, 0o700); err != nil {
				t.Fatal(err)
			}
			t.Setenv("TMPDIR", temp)
			code, talk := interrupt(t, dir, signals...)
			if code != exitInterrupted {
				t.Errorf("exit status %d, want %d; it said:\n%s", code, exitInterrupted, talk)
			}
			if !strings.Contains(talk, "put back and verified") {
				t.Errorf("it did not say that the server was put back:\n%s", talk)
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("left in the temporary folder: %v, %v", left, err)
			}
			wasInterrupted(t, dir)
		})
	}
}

// wasInterrupted asks that the cell is recorded so.
func wasInterrupted(t *testing.T, dir string) {
	t.Helper()
	run, err := results.Read(dir + "/run")
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Cells) != 1 || run.Cells[0].Cell.Status != results.CellInterrupted {
		t.Errorf("the cell is not recorded as interrupted: %+v", run.Cells)
	}
}

// TestInterruptUnheard is the everyday "sweep 2>&1 | tee log" with Ctrl-C: the
// reader of our talk is gone first, and the server is put back all the same.
func TestInterruptUnheard(t *testing.T) {
	dir := t.TempDir()
	smallSweep(t, dir)
	s := startSweep(t, dir)
	s.await("step 0")
	if err := s.pipe.Close(); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGINT)
	_ = s.Wait() // the status tells
	if code := s.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("exit status %d, want %d", code, exitInterrupted)
	}
	wasInterrupted(t, dir)
}

// TestNohup: a SIGHUP that whoever started us ignores stays ignored. The kernel
// delivers the lower number first, so a SIGHUP that is heard is told first.
func TestNohup(t *testing.T) {
	dir := t.TempDir()
	smallSweep(t, dir)
	path, err := exec.LookPath("evabench")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, dir, exec.Command("sh", "-c", `trap "" HUP; exec "$0" "$@"`, path, "sweep", "long.yaml", "--out", "run", "--no-selftest"))
	s.await("step 0")
	s.signal(syscall.SIGHUP)
	s.signal(syscall.SIGINT)
	if code, talk := s.end(); code != exitInterrupted || !strings.Contains(talk, "evabench: interrupt: stopping") || strings.Contains(talk, "hangup") {
		t.Errorf("exit status %d; it said:\n%s", code, talk)
	}
}

// TestSecondSignal ends a sweep at once that would take a minute to put back what it
// changed.
func TestSecondSignal(t *testing.T) {
	server, err := stub.Start(stub.Options{Answer: []byte(`[{"workers": 1, "label": "person", "box": [0, 0, 1, 1], "score": 0.9}]`)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	dir := t.TempDir()
	longSweep(t, dir, strings.NewReplacer("URL", server.URL(), "echo restore >> done", "exec sleep 60").Replace(adaptScenario))
	s := startSweep(t, dir, "--yes")
	s.await("step 0")
	for _, signal := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT} {
		s.signal(signal)
		s.await(": stopping and putting the server back; a second SIGINT or SIGTERM leaves it as it is")
	}
	s.signal(syscall.SIGTERM)
	_, talk := s.end()
	if status := s.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGTERM {
		t.Errorf("%s; it said:\n%s", s.ProcessState, talk)
	}
}

// interrupt runs a sweep in dir until its first step, sends signals, each once the one
// before is told, and waits.
func interrupt(t *testing.T, dir string, signals ...syscall.Signal) (code int, talk string) {
	t.Helper()
	s := startSweep(t, dir)
	s.await("step 0")
	for i, signal := range signals {
		if i > 0 {
			s.await(": stopping and putting the server back")
		}
		s.signal(signal)
	}
	return s.end()
}

// A sweeping is a sweep that runs.
type sweeping struct {
	*exec.Cmd
	t     *testing.T
	pipe  io.ReadCloser // its standard error
	lines *bufio.Reader // of pipe
	said  strings.Builder
}

// startSweep starts the sweep of long.yaml in dir.
func startSweep(t *testing.T, dir string, flags ...string) *sweeping {
	t.Helper()
	path, err := exec.LookPath("evabench")
	if err != nil {
		t.Fatal(err)
	}
	return start(t, dir, exec.Command(path, append([]string{"sweep", "long.yaml", "--out", "run", "--no-selftest"}, flags...)...))
}

func start(t *testing.T, dir string, c *exec.Cmd) *sweeping {
	t.Helper()
	c.Dir = dir
	pipe, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return &sweeping{Cmd: c, t: t, pipe: pipe, lines: bufio.NewReader(pipe)}
}

// await waits for a line with a text.
func (s *sweeping) await(text string) {
	s.t.Helper()
	for {
		line, err := s.lines.ReadString('\n')
		s.said.WriteString(line)
		if err != nil {
			_ = s.Wait() // the state tells
			s.t.Fatalf("it did not say %q: %s; it said:\n%s", text, s.ProcessState, s.said.String())
		}
		if strings.Contains(line, text) {
			return
		}
	}
}

func (s *sweeping) signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

// end waits for its end. Its talk ends when the last process that holds the pipe has
// ended: the simulated server too.
func (s *sweeping) end() (code int, talk string) {
	s.t.Helper()
	if _, err := s.lines.WriteTo(&s.said); err != nil {
		s.t.Fatal(err)
	}
	_ = s.Wait() // the state tells
	return s.ProcessState.ExitCode(), s.said.String()
}
