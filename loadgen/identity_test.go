package loadgen_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/arrivals"
	"github.com/evabench/evabench/results"
	"pgregory.net/rapid"
)

// chaos is a server that misbehaves by the request's text: it answers, answers
// late, fails, closes, stays silent, or stops half way.
type chaos struct {
	mu           sync.Mutex
	seen         map[string]int
	now, peak    int
	slow, misfit uint32 // milliseconds at most; share of bad answers in 100
}

func (c *chaos) handle(w http.ResponseWriter, r *http.Request) {
	text := read(r)
	c.mu.Lock()
	c.seen[text]++
	c.now++
	c.peak = max(c.peak, c.now)
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.now--
		c.mu.Unlock()
	}()
	h := fnv.New32a()
	_, _ = io.WriteString(h, text)
	dice := h.Sum32()
	select {
	case <-time.After(time.Duration(1+dice/7%c.slow) * time.Millisecond):
	case <-r.Context().Done():
		return
	}
	if dice/31%100 >= c.misfit {
		_, _ = io.WriteString(w, "fine")
		return
	}
	switch dice % 6 {
	case 0:
		http.Error(w, "broke", http.StatusInternalServerError)
	case 1:
		http.Error(w, "full", http.StatusTooManyRequests)
	case 2:
		panic(http.ErrAbortHandler)
	case 3:
		<-r.Context().Done()
	case 4:
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		panic(http.ErrAbortHandler)
	case 5:
		http.Error(w, "what?", http.StatusBadRequest)
	}
}

// A trial is what one run of the property draws.
type trial struct {
	step     loadgen.Step
	slow     uint32
	misfit   uint32
	cancel   time.Duration // of the step; 0 never
	shutdown time.Duration // of the server; 0 never
	early    time.Duration // when the window is ended, after a look; 0 never

	seen map[results.Outcome]int // how often each outcome came, over all trials
}

func drawTrial(t *rapid.T) trial {
	ms := func(low, high int, name string) time.Duration {
		return time.Duration(rapid.IntRange(low, high).Draw(t, name)) * time.Millisecond
	}
	x := trial{slow: uint32(rapid.IntRange(1, 400).Draw(t, "slow")), misfit: rapid.Uint32Range(0, 100).Draw(t, "misfit")}
	x.step.Seed = rapid.Uint64().Draw(t, "seed")
	if x.step.Shard.Of = rapid.IntRange(0, 3).Draw(t, "shards"); x.step.Shard.Of > 0 {
		x.step.Shard.Index = rapid.IntRange(0, x.step.Shard.Of-1).Draw(t, "shard")
	}
	x.step.Plan = results.StepPlan{Name: "x", Warmup: ms(0, 1000, "warmup"), Window: ms(1, 2000, "window")}
	if rapid.Bool().Draw(t, "goes on") {
		x.step.Plan.Cooldown = ms(1, 1000, "cooldown")
	}
	if rapid.Bool().Draw(t, "cancelled") {
		x.cancel = ms(1, 3500, "cancel")
	}
	if rapid.Bool().Draw(t, "shut down") {
		x.shutdown = ms(1, 2500, "shutdown")
	}
	if rapid.Bool().Draw(t, "ended early") {
		x.early = ms(1, 3200, "early")
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "services") {
		l := loadgen.Load{
			Service: fmt.Sprintf("s%d", i), Router: &turns{},
			Workload: drawWorkload(t, fmt.Sprintf("s%d", i)), Retry: drawRetry(t),
			Timeout: ms(1, 600, "timeout"), MaxInFlight: rapid.IntRange(0, 6).Draw(t, "limit"),
		}
		if l.MaxInFlight > 0 {
			l.MaxInFlight = max(l.MaxInFlight, x.step.Shard.Of)
		}
		if rapid.Bool().Draw(t, "of its own") {
			l.Cooldown = ms(1, 500, "own cooldown")
		}
		level := results.Level{Service: l.Service}
		if rapid.Bool().Draw(t, "open") {
			level.Arrivals = rapid.SampledFrom([]string{"cameras", "constant", "gamma", "poisson"}).Draw(t, "arrivals")
			level.Value = float64(rapid.IntRange(1, 60).Draw(t, "rate"))
			a, err := arrivals.New(arrivals.Config{Kind: level.Arrivals, Value: level.Value, FPS: 2, Burstiness: 0.3})
			if err != nil {
				t.Fatal(err)
			}
			l.Arrivals = &witness{Arrivals: a}
		} else {
			l.Users = rapid.IntRange(1, 8).Draw(t, "users")
			l.Think = ms(0, 300, "think")
			l.ThinkExponential = rapid.Bool().Draw(t, "exponential")
			level.Arrivals, level.Value = "closed", float64(l.Users)
		}
		x.step.Loads = append(x.step.Loads, l)
		x.step.Plan.Levels = append(x.step.Plan.Levels, level)
	}
	return x
}

