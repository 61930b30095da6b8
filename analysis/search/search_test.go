package search

import (
	"cmp"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/boundary"
	"github.com/evabench/evabench/results"
)

func number(v analysis.Value) float64 {
	if v.Known() {
		return *v.Number
	}
	return math.NaN()
}

// Searches of made servers end as they should.
func TestEnds(t *testing.T) {
	queue := func(limit float64, env results.Environment) results.Environment {
		env.Services[0].SLO = append(env.Services[0].SLO, results.Clause{Metric: "queue", Op: "<=", Limit: limit, Text: "queue"})
		return env
	}
	clientLimited := func(is func(analysis.Step) bool) func(*analysis.Step, int) {
		return func(s *analysis.Step, _ int) {
			if is(*s) {
				s.Services[0].Verdict = analysis.Verdict{Is: analysis.ClientLimited, Why: "late"}
			}
		}
	}
	all := func(analysis.Step) bool { return true }
	confirms := func(s analysis.Step) bool { return s.Purpose == results.PurposeConfirm }
	untold := func(float64) *float64 { return nil }
	some := func(load float64) *float64 { return &load }
	band := func(load float64) float64 {
		if load >= 15 && load < 30 {
			return 0.5
		}
		return 0
	}
	a := results.Search{Kind: Interval, Raise: "a", From: 10}
	bounded, hurried := a, a
	bounded.Most, hurried.Budget = 1000, 40*time.Second
	one, factor := a, results.Search{Kind: Interval, From: 1, Most: 1.25}
	one.From = 1
	open := factor
	open.Most = 0
	short := a
	short.Budget = 20 * time.Minute
	strays := 0
	stray := func(s *analysis.Step, index int) { // one failed request at the climb's second load and at two probes
		if s.Purpose == results.PurposeProbe {
			strays++
		}
		if index == 1 || s.Purpose == results.PurposeProbe && (strays == 2 || strays == 4) {
			s.Services[0].SLO[1].Over = 1
		}
	}
	slower := func(s *analysis.Step, _ int) { // by 1 % in 20 s
		median := 0.05 * (1 + s.Start/2000)
		s.Services[0].Median.Number = &median
	}
	narrow := a
	narrow.Budget = 12 * time.Minute
	lucky := func(s *analysis.Step, _ int) { // the climb's look at the largest load
		if s.Purpose == results.PurposeClimb && s.Services[0].Level.Value == bounded.Most {
			s.Services[0].SLO[0].Over = 0
		}
	}
	for name, test := range map[string]struct {
		server made
		env    results.Environment
		state  string
		why    string // part of it
		signed bool
	}{
		"found":             {made{over: smooth(100, 20), hopeless: 130}, asked(a, rates(10)...), analysis.CapacityFound, "", true},
		"never":             {made{over: func(float64) float64 { return 0.5 }}, asked(a, rates(10)...), analysis.CapacityNever, "p99 < 100 ms", false},
		"never, hard":       {made{over: never, errors: from(0)}, asked(a, rates(10)...), analysis.CapacityNever, "errors", false},
		"always":            {made{over: never}, asked(bounded, rates(10)...), analysis.CapacityAlways, "1000 req/s, the largest load that may be asked for, as confirmed for 3m0s", true},
		"without end":       {made{over: never}, asked(a, rates(10)...), analysis.CapacityUnfinished, "times the first load", false},
		"hardly over":       {made{over: func(float64) float64 { return 0.02 }}, asked(a, rates(10)...), analysis.CapacityUnfinished, "times the first load", false},
		"cliff":             {made{over: from(100), hopeless: 100}, asked(a, rates(10)...), analysis.CapacityCliff, "hopeless", false},
		"hard cliff":        {made{over: never, errors: from(100)}, asked(a, rates(10)...), analysis.CapacityCliff, "errors", false},
		"held, seldom":      {made{over: smooth(100, 20), hopeless: 130, held: 1}, seldom(a), analysis.CapacityFound, "", true},
		"held, too seldom":  {made{over: smooth(100, 20), hopeless: 130, held: 0.1}, seldom(a), analysis.CapacityFound, "no load could be signed: b: p99 < 100 ms cannot be judged: at 99.4 req/s it takes a window of 1h10m20s or more, where one of 1h0m0s", false},
		"held, hurried":     {made{over: smooth(100, 20), hopeless: 130, held: 0.5}, seldom(short), analysis.CapacityFound, "it takes a window of 14m7s or more, where one of 6m25s may be had (what is left of the budget)", false},
		"held, to most":     {made{over: never, held: 0.1}, seldom(bounded), analysis.CapacityUnfinished, "1h8m43s", false},
		"stray errors":      {made{over: smooth(100, 20), change: stray}, asked(a, rates(10)...), analysis.CapacityFound, "", true},
		"slower, hurried":   {made{over: smooth(100, 20), change: slower}, asked(narrow, rates(10)...), analysis.CapacityDrift, "moved by", false},
		"hardly to most":    {made{over: smooth(980, 20), change: lucky}, asked(bounded, rates(10)...), analysis.CapacityFound, "", true},
		"non-monotone":      {made{over: band}, asked(a, rates(10)...), analysis.CapacityNonMonotone, "2 of 2 times at 20", false},
		"budget":            {made{over: smooth(100, 20)}, asked(hurried, rates(10)...), analysis.CapacityUnfinished, "budget", false},
		"spoiled":           {made{over: never, change: clientLimited(all)}, asked(a, rates(10)...), analysis.CapacityInvalid, "4 steps in a row", false},
		"spoiled at end":    {made{over: smooth(100, 20), change: clientLimited(confirms)}, asked(a, rates(10)...), analysis.CapacityFound, "4 confirmations in a row", false},
		"spoiled at most":   {made{over: never, change: clientLimited(confirms)}, asked(bounded, rates(10)...), analysis.CapacityInvalid, "4 steps in a row", false},
		"unknown":           {made{over: smooth(100, 20), answer: untold}, queue(4, asked(a, rates(10)...)), analysis.CapacityFound, "a: queue cannot be judged: the server does not tell", false},
		"unknown to most":   {made{over: never, answer: untold}, queue(4, asked(bounded, rates(10)...)), analysis.CapacityUnfinished, "a: queue cannot be judged: the server does not tell", false},
		"no queue allowed":  {made{over: never, answer: some}, queue(0, asked(a, rates(10)...)), analysis.CapacityNever, "queue", false},
		"a mean":            {made{over: never, answer: func(l float64) *float64 { x := math.Exp(10 * (l/100 - 1)); return &x }}, queue(1, asked(a, rates(10)...)), analysis.CapacityFound, "", true},
		"users":             {made{over: smooth(7.4, 5), rate: 2}, asked(one, users(1)...), analysis.CapacityFound, "", true},
		"one user too many": {made{over: func(u float64) float64 { return min(1, 0.02*math.Pow(u, 4)) }, rate: 60}, asked(one, users(1)...), "", "", false},
		"all, whole":        {made{over: never}, asked(factor, users(10, 7)...), analysis.CapacityAlways, "1.2 times their levels", true},
		"all, rates":        {made{over: never}, asked(results.Search{Kind: Interval, From: 0.37, Most: 3.3}, rates(0.3, 0.7)...), analysis.CapacityAlways, "3.3 times their levels", true},
		"all, cliff":        {made{over: from(2.1), hopeless: 2.1, rate: 100}, asked(open, rates(0.3, 0.7)...), analysis.CapacityCliff, "times their levels", false},
		"all, two users":    {made{over: from(1.5), hopeless: 1.5, rate: 100}, asked(open, users(2, 1)...), analysis.CapacityCliff, "met at 1 times their levels and missed at 1.5", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, steps := test.server.run(t, test.env)
			t.Logf("%d steps: %s", len(steps), got.Sentence)
			if test.state != "" && got.State != test.state || !strings.Contains(got.Why, test.why) || got.Signed.Known() != test.signed {
				t.Errorf("%s, signed %g: %s", got.State, number(got.Signed), got.Why)
			}
			if strings.Contains(got.Sentence, "NaN") || strings.Contains(got.Sentence, "Inf") {
				t.Error(got.Sentence)
			}
			s := analysis.Summary{Environment: test.env, Cells: []analysis.Cell{{Steps: steps}, {}, {Steps: steps[:len(steps)/2]}}}
			if err := Complete(&s); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*s.Cells[0].Capacity, got) {
				t.Errorf("of the steps again: %s", s.Cells[0].Capacity.Sentence)
			}
			for _, cut := range s.Cells[1:] {
				if cut.Capacity.State != analysis.CapacityUnfinished || cut.Capacity.Why == "" {
					t.Errorf("of %d steps: %s", len(cut.Steps), cut.Capacity.Sentence)
				}
			}
		})
	}
}

