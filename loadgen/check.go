package loadgen

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/evabench/evabench/results"
)

// check reports every fault of a step's description at once.
func check(s Step, sink results.Sink) error {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if sink == nil {
		bad("there is no sink for the samples")
	}
	if s.Plan.Warmup < 0 {
		bad("the warm-up of %v is negative", s.Plan.Warmup)
	}
	if s.Plan.Cooldown < 0 || slices.ContainsFunc(s.Loads, func(l Load) bool { return l.Cooldown < 0 }) {
		bad("a cool-down is negative")
	}
	if s.Plan.Window <= 0 {
		bad("the window of %v is not positive", s.Plan.Window)
	}
	if s.Shard.Of < 0 || s.Shard.Index < 0 || s.Shard.Index >= max(1, s.Shard.Of) {
		bad("shard %d of %d is none", s.Shard.Index, s.Shard.Of)
	}
	if len(s.Loads) == 0 {
		bad("there is no load")
	}
	if len(s.Loads) != len(s.Plan.Levels) {
		bad("%d loads stand against %d levels", len(s.Loads), len(s.Plan.Levels))
		return errors.Join(faults...)
	}
	if s.Plan.Heavy && !slices.ContainsFunc(s.Loads, func(l Load) bool { return heavy(l.Workload) != nil }) {
		bad("it is heavy, and no service's workload has heavy requests")
	}
	seen := map[string]bool{}
	for i, l := range s.Loads {
		if seen[l.Service] {
			bad("service %q has two loads", l.Service)
		}
		seen[l.Service] = true
		for _, err := range checkLoad(l, s, s.Plan.Levels[i]) {
			bad("service %q: %w", l.Service, err)
		}
	}
	return errors.Join(faults...)
}

// heavy gives the heavy variant of a workload; nil if it has none.
func heavy(w Workload) Workload {
	if v, ok := w.(Weighted); ok {
		if h, ok := v.Heavy(); ok {
			return h
		}
	}
	return nil
}

func checkLoad(l Load, s Step, level results.Level) (faults []error) {
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if l.Service != level.Service {
		bad("its level is that of service %q", level.Service)
	}
	if closed := level.Arrivals == "closed"; closed != (l.Arrivals == nil) {
		bad("its level says arrivals %q, its load does not", level.Arrivals)
	}
	switch {
	case l.Arrivals == nil && l.Users < 1:
		bad("a closed loop needs at least one user, not %d", l.Users)
	case l.Arrivals == nil && float64(l.Users) != level.Value:
		bad("%d users stand against a level of %v", l.Users, level.Value)
	case l.Arrivals != nil && !(l.Arrivals.Rate() > 0 && !math.IsInf(l.Arrivals.Rate(), 1)):
		bad("the arrival rate of %v is not a positive number", l.Arrivals.Rate())
	}
	if l.Think < 0 {
		bad("the think time of %v is negative", l.Think)
	}
	if l.FailurePause < 0 {
		bad("the pause of %v after a failure is negative", l.FailurePause)
	}
	if l.Ramp < 0 {
		bad("the ramp of %v is negative", l.Ramp)
	}
	if l.Workload == nil {
		bad("there is no workload")
	}
	if l.Router == nil {
		bad("there is no router")
	}
	if l.MaxInFlight < 0 {
		bad("the limit of %d in flight is negative", l.MaxInFlight)
	}
	if of := max(1, s.Shard.Of); l.MaxInFlight > 0 && l.MaxInFlight < of {
		bad("the limit of %d in flight leaves nothing for one of %d shards", l.MaxInFlight, of)
	}
	if l.Timeout <= 0 {
		bad("the timeout of %v is not positive", l.Timeout)
	}
	if len(l.Targets) == 0 {
		bad("there is no instance to send to")
	}
	if r, ok := l.Router.(Sized); ok {
		if err := r.Fits(len(l.Targets)); err != nil {
			faults = append(faults, err)
		}
	}
	faults = append(faults, checkRetry(l.Retry)...)
	names := map[string]bool{}
	for _, t := range l.Targets {
		if t.Name == "" || t.Endpoint == nil || names[t.Name] {
			bad("instance %q lacks a name of its own or an endpoint", t.Name)
		}
		names[t.Name] = true
	}
	return faults
}

func checkRetry(r Retry) (faults []error) {
	if r.Attempts < 0 || r.Pause < 0 {
		faults = append(faults, fmt.Errorf("a retry of %d attempts after %v is none", r.Attempts, r.Pause))
	}
	for _, o := range r.On {
		switch o {
		case results.OK, results.Cancelled, results.NotSent:
			faults = append(faults, fmt.Errorf("nothing can be asked again after %q", o))
		}
	}
	return faults
}
