package search

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// A confirmation that had fewer answers than the steps before made one expect is run again at
// the same load, for as long as it then takes.
func TestConfirmationOfSeldom(t *testing.T) {
	env := asked(results.Search{Kind: Interval, Raise: "a", From: 10}, rates(10, 1)...)
	env.Services[1].SLO = env.Services[0].SLO
	fewer := func(s *analysis.Step, _ int) { // half of 1 a second
		if s.Purpose == results.PurposeConfirm {
			s.Services[0].SLO[0].Over = 0 // what the first service is over plays no part
			k := &s.Services[1].SLO[0]
			k.Judged /= 2
			told(k)
		}
	}
	got, steps := made{over: smooth(100, 20), hopeless: 130, held: 1, change: fewer}.run(t, env)
	list := got.Confirmations
	if len(list) != 2 || list[0].Met || list[0].Why != "b: p99 < 100 ms is not known: need n ≥ 368, have 212" || !list[1].Met || list[0].Load != list[1].Load || number(got.Signed) != list[1].Load {
		t.Errorf("%+v: %s", list, got.Sentence)
	}
	if last := steps[len(steps)-1].Window; math.Abs(last-850) > 5 { // 425.5 at half a second's
		t.Errorf("the last window is %g s", last)
	}
}

// The confirmation is as long as the percentiles of all clauses take, those of a held service
// too, and the quote has it: p99 takes 368 answers, and 425.5 so that chance does not decide.
func TestQuoteOfHeld(t *testing.T) {
	env := asked(results.Search{Kind: Interval, Raise: "a", From: 10}, rates(10, 1)...)
	env.Services[1].SLO = []results.Clause{{Metric: "latency", Quantile: 0.5, Op: "<", Limit: 0.1, Unit: "s", Text: "p50 < 100 ms"}}
	without, err := Quote(env)
	if err != nil {
		t.Fatal(err)
	}
	env.Services[1].SLO = env.Services[0].SLO
	with, err := Quote(env)
	if want := (425500 - 180000) * time.Millisecond; err != nil || with-without != want {
		t.Errorf("%v with a p99 at 1 a second, %v without it: %v, want %v; %v", with, without, with-without, want, err)
	}
}

// seldom is a run whose second service has the first one's SLO.
func seldom(search results.Search) results.Environment {
	env := asked(search, rates(10, 1)...)
	env.Services[1].SLO = env.Services[0].SLO
	return env
}

// confirmations counts steps at the load to be signed.
func confirmations(steps []analysis.Step) (n int) {
	for _, s := range steps {
		if s.Purpose == results.PurposeConfirm {
			n++
		}
	}
	return n
}

// What no window tells is not waited for: neither at the load that was to be signed nor below.
func TestNothingToConfirm(t *testing.T) {
	search := results.Search{Kind: Interval, Raise: "a", From: 10}
	bounded := search
	bounded.Most = 1000
	queued := asked(search, rates(10)...)
	queued.Services[0].SLO = append(queued.Services[0].SLO, results.Clause{Metric: "queue", Op: "<=", Limit: 4, Text: "queue"})
	class := seldom(search)
	class.Services[1].SLO = []results.Clause{class.Services[0].SLO[0]}
	class.Services[1].SLO[0].Class = "urgent"
	none := func(s *analysis.Step, _ int) {
		s.Services[1].SLO[0] = analysis.ClauseValue{Clause: class.Services[1].SLO[0], Result: analysis.NotMet, Value: analysis.Value{Why: "nothing was due in the window"}}
	}
	// The first confirmation misses, and has a tenth of the answers that the steps before had.
	fewer := func(s *analysis.Step, _ int) {
		if s.Purpose == results.PurposeConfirm {
			s.Services[0].SLO[0].Over = s.Services[0].SLO[0].Judged / 10
			s.Services[1].SLO[0].Judged /= 10
			told(&s.Services[1].SLO[0])
		}
	}
	for name, test := range map[string]struct {
		server    made
		env       results.Environment
		confirmed int
		why       string
	}{
		"too seldom":      {made{over: smooth(100, 20), hopeless: 130, held: 0.1}, seldom(search), 0, "takes a window of 1h10m"},
		"to most":         {made{over: never, held: 0.1}, seldom(bounded), 0, "takes a window of 1h8m"},
		"no queue told":   {made{over: smooth(100, 20), hopeless: 130, answer: func(float64) *float64 { return nil }}, queued, 0, "a: queue cannot be judged: the server does not tell"},
		"no such request": {made{over: smooth(100, 20), hopeless: 130, held: 1, change: none}, class, 0, "takes a window of"},
		"fewer, missed":   {made{over: smooth(100, 20), hopeless: 130, held: 0.8, change: fewer}, seldom(search), 1, "missed the SLO (a: p99 < 100 ms), and of less load b: p99 < 100 ms cannot be judged"},
	} {
		got, steps := test.server.run(t, test.env)
		if n := confirmations(steps); n != test.confirmed || got.Signed.Known() || !strings.Contains(got.Why, test.why) {
			t.Errorf("%s: %d confirmations, want %d: %s", name, n, test.confirmed, got.Why)
		}
	}
}