// The estimate is near the truth, and what is signed is what was asked for: a load that
// a person would write, below the interval's middle, and whole users.
func TestFound(t *testing.T) {
	a := results.Search{Kind: Interval, Raise: "a", From: 10, Heavy: true}
	got, steps := made{over: smooth(100, 20), hopeless: 130}.run(t, asked(a, rates(10, 3)...))
	if x := number(got.Estimate); math.Abs(x/100-1) > 0.05 || !(number(got.Low) < x && x < number(got.High)) {
		t.Errorf("capacity %g, which is 100", x)
	}
	if x := number(got.Signed); x != floorTo(x, 3) || x > number(got.Estimate) || x < 80 {
		t.Errorf("signed %g", x)
	}
	if last := steps[len(steps)-1]; !last.Heavy || !strings.Contains(got.Sentence, "with heavy requests") {
		t.Errorf("the last step is not with heavy requests: %s", got.Sentence)
	}
	if got.Loads[1].Service != "b" || number(got.Loads[1].Signed) != 3 {
		t.Errorf("what is held: %+v", got.Loads[1])
	}
	a.Heavy, a.From = false, 1
	got, _ = made{over: smooth(7.4, 5), rate: 2}.run(t, asked(a, users(1)...))
	if x := number(got.Signed); x != math.Round(x) || x > 7 || x < 4 {
		t.Errorf("signed %g users", x)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, env := range map[string]results.Environment{
		"no search":       {},
		"from 0":          asked(results.Search{Raise: "a", Grow: 0.15}, rates(1)...),
		"from NaN":        asked(results.Search{Raise: "a", From: math.NaN(), Grow: 0.15}, rates(1)...),
		"no such service": asked(results.Search{Raise: "x", From: 1, Grow: 0.15}, rates(1)...),
		"all of 0":        asked(results.Search{From: 1, Grow: 0.15}, rates(1, 0)...),
		"no level":        {Search: &results.Search{From: 1, Grow: 0.15}, Services: []results.Service{{Name: "a"}}},
		"no SLO":          {Search: &results.Search{From: 1, Grow: 0.15}, Services: []results.Service{{Name: "a", Target: &rates(1)[0]}}},
	} {
		if _, err := New(env); err == nil {
			t.Errorf("%s: a search", name)
		}
		if _, err := NewClimb(env); err == nil {
			t.Errorf("%s: a ladder", name)
		}
	}
	if _, err := NewClimb(asked(results.Search{Raise: "a", From: 1}, rates(1)...)); err == nil {
		t.Error("a ladder that does not grow")
	}
}

func TestClimb(t *testing.T) {
	for name, test := range map[string]struct {
		server       made
		most         float64
		window       time.Duration
		state        string
		above, below float64
	}{
		"bracketed":   {made{over: from(20)}, 0, 0, analysis.CapacityBracketed, 17.49, 20.114},
		"never":       {made{over: from(1)}, 0, 0, analysis.CapacityNever, math.NaN(), 10},
		"always":      {made{over: never}, 12, 0, analysis.CapacityAlways, 12, math.NaN()},
		"without end": {made{over: never}, 0, 0, analysis.CapacityUnfinished, 1.1e7, math.NaN()},
		"plateau": {made{over: never, change: func(s *analysis.Step, _ int) {
			s.Services[0].Total.Completed = min(s.Services[0].Total.Completed, 900)
		}}, 0, 0, analysis.CapacityBracketed, 15.209, 17.49},
		// In 20 s the loads below 18.4 have fewer than 368 answers, in 10 s all below 36.8.
		"known late":     {made{over: from(24)}, 0, 20 * time.Second, analysis.CapacityBracketed, 23.131, 26.6},
		"known nowhere":  {made{over: from(20)}, 0, 10 * time.Second, analysis.CapacityUnfinished, math.NaN(), 20.114},
		"unknown at end": {made{over: never}, 12, 10 * time.Second, analysis.CapacityUnfinished, math.NaN(), math.NaN()},
	} {
		env := asked(results.Search{Kind: Ladder, Raise: "a", From: 10, Grow: 0.15, Most: test.most}, rates(10)...)
		c, err := NewClimb(env)
		if err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(5, 6))
		for i := 0; !c.ended && i < mostSteps; i++ {
			c.take(test.server.step(env, c.ray, results.StepPlan{Levels: c.ray.at(c.next), Window: cmp.Or(test.window, time.Minute)}, i, 0, random))
		}
		got := c.Capacity()
		near := func(v analysis.Value, want float64) bool {
			return v.Known() != math.IsNaN(want) && !(math.Abs(number(v)/want-1) > 0.1)
		}
		if got.State != test.state || !near(got.Above, test.above) || !near(got.Below, test.below) {
			t.Errorf("%s: %g to %g: %s", name, number(got.Above), number(got.Below), got.Sentence)
		}
	}
}

