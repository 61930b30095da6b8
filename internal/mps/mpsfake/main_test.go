package mpsfake_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/evabench/evabench/internal/leaks"
	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/mps/mpsfake"
)

var program string

func TestMain(m *testing.M) {
	if mpsfake.Called() {
		// Not os.Exit: under the race detector that takes a second, at every command.
		syscall.Exit(mpsfake.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
	}
	os.Exit(run(m, leaks.Find))
}

// run also fails if a test left a daemon or a goroutine.
func run(m *testing.M, goroutines func(...goleak.Option) error) int {
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
	if err := goroutines(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}

const (
	gpu    = "GPU-0a0a0a0a-1111-2222-3333-00000000000a"
	server = "4194305" // the first one's number
)

// daemon starts one, ready to answer, and gives its pipe folder.
func daemon(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	c := mps.Control{Path: program}
	if err := c.Start(t.Context(), []string{mps.PipeVariable + "=" + dir, mps.LogVariable + "=" + dir, mps.DeviceVariable + "=" + gpu}, os.Geteuid()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, dir) })
	for {
		if _, err := c.Ask(t.Context(), dir, "get_server_list"); err == nil {
			return dir
		} else if !errors.Is(err, mps.ErrNoDaemon) {
			t.Fatal(err)
		}
	}
}

// end ends a daemon and waits until its process is gone.
func end(t *testing.T, pipe string) {
	t.Helper()
	c := mps.Control{Path: program}
	for left := true; left; {
		if _, err := c.Ask(context.Background(), pipe, "quit -t 0"); err != nil && !errors.Is(err, mps.ErrNoDaemon) {
			t.Fatal(err)
		}
		found, err := c.Find(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		left = false
		for _, p := range found {
			left = left || p.Env[mps.PipeVariable] == pipe
		}
	}
}

func says(t *testing.T, pipe, command, want string) {
	t.Helper()
	said, err := mps.Control{Path: program}.Ask(t.Context(), pipe, command)
	if err != nil || said != want {
		t.Errorf("%s: %q, %v; want %q", command, said, err, want)
	}
}

func refuses(t *testing.T, pipe, command string) {
	t.Helper()
	if said, err := (mps.Control{Path: program}).Ask(t.Context(), pipe, command); err == nil {
		t.Errorf("%s: %q, want a refusal", command, said)
	}
}

func connect(t *testing.T, pipe string, c mpsfake.Client) *mpsfake.Connection {
	t.Helper()
	conn, err := mpsfake.Connect(t.Context(), pipe, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// until waits for an answer; the test's own time limit ends it if never.
func until(t *testing.T, pipe, command, want string) {
	t.Helper()
	for {
		said, err := mps.Control{Path: program}.Ask(t.Context(), pipe, command)
		if err != nil {
			t.Fatal(err)
		}
		if said == want {
			return
		}
	}
}

var me = os.Geteuid()
