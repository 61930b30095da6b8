package main

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/listening"
)

// TestListensOnLoopback looks, throughout a sweep of a simulated server with the load
// generator's measurement of itself, at every port on which evabench or a child of it
// listens.
func TestListensOnLoopback(t *testing.T) {
	path, err := exec.LookPath("evabench")
	if err != nil {
		t.Fatal(err)
	}
	small, err := os.ReadFile("testdata/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/small.yaml", small, 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	c := exec.Command(path, "sweep", "small.yaml", "--out", "run")
	c.Dir, c.Stdout, c.Stderr = dir, &said, &said
	c.Env = append(os.Environ(), "XDG_CACHE_HOME="+dir, "TMPDIR="+t.TempDir())
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	seen := map[string]bool{}
	for running := true; running; {
		select {
		case <-ended:
			running = false
		case <-again.C:
		}
		all, err := listening.Find("")
		if err != nil {
			t.Fatal(err)
		}
		ours := below(c.Process.Pid)
		for _, s := range all {
			if !slices.Contains(ours, s.PID) || seen[s.Address.String()] {
				continue
			}
			seen[s.Address.String()] = true
			if !s.Address.Addr().Unmap().IsLoopback() {
				t.Errorf("%v listens on %v", s.Args, s.Address)
			}
		}
	}
	// The control interface, dcgm's page, two services, and the self-test's server.
	if len(seen) < 5 {
		t.Errorf("only %d ports were seen: %v\n%s", len(seen), seen, said.String())
	}
}
