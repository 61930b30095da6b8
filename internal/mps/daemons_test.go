package mps_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/mps/mpsfake"
)

// TestCycle starts a daemon, connects clients and stops it, through real processes.
func TestCycle(t *testing.T) {
	dir := shortDir(t)
	ds := mps.New(mps.Control{Path: program}, options(dir))
	env, err := ds.Start(t.Context(), limited(migC))
	if err != nil {
		t.Fatal(err)
	}
	stopAfter(t, ds, migC)
	pipe := env[mps.PipeVariable]
	want := map[string]string{
		"CUDA_VISIBLE_DEVICES": migC, "CUDA_MPS_PIPE_DIRECTORY": pipe, "CUDA_MPS_LOG_DIRECTORY": filepath.Join(filepath.Dir(pipe), "log"),
		"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": "50", "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT": "0=20480M",
	}
	for name, value := range want {
		if env[name] != value {
			t.Errorf("%s is %q, want %q", name, env[name], value)
		}
	}
	for _, folder := range []string{pipe, env[mps.LogVariable]} {
		if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("folder %s: mode %v, %v; want 0700", folder, info.Mode(), err)
		}
	}
	one := connect(t, pipe, mpsfake.Client{PID: 11, UID: os.Geteuid(), Name: "vision"})
	connect(t, pipe, mpsfake.Client{PID: 7, UID: os.Geteuid(), Name: "llm"})
	if l := one.Limits(); l.ThreadPercent != 50 || l.MemoryBytes != 20<<30 {
		t.Errorf("the client got %+v, want half of the SMs and 20 GiB", l)
	}
	pids, err := ds.Clients(t.Context(), migC)
	if err != nil || !slices.Equal(pids, []int{7, 11}) {
		t.Errorf("clients %v, %v; want 7 and 11", pids, err)
	}
	all, err := ds.Daemons(t.Context())
	if err != nil || len(all) != 1 || !all[0].Ours || !slices.Equal(all[0].Devices, []string{migC}) || all[0].Pipe != pipe || !slices.Equal(all[0].Clients, pids) {
		t.Errorf("daemons %+v, %v; want ours alone", all, err)
	}
	refused, ok := errors.AsType[*mps.ClientsError](ds.Stop(t.Context(), migC))
	if !ok || !slices.Equal(refused.PIDs, pids) {
		t.Fatalf("stop with clients: %v, want a refusal that names 7 and 11", refused)
	}
}

// TestStopTwice: a daemon that is gone, and one that never was, is stopped already.
func TestStopTwice(t *testing.T) {
	dir := shortDir(t)
	ds := mps.New(mps.Control{Path: program}, options(dir))
	if err := ds.Stop(t.Context(), gpuA); err != nil {
		t.Errorf("stop of what never ran: %v", err)
	}
	for range 2 { // the second Start finds nothing of the first
		if _, err := ds.Start(t.Context(), limited(gpuA)); err != nil {
			t.Fatal(err)
		}
		stopAfter(t, ds, gpuA)
		for range 2 {
			if err := ds.Stop(t.Context(), gpuA); err != nil {
				t.Fatal(err)
			}
		}
		clean(t, dir)
	}
}

// clean checks that neither a daemon nor a folder of one is left below dir.
func clean(t *testing.T, dir string) {
	t.Helper()
	left, err := mps.Control{Path: program}.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range left {
		if strings.HasPrefix(p.Env[mps.PipeVariable], dir) {
			t.Errorf("daemon %d is left", p.PID)
		}
	}
	if entries, err := os.ReadDir(dir); len(entries) > 0 || err != nil && !os.IsNotExist(err) {
		t.Errorf("folders left: %v, %v", entries, err)
	}
}

// TestKilledDaemon: what a killed daemon leaves is cleared away by Stop and by the
// next Start.
func TestKilledDaemon(t *testing.T) {
	for _, next := range []string{"stop", "start"} {
		t.Run(next, func(t *testing.T) {
			dir := shortDir(t)
			ds := mps.New(mps.Control{Path: program}, options(dir))
			if _, err := ds.Start(t.Context(), limited(gpuA)); err != nil {
				t.Fatal(err)
			}
			stopAfter(t, ds, gpuA)
			killOurs(t, ds)
			if next == "start" {
				if _, err := ds.Start(t.Context(), limited(gpuA)); err != nil {
					t.Fatal(err)
				}
			}
			if err := ds.Stop(t.Context(), gpuA); err != nil {
				t.Fatal(err)
			}
			clean(t, dir)
		})
	}
}

