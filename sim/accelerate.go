package sim

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/scenarios"
)

// The bounds of how many times as fast as the clock a simulated server may run.
const (
	MinScale = 1
	maxScale = 1000
)

// CheckScale says what is wrong with a scale.
func CheckScale(k float64) error {
	if !(k >= MinScale && k <= maxScale) {
		return fmt.Errorf("scale %v: a simulated server runs %d to %d times as fast as the clock", k, MinScale, maxScale)
	}
	return nil
}

// An Acceleration lets a bench measure a simulated server that runs Scale times
// as fast as the clock. What goes into the bench is turned from the server's
// time into the clock's, what it records is turned back: everything recorded is
// server time, and the runner, the load generator and the collectors know only
// the clock. What a simulated server tells of itself is server time already.
//
// Bounds that only guard evabench itself (how long it is waited for a page, for
// readiness, for the end of a process) stay as they are, in time of the clock.
type Acceleration struct{ k float64 }

// Accelerate gives the Acceleration of a scale that [CheckScale] finds good; it
// panics at any other.
func Accelerate(k float64) Acceleration {
	if err := CheckScale(k); err != nil {
		panic("sim: " + err.Error())
	}
	return Acceleration{k}
}

// Bench gives a copy of b for the accelerated server; b's Writer gets server
// time. b's Services, Devices, NewChooser and Writer are not to be used
// elsewhere meanwhile.
func (a Acceleration) Bench(b runner.Bench) *runner.Bench {
	plans := &plans{cells: map[string][]results.StepPlan{}}
	b.Services = slices.Clone(b.Services)
	for i := range b.Services {
		s := &b.Services[i].Service
		s.Timeout, s.Load = a.toClock(s.Timeout), a.loadToClock(s.Load)
		s.Retry.Pause, s.Warm = a.toClock(s.Retry.Pause), a.toClock(s.Warm)
		s.SLO = slices.Clone(s.SLO) // by which load outlasts windows; it is judged elsewhere
		for j := range s.SLO {
			if c := &s.SLO[j]; c.OfTime() {
				c.Limit /= a.k
			}
		}
	}
	b.CollectEvery = max(a.toClock(cmp.Or(b.CollectEvery, runner.DefaultCollectEvery)), collectors.ShortestEvery)
	b.LookEvery = max(a.toClock(cmp.Or(b.LookEvery, runner.DefaultLookEvery)), shortestLook)
	if devices := b.Devices; devices != nil {
		b.Devices = func(list []device.Device) ([]collectors.Job, error) {
			jobs, err := devices(list)
			for i := range jobs {
				if jobs[i].Every > 0 {
					jobs[i].Every = max(a.toClock(jobs[i].Every), collectors.ShortestEvery)
				}
			}
			return jobs, err
		}
	}
	newChooser := b.NewChooser
	b.NewChooser = func(c scenarios.Cell) runner.Chooser {
		turned := &chooser{acceleration: a, inner: newChooser(c), plans: plans, cell: c.Folder}
		if watcher, ok := turned.inner.(runner.Watcher); ok {
			return watching{turned, watcher}
		}
		return turned
	}
	b.Describe = func(p results.StepPlan) string {
		return fmt.Sprintf("%s of server time (%s on the clock)", runner.Describe(a.planToServer(p)), round(p.Warmup+p.Window))
	}
	if follow := b.Follow; follow != nil {
		b.Follow = a.follow(follow, plans)
	}
	b.Writer = writer{a, b.Writer, plans}
	return &b
}

// shortestLook is the least time of the clock between two looks at a step, so that
// looking leaves the load most of a core.
const shortestLook = 10 * time.Millisecond

// loadToClock turns a load into the clock's, the load generator's defaults too:
// its users are clients of a server whose time they share. Levels are the
// Chooser's and turned in its plans.
func (a Acceleration) loadToClock(l scenarios.Load) scenarios.Load {
	l.FPS *= a.k
	l.Think = a.toClock(l.Think)
	l.FailurePause = a.toClock(cmp.Or(l.FailurePause, loadgen.DefaultFailurePause))
	l.Ramp = a.toClock(cmp.Or(l.Ramp, loadgen.DefaultRamp))
	l.Shape = slices.Clone(l.Shape)
	for i := range l.Shape {
		l.Shape[i].At = a.toClock(l.Shape[i].At)
	}
	return l
}

// CollectEvery is how far readings really are apart, in server time, when a
// scenario asks for every: the clock allows none sooner than each
// collectors.ShortestEvery.
func (a Acceleration) CollectEvery(every time.Duration) time.Duration {
	return max(every, a.toServer(collectors.ShortestEvery))
}

