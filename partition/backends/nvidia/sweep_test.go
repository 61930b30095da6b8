package nvidia

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/partition"
)

// A drill is a server as found and a sweep over it: time-slicing and MPS on the whole
// GPU, then on instances, one of them cut up, and a time slice of its own.
type drill struct {
	cards  []string
	found  string // layout
	slice  string // time slice found
	layers []string
}

// drills are one for a card that resets for a mode change and one for a card that does
// not. Both find instances and an idle MPS daemon of somebody else.
var drills = []drill{
	{cards: []string{a30}, found: "2g.12gb+1g.6gb", slice: "medium",
		layers: []string{"off(ts:short)", "off(mps:50)", "all-1g.6gb(ts)", "2g.12gb/2x1c(mps)+2x1g.6gb(mps)"}},
	{cards: []string{pro6000, a30}, found: "2g.48gb/1c", slice: "default",
		layers: []string{"off(ts:long)", "off(mps)", "all-1g.24gb(ts)", "2g.48gb/2x1c(mps:30)+2x1g.24gb(mps)"}},
}

// prepare brings a server into the state that a drill finds.
func (d drill) prepare(r *rig) {
	r.t.Helper()
	devices := r.apply(d.found, "0")
	if err := r.slices.SetTimeSlice(r.t.Context(), devices[0].GPU, d.slice); err != nil {
		r.t.Fatal(err)
	}
	r.foreign(devices[0].UUID)
}

// sweep goes through a drill's layers as a sweep does, each from what was found and
// back, and stops at the first fault.
func (d drill) sweep(ctx context.Context, b partition.Backend, dir string) (err error) {
	j, err := partition.OpenJournal(filepath.Join(dir, "state"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	for _, text := range d.layers {
		s, err := b.Inspect(ctx, []string{"0"})
		if err != nil {
			return err
		}
		p, err := planOf(s, text)
		if err != nil {
			return fmt.Errorf("plan %s: %w", text, err)
		}
		session := partition.Session{Backend: b, Journal: j, RestoreWithin: time.Hour}
		if err := partition.With(ctx, session, p, func([]device.Device) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

// recover does what the next evabench does: it puts back what the journal says was
// left, with a backend of its own. It tells whether there was something.
func (r *rig) recover() (left bool, err error) {
	j, err := partition.OpenJournal(filepath.Join(r.dir, "state"))
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	pending, ok, err := j.Pending()
	if err != nil || !ok {
		return false, err
	}
	b := r.over(Options{})
	b.(partition.Traced).Trace(func(e partition.Event) { err = errors.Join(err, j.Record(e)) })
	if err := b.Restore(r.t.Context(), pending.State); err != nil {
		return true, err
	}
	return true, errors.Join(err, j.End())
}
