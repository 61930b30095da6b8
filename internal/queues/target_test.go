package queues

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// load is one to try a system at: near its capacity, where it has one.
func load(s *System) float64 {
	if math.IsNaN(s.Truth.Load) {
		return s.From * 2
	}
	return s.Truth.Load
}

// plan is a step of some 3000 requests.
func plan(s *System) results.StepPlan {
	window := time.Duration(3000 / load(s) * float64(time.Second))
	return results.StepPlan{Name: "try", Levels: s.Levels(load(s)), Warmup: window / 5, Window: window, Cooldown: window / 20}
}

func nothing(results.Progress) string { return "" }

// What the load generator counts agrees with the samples, and times follow each
// other, step after step.
func TestStepsAreConsistent(t *testing.T) {
	for _, s := range All() {
		target := s.Start(7)
		end := results.Offset(0)
		for range 3 {
			r := target.Step(plan(s), nothing)
			if r.Step.Start < end-1 || r.Step.Start > end+1 || r.Step.WindowStart <= r.Step.Start || r.Step.WindowEnd <= r.Step.WindowStart || r.Step.LoadEnd < r.Step.WindowEnd || r.Step.LoadEnd > r.Step.WindowEnd.Add(r.Step.Plan.Cooldown) || r.Step.End < r.Step.LoadEnd {
				t.Fatalf("%s: a step that began after %d: %+v", s.Name, end, r.Step)
			}
			end = r.Step.End
			checkIntegrity(t, s, r)
		}
	}
}

func checkIntegrity(t *testing.T, s *System, r results.StepResult) {
	t.Helper()
	type counts struct{ due, warmup, cooldown, sent, sessions int64 }
	got := make([]counts, len(s.Services))
	var area float64
	for v := range r.Samples {
		i := slices.IndexFunc(s.Services, func(x results.Service) bool { return x.Name == v.Service })
		if v.Due < r.Step.Start || v.Due >= r.Step.LoadEnd || v.Done < v.Due || v.Done > r.Step.End || v.Outcome == 0 {
			t.Fatalf("%s: %+v in %+v", s.Name, v, r.Step)
		}
		area += max(0, min(v.Done, r.Step.WindowEnd).Sub(max(v.Due, r.Step.WindowStart)).Seconds())
		if v.Due < r.Step.WindowStart {
			got[i].warmup++
			continue
		}
		if v.Due >= r.Step.WindowEnd {
			got[i].cooldown++
			continue
		}
		got[i].due++
		got[i].sent++
		if v.Call == 0 {
			got[i].sessions++
		}
	}
	mean := 0.0
	for i, v := range r.Step.Services {
		want := counts{v.Due, v.WarmupDue, v.CooldownDue, v.Sent, got[i].sessions}
		if v.Scheduled != nil {
			want.sessions = *v.Scheduled
		}
		if got[i] != want || v.Due == 0 {
			t.Errorf("%s: samples %+v, integrity %+v", s.Name, got[i], want)
		}
		if (v.Scheduled == nil) != (s.Sources[i].Arrivals == Closed) || v.Think != nil && s.Sources[i].Arrivals != Closed {
			t.Errorf("%s: %+v", s.Name, v)
		}
		for _, o := range v.InFlight {
			mean += o.Mean / parts
			if o.Mean > float64(o.Max)+1e-6 || o.Max > v.PeakInFlight {
				t.Errorf("%s: %+v, peak %d", s.Name, o, v.PeakInFlight)
			}
		}
	}
	if want := area / r.Step.WindowEnd.Sub(r.Step.WindowStart).Seconds(); math.Abs(mean/want-1) > 1e-6 {
		t.Errorf("%s: %g in flight by the samples, %g by the parts", s.Name, want, mean)
	}
}

// all gives a step's samples as text.
func all(r results.StepResult) []string {
	var out []string
	for v := range r.Samples {
		out = append(out, fmt.Sprint(v))
	}
	return out
}

// The same seed gives the same, another one another; looking does not matter.
func TestSameSeedSameSamples(t *testing.T) {
	for _, s := range All() {
		first, again := all(s.Start(3).Step(plan(s), nil)), all(s.Start(3).Step(plan(s), nothing))
		if !slices.Equal(first, again) {
			t.Errorf("%s: the same seed gives other samples", s.Name)
		}
		if slices.Equal(first, all(s.Start(4).Step(plan(s), nil))) {
			t.Errorf("%s: another seed gives the same samples", s.Name)
		}
	}
}

// Looks tell of every request once, when it is done, and of what is on its way. A
// step that is stopped is the beginning of the whole one.
func TestLooks(t *testing.T) {
	for _, s := range All() {
		p := plan(s)
		full := s.Start(5).Step(p, nil)
		var whole []results.Sample
		for v := range full.Samples {
			whole = append(whole, v)
		}
		looks := 0
		var end results.Offset
		r := s.Start(5).Step(p, func(g results.Progress) string {
			looks++
			done, waits := 0, int64(0)
			for _, v := range whole {
				if v.Done >= g.From && v.Done < g.To && v.Due < g.To {
					done++
				}
				if v.Due < g.To && v.Done >= g.To {
					waits++
				}
			}
			unfinished := int64(0)
			for _, n := range g.Unfinished {
				unfinished += n
			}
			if done != len(g.Samples) || waits != unfinished || g.From != end {
				t.Fatalf("%s: a look at %v to %v tells of %d samples and %d on their way, want %d, %d", s.Name, g.From, g.To, len(g.Samples), unfinished, done, waits)
			}
			end = g.To
			if looks == 20 {
				return "enough"
			}
			return ""
		})
		if looks > 60 || (looks == 20) != (r.Step.Stopped == "enough") {
			t.Errorf("%s: stopped %q after %d looks", s.Name, r.Step.Stopped, looks)
		}
		if r.Step.Stopped == "" {
			continue
		}
		n, early := 0, 0
		for v := range r.Samples {
			n++
			if v.Done < end && v.Due < end {
				early++
			}
		}
		due, done := 0, 0
		for _, v := range whole {
			if v.Due < end {
				due++
			}
			if v.Due < end && v.Done < end {
				done++
			}
		}
		if r.Step.WindowEnd != end || n != due || early != done {
			t.Errorf("%s: stopped at %v of %v with %d samples (%d early), want %d (%d)", s.Name, end, r.Step.WindowEnd, n, early, due, done)
		}
		checkIntegrity(t, s, r)
	}
}

