package search

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/queues"
	"github.com/evabench/evabench/results"
)

// pair is a server of seven workers and one line that two services share, each under a
// Poisson load, and what a run of it records.
func pair(search results.Search, first, second float64) (*queues.System, results.Environment) {
	slo := []results.Clause{
		{Metric: "latency", Quantile: 0.95, Op: "<", Limit: 0.040, Unit: "s", Text: "p95 < 40 ms"},
		{Metric: "latency", Quantile: 0.99, Op: "<", Limit: 0.050, Unit: "s", Text: "p99 < 50 ms"},
	}
	s := &queues.System{Name: "pair", Server: queues.Server{Workers: 7, Fixed: 0.020, Spread: 0.25, PauseShare: 5e-4, Pause: 0.050}}
	env := results.Environment{Search: &search}
	for name, level := range map[string]float64{"a": first, "b": second} {
		env.Services = append(env.Services, results.Service{
			Name: name, Role: results.RoleVision, Percentiles: []float64{0.5, 0.95, 0.99}, SLO: slo,
			Target: &results.Level{Service: name, Arrivals: queues.Poisson, Value: level, Unit: "req/s"},
		})
	}
	slices.SortFunc(env.Services, func(a, b results.Service) int { return strings.Compare(a.Name, b.Name) })
	for range env.Services {
		s.Sources = append(s.Sources, queues.Source{Arrivals: queues.Poisson, Unit: "req/s", Classes: []queues.Class{{Name: "frame", Weight: 1}}})
	}
	s.Services = env.Services
	return s, env
}

// drive runs a chooser's steps on a target, and gives them as a summary has them.
func drive(t *testing.T, env results.Environment, target *queues.Target, next func(*results.StepResult) (results.StepPlan, bool), watch func(results.Progress) string) []analysis.Step {
	t.Helper()
	var steps []analysis.Step
	for plan, more := next(nil); more; {
		if len(steps) == mostSteps {
			t.Fatalf("no end after %d steps", mostSteps)
		}
		r := target.Step(plan, watch)
		step, err := analysis.Judge(env, results.Cell{}, r)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range step.Services {
			if !v.Identity.Holds {
				t.Fatalf("step %d: %s: %s", step.Index, v.Name, v.Identity.Why)
			}
		}
		steps = append(steps, step)
		plan, more = next(&r)
	}
	return steps
}

// Two services that are alike share a line: whatever the mix, they are over the limit where
// their loads together are what one service's capacity is, some 276 a second by long runs
// ("mid-nobatch" of package queues).
func TestFrontierOfSharedLine(t *testing.T) {
	asked := results.Search{
		Kind: FrontierKind, From: 1, Tolerance: 0.05, Warmup: 3 * time.Second, Window: 10 * time.Second, Confirm: 30 * time.Second,
		Mixes: [][]float64{{1, 1}, {3, 0.5}, {1, 5}},
	}
	s, env := pair(asked, 30, 20)
	f, err := NewFrontier(env)
	if err != nil {
		t.Fatal(err)
	}
	steps := drive(t, env, s.Start(1), f.Next, f.Watch)
	rays := 0
	for i, step := range steps {
		if step.Ray < 1 || i > 0 && step.Ray < steps[i-1].Ray {
			t.Fatalf("step %d is of ray %d", i, step.Ray)
		}
		rays = max(rays, step.Ray)
	}
	list := f.Capacities()
	if rays != 3 || len(list) != 3 {
		t.Fatalf("steps of %d rays, %d capacities", rays, len(list))
	}
	for i, c := range list {
		if c.State != analysis.CapacityFound || !c.Signed.Known() {
			t.Errorf("ray %d: %s", i+1, c.Sentence)
			continue
		}
		a, b := number(c.Loads[0].Estimate), number(c.Loads[1].Estimate)
		if together := a + b; math.Abs(together/276-1) > 0.08 {
			t.Errorf("%s: %g and %g, together %g, which is 276", c.Mix, a, b, together)
		}
		if want := 1.5 * asked.Mixes[i][0] / asked.Mixes[i][1]; math.Abs(a/b/want-1) > 1e-9 {
			t.Errorf("%s: %g to %g, want %g to 1", c.Mix, a, b, want)
		}
		if c.Ray != i+1 {
			t.Errorf("capacity %d is of ray %d", i, c.Ray)
		}
	}
	if want := "a 90 req/s : b 10 req/s"; list[1].Mix != want {
		t.Errorf("the second mix is %q, want %q", list[1].Mix, want)
	}
	// The steps alone come to the same, also cut short: what was begun is unfinished, and so
	// is what was not.
	cut := slices.IndexFunc(steps, func(s analysis.Step) bool { return s.Ray == 2 }) + 2
	summary := analysis.Summary{Environment: env, Cells: []analysis.Cell{{Steps: steps}, {Steps: steps[:cut]}, {}}}
	if err := Complete(&summary); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(summary.Cells[0].Capacities, list) || summary.Cells[0].Capacity != nil {
		t.Errorf("of the steps again: %+v", summary.Cells[0].Capacities)
	}
	for i, want := range [][]string{{analysis.CapacityFound, analysis.CapacityUnfinished, analysis.CapacityUnfinished}, {analysis.CapacityUnfinished, analysis.CapacityUnfinished, analysis.CapacityUnfinished}} {
		for ray, c := range summary.Cells[i+1].Capacities {
			if c.State != want[ray] || c.Mix == "" {
				t.Errorf("cut %d, ray %d: %s, want %s", i, ray+1, c.State, want[ray])
			}
		}
	}
	price, err := Quote(env)
	if err != nil || price < 3*time.Minute {
		t.Errorf("quoted %v, %v", price, err)
	}
}

