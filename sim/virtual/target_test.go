package virtual

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/sim/parameters"
)

// start gives a target of the cell with a configuration.
func start(t *testing.T, b *Bench, config string, seed uint64) *Target {
	t.Helper()
	for _, c := range b.Cells {
		if c.Config.Name == config {
			target, err := b.Start(c, parameters.Default(), seed)
			if err != nil {
				t.Fatal(err)
			}
			return target
		}
	}
	t.Fatalf("no configuration %s", config)
	return nil
}

// poisson is the preset with an open loop for Vision.
func poisson(t *testing.T) *Bench {
	return open(t, "pro6000x1", "arrivals: closed                      #", "arrivals: poisson                     #",
		"levels: [96]", "levels: [12]", "think: 0.2s                           #", "#")
}

func stepPlan(b *Bench, window time.Duration) results.StepPlan {
	p := results.StepPlan{Name: "try", Warmup: window / 4, Window: window, Cooldown: window / 4}
	for _, v := range b.Scenario.Services {
		p.Levels = append(p.Levels, results.Level{Service: v.Name, Arrivals: v.Load.Arrivals, Value: v.Load.Levels[0], Unit: v.Load.Unit()})
	}
	return p
}

// What the load generator counts agrees with the samples, closed and open, also of a
// step that is stopped; looks tell of each sample once.
func TestStepsAreConsistent(t *testing.T) {
	for _, b := range []*Bench{open(t, "pro6000x1"), poisson(t)} {
		for _, stopAt := range []int{0, 5, 40} {
			target := start(t, b, "4x1g.24gb-mps", 3)
			looks, seen := 0, map[string]int{}
			r, err := target.Step(stepPlan(b, 4*time.Minute), func(p results.Progress) string {
				looks++
				for _, s := range p.Samples {
					if s.Done < p.From || s.Done >= p.To {
						t.Fatalf("a look at %v to %v tells of %+v", p.From, p.To, s)
					}
					seen[fmt.Sprint(s.Service, s.Seq)]++
				}
				if looks == stopAt {
					return "enough"
				}
				return ""
			})
			if err != nil {
				t.Fatal(err)
			}
			if (r.Step.Stopped != "") != (stopAt > 0) || stopAt == 0 && looks != 59 {
				t.Errorf("stopped %q after %d looks", r.Step.Stopped, looks)
			}
			for key, n := range seen {
				if n != 1 {
					t.Errorf("%s was told %d times", key, n)
				}
			}
			check(t, r)
			again, err := target.Step(stepPlan(b, time.Minute), nil)
			if err != nil || again.Step.Start != r.Step.End {
				t.Errorf("the next step begins at %v after %v, %v", again.Step.Start, r.Step.End, err)
			}
		}
	}
}

func check(t *testing.T, r results.StepResult) {
	t.Helper()
	area := map[string]float64{}
	type counts struct{ due, warmup, cooldown, sessions int64 }
	got := map[string]counts{}
	for s := range r.Samples {
		if s.Due < r.Step.Start || s.Due >= r.Step.LoadEnd || s.First < s.Due || s.Done < s.First || s.Done > r.Step.End || s.Outcome != results.OK {
			t.Fatalf("%+v in %+v", s, r.Step)
		}
		c := got[s.Service]
		if s.Due < r.Step.WindowStart {
			c.warmup++
		} else if s.Due >= r.Step.WindowEnd {
			c.cooldown++
		} else {
			c.due++
			if s.Call == 0 {
				c.sessions++
			}
		}
		got[s.Service] = c
		area[s.Service] += max(0, min(s.Done, r.Step.WindowEnd).Sub(max(s.Due, r.Step.WindowStart)).Seconds())
	}
	for _, v := range r.Step.Services {
		want := counts{v.Due, v.WarmupDue, v.CooldownDue, got[v.Service].sessions}
		if v.Scheduled != nil {
			want.sessions = *v.Scheduled
		}
		if got[v.Service] != want || v.Due+v.WarmupDue == 0 {
			t.Errorf("%s: samples %+v, integrity %+v", v.Service, got[v.Service], want)
		}
		if r.Step.WindowEnd == r.Step.WindowStart {
			continue
		}
		mean := 0.0
		for _, o := range v.InFlight {
			mean += o.Mean / float64(len(v.InFlight))
		}
		if want := area[v.Service] / r.Step.WindowEnd.Sub(r.Step.WindowStart).Seconds(); math.Abs(mean-want) > 1e-6*want {
			t.Errorf("%s: %g in flight by the samples, %g by the parts", v.Service, want, mean)
		}
	}
}

