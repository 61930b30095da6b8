package mps_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
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
