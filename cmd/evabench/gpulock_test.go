package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal gives the two ends of a pseudo-terminal.
func terminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	return ours, theirs
}

// One evabench at a time changes a host: while one waits for its answer, another
// is refused and told who holds the lock. One that changes nothing is not.
func TestSecondIsToldWhoHoldsTheLock(t *testing.T) {
	evabench, err := exec.LookPath("evabench")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run := func(args ...string) (int, string) {
		c := exec.Command(evabench, args...)
		c.Dir = dir
		c.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(dir, "cache"))
		said, err := c.CombinedOutput()
		if err != nil && c.ProcessState == nil {
			t.Fatal(err)
		}
		return c.ProcessState.ExitCode(), string(said)
	}
	apply := func(layout string) []string {
		return []string{"gpu", "apply", layout, "--gpus", "0", "--sim", "pro6000x1", "--sim-dir", "d", "--allow", "layout,mode"}
	}
	ours, theirs := terminal(t)
	first := exec.Command(evabench, apply("2x2g.48gb")...)
	first.Dir, first.Stdin = dir, theirs
	talk, err := first.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	asked := bufio.NewReader(talk)
	if said, err := asked.ReadString(']'); err != nil || !strings.HasSuffix(said, "[y/N]") {
		t.Fatalf("the first did not ask: %q, %v", said, err)
	}
	holder := fmt.Sprintf("pid %d (evabench gpu apply 2x2g.48gb", first.Process.Pid)
	for _, args := range [][]string{append(apply("4x1g.24gb"), "--yes"), {"gpu", "restore", "--sim", "pro6000x1", "--sim-dir", "d"}} {
		if code, said := run(args...); code != exitFailed || !strings.Contains(said, "is locked by another evabench") || !strings.Contains(said, holder) {
			t.Errorf("%v: status %d, and it said %q; want %d and %q", args, code, said, exitFailed, holder)
		}
	}
	for want, args := range map[string][]string{
		"MIG off":               {"gpu", "inspect", "--sim", "pro6000x1", "--sim-dir", "d"},
		"cannot be reached":     {"run", "--agent-url", "http://127.0.0.1:1", "--agent-model", "m", "--agent-scrape", "none", "--no-selftest", "--out", "out"},
		"read run directory":    {"report", "d"},
		"create 1g.24gb at 9:3": append([]string{"gpu", "plan", "4x1g.24gb"}, apply("")[3:9]...),
	} {
		if _, said := run(args...); !strings.Contains(said, want) || strings.Contains(said, "locked") {
			t.Errorf("%v said %q, want %q", args, said, want)
		}
	}
	if _, err := ours.WriteString("n\n"); err != nil {
		t.Fatal(err)
	}
	rest, err := asked.ReadString('\n')
	if err != nil || !strings.Contains(rest, "not agreed; nothing was changed") {
		t.Errorf("after no: %q, %v", rest, err)
	}
	if err := first.Wait(); first.ProcessState.ExitCode() != exitFailed {
		t.Errorf("the first ended with %v", err)
	}
	if code, said := run(append(apply("4x1g.24gb"), "--yes")...); code != exitDone {
		t.Errorf("with the lock free: status %d, %q", code, said)
	}
	if code, said := run("gpu", "restore", "--sim", "pro6000x1", "--sim-dir", "d"); code != exitDone {
		t.Errorf("restore: status %d, %q", code, said)
	}
}
