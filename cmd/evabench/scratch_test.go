package main

import (
	"os"
	"path/filepath"
	"testing"
)

// A folder whose owner is gone is removed by the next that comes; one that is
// held, and one that is none of ours, are left alone.
func TestScratchRemovesWhatIsLeftOver(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	foreign := filepath.Join(os.TempDir(), "evabench-sim-foreign")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	held, err := newScratch(scratchPath())
	if err != nil {
		t.Fatal(err)
	}
	killed, err := newScratch(scratchPath())
	if err != nil {
		t.Fatal(err)
	}
	killed.owner.Close() // as the end of a process does
	next, err := newScratch(scratchPath())
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]bool{foreign: true, held.dir: true, killed.dir: false, next.dir: true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", dir, err == nil, want)
		}
	}
	for _, s := range []*scratch{held, next} {
		if err := s.remove(); err != nil {
			t.Error(err)
		}
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v, want what was foreign", left, err)
	}
}