// A load is called met at a cliff's edge when every clause was told there: its step is as long
// as that takes, and where no step is there is no bound.
func TestCliffOfSeldom(t *testing.T) {
	search := results.Search{Kind: Interval, Raise: "a", From: 10}
	got, steps := made{over: from(100), hopeless: 100, held: 1}.run(t, seldom(search))
	last := steps[len(steps)-1]
	if got.State != analysis.CapacityCliff || math.Abs(last.Window-425.5) > 5 || last.Services[0].Level.Value != number(got.Above) {
		t.Errorf("the last step lasts %g s: %s", last.Window, got.Sentence)
	}
	got, _ = made{over: from(100), hopeless: 100, held: 0.1}.run(t, seldom(search))
	if got.State != analysis.CapacityUnfinished || got.Above.Known() || number(got.Below) < 99 || !strings.Contains(got.Why, "b: p99 < 100 ms cannot be judged") {
		t.Errorf("met at %g: %s", number(got.Above), got.Sentence)
	}
}

// A ladder ends where a step tells nothing of a clause: no step will.
func TestLadderWithoutQueue(t *testing.T) {
	env := asked(results.Search{Kind: Ladder, Raise: "a", From: 10, Grow: 0.15}, rates(10)...)
	env.Services[0].SLO = append(env.Services[0].SLO, results.Clause{Metric: "queue", Op: "<=", Limit: 4, Text: "queue"})
	c, err := NewClimb(env)
	if err != nil {
		t.Fatal(err)
	}
	server := made{over: never, answer: func(float64) *float64 { return nil }}
	c.take(server.step(env, c.ray, results.StepPlan{Levels: c.ray.at(c.next), Window: time.Minute}, 0, 0, rand.New(rand.NewPCG(5, 6))))
	if got := c.Capacity(); !c.ended || got.State != analysis.CapacityUnfinished || got.Above.Known() || got.Below.Known() || !strings.Contains(got.Why, "a: queue is not known: the server does not tell") {
		t.Errorf("%s: %s", got.State, got.Why)
	}
}

// A run whose search went on with probes where the rules of now would confirm, since those of
// then had wider intervals, signs what was confirmed, and no probe that met the SLO.
func TestProbesSignNothing(t *testing.T) {
	env := asked(results.Search{Kind: Interval, From: 10}, rates(10)...)
	want, steps := made{over: smooth(100, 20), hopeless: 130}.run(t, env)
	first := slices.IndexFunc(steps, func(s analysis.Step) bool { return s.Purpose == results.PurposeConfirm })
	if first < 0 || !want.Signed.Known() {
		t.Fatalf("nothing was confirmed: %s", want.Sentence)
	}
	probe := slices.IndexFunc(steps[:first], func(s analysis.Step) bool { return s.Purpose == results.PurposeProbe })
	low := steps[probe]
	low.Ray /= 2 // far below, where all is met
	got, err := of(env, slices.Insert(slices.Clone(steps), first, low, low, low))
	if err != nil {
		t.Fatal(err)
	}
	if number(got.Signed) != number(want.Signed) || number(got.Estimate) != number(want.Estimate) || !(number(got.Spent) > number(want.Spent)) {
		t.Errorf("after three more probes %s, want as without them: %s", got.Sentence, want.Sentence)
	}
	if got, err = of(env, append(slices.Clone(steps[:first]), steps[probe])); err != nil || got.Signed.Known() {
		t.Errorf("%v: a probe signed a load: %s", err, got.Sentence)
	}
}
