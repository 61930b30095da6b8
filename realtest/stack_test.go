//go:build real

package realtest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A stack is a scratch copy of examples/cpu-stack, with the models beside it.
// Everything that is started from it has the folder's name in its environment.
type stack struct{ dir, path string }

func newStack(t *testing.T) stack {
	t.Helper()
	s := stack{dir: filepath.Join(t.TempDir(), "cpu-stack")}
	if err := os.CopyFS(s.dir, os.DirFS("../examples/cpu-stack")); err != nil {
		t.Fatal(err)
	}
	gguf := filepath.Join(s.dir, "gguf")
	if err := os.RemoveAll(gguf); err != nil { // what a person made for the example
		t.Fatal(err)
	}
	if err := os.Symlink(env(t, "EVABENCH_MODELS"), gguf); err != nil {
		t.Fatal(err)
	}
	s.path = strings.Join([]string{
		filepath.Dir(env(t, "EVABENCH_TORCHSERVE")), filepath.Dir(env(t, "EVABENCH_LLAMA_SERVER")),
		os.Getenv("PATH"), s.dir,
	}, ":")
	t.Cleanup(func() { // also after a test that failed in the middle
		for _, p := range s.processes(t) {
			t.Errorf("left at the test's end, and killed: %s", p)
			syscall.Kill(p.pid, syscall.SIGKILL)
		}
	})
	return s
}

// change rewrites a file of the stack; each text must be there.
func (s stack) change(t *testing.T, file string, pairs ...string) {
	t.Helper()
	file = filepath.Join(s.dir, file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !bytes.Contains(text, []byte(pairs[i])) {
			t.Fatalf("%s does not hold %q", file, pairs[i])
		}
		text = bytes.ReplaceAll(text, []byte(pairs[i]), []byte(pairs[i+1]))
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// sweep runs the scenario to its end, calls seen with each line that evabench
// says, and gives all of them with the exit status. path is for PATH.
func (s stack) sweep(t *testing.T, path string, seen func(line string, evabench *os.Process)) (talk string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), env(t, "EVABENCH_BIN"), "sweep", "scenario.yaml", "--yes", "--out", "run")
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), "PATH="+path)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		seen(lines.Text(), cmd.Process)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	t.Logf("evabench sweep:\n%s", said.String())
	return said.String(), cmd.ProcessState.ExitCode()
}

// A process is one that came from a stack.
type process struct {
	pid        int
	cmdline    string
	environ    map[string]string
	supervised bool // started by a supervisor: not evabench nor the supervisor
}

func (p process) String() string { return fmt.Sprintf("%d %.150s", p.pid, p.cmdline) }

// processes gives those of the stack that live.
func (s stack) processes(t *testing.T) []process {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var found []process
	for _, folder := range all {
		// A process may end meanwhile, or be another's; then it is none of ours.
		environ, _ := os.ReadFile(folder + "/environ")
		cmdline, _ := os.ReadFile(folder + "/cmdline")
		if !bytes.Contains(environ, []byte(s.dir)) {
			continue
		}
		p := process{cmdline: strings.ReplaceAll(string(cmdline), "\x00", " "), environ: map[string]string{}}
		p.pid, _ = strconv.Atoi(filepath.Base(folder)) // digits only
		for v := range strings.SplitSeq(string(environ), "\x00") {
			name, value, _ := strings.Cut(v, "=")
			p.environ[name] = value
		}
		_, p.supervised = p.environ["EVABENCH_SUPERVISED"]
		found = append(found, p)
	}
	return found
}

// The programs of a stack that runs, by what their command lines hold.
const (
	frontend = "org.pytorch.serve.ModelServer" // Java
	worker   = "model_service_worker.py"       // Python, a child of it
	agent    = "llama-server"
)

// find gives the processes whose command line holds text.
func (s stack) find(t *testing.T, text string) []process {
	t.Helper()
	var found []process
	for _, p := range s.processes(t) {
		if p.supervised && strings.Contains(p.cmdline, text) {
			found = append(found, p)
		}
	}
	return found
}

// wantGone waits until those processes have ended, and wants no other.
func (s stack) wantGone(t *testing.T, processes []process) {
	t.Helper()
	const patience = 60_000 // ms: a supervisor's own for one that does not obey is 15 s
	for _, p := range processes {
		fd, err := unix.PidfdOpen(p.pid, 0)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, patience)
		unix.Close(fd)
		if n != 1 || err != nil {
			t.Errorf("still lives: %s (%v)", p, err)
		}
	}
	for _, p := range s.processes(t) {
		t.Errorf("is left: %s", p)
	}
}

// TestStackEnds ends evabench in the middle of a step: none of what it started is
// left, not TorchServe's Java nor its Python workers.
func TestStackEnds(t *testing.T) {
	for _, c := range []struct {
		name       string
		signal     syscall.Signal
		code       int
		supervisor bool // is killed too
	}{
		{"SIGINT", syscall.SIGINT, 130, false},
		{"kill -9", syscall.SIGKILL, -1, false},
		{"kill -9 of the supervisors too", syscall.SIGKILL, -1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStack(t)
			s.change(t, "scenario.yaml", "window: 10s", "window: 10m",
				"workers: [{detector: 1}, {detector: 2}]", "workers: [{detector: 1}]", "agent.slots: [1, 2]", "agent.slots: [2]")
			var before []process
			_, code := s.sweep(t, s.path, func(line string, evabench *os.Process) {
				if !strings.Contains(line, ": step 0, ") {
					return
				}
				for _, program := range []string{frontend, worker, agent} {
					if len(s.find(t, program)) == 0 {
						t.Errorf("%s does not run; these do: %v", program, s.processes(t))
					}
				}
				before = s.processes(t)
				evabench.Signal(c.signal)
				for _, p := range before {
					if c.supervisor && !p.supervised && p.pid != evabench.Pid {
						syscall.Kill(p.pid, syscall.SIGKILL)
					}
				}
			})
			if code != c.code || before == nil {
				t.Errorf("exit status %d, want %d; %d processes", code, c.code, len(before))
			}
			if c.supervisor {
				s.testNextStart(t, before)
			}
			s.wantGone(t, before)
		})
	}
}

// testNextStart wants the next start to end what has lost its supervisor, even
// if nothing else comes of it.
func (s stack) testNextStart(t *testing.T, before []process) {
	var orphans []process
	for _, p := range before {
		if p.supervised {
			orphans = append(orphans, p)
		}
	}
	if len(s.find(t, frontend)) == 0 {
		t.Error("Java did not outlive its supervisor: the next start has nothing to end")
	}
	talk, code := s.sweep(t, strings.Replace(s.path, filepath.Dir(env(t, "EVABENCH_TORCHSERVE")), "/nowhere", 1), func(string, *os.Process) {})
	if !strings.Contains(talk, "an earlier run was killed and left") {
		t.Errorf("the next start does not tell what it ended: %s", talk)
	}
	if !strings.Contains(talk, `service vision: argv: there is no program "torchserve"`) || code == 0 {
		t.Errorf("exit status %d, want one that tells of the missing program", code)
	}
	s.wantGone(t, orphans)
}

// await calls met until it is true, at most for a minute.
func await(t *testing.T, what string, met func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !met() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Errorf("not seen within a minute: %s", what)
			return
		}
	}
}
