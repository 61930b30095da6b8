package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/sim"
)

// daemons counts the simulated MPS daemons of state folders.
func daemons(t *testing.T, programs ...string) (n int) {
	t.Helper()
	for _, path := range programs {
		found, err := mps.Control{Path: path}.Find(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n += len(found)
	}
	return n
}

// What a killed process left of simulated MPS daemons is ended by the next one.
func TestScratchEndsDaemons(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	apply := func() (*scratch, string) {
		s, err := newScratch(scratchPath())
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(s.dir, "pro6000x1")
		gpus, err := sim.OpenGPUs("pro6000x1", dir, exe)
		if err != nil {
			t.Fatal(err)
		}
		state, err := gpus.Backend.Inspect(t.Context(), []string{"0"})
		if err != nil {
			t.Fatal(err)
		}
		layout, err := partition.ParseLayout("off(mps)")
		if err != nil {
			t.Fatal(err)
		}
		plan, err := partition.MakePlan(state, layout)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := gpus.Backend.Apply(t.Context(), plan); err != nil {
			t.Fatal(err)
		}
		return s, filepath.Join(dir, mps.Name)
	}
	held, ofHeld := apply()
	killed, ofKilled := apply()
	if daemons(t, ofHeld) != 1 || daemons(t, ofKilled) != 1 {
		t.Fatalf("%d and %d daemons, want one each", daemons(t, ofHeld), daemons(t, ofKilled))
	}
	killed.owner.Close() // as the end of a process does
	removeLeftOver(false)
	if there(killed.dir) || daemons(t, ofHeld) != 1 {
		t.Errorf("the killed one's folder is there: %v; %d daemons of the other, want 1", there(killed.dir), daemons(t, ofHeld))
	}
	if n := running(t, killed.dir); n != 0 {
		t.Errorf("%d daemons of the killed one still run", n)
	}
	if err := held.remove(); err != nil {
		t.Error(err)
	}
	if n := running(t, held.dir); n != 0 {
		t.Errorf("%d daemons outlive their folder", n)
	}
}

// running counts the processes whose program lies below a folder, which may be
// gone.
func running(t *testing.T, dir string) int {
	t.Helper()
	return len(processes(t, func(line string) bool { return strings.HasPrefix(line, dir) }))
}

// processes lists those whose command line, with NUL between its words, is wanted.
func processes(t *testing.T, wanted func(line string) bool) (pids []int) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(lines) == 0 {
		t.Fatalf("no processes: %v", err)
	}
	for _, path := range lines {
		line, err := os.ReadFile(path)
		if err != nil || !wanted(string(line)) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// waitForEnds waits for processes that need not be our children.
func waitForEnds(t *testing.T, pids []int, limit time.Duration) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		for {
			left := max(0, time.Until(deadline).Milliseconds())
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left))
			if err == nil && n == 0 {
				t.Errorf("process %d still runs after %v", pid, limit)
			}
			if !errors.Is(err, unix.EINTR) {
				break
			}
		}
	}
}

// A sweep that is killed in the middle of a step leaves no process: its simulated
// server sees that it is gone, and ends its MPS daemons.
func TestKilledSweepLeavesNoDaemon(t *testing.T) {
	dir := t.TempDir()
	temp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	scenario, err := os.ReadFile("testdata/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Replace(string(scenario), "window: 1s", "window: 10m", 1)
	if err := os.WriteFile(filepath.Join(dir, "long.yaml"), []byte(long), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("evabench")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, "sweep", "long.yaml", "--out", "run", "--no-selftest")
	c.Dir, c.Env = dir, append(os.Environ(), "TMPDIR="+temp)
	talk, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(talk); lines.Scan(); {
		if strings.Contains(lines.Text(), "step 0") {
			break
		}
	}
	if n := running(t, temp); n != 2 { // 2x2g.48gb(mps)
		t.Errorf("%d daemons in the middle of the step, want 2", n)
	}
	left := processes(t, func(line string) bool { return strings.Contains(line, temp) })
	if len(left) < 3 {
		t.Errorf("%d processes of its own in the middle of the step, want a server and 2 daemons at least", len(left))
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, talk); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err == nil {
		t.Error("it ended well before it was killed")
	}
	waitForEnds(t, left, time.Minute)
	if n := running(t, temp); n != 0 {
		t.Errorf("%d daemons are left", n)
	}
}

// Scenarios know the words that partition does.
func TestPermissionsHaveOneList(t *testing.T) {
	var words []string
	for _, p := range partition.Permissions() {
		words = append(words, string(p))
	}
	if !slices.Equal(words, scenarios.AllowWords()) {
		t.Errorf("partition allows %q, scenarios %q", words, scenarios.AllowWords())
	}
}