// A load that was settled is the very same when it is read off the levels of its step,
// and within the bound.
func TestRayRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var levels []results.Level
		kind := rapid.SampledFrom([]string{"rates", "users", "both"}).Draw(t, "kind")
		for i := range rapid.IntRange(1, 4).Draw(t, "services") {
			if kind == "users" || kind == "both" && i%2 == 1 {
				levels = append(levels, users(float64(rapid.IntRange(1, 300).Draw(t, "users")))...)
			} else {
				levels = append(levels, rates(rapid.Float64Range(0.01, 1e4).Draw(t, "rate"))...)
			}
		}
		r := ray{levels: levels, raised: rapid.IntRange(-1, len(levels)-1).Draw(t, "raised")}
		most := rapid.SampledFrom([]float64{0, 1, 2.375, 37}).Draw(t, "most")
		load := r.settle(rapid.Float64Range(0.05, 500).Draw(t, "load"), most)
		services := make([]analysis.Service, len(levels))
		for i, l := range r.at(load) {
			services[i].Level = l
			if whole(l) && (l.Value < 1 || l.Value != math.Round(l.Value)) {
				t.Errorf("%g users", l.Value)
			}
		}
		if got := r.of(services); got != load || r.settle(load, most) != load {
			t.Errorf("asked for %v, read %v, settled again %v", load, got, r.settle(load, most))
		}
		if most > 0 && load > most*(1+1e-4) {
			t.Errorf("%g is above %g", load, most)
		}
	})
}