// A budget is for all mixes together: what one leaves, the next have.
func TestFrontierBudget(t *testing.T) {
	asked := results.Search{
		Kind: FrontierKind, From: 1, Tolerance: 0.01, Budget: 12 * time.Minute, Confirm: 20 * time.Second,
		Warmup: 2 * time.Second, Window: 10 * time.Second, Mixes: [][]float64{{1, 1}, {3, 0.5}, {1, 5}},
	}
	s, env := pair(asked, 30, 20)
	f, err := NewFrontier(env)
	if err != nil {
		t.Fatal(err)
	}
	steps := drive(t, env, s.Start(2), f.Next, f.Watch)
	spent, by := 0.0, map[int]float64{}
	for _, step := range steps {
		spent += step.Loaded
		by[step.Ray] += step.Loaded
	}
	if most := asked.Budget.Seconds(); spent > most || spent < most/4 {
		t.Errorf("spent %.0f s of %.0f: %v", spent, most, by)
	}
	for i, c := range f.Capacities() {
		if by[i+1] == 0 || !strings.Contains(c.Why, "load time ran out") && c.State != analysis.CapacityUnfinished {
			t.Errorf("%.0f s were spent on ray %d, which ended as %s: %s", by[i+1], i+1, c.State, c.Why)
		}
	}
	// What was spent is known, and what is left is shared by those that are to come.
	if math.Abs(f.spent-spent) > 1e-6 {
		t.Errorf("spent %.1f s, and the search says %.1f s", spent, f.spent)
	}
	f.spent = 300
	for ray, want := range []time.Duration{140 * time.Second, 210 * time.Second, 420 * time.Second} {
		if along, err := f.along(ray); err != nil || along.Search.Budget != want {
			t.Errorf("ray %d may spend %v of 720 s less 300 s, want %v", ray+1, along.Search.Budget, want)
		}
	}
	summary := analysis.Summary{Environment: env, Cells: []analysis.Cell{{Steps: steps}}}
	if err := Complete(&summary); err != nil || !reflect.DeepEqual(summary.Cells[0].Capacities, f.Capacities()) {
		t.Errorf("of the steps again: %+v, %v", summary.Cells[0].Capacities, err)
	}
}