func drawWorkload(t *rapid.T, service string) loadgen.Workload {
	w := chains{service, rapid.IntRange(1, 5).Draw(t, "depth")}
	switch rapid.IntRange(0, 2).Draw(t, "shape") {
	case 1:
		return bushes{w}
	case 2:
		return newKnown(bushes{w}, 200)
	}
	return w
}

func drawRetry(t *rapid.T) (r loadgen.Retry) {
	r.Attempts = rapid.IntRange(0, 2).Draw(t, "attempts")
	r.Pause = time.Duration(rapid.IntRange(0, 50).Draw(t, "pause")) * time.Millisecond
	for _, o := range []results.Outcome{results.HTTP5xx, results.Shed, results.Timeout, results.Connect, results.Reset} {
		if rapid.Bool().Draw(t, "again after "+o.String()) {
			r.On = append(r.On, o)
		}
	}
	return r
}

// run drives the trial and checks everything that must hold.
func (x trial) run(t *testing.T) error {
	c := &chaos{seen: map[string]int{}, slow: x.slow, misfit: x.misfit}
	s := serve(c.handle)
	defer s.stop()
	for i := range x.step.Loads {
		e := s.endpoint(t)
		defer e.Close()
		x.step.Loads[i].Targets = []loadgen.Target{{Name: "a", Endpoint: e}, {Name: "b", Endpoint: e}}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if x.cancel > 0 {
		defer time.AfterFunc(x.cancel, cancel).Stop()
	}
	if x.shutdown > 0 {
		defer time.AfterFunc(x.shutdown, func() { s.http.Close() }).Stop()
	}
	origin := results.NewOrigin(time.Now().Add(-time.Hour))
	var got sink
	look := look{driven: new(loadgen.Driven)}
	if x.early > 0 {
		x.step.Driven = look.driven
		defer time.AfterFunc(x.early, look.end).Stop()
	}
	step, err := drive(ctx, origin, x.step, &got)
	look.over = origin.Now()
	// A stop at the very moment of the end may come after it. A window, or a load, that was
	// ended early ends a nanosecond later, for what falls due at that moment.
	end := step.End.Sub(step.Start)
	early := x.early == x.cancel || step.LoadEnd > step.WindowEnd
	atEnd := err == nil && x.cancel > 0 && (end == x.cancel || early && end == x.cancel+1)
	if stopped := ctx.Err() != nil && !atEnd; stopped != errors.Is(err, context.Canceled) || (!stopped && err != nil) {
		return fmt.Errorf("Drive gave %v, the context %v", err, ctx.Err())
	}
	faults := []error{x.checkEnd(step, &look)}
	for i := range x.step.Loads {
		of := got.of(x.step.Loads[i].Service)
		faults = append(faults, x.check(i, step, of), look.check(x.step.Loads[i].Service, of))
	}
	total := 0
	c.mu.Lock() // the last handlers may still be ending
	defer c.mu.Unlock()
	for text, n := range c.seen {
		total += n
		if n > 1+x.attempts() && !x.repeats() {
			faults = append(faults, fmt.Errorf("the server saw request %s %d times", text, n))
		}
	}
	sent := 0
	for _, s := range got.all {
		x.seen[s.Outcome]++
		if s.Sent != results.NoOffset {
			sent++
		}
	}
	if total > sent {
		faults = append(faults, fmt.Errorf("the server saw %d requests, %d were recorded as sent", total, sent))
	}
	return errors.Join(faults...)
}

// repeats reports whether a workload gives the same requests again.
func (x trial) repeats() bool {
	return slices.ContainsFunc(x.step.Loads, func(l loadgen.Load) bool {
		_, quick := l.Workload.(loadgen.Quick)
		return quick
	})
}

// attempts is how often a request may be asked again.
func (x trial) attempts() (most int) {
	for _, l := range x.step.Loads {
		most = max(most, l.Retry.Attempts)
	}
	return most
}

// check compares one service's samples with its own counts and with the
// schedule.
func (x trial) check(i int, step results.Step, samples []results.Sample) error {
	var faults []error
	bad := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf(x.step.Loads[i].Service+": "+format, args...))
	}
	load, own := x.step.Loads[i], step.Services[i]
	var inWindow, warmup, cooldown, outcomes int64
	var last, answered results.Offset
	of := max(1, x.step.Shard.Of)
	seqs := map[int64]bool{}
	calls := map[[3]int64]bool{}
	for _, s := range samples {
		if s.Due < step.WindowStart {
			warmup++
		} else if s.Due < step.WindowEnd {
			inWindow++
			answered = max(answered, s.Done)
			if s.Outcome >= results.OK && s.Outcome <= results.NotSent {
				outcomes++
			}
		} else if s.Due < step.LoadEnd {
			cooldown++
		} else {
			bad("due at %v, after the load's end %v", s.Due, step.LoadEnd)
		}
		if id := [3]int64{s.Session, int64(s.Call), int64(s.Attempt)}; calls[id] {
			bad("session %d call %d attempt %d has two samples", s.Session, s.Call, s.Attempt)
		} else {
			calls[id] = true
		}
		if before := [3]int64{s.Session, int64(s.Call), int64(s.Attempt) - 1}; s.Attempt > 0 && !calls[before] {
			bad("session %d call %d has attempt %d without the one before", s.Session, s.Call, s.Attempt)
		}
		seqs[s.Seq/int64(of)] = s.Seq%int64(of) == int64(x.step.Shard.Index)
		last = max(last, s.Done)
		if err := ordered(s, load.Timeout); err != nil {
			bad("%+v: %w", s, err)
		}
	}
	if own.Due != inWindow || own.WarmupDue != warmup || own.CooldownDue != cooldown || outcomes != inWindow {
		bad("%d fell due, %d samples, %d outcomes; in the warm-up %d and %d, after the window %d and %d", own.Due, inWindow, outcomes, own.WarmupDue, warmup, own.CooldownDue, cooldown)
	}
	allowed, all := min(cmp.Or(load.Cooldown, x.step.Plan.Cooldown), x.step.Plan.Cooldown), x.step.Plan.Cooldown
	if x.cancel == 0 && step.Stopped == "" && (answered > step.LoadEnd && step.LoadEnd < step.WindowEnd.Add(allowed) || step.LoadEnd > step.WindowEnd.Add(all)) {
		bad("load ended at %v, the last of the window was done at %v, and it may go on for %v, in all %v", step.LoadEnd, answered, allowed, all)
	}
	for n := range int64(len(samples)) {
		if !seqs[n] {
			bad("arrival %d of %d has no sample", n, len(samples))
		}
	}
	if limit := int64(load.MaxInFlight); limit > 0 && own.PeakInFlight > (limit+int64(of)-1)/int64(of) {
		bad("%d in flight, the limit is %d for %d shards", own.PeakInFlight, limit, of)
	}
	if own.Lag.Max > behind {
		bad("late by %v in virtual time", own.Lag.Max)
	}
	if step.Start > step.WindowStart || step.WindowStart > step.WindowEnd || last > step.End {
		bad("start %v, window %v to %v, end %v, last answer %v", step.Start, step.WindowStart, step.WindowEnd, step.End, last)
	}
	if x.cancel == 0 && (step.End < step.LoadEnd || step.LoadEnd < step.WindowEnd) {
		bad("window to %v, load to %v, end %v", step.WindowEnd, step.LoadEnd, step.End)
	}
	var sessions int64
	for _, s := range samples {
		if s.Call == 0 && s.Attempt == 0 && s.Due >= step.WindowStart && s.Due < step.WindowEnd {
			sessions++
		}
	}
	if (own.Scheduled == nil) != (load.Arrivals == nil) || own.Scheduled != nil && *own.Scheduled != sessions {
		bad("%d sessions began in the window, the schedule has %v", sessions, own.Scheduled)
	}
	if load.Arrivals != nil {
		faults = append(faults, x.checkSchedule(step, load.Arrivals.(*witness), samples))
	}
	return errors.Join(faults...)
}

