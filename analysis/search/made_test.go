package search

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// A made server gives steps without requests: what share of them is over the limit, and
// what share fails, at a load of the first service.
type made struct {
	over, errors func(load float64) float64
	hopeless     float64                     // from which load on steps are ended early; 0 for none
	change       func(*analysis.Step, int)   // spoils a step, the number of which is told
	answer       func(load float64) *float64 // of a clause on the queue; nil if there is none
	rate         float64                     // requests a second per load, 1 if 0
	held         float64                     // requests a second of the second service, whose SLO they all meet
}

// smooth is a share whose log odds are a line, 1 % at a load.
func smooth(capacity, slope float64) func(float64) float64 {
	return func(load float64) float64 {
		odds := 0.01 / 0.99 * math.Exp(slope*(load/capacity-1))
		return 1 / (1 + 1/odds)
	}
}

func never(float64) float64 { return 0 }

// from is a share of all from a load on, and of none below it.
func from(least float64) func(float64) float64 {
	return func(load float64) float64 {
		if load >= least {
			return 1
		}
		return 0
	}
}

// asked makes an environment of services with levels, the first of which has an SLO.
func asked(search results.Search, levels ...results.Level) results.Environment {
	search.Warmup, search.Window = time.Second, 10*time.Second
	env := results.Environment{Search: &search}
	for _, l := range levels {
		env.Services = append(env.Services, results.Service{Name: l.Service, Target: &l})
	}
	env.Services[0].SLO = []results.Clause{{Metric: "latency", Quantile: 0.99, Op: "<", Limit: 0.1, Unit: "s", Text: "p99 < 100 ms"}}
	return env
}

func rates(values ...float64) (levels []results.Level) {
	for i, v := range values {
		levels = append(levels, results.Level{Service: string(rune('a' + i)), Arrivals: "poisson", Value: v, Unit: "req/s"})
	}
	return levels
}

func users(values ...float64) []results.Level {
	levels := rates(values...)
	for i := range levels {
		levels[i].Arrivals, levels[i].Unit = "closed", "users"
	}
	return levels
}

// step makes what a step on the server gave.
func (m made) step(env results.Environment, r ray, plan results.StepPlan, index int, start float64, random *rand.Rand) analysis.Step {
	s := analysis.Step{Index: index, Window: plan.Window.Seconds(), Start: start, Purpose: plan.Purpose, Heavy: plan.Heavy}
	for i, v := range env.Services {
		s.Services = append(s.Services, analysis.Service{
			Name: v.Name, Level: plan.Levels[i], Identity: analysis.Identity{Holds: true}, Verdict: analysis.Verdict{Is: analysis.Valid},
		})
	}
	load := r.of(s.Services)
	if m.hopeless > 0 && load >= m.hopeless && plan.Purpose != results.PurposeConfirm {
		s.Stopped, s.Window = "hopeless", 5
	}
	s.Loaded = plan.Warmup.Seconds() + s.Window
	rate := m.rate
	if rate == 0 {
		rate = 1
	}
	due := int64(math.Round(rate * load * s.Window))
	gamma := 0.0 // of shape 25
	for range 25 {
		gamma += random.ExpFloat64() / 25
	}
	median := 0.05
	for i := range s.Services {
		v := &s.Services[i]
		v.Total.Due, v.Total.Completed, v.Median = due, due, analysis.Value{Number: &median, Unit: "s"}
	}
	v := &s.Services[0]
	for _, c := range env.Services[0].SLO {
		k := analysis.ClauseValue{Clause: c, Result: analysis.Met, Judged: due}
		switch c.Metric {
		case "latency":
			k.Over = min(due, int64(math.Round(gamma*m.over(load)*float64(due))))
			told(&k)
		case "queue":
			k.Judged = 0
			k.Value = analysis.Value{Why: "the server does not tell", Number: m.answer(load)}
			switch n := k.Value.Number; {
			case n == nil:
				k.Result = analysis.Unknown
			case !(*n <= c.Limit):
				k.Result = analysis.NotMet
			}
		}
		v.SLO = append(v.SLO, k)
	}
	failed := analysis.ClauseValue{Clause: results.Clause{Metric: "errors", Op: "<="}, Result: analysis.Met, Judged: due}
	if m.errors != nil {
		failed.Over = int64(math.Round(m.errors(load) * float64(due)))
	}
	v.SLO = append(v.SLO, failed)
	if len(s.Services) > 1 && len(env.Services[1].SLO) > 0 {
		m.keep(&s.Services[1], env.Services[1], s.Window)
	}
	if m.change != nil {
		m.change(&s, index)
	}
	return s
}

// keep makes what the second service gave in so many seconds.
func (m made) keep(v *analysis.Service, s results.Service, window float64) {
	due := int64(math.Round(m.held * window))
	v.Total.Due, v.Total.Completed = due, due
	for _, c := range s.SLO {
		k := analysis.ClauseValue{Clause: c, Result: analysis.Met, Judged: due}
		told(&k)
		v.SLO = append(v.SLO, k)
	}
	v.SLO = append(v.SLO, analysis.ClauseValue{Clause: results.Clause{Metric: "errors", Op: "<="}, Result: analysis.Met, Judged: due})
}

// told gives a percentile's clause its result, as the analysis does: too few answers do not
// tell it.
func told(k *analysis.ClauseValue) {
	if need := stats.MinSamples(k.Clause.Quantile); k.Judged < int64(need) {
		k.Result = analysis.Unknown
		k.Value.Why = fmt.Sprintf("need n ≥ %d, have %d", need, k.Judged)
	} else if float64(k.Over) > (1-k.Clause.Quantile)*float64(k.Judged) {
		k.Result = analysis.NotMet
	}
}

// mostSteps is more than any search should need.
const mostSteps = 200

// run drives a search to its end on the server and gives its steps too.
func (m made) run(t *testing.T, env results.Environment) (analysis.Capacity, []analysis.Step) {
	t.Helper()
	c, err := New(env)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	var steps []analysis.Step
	for start := 0.0; c.stage != ended; {
		if len(steps) == mostSteps {
			t.Fatalf("no end after %d steps, the last at %g: %s", mostSteps, c.next, c.Capacity().Sentence)
		}
		if !(c.next > 0) || math.IsInf(c.next, 0) {
			t.Fatalf("step %d is at %g", len(steps), c.next)
		}
		s := m.step(env, c.ray, c.plan(), len(steps), start, random)
		start += s.Loaded + 1
		steps = append(steps, s)
		c.take(s)
	}
	return c.Capacity(), steps
}
