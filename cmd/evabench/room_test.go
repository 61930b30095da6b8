package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/disk"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// A run that could not even keep a step is refused before anything is changed, one that may
// not keep all is warned of.
func TestRoomIsLookedFor(t *testing.T) {
	out := filepath.Join(t.TempDir(), "not", "yet")
	free, at, err := freeAt(out)
	if err != nil || strings.HasSuffix(at, "not") || free <= 0 {
		t.Fatalf("%d bytes free at %s, %v", free, at, err)
	}
	at0 := float64(free) / float64(results.RoomFor(1e9)-results.RoomFor(0)) * 1e9 // arrivals that fill the disk
	const day = 24 * time.Hour
	for _, c := range []struct {
		name   string
		share  float64 // of the disk, in one step
		cells  int
		refuse bool
		warn   bool
	}{
		{"little", 0.001, 1, false, false},
		{"too much together", 0.4, 3, false, true},
		{"too much at once", 1.5, 1, true, false},
	} {
		b := &bench{scenario: &scenarios.Scenario{Window: day, Services: []scenarios.Service{{
			Name: "vision", Load: scenarios.Load{Arrivals: scenarios.Constant, Levels: []float64{c.share * at0 / day.Seconds()}},
		}}}, cells: make([]scenarios.Cell, c.cells)}
		var talk strings.Builder
		err := b.room(sweepOptions{out: out}, &talk)
		if errors.Is(err, disk.ErrNoRoom) != c.refuse || (talk.Len() > 0) != c.warn {
			t.Errorf("%s: %v, told %q", c.name, err, talk.String())
		}
	}
}
