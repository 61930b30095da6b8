package mps_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/mps/mpsfake"
	"github.com/evabench/evabench/internal/mps/mpstest"
)

// quick are options whose limits are soon reached where a fault makes it so, and
// where a machine stands still.
func quick(dir string) mps.Options {
	o := options(dir)
	o.Ready, o.End = 2*time.Second, time.Second
	return o
}

// cycle starts a daemon, has a client, sees it counted, and stops the daemon. It
// gives the first error.
func cycle(ctx context.Context, ds *mps.Daemons) error {
	env, err := ds.Start(ctx, limited(gpuA))
	if err != nil {
		return err
	}
	conn, err := mpsfake.Connect(ctx, env[mps.PipeVariable], mpsfake.Client{PID: 11, UID: os.Geteuid(), Name: "vision"})
	if err != nil {
		return err
	}
	pids, err := ds.Clients(ctx, gpuA)
	if err := errors.Join(err, conn.Close()); err != nil {
		return err
	}
	if !slices.Equal(pids, []int{11}) {
		return errors.New("the client was not counted")
	}
	// The daemon sees that the client has left a moment later.
	for {
		if pids, err = ds.Clients(ctx, gpuA); err != nil || len(pids) == 0 {
			return errors.Join(err, ds.Stop(ctx, gpuA))
		}
	}
}

// TestFaultAtEveryCommand fails each command of a cycle in each way. Afterwards a
// Stop without faults leaves no daemon and no folder; after a failed Start there is
// none even without.
func TestFaultAtEveryCommand(t *testing.T) {
	whole := &mpstest.Faulty{Program: mps.Control{Path: program}}
	if err := cycle(t.Context(), mps.New(whole, options(shortDir(t)))); err != nil {
		t.Fatal(err)
	}
	// Some commands are repeated until something is so: how many differs a little.
	n := whole.Count()
	for _, want := range []string{"find", "start", "set_default_active_thread_percentage 50", "set_default_device_pinned_mem_limit 0 20G", "get_server_list", "quit"} {
		if !slices.Contains(whole.Commands(), want) {
			t.Fatalf("a cycle has no %q: %q", want, whole.Commands())
		}
	}
	tried, felt := 0, 0
	for k := 1; k <= n; k++ {
		for _, mode := range mpstest.Modes() {
			dir := shortDir(t)
			ctx, cancel := context.WithCancel(t.Context())
			faulty := &mpstest.Faulty{Program: mps.Control{Path: program}, At: k, Mode: mode, Call: func(string) { cancel() }}
			ds := mps.New(faulty, quick(dir))
			err := cycle(ctx, ds)
			cancel()
			tried++
			if err != nil {
				felt++
			}
			if err := mps.New(mps.Control{Path: program}, options(dir)).Stop(t.Context(), gpuA); err != nil {
				t.Errorf("command %d %v (%q): stop afterwards: %v", k, mode, faulty.Commands(), err)
			}
			clean(t, dir)
		}
	}
	if felt == 0 || felt == tried {
		t.Errorf("%d of %d faults were felt: some are, and some are healed by a second try", felt, tried)
	}
	t.Logf("faults tried %d, cleared away %d, of which %d were told as errors", tried, tried, felt)
}

// TestFailedStart: a Start that fails at any command leaves nothing by itself.
func TestFailedStart(t *testing.T) {
	failed := 0
	for k := 1; ; k++ {
		if k > 100 {
			t.Fatal("Start has no end of commands")
		}
		dir := shortDir(t)
		faulty := &mpstest.Faulty{Program: mps.Control{Path: program}, At: k, Mode: mpstest.After}
		ds := mps.New(faulty, options(dir))
		_, err := ds.Start(t.Context(), limited(gpuA))
		if err != nil {
			failed++
			clean(t, dir)
			continue
		}
		if err := mps.New(mps.Control{Path: program}, options(dir)).Stop(t.Context(), gpuA); err != nil {
			t.Fatal(err)
		}
		if faulty.Count() < k {
			break
		}
	}
	if failed < 5 {
		t.Errorf("%d faults made Start fail, want at least those of find, start, and of setting and reading two limits", failed)
	}
}