// killOurs kills the one daemon of ours and waits until it is gone.
func killOurs(t *testing.T, ds *mps.Daemons) {
	t.Helper()
	all, err := ds.Daemons(t.Context())
	all = slices.DeleteFunc(all, func(f mps.Found) bool { return !f.Ours })
	if err != nil || len(all) != 1 {
		t.Fatalf("daemons of ours: %v, %v; want one", all, err)
	}
	if err := syscall.Kill(all[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, func() bool {
		now, err := ds.Daemons(t.Context())
		return err == nil && !slices.ContainsFunc(now, func(f mps.Found) bool { return f.PID == all[0].PID })
	})
}

// TestConcurrent: daemons of two devices start and stop side by side, and of many
// starts on one device one succeeds.
func TestConcurrent(t *testing.T) {
	dir := shortDir(t)
	ds := mps.New(mps.Control{Path: program}, options(dir))
	devices := []string{gpuA, gpuA, gpuA, migC, migC, gpuB}
	errs := make([]error, len(devices))
	var all sync.WaitGroup
	for i, uuid := range devices {
		all.Go(func() { _, errs[i] = ds.Start(t.Context(), limited(uuid)) })
	}
	all.Wait()
	started := map[string]int{}
	for i, err := range errs {
		if err == nil {
			started[devices[i]]++
		} else if _, busy := errors.AsType[*mps.BusyError](err); !busy {
			t.Errorf("start on %s: %v", devices[i], err)
		}
	}
	for _, uuid := range []string{gpuA, gpuB, migC} {
		stopAfter(t, ds, uuid)
		if started[uuid] != 1 {
			t.Errorf("%d starts on %s succeeded, want 1", started[uuid], uuid)
		}
	}
	for _, uuid := range []string{gpuA, gpuB, migC} {
		all.Go(func() {
			if err := ds.Stop(t.Context(), uuid); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	clean(t, dir)
}

// TestSocketPath: 107 bytes are the most; the name below a folder is
// "/xxxxxxxxxxxx/pipe/control_privileged", 37 bytes.
func TestSocketPath(t *testing.T) {
	base := shortDir(t)
	if err := os.Mkdir(base, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		length  int
		refused bool
	}{{107, false}, {108, true}, {109, true}} {
		dir := filepath.Join(base, strings.Repeat("x", c.length-37-len(base)-1))
		ds := mps.New(mps.Control{Path: program}, options(dir))
		_, err := ds.Start(t.Context(), limited(gpuA))
		if refused := err != nil && strings.Contains(err.Error(), "shorter folder"); refused != c.refused || !c.refused && err != nil {
			t.Errorf("socket path of %d bytes: %v, want refused %v", c.length, err, c.refused)
		}
		if _, err := os.Stat(dir); c.refused && !os.IsNotExist(err) {
			t.Errorf("socket path of %d bytes: the folder was made before it was refused", c.length)
		}
		if err := ds.Stop(t.Context(), gpuA); err != nil {
			t.Error(err)
		}
	}
}

// TestRefusedStarts: what is wrong is said before anything is made.
func TestRefusedStarts(t *testing.T) {
	good := limited(gpuA)
	odd, much := good, good
	odd.Sharing.MemoryLimitBytes++
	much.Sharing.ThreadPercent = 101
	loose := shortDir(t)
	if err := errors.Join(os.Mkdir(loose, 0o700), os.Chmod(loose, 0o777)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, dir, want string }{
		{"relative", "daemons", "no absolute path"},
		{"writable by others", loose, "written by others"},
	} {
		_, err := mps.New(mps.Control{Path: program}, options(c.dir)).Start(t.Context(), good)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	dir := shortDir(t)
	ds := mps.New(mps.Control{Path: program}, options(dir))
	good.UUID = ""
	for _, dev := range []struct {
		want string
		err  error
	}{
		{"no UUID", second(ds.Start(t.Context(), good))},
		{"whole MiB", second(ds.Start(t.Context(), odd))},
		{"1 to 100", second(ds.Start(t.Context(), much))},
	} {
		if dev.err == nil || !strings.Contains(dev.err.Error(), dev.want) {
			t.Errorf("%v, want %q", dev.err, dev.want)
		}
	}
	clean(t, dir)
}

func second[A any](_ A, err error) error { return err }