// behind is what a timer of a loop in virtual time is late: it lets answers of the
// same moment come in first.
const behind = time.Nanosecond

// over reports whether a time limit passed, and no longer.
func over(d, limit time.Duration) bool { return d == limit || d == limit+behind }

// ordered checks the moments of one sample.
func ordered(s results.Sample, timeout time.Duration) error {
	at := []results.Offset{s.Due}
	for _, m := range []results.Offset{s.Sent, s.First, s.Final, s.Done} {
		if m != results.NoOffset {
			at = append(at, m)
		}
	}
	switch {
	case s.Done == results.NoOffset || !slices.IsSorted(at):
		return errors.New("out of order")
	case s.Lag < 0 || s.Sent != results.NoOffset && s.Lag > s.Sent.Sub(s.Due):
		return errors.New("our lag is more than the whole wait")
	case s.First != results.NoOffset && s.Sent == results.NoOffset:
		return errors.New("answered, but not sent")
	case (s.Outcome == results.NotSent) && (s.Sent != results.NoOffset || !over(s.Done.Sub(s.Due), timeout)):
		return errors.New("not sent, but not after the timeout either")
	case s.Sent != results.NoOffset && s.Done.Sub(s.Sent) > timeout+behind:
		return errors.New("outlived its timeout")
	case s.Outcome == results.Timeout && !over(s.Done.Sub(s.Sent), timeout):
		return errors.New("timed out at another time")
	case (s.Sent == results.NoOffset) != (s.Endpoint == ""):
		return errors.New("sent and endpoint do not agree")
	}
	return nil
}

