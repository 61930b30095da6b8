package runner

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/results"
)

// collecting runs f with the collectors beside it, and writes what they observed, also
// if f fails. They begin as soon as the instances are ready: what idle servers tell, and
// what warming up and calibration did, is kept as well as what steps did and what was
// between them.
//
// The cell's Offset 0 is not known until the first step. So the collectors have an Origin
// of their own, and what they observed is moved to the cell's when it is written, after
// each step and when all is over: what was before the first step has negative Offsets.
func (r *cellRun) collecting(ctx context.Context, up []running, f func(*buffer) error) error {
	jobs, err := r.jobs(up)
	if err != nil {
		return err
	}
	collect, stop := context.WithCancel(context.WithoutCancel(ctx))
	origin := results.NewOrigin(time.Now())
	sink := newBuffer(jobs, origin)
	var collecting sync.WaitGroup
	var warnings []results.Warning
	collecting.Go(func() { warnings = collectors.Run(collect, origin, jobs, sink) })

	err = f(sink)
	stop()
	collecting.Wait()
	r.record.Warnings = append(r.record.Warnings, warnings...)
	if r.record.Started.IsZero() { // no step began
		r.setOrigin(time.Now())
	}
	return JoinOnce(err, caught("write what was read", func() error { return r.writer.Observations(sink.fresh(r.origin, sink.observed())) }))
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
