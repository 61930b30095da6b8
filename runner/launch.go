package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
)

// running is an instance that was launched, with its endpoint.
type running struct {
	of       *Service
	service  services.Service
	endpoint loadgen.Endpoint
	newLoop  func(results.Origin) (pace.Loop, error) // Bench's
	device   string                                  // UUID of where it was placed; empty as found
	on       device.Device                           // the same in full
	models   []services.Model                        // with the configuration's workers
	waits    patience                                // what is left of it for each right answer
}

// sideBySide bounds how many instances are started and waited for at once.
const sideBySide = 16

// A launching starts the instances of a cell: those that share a device's memory
// one after another, each ready before the next is launched, because engines
// measure free memory when they start and give up if it changes meanwhile
// (vLLM: "Error in memory profiling"); all others side by side.
type launching struct {
	cell      *cellRun
	instances []placedInstance
	lines     chan string // of progress

	mu   sync.Mutex
	up   []*running // by place in instances; nil where none was launched
	last time.Time  // when the last of them was launched
}

// launch starts every instance and waits until all are ready. It returns all
// that were started, in order, also after a fault, to be stopped. The first
// fault is returned; the other launches are cancelled then.
func (r *cellRun) launch(ctx context.Context, instances []placedInstance) ([]running, error) {
	l := &launching{cell: r, instances: instances, lines: make(chan string), up: make([]*running, len(instances))}
	r.begins("launch")
	start := time.Now()
	starting, ctx := errgroup.WithContext(ctx)
	starting.SetLimit(sideBySide)
	done := make(chan error, 1)
	go func() {
		for _, lane := range lanes(instances) {
			starting.Go(func() error { return l.inTurn(ctx, lane) })
		}
		done <- starting.Wait()
	}()
	err := l.follow(done)
	var up []running
	for _, u := range l.up {
		if u != nil {
			up = append(up, *u)
			r.warn(u.service, u.endpoint)
		}
	}
	if len(up) < len(instances) {
		l.last = time.Now()
	}
	r.phases = append(r.phases, phase{"launch", start, l.last})
	if len(up) == len(instances) {
		r.phases = append(r.phases, phase{"ready", l.last, time.Now()})
	}
	return up, err
}

// follow tells of progress until all is done. One goroutine tells, as Bench.Tell
// is promised.
func (l *launching) follow(done <-chan error) error {
	b, folder := l.cell.bench, l.cell.cell.Folder
	still := time.NewTicker(tellWaiting)
	defer still.Stop()
	for start := time.Now(); ; {
		select {
		case line := <-l.lines:
			b.tell("cell %s: %s", folder, line)
		case <-still.C:
			b.tell("cell %s: waiting for right answers since %.0f s", folder, time.Since(start).Seconds())
		case err := <-done:
			if err == nil {
				b.tell("cell %s: right answers from %s", folder, units.Plural(len(l.instances), "instance"))
			}
			return err
		}
	}
}

// inTurn starts the instances of one device one after another.
func (l *launching) inTurn(ctx context.Context, lane []int) error {
	for _, i := range lane {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := l.start(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// start launches one instance and waits until it is ready.
func (l *launching) start(ctx context.Context, i int) error {
	p := l.instances[i]
	l.lines <- fmt.Sprintf("launch %s on %s", p.instance.Name, deviceName(p.instance.Device))
	s, err := p.of.Launcher.Launch(ctx, p.instance)
	if err != nil {
		return fmt.Errorf("launch %s%s: %w", p.instance.Name, onDevice(p.instance.Device), err)
	}
	u := &running{
		of: p.of, service: s, newLoop: l.cell.bench.NewLoop,
		device: p.instance.Device.UUID, on: p.instance.Device, models: p.instance.Models,
	}
	u.endpoint, err = p.of.Dialer.Dial(s.Info().URL)
	l.mu.Lock()
	shared := l.at(u)
	l.up[i], l.last = u, time.Now()
	l.mu.Unlock()
	switch {
	case err != nil:
		return fmt.Errorf("endpoint of %s: %w", p.instance.Name, err)
	case shared != "":
		return fmt.Errorf("%s and %s are both at %s, so one server would be asked for two; let the URL, and what the server is told, have a {port} of its own for each, or, behind a router, scrapes a page of its own",
			shared, p.instance.Name, s.Info().URL)
	}
	return u.ready(ctx, l.cell.cell.Seed^readySeed, l.cell.record.Nonce)
}

// at gives the name of an instance of the same service that has the address of another;
// empty if none has. Behind a router both have the router's, and pages of their own. The
// caller holds mu.
func (l *launching) at(u *running) string {
	info := u.service.Info()
	for _, o := range l.up {
		if o == nil || o.of != u.of {
			continue
		}
		if other := o.service.Info(); other.URL == info.URL && slices.Equal(other.Scrapes, info.Scrapes) {
			return other.Name
		}
	}
	return ""
}

// onDevice says in a fault where an instance is; nothing if it is on no device.
func onDevice(d device.Device) string {
	if d.UUID == "" {
		return ""
	}
	if d.Name == "" {
		return " on " + d.UUID
	}
	return fmt.Sprintf(" on %s (%s)", d.Name, d.UUID)
}

// adapt makes the servers that run already fit the cell, where their launcher
// can, before anything is launched.
func (r *cellRun) adapt(ctx context.Context, instances []placedInstance) error {
	for i := range r.bench.Services {
		s := &r.bench.Services[i]
		a, ok := s.Launcher.(services.Adapting)
		if !ok {
			continue
		}
		c := services.Configuration{
			Name: r.cell.Config.Name, Layout: r.cell.Config.Layout, Sharing: r.cell.Config.Sharing, Placement: r.cell.Config.Placement,
			Workers: map[string]int{}, Params: paramsOf(s.Name, r.cell.Config),
			Devices: slices.Clone(r.layout.devices), LogDir: r.writer.LogDir(),
		}
		maps.Copy(c.Workers, r.cell.Config.Workers)
		for _, p := range instances {
			for _, m := range p.instance.Models {
				if p.of == s {
					c.Workers[m.Name] = m.Workers
				}
			}
		}
		r.bench.tell("cell %s: make %s fit", r.cell.Folder, s.Name)
		adapt := func() error { return a.Adapt(ctx, s.Name, c) }
		if err := r.during("adapt", func() error { return r.whileTelling("making "+s.Name+" fit", adapt) }); err != nil {
			return fmt.Errorf("make service %s fit the configuration: %w", s.Name, err)
		}
	}
	return nil
}

// stopAll closes the endpoints and stops the services, side by side so that each
// has its own time to end, also when ctx has ended. Its faults are [StopError]s.
func stopAll(ctx context.Context, up []running) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	faults := make([]error, len(up))
	var stopping sync.WaitGroup
	for i, u := range up {
		if u.endpoint != nil {
			u.endpoint.Close()
		}
		stopping.Go(func() {
			if err := u.service.Stop(ctx); err != nil {
				faults[i] = &StopError{u.service.Info().Name, err}
			}
		})
	}
	stopping.Wait()
	return errors.Join(faults...)
}