// A witness remembers the seed that it was asked with, so that the schedule can
// be made again.
type witness struct {
	loadgen.Arrivals
	seed uint64
}

func (w *witness) Times(seed uint64) func() (time.Duration, bool) {
	w.seed = seed
	return w.Arrivals.Times(seed)
}

// checkSchedule asks that the first calls fell due exactly as the schedule
// says, up to the load's end or the moment of the stop. What is due at that
// very moment may be on either side of it.
func (x trial) checkSchedule(step results.Step, w *witness, samples []results.Sample) error {
	var due []results.Offset
	for _, s := range samples {
		if s.Call == 0 && s.Attempt == 0 {
			due = append(due, s.Due)
		}
	}
	slices.Sort(due)
	var want []results.Offset
	next := w.Arrivals.Times(w.seed)
	for n := 0; ; n++ {
		at, more := next()
		if !more || x.cancel > 0 && (at > x.cancel || at == x.cancel && len(want) == len(due)) || step.Start.Add(at) >= step.LoadEnd {
			break
		}
		if n%max(1, x.step.Shard.Of) != x.step.Shard.Index {
			continue
		}
		want = append(want, step.Start.Add(at))
	}
	if !slices.Equal(due, want) {
		return fmt.Errorf("sessions fell due at %v, the schedule says %v", due, want)
	}
	return nil
}

// Every arrival that falls due gives one sample, and the generator's own count
// agrees, whatever server, limit and stop do.
func TestIdentity(t *testing.T) {
	seen := map[results.Outcome]int{}
	// The property says little of an outcome that never came.
	unseen := func() (list []results.Outcome) {
		for _, o := range results.Outcomes() {
			switch o {
			case results.Malformed, results.WrongAnswer, results.OOM: // the endpoint's matter
			default:
				if seen[o] == 0 {
					list = append(list, o)
				}
			}
		}
		return list
	}
	// A hundred draws leave out the rarest in one of some dozens of runs.
	for round := 0; round < 10 && len(unseen()) > 0; round++ {
		rapid.Check(t, func(rt *rapid.T) {
			x := drawTrial(rt)
			x.seen = seen
			if err := bubble(t, func() error { return x.run(t) }); err != nil {
				rt.Fatal(err)
			}
		})
	}
	if list := unseen(); len(list) > 0 {
		t.Errorf("no request ended as %v: %v", list, seen)
	}
}
