package mps_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/leaks"
	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/mps/mpsfake"
)

// program is the path of the simulated control program: this test, by another name.
var program string

func TestMain(m *testing.M) {
	if mpsfake.Called() {
		// Not os.Exit: under the race detector that takes a second, at every command.
		syscall.Exit(mpsfake.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
	}
	status := run(m)
	if err := leaks.Find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// run also fails if a test left a daemon.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "mps")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	exe, err := os.Executable()
	if err == nil {
		program, err = mpsfake.Install(dir, exe)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	status := m.Run()
	left, err := mps.Control{Path: program}.Find(context.Background())
	if err != nil || len(left) > 0 {
		fmt.Fprintf(os.Stderr, "daemons that outlived the tests: %v, %v\n", left, err)
		return 1
	}
	return status
}

// Devices of tests.
const (
	gpuA = "GPU-0a0a0a0a-0000-0000-0000-00000000000a"
	gpuB = "GPU-0b0b0b0b-0000-0000-0000-00000000000b"
	migC = "MIG-0c0c0c0c-0000-5000-8000-00000000000c"
)

func limited(uuid string) device.Device {
	return device.Device{UUID: uuid, GPU: gpuA, Name: "gpu0", Sharing: device.Sharing{Mode: device.MPS, ThreadPercent: 50, MemoryLimitBytes: 20 << 30}}
}

// shortDir is a folder of a test with a short path: sockets need one.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mps")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "m")
}

// options are limits that only what is broken reaches.
func options(dir string) mps.Options {
	const long = 5 * time.Minute
	return mps.Options{Dir: dir, UID: os.Geteuid(), Ready: long, Ask: long, End: long}
}

// connect makes this process a client, for the length of the test.
func connect(t *testing.T, pipe string, c mpsfake.Client) *mpsfake.Connection {
	t.Helper()
	if c.PID == 0 {
		c.PID = os.Getpid()
	}
	conn, err := mpsfake.Connect(t.Context(), pipe, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// stopAfter ends a device's daemon when the test is over, after its clients.
func stopAfter(t *testing.T, ds *mps.Daemons, uuid string) {
	t.Helper()
	t.Cleanup(func() {
		if err := ds.Stop(context.Background(), uuid); err != nil {
			t.Errorf("stop after the test: %v", err)
		}
	})
}

// waitUntil tries until something is so; the test's own time limit ends it if never.
func waitUntil(t *testing.T, so func() bool) {
	t.Helper()
	for !so() {
		if t.Context().Err() != nil {
			t.Fatal("the test is over")
		}
		runtime.Gosched()
	}
}
