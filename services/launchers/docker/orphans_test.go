package docker

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/supervise"
	"github.com/evabench/evabench/services"
)

// Kill -9 of an evabench: its supervisor removes the container. If that is killed
// too, the next start does, and touches nobody else's.
func TestKilled(t *testing.T) {
	f, program := newFake(t)
	ours := launch(t, config(program), services.Instance{})
	text(t, ours.Info().URL)
	mine := f.names()
	for _, both := range []bool{false, true} {
		h := exec.Command("/proc/self/exe", "hold", program, t.TempDir())
		h.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, err := h.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Start(); err != nil {
			t.Fatal(err)
		}
		var url string
		if _, err := fmt.Fscan(out, &url); err != nil {
			t.Fatal(err)
		}
		text(t, url)
		theirs := slices.DeleteFunc(f.names(), func(name string) bool { return slices.Contains(mine, name) })
		if len(theirs) != 1 {
			t.Fatalf("containers %q", theirs)
		}
		cleaning := build(t, config(program)).(services.Cleaning)
		if ended, err := cleaning.EndOrphans(t.Context()); err != nil || len(ended) > 0 {
			t.Errorf("EndOrphans() while it runs = %q, %v", ended, err)
		}
		if both {
			killSupervisor(t, h.Process.Pid)
		}
		if err := h.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = h.Wait() // it says that it was killed
		if both {
			ended, err := cleaning.EndOrphans(t.Context())
			if err != nil || !slices.Equal(ended, []string{"container " + theirs[0]}) {
				t.Errorf("EndOrphans() = %q, %v; want %q", ended, err, theirs)
			}
		}
		eventually(t, "the container is removed", func() bool { return slices.Equal(f.names(), mine) })
	}
	text(t, ours.Info().URL)
}

// killSupervisor kills the supervisors that are children of a process.
func killSupervisor(t *testing.T, of int) {
	t.Helper()
	found := false
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", of))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", of, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for text := range strings.FieldsSeq(string(data)) {
			var pid int
			if _, err := fmt.Sscan(text, &pid); err != nil {
				t.Fatal(err)
			}
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if err != nil || !strings.Contains(string(line), supervise.Command) {
				continue
			}
			found = true
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !found {
		t.Fatal("it has no supervisor")
	}
}

func TestAbandoned(t *testing.T) {
	ours := strings.Split(owner(), "/")
	change := func(at int, to string) string {
		parts := slices.Clone(ours)
		parts[at] = to
		return strings.Join(parts, "/")
	}
	for owner, want := range map[string]bool{
		owner(): false, change(0, "another host"): false, change(1, "another boot"): false, change(1, ""): false, change(2, "pid:[1]"): false,
		change(3, "4194305"): true, change(3, "x"): false, change(3, "-1"): false, change(4, "1"): true, "": false, "a/b": false,
	} {
		if abandoned(owner, true) != want {
			t.Errorf("abandoned(%q) while it runs is not %v", owner, want)
		}
	}
	// A host of our name may share the daemon: what runs is its own.
	if !abandoned(change(1, "another boot"), false) {
		t.Error("what an earlier boot left is not abandoned")
	}
	child := exec.Command("true")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it has ended", func() bool {
		begin, _ := begun(child.Process.Pid)
		return begin == "ended"
	})
	if !abandoned(change(3, fmt.Sprint(child.Process.Pid)), true) {
		t.Error("an owner that has ended, and was not waited for, holds on")
	}
	if err := child.Wait(); err != nil {
		t.Error(err)
	}
}

// A supervisor that ends too early leaves the container to Stop.
func TestStopRemovesWhatTheSupervisorLeft(t *testing.T) {
	f, program := newFake(t)
	s := launch(t, config(program), services.Instance{})
	text(t, s.Info().URL)
	killSupervisor(t, os.Getpid())
	if x := exited(t, s); !strings.Contains(x.Error(), "its supervisor ended too early") {
		t.Errorf("%v", x)
	}
	if len(f.names()) != 1 {
		t.Errorf("containers %q, want the one that was left", f.names())
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if left := f.names(); len(left) > 0 {
		t.Errorf("containers are left: %q", left)
	}
}

// A container that somebody else is removing is there until it is removed.
func TestStopWaitsForRemoval(t *testing.T) {
	f, program := newFake(t)
	s := launch(t, config(program), services.Instance{})
	text(t, s.Info().URL)
	f.locked(func() { f.removals = 3 })
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if left := f.names(); len(left) > 0 || f.removals > 0 {
		t.Errorf("containers %q are left, and %d removals in progress", left, f.removals)
	}
	s = launch(t, config(program), services.Instance{})
	text(t, s.Info().URL)
	f.locked(func() { f.removals = 1 << 30 })
	ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
	defer cancel()
	c, err := build(t, config(program)).(*launcher).find()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.remove(ctx, f.names()[0]); err == nil {
		t.Error("a container that is still being removed counts as removed")
	}
	f.locked(func() { f.removals = 0 })
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