// The neighbour's steps: it stands still, and then has more and more, and the victim's tail
// grows with it, as they share a line.
func TestInterferenceSteps(t *testing.T) {
	asked := results.Search{
		Kind: InterferenceKind, Raise: "b", Loads: []float64{0, 0.5, 1, 1.5}, Warmup: 5 * time.Second, Window: 2 * time.Minute,
	}
	s, env := pair(asked, 100, 100)
	levels, err := NewInterference(env)
	if err != nil {
		t.Fatal(err)
	}
	steps := drive(t, env, s.Start(3), levels.Next, nil)
	if len(steps) != 4 {
		t.Fatalf("%d steps", len(steps))
	}
	before := 0.0
	for i, step := range steps {
		want := []string{"a 100 req/s, b stands still", "a 100 req/s, b 50 req/s", "a 100 req/s, b 100 req/s", "a 100 req/s, b 150 req/s"}[i]
		if step.Name != want || step.Purpose != results.PurposeInterference || !step.Looks() {
			t.Errorf("step %d is %q for %q", i, step.Name, step.Purpose)
		}
		if n := len(step.Services); n != min(i+1, 2) {
			t.Errorf("step %d has %d services", i, n)
		}
		tail := number(step.Services[0].Total.Latency.Quantiles[1].Value)
		if i > 0 && !(tail > before) {
			t.Errorf("step %d: p95 %g after %g", i, tail, before)
		}
		before = tail
	}
	summary := analysis.Summary{Environment: env, Cells: []analysis.Cell{{Steps: steps}}}
	if err := Complete(&summary); err != nil || summary.Cells[0].Capacity != nil || summary.Cells[0].Capacities != nil {
		t.Errorf("interference has the capacity %+v, %v", summary.Cells[0].Capacity, err)
	}
}

// Users and cameras are whole, and at least one.
func TestInterferenceOfUsers(t *testing.T) {
	env := asked(results.Search{Kind: InterferenceKind, Raise: "b", Loads: []float64{0, 0.1, 0.5, 2}}, users(4, 3)...)
	plans, err := InterferencePlans(env)
	if err != nil {
		t.Fatal(err)
	}
	var got []float64
	for _, p := range plans {
		if p.Levels[0].Value != 4 {
			t.Errorf("the victim has %g users", p.Levels[0].Value)
		}
		for _, l := range p.Levels[1:] {
			got = append(got, l.Value)
		}
	}
	if !slices.Equal(got, []float64{1, 2, 6}) {
		t.Errorf("the neighbour has %g users", got)
	}
}

func TestCouplingRefuses(t *testing.T) {
	two := users(4, 3)
	for name, env := range map[string]results.Environment{
		"no search":      {},
		"nobody":         asked(results.Search{Loads: []float64{0, 1}}, two...),
		"alone":          asked(results.Search{Raise: "a", Loads: []float64{0, 1}}, users(4)...),
		"one load":       asked(results.Search{Raise: "b", Loads: []float64{0}}, two...),
		"falling":        asked(results.Search{Raise: "b", Loads: []float64{1, 0}}, two...),
		"negative":       asked(results.Search{Raise: "b", Loads: []float64{-1, 0}}, two...),
		"not a number":   asked(results.Search{Raise: "b", Loads: []float64{0, math.NaN()}}, two...),
		"without bounds": asked(results.Search{Raise: "b", Loads: []float64{0, math.Inf(1)}}, two...),
	} {
		if _, err := NewInterference(env); err == nil {
			t.Errorf("interference, %s: steps", name)
		}
	}
	for name, env := range map[string]results.Environment{
		"no search":      {},
		"no mix":         asked(results.Search{From: 1}, two...),
		"part of it":     asked(results.Search{From: 1, Mixes: [][]float64{{1}}}, two...),
		"none of one":    asked(results.Search{From: 1, Mixes: [][]float64{{1, 0}}}, two...),
		"without bounds": asked(results.Search{From: 1, Mixes: [][]float64{{1, math.Inf(1)}}}, two...),
		"from nothing":   asked(results.Search{Mixes: [][]float64{{1, 1}}}, two...),
	} {
		if _, err := NewFrontier(env); err == nil {
			t.Errorf("frontier, %s: a search", name)
		}
	}
}
