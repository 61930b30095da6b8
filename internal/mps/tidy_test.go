package mps_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/mps"
)

// TestTidy removes what a killed daemon left, and nothing else.
func TestTidy(t *testing.T) {
	dir := shortDir(t)
	ds := mps.New(mps.Control{Path: program}, options(dir))
	home := func(uuid string) string {
		env, err := ds.Start(t.Context(), device.Device{UUID: uuid})
		if err != nil {
			t.Fatal(err)
		}
		stopAfter(t, ds, uuid)
		return filepath.Dir(env[mps.PipeVariable])
	}
	killed, runs := home(migC), home("GPU-1")
	other := filepath.Join(filepath.Dir(killed), "0123456789abcdef")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	all, err := ds.Daemons(t.Context())
	if err != nil || len(all) != 2 {
		t.Fatalf("daemons %+v, %v; want 2", all, err)
	}
	for _, f := range all {
		if filepath.Dir(f.Pipe) == killed {
			if err := syscall.Kill(f.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	waitUntil(t, func() bool {
		all, err := ds.Daemons(t.Context())
		return err == nil && len(all) == 1
	})
	if _, err := os.Stat(killed); err != nil {
		t.Fatalf("a killed daemon left nothing: %v", err)
	}
	ds.Tidy(t.Context())
	for path, want := range map[string]bool{killed: false, runs: true, other: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v; want it there: %v", path, err, want)
		}
	}
}
