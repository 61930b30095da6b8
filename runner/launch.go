package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
)

// running is an instance that was launched, with its endpoint.
type running struct {
	of       *Service
	service  services.Service
	endpoint loadgen.Endpoint
}

// launch places and starts every instance, in order. What it started before a
// fault is among the returned, to be stopped.
func (r *cellRun) launch(ctx context.Context) ([]running, error) {
	instances, err := r.place()
	if err != nil {
		return nil, err
	}
	var up []running
	for _, p := range instances {
		r.bench.tell("cell %s: launch %s on %s", r.cell.Folder, p.instance.Name, deviceName(p.instance.Device))
		s, err := p.of.Launcher.Launch(ctx, p.instance)
		if err != nil {
			return up, fmt.Errorf("launch %s: %w", p.instance.Name, err)
		}
		endpoint, err := p.of.Dialer.Dial(s.Info().URL)
		up = append(up, running{of: p.of, service: s, endpoint: endpoint})
		if err != nil {
			return up, fmt.Errorf("endpoint of %s: %w", p.instance.Name, err)
		}
	}
	return up, nil
}

func deviceName(d device.Device) string {
	if d.UUID == "" {
		return "a device as found"
	}
	return fmt.Sprintf("%s (%s)", d.Name, d.Sharing)
}

// placedInstance is an instance before it is launched.
type placedInstance struct {
	of       *Service
	instance services.Instance
}

// place gives the instances of the cell: by the placement on the layout's
// devices, or as many as run already.
func (r *cellRun) place() ([]placedInstance, error) {
	placement, err := services.ParsePlacement(r.cell.Config.Placement)
	if err != nil {
		return nil, err
	}
	var all []placedInstance
	var wanted []services.Wanted
	for i := range r.bench.Services {
		s := &r.bench.Services[i]
		if fixed, ok := s.Launcher.(services.Fixed); ok {
			for n := range fixed.Instances() {
				all = append(all, placedInstance{s, r.instance(s, n, device.Device{})})
			}
			continue
		}
		wanted = append(wanted, services.Wanted{Name: s.Name, Role: s.Role})
	}
	if len(wanted) == 0 {
		return all, nil
	}
	assignments, err := placement.Place(wanted, r.layout.devices)
	if err != nil {
		return nil, err
	}
	for _, a := range assignments {
		i := slices.IndexFunc(r.bench.Services, func(s Service) bool { return s.Name == a.Service })
		s := &r.bench.Services[i]
		all = append(all, placedInstance{s, r.instance(s, a.Index, a.Device)})
	}
	return all, nil
}

// instance describes one instance to its launcher: models with the
// configuration's workers, and the service's own parameters.
func (r *cellRun) instance(s *Service, n int, d device.Device) services.Instance {
	i := services.Instance{
		Service: s.Name, Role: s.Role, Index: n, Name: fmt.Sprintf("%s-%d", s.Name, n),
		Device: d, LogDir: r.writer.LogDir(), Params: map[string]string{},
	}
	for _, m := range s.Models {
		workers := m.Workers
		if w, ok := r.cell.Config.Workers[m.Name]; ok {
			workers = w
		}
		i.Models = append(i.Models, services.Model{Name: m.Name, Workers: max(workers, 1)})
	}
	for name, value := range r.cell.Config.Params {
		if service, param, ok := strings.Cut(name, "."); ok && service == s.Name {
			i.Params[param] = value
		}
	}
	return i
}

// stopAll closes the endpoints and stops the services, last first, also when
// ctx has ended.
func stopAll(ctx context.Context, up []running) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	var faults []error
	for _, u := range slices.Backward(up) {
		if u.endpoint != nil {
			u.endpoint.Close()
		}
		if err := u.service.Stop(ctx); err != nil {
			faults = append(faults, fmt.Errorf("stop %s: %w", u.service.Info().Name, err))
		}
	}
	return errors.Join(faults...)
}

// readySeed keeps the readiness requests apart from the steps' requests, so
// that no cache has seen what is measured.
const readySeed = 0x5eed0fbadf00d

// ready waits until every instance has given a right answer to a real request
// of every class, and so is warm enough to begin.
func (r *cellRun) ready(ctx context.Context, up []running) error {
	for _, u := range up {
		within := launchedReady
		if _, ok := u.of.Launcher.(services.Fixed); ok {
			within = runningReady
		}
		if err := u.ready(ctx, r.cell.Seed^readySeed, within); err != nil {
			return err
		}
		r.bench.tell("cell %s: %s answers", r.cell.Folder, u.service.Info().Name)
	}
	return nil
}

// sessionsForClasses is how many sessions are looked through for classes that
// had no answer yet; a class rarer than this is warmed by the step's warm-up.
const sessionsForClasses = 64

// ready asks one instance.
func (u running) ready(ctx context.Context, seed uint64, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	answered := map[string]bool{}
	for n := range int64(sessionsForClasses) {
		session := u.of.Workload.Session(seed, n)
		first, ok := session.Next(nil)
		if !ok || answered[first.Class] {
			continue
		}
		if err := u.answers(ctx, session, first); err != nil {
			return err
		}
		answered[first.Class] = true
	}
	return nil
}

// answers sends one session's requests until each was answered; only the
// first is asked again, until ctx ends.
func (u running) answers(ctx context.Context, session loadgen.Session, q *loadgen.Request) error {
	name := u.service.Info().Name
	for first := true; ; first = false {
		a, err := u.ask(ctx, q)
		for first && err == nil && a.Outcome != results.OK {
			if a.Outcome == results.HTTP4xx || u.service.Err() != nil || !pause(ctx, 200*time.Millisecond) {
				break
			}
			a, err = u.ask(ctx, q)
		}
		switch {
		case err != nil:
			return fmt.Errorf("%s: prepare a request: %w", name, err)
		case u.service.Err() != nil:
			return fmt.Errorf("%s ended before it was ready: %w", name, u.service.Err())
		case a.Outcome != results.OK:
			return fmt.Errorf("%s at %s is not ready: %s: %s", name, u.service.Info().URL, a.Outcome, a.Detail)
		}
		var more bool
		if q, more = session.Next(&a); !more {
			return nil
		}
	}
}

// ask sends one request, bounded by the service's own timeout.
func (u running) ask(ctx context.Context, q *loadgen.Request) (loadgen.Answer, error) {
	p, err := u.endpoint.Prepare(q)
	if err != nil {
		return loadgen.Answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, u.of.Timeout)
	defer cancel()
	return p.Do(ctx, func() {}), nil
}

// pause waits, and reports whether ctx is still good.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