// TestEscalation: a daemon that does not heed one step ends by the next, and one
// that heeds none is left and told.
func TestEscalation(t *testing.T) {
	for _, c := range []struct {
		name  string
		deaf  []string // to what it does not heed
		still bool
	}{
		{"quit", nil, false},
		{"quit -t", []string{"quit"}, false},
		{"signal", []string{"quit", "quit -t 2"}, false},
		{"none", []string{"quit", "quit -t 2", "signal"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := shortDir(t)
			o := quick(dir)
			o.End = 300 * time.Millisecond
			deaf := mps.New(&deafTo{unhurried{mpstest.Faulty{Program: mps.Control{Path: program}}}, c.deaf}, o)
			ds := mps.New(mps.Control{Path: program}, options(dir))
			if _, err := ds.Start(t.Context(), limited(gpuA)); err != nil {
				t.Fatal(err)
			}
			stopAfter(t, ds, gpuA)
			err := deaf.Stop(t.Context(), gpuA)
			if still := err != nil && strings.Contains(err.Error(), "still runs, and is not killed"); still != c.still || !still && err != nil {
				t.Errorf("%v, want still running %v", err, c.still)
			}
			if !c.still {
				clean(t, dir)
			} else if pids, err := ds.Clients(t.Context(), gpuA); err != nil || len(pids) > 0 {
				t.Errorf("the daemon that was left does not answer: %v, %v", pids, err)
			}
		})
	}
}

// TestClientSlipsIn: a client that comes between the look and the quit is not ended.
func TestClientSlipsIn(t *testing.T) {
	dir := shortDir(t)
	plain := mps.New(mps.Control{Path: program}, options(dir))
	env, err := plain.Start(t.Context(), limited(gpuA))
	if err != nil {
		t.Fatal(err)
	}
	stopAfter(t, plain, gpuA)
	var conn *mpsfake.Connection
	faulty := &mpstest.Faulty{
		Program: mps.Control{Path: program}, At: 1, Mode: mpstest.Call,
		Only: func(command string) bool { return command == "quit" },
		Call: func(string) { conn = connect(t, env[mps.PipeVariable], mpsfake.Client{PID: 11, UID: os.Geteuid()}) },
	}
	o := options(dir)
	o.End = 300 * time.Millisecond // quit waits for the client
	err = mps.New(faulty, o).Stop(t.Context(), gpuA)
	if refused, ok := errors.AsType[*mps.ClientsError](err); !ok || !slices.Equal(refused.PIDs, []int{11}) {
		t.Errorf("stop: %v, want a refusal that names 11", err)
	}
	if err := conn.Err(); err != nil {
		t.Errorf("the client was ended: %v", err)
	}
	if slices.Contains(faulty.Commands(), "quit -t 2") {
		t.Errorf("it was forced: %q", faulty.Commands())
	}
}

// TestStopOfUnready: a daemon whose starter died before it listened is ended too.
func TestStopOfUnready(t *testing.T) {
	dir := shortDir(t)
	c := mps.Control{Path: program}
	ds := mps.New(c, options(dir))
	env, err := ds.Start(t.Context(), limited(gpuA))
	if err != nil {
		t.Fatal(err)
	}
	stopAfter(t, ds, gpuA)
	lines := []string{mps.DeviceVariable + "=" + gpuA, mps.PipeVariable + "=" + env[mps.PipeVariable], mps.LogVariable + "=" + env[mps.LogVariable]}
	for range 5 {
		if err := ds.Stop(t.Context(), gpuA); err != nil {
			t.Fatal(err)
		}
		clean(t, dir)
		if err := errors.Join(os.MkdirAll(env[mps.PipeVariable], 0o700), os.MkdirAll(env[mps.LogVariable], 0o700), c.Start(t.Context(), lines, os.Geteuid())); err != nil {
			t.Fatal(err)
		}
	}
}

// mute takes quit, and stops listening, but does not end by it.
type mute struct{ unhurried }

func (m *mute) Ask(ctx context.Context, pipe, command string) (string, error) {
	if command == "quit" {
		return "", os.Remove(filepath.Join(pipe, "control"))
	}
	return m.unhurried.Ask(ctx, pipe, command)
}

// TestStopsListening: one that took quit without clients and stopped listening can
// have none, and gets the signal; one whose sockets were only removed may have
// clients, and is left.
func TestStopsListening(t *testing.T) {
	c := mps.Control{Path: program}
	for _, quits := range []bool{true, false} {
		dir := shortDir(t)
		o := options(dir)
		o.End = 300 * time.Millisecond
		ds := mps.New(&mute{unhurried{mpstest.Faulty{Program: c}}}, o)
		env, err := ds.Start(t.Context(), limited(gpuA))
		if err != nil {
			t.Fatal(err)
		}
		if !quits {
			if err := os.Remove(filepath.Join(env[mps.PipeVariable], "control")); err != nil {
				t.Fatal(err)
			}
		}
		err = ds.Stop(t.Context(), gpuA)
		if quits {
			if err != nil {
				t.Error(err)
			}
			clean(t, dir)
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "cannot be told, so it is left") {
			t.Errorf("stop of one that cannot be asked: %v", err)
		}
		found, findErr := c.Find(t.Context())
		if findErr != nil || len(found) != 1 {
			t.Fatalf("found %v, %v; want the one that was left", found, findErr)
		}
		if err := c.Signal(t.Context(), found[0], syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		waitUntil(t, func() bool { left, err := c.Find(t.Context()); return err == nil && len(left) == 0 })
	}
}
