package analysis

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// line serves arrivals one after the other, in the order of their due, each taking as long.
func line(dues []float64, takes float64) []spikeCall {
	slices.Sort(dues)
	var calls []spikeCall
	free := -1e9
	for _, due := range dues {
		free = max(free, due) + takes
		calls = append(calls, spikeCall{due, free, true})
	}
	return calls
}

// evenly gives arrivals of a rate from one moment to another.
func evenly(rate, from, to float64) (dues []float64) {
	for i := 0; float64(i)/rate < to-from; i++ {
		dues = append(dues, from+float64(i)/rate)
	}
	return dues
}

// 10 a second, and three times that from 60 to 70 s, at a server that takes 15 a second: 150
// wait when the spike ends, and 5 more a second leave than come. So the line is empty 30 s
// later.
func TestRecovery(t *testing.T) {
	dues := slices.Concat(evenly(10, -20, 60), evenly(30, 60, 70), evenly(10, 70, 180))
	judge := func(calls []spikeCall, from, to, end float64) (Value, float64) {
		return recoveryOf(calls, flightOf(calls), from, to, end)
	}
	got, length := judge(line(dues, 1.0/15), 60, 70, 180)
	if toldValue(got) != "30" || length != 1 {
		t.Errorf("%s s in parts of %g s (%s), want 30 s in parts of 1 s", toldValue(got), length, got.Why)
	}
	// A server that takes 40 a second feels nothing.
	if got, _ := judge(line(dues, 1.0/40), 60, 70, 180); toldValue(got) != "0" {
		t.Errorf("a fast server recovers after %s s (%s)", toldValue(got), got.Why)
	}
	// 28 s after it the line is not empty yet, and 32 s after it that has not lasted.
	for _, end := range []float64{98, 102} {
		if got, _ := judge(line(dues, 1.0/15), 60, 70, end); got.Known() || !strings.Contains(got.Why, "not back within") {
			t.Errorf("to %g s: %s (%s)", end, toldValue(got), got.Why)
		}
	}
	// One odd second long after changes nothing; one second of failures neither.
	calls := line(dues, 1.0/15)
	for i := range calls {
		if calls[i].due >= 150 && calls[i].due < 151 {
			calls[i].done += 0.5
		}
		if calls[i].due >= 160 && calls[i].due < 161 {
			calls[i].ok = false
		}
	}
	if got, _ := judge(calls, 60, 70, 180); toldValue(got) != "30" {
		t.Errorf("with an odd second: %s (%s)", toldValue(got), got.Why)
	}
	// Nor is it over before half a minute that is slow again.
	calls = line(dues, 1.0/15)
	for i := range calls {
		if calls[i].due >= 120 && calls[i].due < 150 {
			calls[i].done += 0.5
		}
	}
	if got, _ := judge(calls, 60, 70, 180); toldValue(got) != "80" && toldValue(got) != "81" {
		t.Errorf("with a relapse: %s (%s)", toldValue(got), got.Why)
	}
	// Failures that stay are no recovery.
	for i := range calls {
		calls[i].ok = calls[i].due < 60
	}
	if got, _ := judge(calls, 60, 70, 180); got.Known() || !strings.Contains(got.Why, "most failed") {
		t.Errorf("with failures to the end: %s (%s)", toldValue(got), got.Why)
	}
	for name, c := range map[string]struct {
		rate          float64
		from, to, end float64
		why           string
	}{
		"few":          {0.01, 600, 610, 2000, "too few to tell a range"},
		"short before": {10, 3, 10, 100, "too short before the spike"},
		"short after":  {10, 60, 70, 72.5, "too short after the spike"},
		"cut":          {10, 60, 70, 70, "ended before the spike did"},
	} {
		calls := line(evenly(c.rate, 0, c.end), 0.001)
		if got, _ := judge(calls, c.from, c.to, c.end); got.Known() || !strings.Contains(got.Why, c.why) {
			t.Errorf("%s: %s (%s)", name, toldValue(got), got.Why)
		}
	}
}