// One worker under Poisson arrivals: the mean wait is λE[S²]/2(1−ρ) (Pollaczek and
// Khinchine), here 0.8/0.02·0.02²·1.25/0.4 = 0.05 s.
func TestOneWorkerWaitsAsInTheory(t *testing.T) {
	s := System{Name: "m/g/1", Services: p95p99(1, 1), Sources: open(Poisson), Server: Server{Workers: 1, Fixed: 0.02, Spread: 0.5}}
	r := s.Start(1).Step(results.StepPlan{Levels: s.Levels(40), Warmup: time.Minute, Window: 4 * time.Hour}, nil)
	var sum float64
	n := 0
	for v := range r.Samples {
		sum += v.Done.Sub(v.Due).Seconds()
		n++
	}
	if got, want := sum/float64(n), 0.02+0.05; math.Abs(got/want-1) > 0.03 {
		t.Errorf("a request takes %.4f s of %d, want %.4f", got, n, want)
	}
}

// By hand: batches wait for their window or until they are full, and take
// 1 + 0.5 times their number; what is on its way when load ends is served.
func TestBatchesByHand(t *testing.T) {
	server := Server{Workers: 1, Batch: 3, Delay: 2, Fixed: 1, PerItem: 0.5}
	v := server.begin(1, 0)
	var records []record
	for _, due := range []float64{0, 1, 4, 4.1, 4.2, 4.3, 20} {
		records = append(records, record{due: due, work: 1})
	}
	want := []float64{4, 4, 6.7, 6.7, 6.7, 8.8, 23.5} // 0+2+2; full at 4.2 +2.5; 4.3+2 < 6.7: at once +1.5 → 8.2
	want[5] = 6.7 + 1.5
	for at := 0; at < len(records); {
		n := v.batch(records[at:], math.Inf(1))
		if n == 0 {
			t.Fatal("nothing was served")
		}
		at += n
	}
	for i, r := range records {
		if math.Abs(r.done-want[i]) > 1e-9 {
			t.Errorf("request %d, due %g, is done at %g, want %g", i, r.due, r.done, want[i])
		}
	}
	if n := v.batch([]record{{due: 30, work: 1}}, 31.9); n != 0 {
		t.Errorf("a batch of %d begins before its window is over", n)
	}
}

// Arrivals have the rate they are asked for, and gamma gaps the variance.
func TestArrivals(t *testing.T) {
	for _, c := range []struct {
		source Source
		cv2    float64 // of gaps; 0: not looked at
	}{
		{Source{Arrivals: Poisson}, 1},
		{Source{Arrivals: Constant}, 1e-9},
		{Source{Arrivals: Gamma, Burstiness: 0.25}, 4},
		{Source{Arrivals: Gamma, Burstiness: 4}, 0.25},
		{Source{Arrivals: Trace, Rates: [2]float64{4, 16}, Spells: [2]float64{1, 2}}, 0},
	} {
		c.source.Classes = []Class{{Weight: 1}}
		r := c.source.begin(0, 5, false, 9, 0)
		const n = 200_000
		last, squares := 0.0, 0.0
		for range n {
			a := r.take()
			squares += (a.due - last) * (a.due - last)
			last = a.due
		}
		rate, cv2 := n/last, squares/n/(last/n)/(last/n)-1
		if want := c.source.rate(5); math.Abs(rate/want-1) > 0.02 {
			t.Errorf("%s: %g a second, want %g", c.source.Arrivals, rate, want)
		}
		if c.cv2 > 0 && math.Abs(cv2-c.cv2) > 0.05*c.cv2+1e-6 {
			t.Errorf("%s: gaps have a squared variation of %g, want %g", c.source.Arrivals, cv2, c.cv2)
		}
	}
}

// A user has one call on its way, and sessions are chains of calls.
func TestUsersTakeTurns(t *testing.T) {
	s, _ := Named("agent-like")
	free := map[int64]results.Offset{}
	calls := map[int64]int{}
	for v := range s.Start(2).Step(plan(s), nil).Samples {
		if v.Due < free[v.User] {
			t.Fatalf("user %d asks at %v, before %v", v.User, v.Due, free[v.User])
		}
		if v.Call != calls[v.Session] || v.Last != (v.Call == 7) || v.Call > 0 && v.Due != free[v.User] {
			t.Fatalf("call %d of session %d after %d: %+v", v.Call, v.Session, calls[v.Session], v)
		}
		calls[v.Session]++
		free[v.User] = v.Done
	}
	if want := int(math.Round(load(s))); len(free) > want || len(free) < want-2 { // some may think all the time
		t.Errorf("%d users, want %d", len(free), want)
	}
}