// What is to be signed is rounded down to a load that can be asked for.
func TestDown(t *testing.T) {
	one := results.Search{Raise: "a", From: 1}
	all := results.Search{From: 1}
	for _, test := range []struct {
		env        results.Environment
		load, want float64
	}{
		{asked(one, rates(1)...), 12.39, 12.3}, {asked(one, rates(1)...), 0, 0}, {asked(one, rates(1)...), math.NaN(), 0},
		{asked(one, users(1)...), 6.99, 6}, {asked(one, users(1)...), 7, 7}, {asked(one, users(1)...), 0.99, 0},
		{asked(all, users(10, 3)...), 1.29, 1.2}, {asked(all, users(10, 3)...), 1.3 - 0.1, 1.2}, {asked(all, users(10, 3)...), 0.09, 0},
		{asked(all, append(users(10), rates(1)...)...), 1.239, 1.23},
	} {
		c, err := New(test.env)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.down(test.load); got != test.want {
			t.Errorf("%v of %+v is rounded to %v, want %v", test.load, c.ray.levels, got, test.want)
		}
	}
}

// An interval whose lower end is no load is found, and nothing is signed.
func TestNothingToSign(t *testing.T) {
	for _, low := range []float64{0, 0.7} {
		c, err := New(asked(results.Search{Raise: "a", From: 1}, users(1)...))
		if err != nil {
			t.Fatal(err)
		}
		c.estimate.Load, c.estimate.Low, c.estimate.High = 1.1, low, 1.6
		c.finish("it was short")
		got := c.Capacity()
		if c.stage != ended || got.State != analysis.CapacityFound || got.Signed.Known() || !strings.HasPrefix(got.Why, "it was short; no load could be signed") {
			t.Errorf("%s: %s", got.State, got.Why)
		}
	}
}