// OnClock is how long a span of server time takes on the clock.
func (a Acceleration) OnClock(server time.Duration) time.Duration { return a.toClock(server) }

func (a Acceleration) toClock(server time.Duration) time.Duration {
	if server == 0 {
		return 0
	}
	return max(1, time.Duration(math.Round(float64(server)/a.k))) // what lasts must not become nothing
}

func (a Acceleration) toServer(clock time.Duration) time.Duration {
	return time.Duration(math.Round(float64(clock) * a.k))
}

func (a Acceleration) offset(o results.Offset) results.Offset {
	if o == results.NoOffset {
		return o
	}
	return results.Offset(a.toServer(time.Duration(o)))
}

// planToClock turns a plan into the clock's: spans shrink and rates grow, while
// a number of users or cameras is what it is. (Cameras' frames a second are the
// service's.)
func (a Acceleration) planToClock(p results.StepPlan) results.StepPlan {
	p.Warmup, p.Window, p.Cooldown = a.toClock(p.Warmup), a.toClock(p.Window), a.toClock(p.Cooldown)
	if p.Failover != nil {
		f := *p.Failover
		f.At, f.Eject = a.toClock(f.At), a.toClock(f.Eject)
		p.Failover = &f
	}
	if p.Spike != nil {
		s := *p.Spike
		s.At, s.For = a.toClock(s.At), a.toClock(s.For)
		p.Spike = &s
	}
	p.Levels = slices.Clone(p.Levels)
	for i := range p.Levels {
		if isRate(p.Levels[i]) {
			p.Levels[i].Value *= a.k
		}
	}
	return p
}

// planToServer is the way back, exact but for rounding.
func (a Acceleration) planToServer(p results.StepPlan) results.StepPlan {
	p.Warmup, p.Window, p.Cooldown = round(a.toServer(p.Warmup)), round(a.toServer(p.Window)), round(a.toServer(p.Cooldown))
	if p.Failover != nil {
		f := *p.Failover
		f.At, f.Eject = round(a.toServer(f.At)), round(a.toServer(f.Eject))
		p.Failover = &f
	}
	if p.Spike != nil {
		s := *p.Spike
		s.At, s.For = round(a.toServer(s.At)), round(a.toServer(s.For))
		p.Spike = &s
	}
	p.Levels = slices.Clone(p.Levels)
	for i := range p.Levels {
		if isRate(p.Levels[i]) {
			p.Levels[i].Value = rounded(p.Levels[i].Value / a.k)
		}
	}
	return p
}

// isRate reports whether a level grows with the clock's speed: requests a second,
// and how many times as fast as it was recorded a trace is played.
func isRate(l results.Level) bool {
	switch l.Arrivals {
	case scenarios.Constant, scenarios.Poisson, scenarios.Gamma, scenarios.Trace:
		return true
	}
	return false
}

// round and rounded leave what a person reads.
func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

func rounded(v float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 12, 64), 64)
	if err != nil {
		return v // none that FormatFloat writes
	}
	return r
}

// plans keeps what a Chooser asked for, so that records hold it as it was.
type plans struct {
	mu    sync.Mutex
	cells map[string][]results.StepPlan // by folder, by step
}

func (p *plans) add(cell string, plan results.StepPlan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cells[cell] = append(p.cells[cell], plan)
}

// of gives the plan of a step of a cell, which was added.
func (p *plans) of(cell string, step int) results.StepPlan {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cells[cell][step]
}

// A chooser is asked on the clock and answers so; the one within sees server
// time alone.
type chooser struct {
	acceleration Acceleration
	inner        runner.Chooser
	plans        *plans
	cell         string
}

func (c *chooser) Next(last *results.StepResult) (results.StepPlan, bool) {
	plan, more := c.inner.Next(c.acceleration.stepResult(last, c.planOf))
	if !more {
		return results.StepPlan{}, false
	}
	c.plans.add(c.cell, plan)
	return c.acceleration.planToClock(plan), true
}

func (c *chooser) planOf(step int) results.StepPlan { return c.plans.of(c.cell, step) }

// watching is a chooser whose inner one watches.
type watching struct {
	*chooser
	watcher runner.Watcher
}

func (w watching) Watch(p results.Progress) (stop string) {
	return w.watcher.Watch(w.acceleration.progress(p))
}

// ofTheClock finds a span in a text that the bench wrote itself.
var ofTheClock = regexp.MustCompile(`\d(\.\d+)? ?(ns|µs|ms|s|m|h)\b`)

// text marks a text whose spans could be taken for server time.
func (a Acceleration) text(s string) string {
	if !ofTheClock.MatchString(s) {
		return s
	}
	return fmt.Sprintf("%s (spans in this text are of the clock, which is %v times as slow)", s, a.k)
}