// Chance alone is no spike: a server of random arrivals at half of its capacity recovers at
// once from a spike that was none, in 95 of 100 runs at least.
func TestRecoveryOfNothing(t *testing.T) {
	const runs = 200
	late := 0
	for seed := range uint64(runs) {
		r := rand.New(rand.NewPCG(seed, 1))
		var dues []float64
		for at := -20.0; at < 300; at += r.ExpFloat64() / 10 {
			dues = append(dues, at)
		}
		calls := line(dues, 0.05)
		if got, _ := recoveryOf(calls, flightOf(calls), 100, 110, 300); toldValue(got) != "0" {
			late++
		}
	}
	t.Logf("%d of %d", late, runs)
	if late > runs*5/100 {
		t.Errorf("%d of %d runs without a spike recover later than at once", late, runs)
	}
}

// Requests in flight over time are counted the same by hand.
func TestFlight(t *testing.T) {
	calls := []spikeCall{{0, 4, true}, {1, 2, true}, {3, 9, false}}
	f := flightOf(calls)
	for _, c := range []struct{ from, to, want float64 }{
		{0, 1, 1}, {1, 2, 2}, {0, 4, (4 + 1 + 1) / 4.0}, {5, 9, 1}, {9, 20, 0}, {-5, 0, 0}, {3.5, 4.5, 1.5},
	} {
		if got := f.mean(c.from, c.to); got < c.want-1e-9 || got > c.want+1e-9 {
			t.Errorf("from %g to %g: %g, want %g", c.from, c.to, got, c.want)
		}
	}
}

// madeSpike is a step of 180 s in which the agent's load is three times as high from 60 to
// 70 s, as in TestRecovery; vision completes 20 requests a second in 10 ms all along, one
// of which fails in the spike.
func madeSpike() stepFacts {
	at := func(s float64) results.Offset { return results.Offset(s * 1e9) }
	step := results.Step{
		Index: 1,
		Plan: results.StepPlan{Name: "a spike", Purpose: results.PurposeSpike, Window: 180 * time.Second, Levels: []results.Level{
			{Service: "vision", Arrivals: "constant", Value: 20, Unit: "req/s"}, {Service: "agent", Arrivals: "constant", Value: 10, Unit: "req/s"},
		}, Spike: &results.Spike{Service: "agent", Factor: 3, At: 60 * time.Second, For: 10 * time.Second}},
		WindowEnd: at(180), End: at(200),
	}
	var samples []results.Sample
	for i, calls := range [][]spikeCall{
		line(evenly(20, 0, 180), 0.01),
		line(slices.Concat(evenly(10, 0, 60), evenly(30, 60, 70), evenly(10, 70, 180)), 1.0/15),
	} {
		name := step.Plan.Levels[i].Service
		n := int64(len(calls))
		step.Services = append(step.Services, results.Integrity{Service: name, Due: n, Sent: n, Scheduled: &n, Lag: results.Lateness{N: n, P50: 1, P99: 2, Max: 3}})
		for j, c := range calls {
			s := results.Sample{
				Service: name, Class: "c", Model: "m", Endpoint: name + "-0", Seq: int64(j), Session: int64(j), Last: true,
				Due: at(c.due), Sent: at(c.due), First: results.NoOffset, Final: results.NoOffset, Done: at(c.done), Outcome: results.OK,
				PromptTokens: results.UnknownTokens, OutputTokens: results.UnknownTokens, CachedTokens: results.UnknownTokens,
				ServerQueue: results.Untold, ServerWork: results.Untold,
			}
			if name == "vision" && j == 1300 { // at 65 s
				s.Outcome, s.Status = results.Shed, 503
			}
			samples = append(samples, s)
		}
	}
	return stepFacts{step: step, samples: all(samples)}
}

