package runner

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/evabench/evabench/collectors"
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
	case fault != nil:
		record.Status, record.Fault = results.CellFailed, fault.Error()
	}
	if record.Started.IsZero() { // it ended before its origin
		r.setOrigin(time.Now())
	}
	for _, p := range r.phases {
		record.Phases = append(record.Phases, results.Phase{Name: p.name, Start: r.origin.At(p.start), End: r.origin.At(p.end)})
	}
	return errors.Join(fault, w.Close(record))
}

// cellRun is the state of one cell while it runs.
type cellRun struct {
	bench  *Bench
	cell   scenarios.Cell
	layout applied
	writer CellWriter
	record *results.Cell
	phases []phase
	origin results.Origin
}

// setOrigin makes the cell's Offset 0.
func (r *cellRun) setOrigin(t time.Time) {
	r.origin = results.NewOrigin(t)
	r.record.Started = t.UTC().Round(0)
}

// during records how long f took as a phase.
func (r *cellRun) during(name string, f func() error) error {
	start := time.Now()
	err := f()
	r.phases = append(r.phases, phase{name, start, time.Now()})
	return err
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
	}()
	if up, err = r.launch(ctx, instances); err != nil {
		return err
	}
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
	r.setOrigin(time.Now())
	err = r.measure(ctx, up)
	if ctx.Err() != nil {
		return err
	}
	if err == nil {
		err = r.identifyAgain(ctx, alive(up))
	}
	// Again: a worker that was started anew meanwhile may run without MPS.
	return errors.Join(err, r.during("recount", func() error { return r.observe(ctx, alive(up), true) }))
}

// warn records what an instance's launcher warns of.
func (r *cellRun) warn(s services.Service) {
	w, ok := s.(services.Warned)
	if !ok {
		return
	}
	for _, warning := range w.Warnings() {
		r.warning(warning)
	}
}

// warning records and tells one.
func (r *cellRun) warning(w results.Warning) {
	r.bench.tell("cell %s: WARNING: %s: %s", r.cell.Folder, w.Subject, w.Text)
	r.record.Warnings = append(r.record.Warnings, w)
}

// measure runs the cell's steps with the collectors beside them.
func (r *cellRun) measure(ctx context.Context, up []running) error {
	jobs, err := r.jobs(up)
	if err != nil {
		return err
	}
	sink := newBuffer(jobs)
	collect, stop := context.WithCancel(context.WithoutCancel(ctx))
	var collecting sync.WaitGroup
	var warnings []results.Warning
	collecting.Go(func() { warnings = collectors.Run(collect, r.origin, jobs, sink) })

	err = r.steps(ctx, up, sink)
	stop()
	collecting.Wait()
	r.record.Warnings = append(r.record.Warnings, warnings...)
	return errors.Join(err, r.writer.Observations(sink.takeObservations()))
}

// jobs gives the collectors of a cell: the services' pages, and what the
// bench reads of devices and of itself.
func (r *cellRun) jobs(up []running) ([]collectors.Job, error) {
	every := r.bench.CollectEvery
	if every == 0 {
		every = DefaultCollectEvery
	}
	var jobs []collectors.Job
	for _, u := range up {
		info := u.service.Info()
		for _, s := range u.of.Sources {
			target := collectors.Target{
				Subject: results.Subject{Kind: results.SubjectEndpoint, ID: info.Name},
				URL:     pageOf(info, s.Kind),
			}
			c, err := s.Source.Collector(target)
			if err != nil {
				return nil, fmt.Errorf("collector %s of %s: %w", s.Kind, info.Name, err)
			}
			jobs = append(jobs, collectors.Job{Name: s.Kind, Collector: c, Subject: target.Subject})
		}
	}
	if r.bench.Devices != nil {
		more, err := r.bench.Devices(r.layout.devices)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, more...)
	}
	for i := range jobs {
		if jobs[i].Every == 0 {
			jobs[i].Every = every
		}
		if jobs[i].Timeout == 0 {
			jobs[i].Timeout = scrapeTimeout
		}
	}
	return jobs, nil
}

// pageOf gives where a kind of source reads an instance: the page that the
// launcher told, else the request URL.
func pageOf(i results.Instance, kind string) string {
	for _, s := range i.Scrapes {
		if s.Kind == kind {
			return s.URL
		}
	}
	return i.URL
}
