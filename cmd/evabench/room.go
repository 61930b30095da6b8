package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/evabench/evabench/internal/disk"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/scenarios"
)

// room looks for room for the run before anything is changed. It refuses where not even
// one step could be kept, and warns where all of a ladder's may not be; what a search will
// ask for nobody knows.
func (b *bench) room(o sweepOptions, talk io.Writer) error {
	dir := cmp.Or(o.out, "runs")
	if b.going != nil {
		dir = b.going.run.Dir
	}
	free, at, err := freeAt(dir)
	if err != nil {
		return fmt.Errorf("look for room for the run directory: %w", err)
	}
	least, all := b.needs()
	switch {
	case free < least:
		return fmt.Errorf("%w for one step: %s are free at %s, and %s are wanted; make room, or choose another disk with --out; nothing was changed",
			disk.ErrNoRoom, bytesOf(free), at, bytesOf(least))
	case free < all:
		fmt.Fprintf(talk, "evabench: WARNING: %s are free at %s, and the run may take %s; it ends in order where room ends, and \"evabench sweep --resume\" goes on\n",
			bytesOf(free), at, bytesOf(all))
	}
	return nil
}

func bytesOf(n int64) string { return units.Format(float64(n), units.Bytes) }

// needs is what the largest step of a ladder, and all that is left to run, may take of the
// disk in bytes.
func (b *bench) needs() (least, all int64) {
	least = results.RoomFor(0)
	if b.scenario.Search != nil {
		return least, least
	}
	of := map[string]scenarios.Service{}
	for _, s := range b.scenario.Services {
		of[s.Name] = s
	}
	total := 0.0
	for _, plan := range b.scenario.StepPlans() {
		n := runner.CountArrivals(plan, of)
		least = max(least, results.RoomFor(n))
		total += n
	}
	return least, results.RoomFor(total * float64(len(b.left())))
}

// freeAt is the room where a folder is, or will be: that of the nearest folder above that
// is there.
func freeAt(dir string) (free int64, at string, err error) {
	at, err = filepath.Abs(dir)
	if err != nil {
		return 0, "", err
	}
	for {
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			break
		}
		at = filepath.Dir(at)
	}
	free, err = (*disk.Disk)(nil).Free(at)
	return free, at, err
}
