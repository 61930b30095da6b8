package main

import (
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/listening"
)

// TestListensOnLoopback looks, throughout a sweep of a simulated server and the load
// generator's measurement of itself, at every port on which evabench or a child of it
// listens. Both go on until their ports were seen.
func TestListensOnLoopback(t *testing.T) {
	dir := t.TempDir()
	smallSweep(t, dir)
	t.Setenv("TMPDIR", t.TempDir())
	sweep := startSweep(t, dir)
	ports := lookOut(t, sweep.Process.Pid)
	sweep.await("step 0")
	// The control interface, dcgm's page, and two services.
	if n := ports.look(); n < 4 {
		t.Errorf("only %d ports were seen: %v", n, ports.seen)
	}

	path, err := exec.LookPath("evabench")
	if err != nil {
		t.Fatal(err)
	}
	itself := start(t, dir, exec.Command(path, "selftest", "--only", "small", "--length", "10m"))
	for ports := lookOut(t, itself.Process.Pid); ports.look() == 0; {
		time.Sleep(lookEvery)
	}
	for _, s := range []*sweeping{sweep, itself} {
		s.signal(syscall.SIGINT)
		if code, talk := s.end(); code != exitInterrupted {
			t.Errorf("exit status %d, want %d; it said:\n%s", code, exitInterrupted, talk)
		}
	}
}

const lookEvery = 20 * time.Millisecond

// A lookout keeps the addresses on which a process or a child of it was seen to listen.
type lookout struct {
	t    *testing.T
	pid  int
	mu   sync.Mutex
	seen map[string]bool
}

// lookOut looks again and again, until the test's end.
func lookOut(t *testing.T, pid int) *lookout {
	l := &lookout{t: t, pid: pid, seen: map[string]bool{}}
	var looking sync.WaitGroup
	looking.Go(func() {
		for again := time.NewTicker(lookEvery); ; {
			select {
			case <-t.Context().Done():
				again.Stop()
				return
			case <-again.C:
				l.look()
			}
		}
	})
	t.Cleanup(looking.Wait)
	return l
}

// look looks once, and tells how many were seen since the first look.
func (l *lookout) look() int {
	all, err := listening.Find("")
	if err != nil {
		l.t.Error(err)
	}
	ours := below(l.pid)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range all {
		if !slices.Contains(ours, s.PID) || l.seen[s.Address.String()] {
			continue
		}
		l.seen[s.Address.String()] = true
		if !s.Address.Addr().Unmap().IsLoopback() {
			l.t.Errorf("%v listens on %v", s.Args, s.Address)
		}
	}
	return len(l.seen)
}
