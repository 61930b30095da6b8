package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
	waits    patience                                // what is left of it for each right answer
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
		r.warn(s)
		endpoint, err := p.of.Dialer.Dial(s.Info().URL)
		up = append(up, running{of: p.of, service: s, endpoint: endpoint, newLoop: r.bench.NewLoop, device: p.instance.Device.UUID})
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
// of every class, and so is warm enough to begin. The instances are asked side
// by side.
func (r *cellRun) ready(ctx context.Context, up []running) error {
	asking, ctx := errgroup.WithContext(ctx)
	for _, u := range up {
		asking.Go(func() error { return u.ready(ctx, r.cell.Seed^readySeed, r.record.Nonce) })
	}
	done := make(chan error, 1)
	go func() { done <- asking.Wait() }()
	still := time.NewTicker(tellWaiting)
	defer still.Stop()
	for start := time.Now(); ; {
		select {
		case <-still.C:
			r.bench.tell("cell %s: waiting for right answers since %.0f s", r.cell.Folder, time.Since(start).Seconds())
		case err := <-done:
			if err == nil {
				r.bench.tell("cell %s: right answers from %s", r.cell.Folder, units.Plural(len(up), "instance"))
			}
			return err
		}
	}
}

// tellWaiting is how often it is told that instances are not ready yet.
const tellWaiting = 10 * time.Second

// patience is how long an instance may fail to connect, and how long it may
// give other answers than the right one, before it is given up.
type patience struct{ connect, answer time.Duration }

// A launched service loads its models meanwhile; one that runs already is
// expected to answer.
var (
	launched       = patience{5 * time.Minute, 5 * time.Minute}
	runningAlready = patience{5 * time.Second, 2 * time.Minute}
)

// patience is what the instance's launcher says, or what is usual.
func (u running) patience() patience {
	if p, ok := u.of.Launcher.(services.Patient); ok {
		return patience{p.Patience(), p.Patience()}
	}
	if _, ok := u.of.Launcher.(services.Fixed); ok {
		return runningAlready
	}
	return launched
}

// less is what is left of the patience after a while.
func (p patience) less(spent time.Duration) patience {
	return patience{p.connect - spent, p.answer - spent}
}

// gone reports whether an answer that is not right ends the patience.
func (p patience) gone(a loadgen.Answer, since time.Duration) bool {
	switch a.Outcome {
	case results.HTTP4xx, results.Cancelled:
		return true // asking again will not change it
	case results.Connect:
		return since >= p.connect
	default:
		return since >= p.answer
	}
}

// sessionsForClasses is how many sessions are looked through for classes that
// had no answer yet; a class rarer than this is warmed by the step's warm-up.
const sessionsForClasses = 256

// ready asks one instance: a session of every class that sessions begin with,
// or one session if the workload does not tell them.
func (u running) ready(ctx context.Context, seed uint64, nonce string) error {
	workload := u.of.Workload
	if w, ok := workload.(loadgen.Nonced); ok {
		workload = w.WithNonce(nonce)
	}
	start := time.Now()
	if err := u.isUp(ctx); err != nil {
		return err
	}
	u.waits = u.patience().less(time.Since(start))
	wanted := 1
	if w, ok := workload.(loadgen.Classed); ok {
		wanted = len(w.Classes())
	}
	answered := map[string]bool{}
	for n := int64(0); len(answered) < wanted && n < sessionsForClasses; n++ {
		session := workload.Session(seed, n)
		first := session.Next(-1, nil)
		if len(first) == 0 || answered[first[0].Class] {
			continue
		}
		if err := u.answers(ctx, session, first); err != nil {
			return err
		}
		answered[first[0].Class] = true
	}
	return nil
}

// isUp waits until the instance's own page says that it is up, if it has one.
func (u running) isUp(ctx context.Context) error {
	c, ok := u.service.(services.Checked)
	if !ok {
		return nil
	}
	limit := u.patience().answer
	for start := time.Now(); ; {
		asking, cancel := context.WithTimeout(ctx, min(checkWithin, max(limit-time.Since(start), time.Second)))
		err := c.Check(asking)
		cancel()
		switch {
		case err == nil:
			return nil
		case u.service.Err() != nil:
			return u.endedEarly()
		case time.Since(start) >= limit || !pause(ctx, 200*time.Millisecond):
			return u.notReady(err.Error())
		}
	}
}

// checkWithin bounds one question to an instance's own page.
const checkWithin = 5 * time.Second

// endedEarly is the fault of an instance that ended while it was waited for.
func (u running) endedEarly() error {
	return fmt.Errorf("%s ended before it was ready: %w", u.service.Info().Name, u.service.Err())
}

// notReady is the fault of an instance that runs and is not ready, with its
// device and the end of its log.
func (u running) notReady(why string) error {
	info := u.service.Info()
	on, log := "", ""
	if info.Device != "" {
		on = " on " + info.Device
	}
	if l, ok := u.service.(services.Logged); ok {
		log = services.LogText(l.LogTail())
	}
	return fmt.Errorf("%s at %s%s is not ready: %s%s", info.Name, info.URL, on, why, log)
}

// answers sends one session's requests one after another; each is asked again
// until it is answered rightly or patience ends.
func (u running) answers(ctx context.Context, session loadgen.Session, first []*loadgen.Request) error {
	next := slices.Clone(first)
	for call := 0; call < len(next); call++ {
		a, err := u.insist(ctx, next[call])
		if err != nil {
			return err
		}
		next = append(next, session.Next(call, &a)...)
	}
	return nil
}

// insist asks one request until it is answered rightly.
func (u running) insist(ctx context.Context, q *loadgen.Request) (loadgen.Answer, error) {
	name, patience := u.service.Info().Name, u.waits
	for start := time.Now(); ; {
		// One exchange may take what the service's own limit allows, but not
		// all the patience twice.
		a, err := u.ask(ctx, q, min(u.of.Timeout, max(patience.answer-time.Since(start), time.Second)))
		switch {
		case err != nil:
			return a, fmt.Errorf("%s: prepare a request: %w", name, err)
		case a.Outcome == results.OK:
			return a, nil
		case u.service.Err() != nil:
			return a, u.endedEarly()
		case patience.gone(a, time.Since(start)) || !pause(ctx, 200*time.Millisecond):
			return a, u.notReady(fmt.Sprintf("%s: %s", a.Outcome, a.Detail))
		}
	}
}

// ask sends one request, bounded by limit.
func (u running) ask(ctx context.Context, q *loadgen.Request, limit time.Duration) (loadgen.Answer, error) {
	return loadgen.Ask(ctx, u.endpoint, q, limit, u.newLoop)
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