// A spike's step is told of apart, and in nothing else.
func TestSpikeSummary(t *testing.T) {
	f := madeRun()
	f.cells = f.cells[:1]
	before := summarized(t, f)
	f.cells[0].steps = append(f.cells[0].steps, madeSpike())
	s := summarized(t, f)
	if len(s.Spikes) != 1 {
		t.Fatalf("%d spikes", len(s.Spikes))
	}
	k := s.Spikes[0]
	if k.Config != "off" || k.Replicate != 1 || k.Step != 1 || k.Service != "agent" || k.Factor != 3 || k.From != 60 || k.To != 70 || toldValue(k.Recovery) != "30" || k.Resolution != 1 {
		t.Errorf("%+v, recovery %s (%s)", k, toldValue(k.Recovery), k.Recovery.Why)
	}
	if len(k.Services) != 2 || k.Services[0].Service != "agent" || k.Services[1].Service != "vision" {
		t.Fatalf("services %+v", k.Services)
	}
	agent, vision := k.Services[0], k.Services[1]
	for _, c := range []struct {
		name              string
		spell             Spell
		due, failed       int64
		median, completed string
	}{
		{"agent before", agent.Before, 600, 0, "0.06667", "10"},
		{"agent in it", agent.Within, 300, 0, "", "15"},
		{"agent after", agent.After, 1100, 0, "", ""},
		{"vision before", vision.Before, 1200, 0, "0.01", "20"},
		{"vision in it", vision.Within, 200, 1, "0.01", "19.9"},
		{"vision after", vision.After, 2200, 0, "0.01", "20"},
	} {
		if c.spell.Due != c.due || c.spell.Failed != c.failed || c.median != "" && toldValue(c.spell.Median) != c.median ||
			c.completed != "" && toldValue(c.spell.Completed) != c.completed {
			t.Errorf("%s: %d due, %d failed, median %s, %s/s; want %+v", c.name, c.spell.Due, c.spell.Failed, toldValue(c.spell.Median), toldValue(c.spell.Completed), c)
		}
	}
	// 600 answers tell p90, the highest that is asked for; 1,200 tell p99.
	if agent.Before.Quantile != 0.9 || agent.Within.Quantile != 0.9 || vision.Before.Quantile != 0.99 {
		t.Errorf("percentiles %g, %g and %g", agent.Before.Quantile, agent.Within.Quantile, vision.Before.Quantile)
	}
	if !(*agent.Within.InFlight.Number > 50) || !(*agent.Before.InFlight.Number < 1) {
		t.Errorf("in flight %s before, %s in it", toldValue(agent.Before.InFlight), toldValue(agent.Within.InFlight))
	}
	if len(s.Comparison) != len(before.Comparison) || s.ValidSteps() != before.ValidSteps() {
		t.Errorf("%d comparisons and %d valid steps, %d and %d without the spike", len(s.Comparison), s.ValidSteps(), len(before.Comparison), before.ValidSteps())
	}
	step := s.Cells[0].Steps[1]
	if !step.Looks() {
		t.Error("objectives that are missed in it count")
	}
	for _, v := range step.Services {
		if v.Growth.Result != NotJudged || v.Drift.Result != NotJudged || !v.Identity.Holds {
			t.Errorf("%s: growth %s, drift %s, %s", v.Name, v.Growth.Result, v.Drift.Result, v.Identity.Why)
		}
	}
	for _, w := range s.Warnings {
		if strings.Contains(w.Where, "step 1") && w.Code == "not-ok" {
			t.Errorf("warning %+v", w)
		}
	}
}

// The range reaches to the greatest, or to the upper quartile and three times the distance
// of the quartiles if that is higher.
func TestRangeOf(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		list []float64
		want float64
	}{
		{[]float64{4, 1, nan, 3, 2}, 3 + 3*(3-1)}, // quartiles 1 and 3
		{[]float64{1, 1, 1, 1, 5}, 5},
		{[]float64{1, 1, 1, 1, inf}, inf},
		{[]float64{1, inf, inf, inf}, inf},
		{[]float64{nan}, inf},
	} {
		if got := rangeOf(c.list); got != c.want {
			t.Errorf("%v: %g, want %g", c.list, got, c.want)
		}
	}
}
