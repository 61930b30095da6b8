package runner

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/services"
)

// cell runs one cell on an applied layout and writes it, whatever became of
// it.
func (b *Bench) cell(ctx context.Context, c scenarios.Cell, l applied) error {
	return b.record(ctx, c, l, func(r *cellRun) error {
		if err := r.writer.Layout(l.layout); err != nil {
			return err
		}
		return r.run(ctx)
	})
}

// refuse writes a cell that cannot be, for which nothing was changed.
func (b *Bench) refuse(ctx context.Context, c scenarios.Cell, why error) error {
	return b.record(ctx, c, applied{}, func(*cellRun) error { return why })
}

// record writes a cell as f leaves it.
func (b *Bench) record(ctx context.Context, c scenarios.Cell, l applied, f func(*cellRun) error) error {
	b.tell("cell %s: begins", c.Folder)
	b.follow(CellBegins{c, l.devices})
	w, err := b.Writer.Cell(c.Folder)
	if err != nil {
		return err
	}
	record := results.Cell{
		Index: c.Index, Folder: c.Folder, Config: c.Config, Replicate: c.Replicate, Seed: c.Seed, Nonce: rand.Text(),
		Status: results.CellDone,
	}
	r := &cellRun{bench: b, cell: c, layout: l, writer: w, record: &record, phases: l.phases}
	fault := f(r)
	switch {
	case ctx.Err() != nil:
		record.Status, record.Fault = results.CellInterrupted, context.Cause(ctx).Error()
	case inVain(fault): // not the configuration's fault: when the run goes on it is measured again
		record.Status, record.Fault = results.CellInterrupted, fault.Error()
	case fault != nil:
		record.Status, record.Fault = results.CellFailed, fault.Error()
	}
	if record.Started.IsZero() { // it ended before its origin
		r.setOrigin(time.Now())
	}
	for _, p := range r.phases {
		record.Phases = append(record.Phases, results.Phase{Name: p.name, Start: r.origin.At(p.start), End: r.origin.At(p.end)})
	}
	err = JoinOnce(fault, caught("close the cell", func() error { return w.Close(record) }))
	b.follow(CellEnds{record})
	return err
}

// cellRun is the state of one cell while it runs.
type cellRun struct {
	bench   *Bench
	cell    scenarios.Cell
	layout  applied
	writer  CellWriter
	chooser Chooser // from the first step on
	record  *results.Cell
	phases  []phase
	origin  results.Origin
	index   int         // of the step that runs
	clocks  *clockWatch // nil where nothing watches
}

// setOrigin makes the cell's Offset 0.
func (r *cellRun) setOrigin(t time.Time) {
	r.origin = results.NewOrigin(t)
	r.record.Started = t.UTC().Round(0)
}

// during records how long f took as a phase.
func (r *cellRun) during(name string, f func() error) error {
	r.begins(name)
	start := time.Now()
	err := f()
	r.phases = append(r.phases, phase{name, start, time.Now()})
	return err
}

// begins tells who follows what is done next.
func (r *cellRun) begins(phase string) {
	r.bench.follow(PhaseBegins{Cell: r.cell.Folder, Phase: phase})
}

// run launches the services, runs the steps and stops the services again.
func (r *cellRun) run(ctx context.Context) (err error) {
	instances, err := r.place()
	if err != nil {
		return err
	}
	if err := r.adapt(ctx, instances); err != nil {
		return err
	}
	var up []running
	defer func() {
		err = errors.Join(err, r.during("stop", func() error { return stopAll(ctx, up) }))
		r.warnOfLogs(up)
	}()
	if up, err = r.launch(ctx, instances); err != nil {
		return err
	}
	if err := r.alike(up); err != nil {
		return err
	}
	measured := false
	err = r.collecting(ctx, up, func(sink *buffer) error {
		if err := r.prepare(ctx, up); err != nil {
			return err
		}
		measured = true
		r.setOrigin(time.Now())
		r.begins("steps")
		return r.watchClocks(ctx, func() error { return r.steps(ctx, up, sink) })
	})
	if !measured || ctx.Err() != nil {
		return err
	}
	if err == nil {
		err = r.identifyAgain(ctx, alive(up))
	}
	// Again: a worker that was started anew meanwhile may run without MPS.
	return errors.Join(err, r.during("recount", func() error { return r.observe(ctx, alive(up), true) }))
}

// alike faults instances that are others than those that were measured before, and warns
// of those that may be.
func (r *cellRun) alike(up []running) error {
	if r.bench.Alike == nil {
		return nil
	}
	for _, u := range up {
		i := u.service.Info()
		doubt, err := r.bench.Alike(r.cell, i)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrOther, err)
		}
		if doubt != "" {
			r.warning(results.Warning{Code: "servers-differ", Subject: i.Name, Text: doubt, Count: 1})
		}
	}
	return nil
}

// prepare makes ready instances fit to be measured.
func (r *cellRun) prepare(ctx context.Context, up []running) error {
	if err := r.warm(ctx, up); err != nil {
		return err
	}
	if err := r.alone(ctx, up); err != nil {
		return err
	}
	if err := r.during("count", func() error { return r.observe(ctx, up, false) }); err != nil {
		return err
	}
	for _, u := range up {
		r.record.Instances = append(r.record.Instances, u.service.Info())
	}
	return nil
}

// warn records what an instance's launcher and its endpoint warn of.
func (r *cellRun) warn(s services.Service, e loadgen.Endpoint) {
	if w, ok := s.(services.Warned); ok {
		for _, warning := range w.Warnings() {
			r.warning(warning)
		}
	}
	if w, ok := e.(loadgen.Warned); ok {
		for _, warning := range w.Warnings() {
			warning.Subject = s.Info().Name
			r.warning(warning)
		}
	}
}

// warnOfLogs records which logs of services that were stopped have gaps.
func (r *cellRun) warnOfLogs(up []running) {
	for _, u := range up {
		if g, ok := u.service.(services.Gapped); ok && g.LogFault() != "" {
			r.warning(results.Warning{Code: "log-gaps", Subject: u.service.Info().Name, Text: "its log has gaps: " + g.LogFault(), Count: 1})
		}
	}
}

// warning records and tells one.
func (r *cellRun) warning(w results.Warning) {
	r.bench.tell("cell %s: WARNING: %s: %s", r.cell.Folder, w.Subject, w.Text)
	r.record.Warnings = append(r.record.Warnings, w)
}