// A target and Run are the same model: they answer as many, as fast.
func TestTargetIsAsRun(t *testing.T) {
	b := poisson(t)
	const window = 20 * time.Minute
	want := runAll(t, b, window)["4x1g.24gb-mps"]
	r, err := start(t, b, "4x1g.24gb-mps", 3).Step(stepPlan(b, window), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range want.Services {
		n, sum := 0.0, 0.0
		for s := range r.Samples {
			if s.Service == v.Name && s.Due >= r.Step.WindowStart {
				n++
				sum += s.Done.Sub(s.Due).Seconds()
			}
		}
		if math.Abs(n/float64(v.Answered)-1) > 0.1 || math.Abs(sum/n/v.Latency-1) > 0.15 {
			t.Errorf("%s: %g requests of %.3f s, Run has %d of %.3f s", want.Services[i].Name, n, sum/n, v.Answered, v.Latency)
		}
	}
}

// Same seed, same samples; the seed and the step matter; a plan that does not fit is
// refused.
func TestTargetSeeds(t *testing.T) {
	b := open(t, "pro6000x1")
	text := func(seed uint64, steps int) string {
		target := start(t, b, "off-ts", seed)
		var r results.StepResult
		for range steps {
			var err error
			if r, err = target.Step(stepPlan(b, time.Minute), nil); err != nil {
				t.Fatal(err)
			}
		}
		return fmt.Sprint(slices.Collect(r.Samples))
	}
	first, again := text(1, 1), text(1, 1)
	if first != again {
		t.Error("the same seed gives other samples")
	}
	if first == text(2, 1) || first == text(1, 2) {
		t.Error("another seed or step gives the same samples")
	}
	for name, change := range map[string]func(*results.StepPlan){
		"without a level":        func(p *results.StepPlan) { p.Levels = nil },
		"of another service":     func(p *results.StepPlan) { p.Levels[1].Service = "nobody" },
		"of other arrivals":      func(p *results.StepPlan) { p.Levels[1].Arrivals = "poisson" },
		"with a level of nought": func(p *results.StepPlan) { p.Levels[1].Value = 0 },
	} {
		p := stepPlan(b, time.Minute)
		change(&p)
		if _, err := start(t, b, "off-ts", 1).Step(p, nil); err == nil {
			t.Errorf("a plan %s is run", name)
		}
	}
}

// Calls of a window's end take as long as those before, since load outlasts it; without that
// the server of the last has less and less to do. Load ends when the window's last is answered.
func TestLoadOutlastsWindow(t *testing.T) {
	b := open(t, "pro6000x1")
	mean := func(cooldown time.Duration) (before, last float64) {
		var n [2]float64
		var sum [2]float64
		for seed := range uint64(16) {
			p := stepPlan(b, 10*time.Minute)
			p.Warmup, p.Cooldown = 20*time.Minute, cooldown // users who began together go in waves first
			r, err := start(t, b, "4x1g.24gb-ts", seed).Step(p, nil)
			if err != nil {
				t.Fatal(err)
			}
			check(t, r)
			var answered results.Offset
			for s := range r.Samples {
				if s.Due < r.Step.WindowEnd {
					answered = max(answered, s.Done)
				}
				if s.Service != "agent" || s.Due < r.Step.WindowStart || s.Due >= r.Step.WindowEnd {
					continue
				}
				part := 0
				if r.Step.WindowEnd.Sub(s.Due) < time.Minute {
					part = 1
				}
				n[part]++
				sum[part] += s.Done.Sub(s.Due).Seconds()
			}
			want := r.Step.WindowEnd.Add(min(cooldown, b.Scenario.Cooldown(p.Window)))
			if r.Step.LoadEnd != want && r.Step.LoadEnd != answered+1 || r.Step.LoadEnd > want || r.Step.LoadEnd > r.Step.End {
				t.Errorf("load ended at %v, the window's last was answered at %v, want that, or %v", r.Step.LoadEnd, answered, want)
			}
		}
		return sum[0] / n[0], sum[1] / n[1]
	}
	before, last := mean(0)
	outlastedBefore, outlasted := mean(5 * time.Minute)
	t.Logf("calls took %.1f s, those of the last minute %.1f s; where load goes on %.1f and %.1f s", before, last, outlastedBefore, outlasted)
	if last > 0.9*before || math.Abs(outlasted/outlastedBefore-1) > 0.08 {
		t.Errorf("calls took %.1f s, those of the last minute %.1f s; where load goes on %.1f and %.1f s", before, last, outlastedBefore, outlasted)
	}
}