// Halving below a load under which nothing was ever met ends as never met, not as a
// cliff with an end that nobody saw.
func TestSplitBelowAll(t *testing.T) {
	for _, levels := range [][]results.Level{users(8), rates(8)} {
		c, err := New(asked(results.Search{Raise: "a", From: 8}, levels...))
		if err != nil {
			t.Fatal(err)
		}
		c.stage, c.center = splitting, 8
		missed := 8.0
		for range 50 {
			c.looks = append(c.looks, look{load: missed, why: "errors", purpose: results.PurposeProbe, excess: math.Inf(1), worst: 1})
			if c.splitNext(0, missed); c.stage == ended {
				break
			}
			if !(c.next < missed) {
				t.Fatalf("after %g %s %g", missed, levels[0].Unit, c.next)
			}
			missed = c.next
		}
		if got := c.Capacity(); got.State != analysis.CapacityNever || got.Above.Known() || number(got.Below) != missed {
			t.Errorf("%s: %s", got.State, got.Why)
		}
	}
}

func TestFloorTo(t *testing.T) {
	for _, test := range []struct{ load, want float64 }{
		{0.0123456, 0.0123}, {0.123, 0.123}, {1.2399, 1.23}, {98.76, 98.7}, {100, 100}, {123456, 123000}, {0.3, 0.3}, {2.3, 2.3}, {999.9, 999},
	} {
		if got := floorTo(test.load, 3); got != test.want {
			t.Errorf("%v is rounded to %v, want %v", test.load, got, test.want)
		}
	}
	for x, want := range map[float64]string{0.012343: "0.01234", 12.3456: "12.35", 999.96: "1000", 12345.6: "12346"} {
		if got := figure(x); got != want {
			t.Errorf("%v is written %s, want %s", x, got, want)
		}
	}
}

// A share of just what is allowed meets a clause, as it does in a step: 10 of 100 over a p90.
func TestJustMet(t *testing.T) {
	clauses := clausesOf([]results.Service{{Name: "a", SLO: []results.Clause{{Metric: "latency", Quantile: 0.9, Op: "<", Limit: 1, Unit: "s", Text: "p90 < 1 s"}}}})
	for over, met := range map[int64]bool{10: true, 11: false} {
		l := look{met: true, worst: -1}
		l.probe.Counts = make([]boundary.Count, len(clauses))
		l.count(0, clauses[0], analysis.ClauseValue{Result: analysis.Met, Judged: 100, Over: over})
		if l.met != met || l.within() != met {
			t.Errorf("%d of 100: met %v, within %v, want %v", over, l.met, l.within(), met)
		}
	}
}
