package analysis

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// step makes a made queue's record with what the load generator counts, so that it
// has a verdict.
func (q madeQueue) step(list []customer) facts {
	f := q.facts(list, nil)
	s := &f.cells[0].steps[0].step
	i := &s.Services[0]
	for _, c := range list {
		if offset(c.sent) < s.WindowStart {
			i.WarmupDue++
		} else {
			i.Due++
		}
	}
	scheduled, rate := i.Due, q.rate
	i.Sent, i.Scheduled, i.Offered = i.Due, &scheduled, &rate
	i.Lag = results.Lateness{N: i.Due, P99: 10 * time.Microsecond}
	return f
}

// slower serves the customers one after the other, each for a time that its moment
// tells.
func (q madeQueue) slower(list []customer, by func(at float64) float64) []customer {
	free := 0.0
	for i := range list {
		c := &list[i]
		c.scheduled = max(c.queued, free)
		c.done = c.scheduled + q.service*by(c.sent)
		free = c.done
	}
	return list
}

func TestVerdictsOfTheServer(t *testing.T) {
	// One server of 0.1 s is saturated at 10/s.
	steady := func(float64) float64 { return 1 }
	for _, c := range []struct {
		name          string
		rate          float64
		by            func(at float64) float64
		change        func(*facts)
		is            string
		growth, drift string
		why           string
	}{
		{"half", 5, steady, nil, Valid, Steady, Steady, "lag"},
		{"0.9", 9, steady, nil, Valid, Steady, Steady, "lag"},
		{"1.1", 11, steady, nil, Saturated, Grew, "", "the backlog grew by"},
		{"3", 30, steady, nil, Saturated, Grew, "", "the backlog grew by"},
		{"20", 200, steady, nil, Saturated, Grew, "", "the backlog grew by"},
		{"1.1, client's fault first", 11, steady, func(f *facts) {
			f.cells[0].steps[0].step.Services[0].ClientFaults = 3
		}, ClientLimited, Grew, "", "3 requests"},
		{"slower by a third", 3, func(at float64) float64 { return 1 + max(0, at-30)/900 }, nil, Unsteady, Steady, Drifts, "longer at the window's end"},
		{"slow until a tenth of the window", 3, func(at float64) float64 {
			if at < 60 {
				return 1.5
			}
			return 1
		}, nil, Unsteady, Steady, Drifts, "warm-up was too short"},
		{"slow in the warm-up", 3, func(at float64) float64 {
			if at < 28 {
				return 1.5
			}
			return 1
		}, nil, Valid, Steady, Steady, "lag"},
		{"worked off", 9, func(at float64) float64 {
			if at < 29 {
				return 1.9
			}
			return 1
		}, nil, Unsteady, Shrank, "", ""},
		{"half, a third of the sessions failed while a call waited to be retried", 5, steady, func(f *facts) {
			samples := f.cells[0].steps[0].samples
			f.cells[0].steps[0].samples = func(yield func(results.Sample, error) bool) {
				for s, err := range samples {
					if s.Last = s.Seq%3 > 0; !yield(s, err) {
						return
					}
				}
			}
		}, Valid, Steady, Steady, "lag"},
		{"trace", 11, steady, func(f *facts) {
			f.cells[0].steps[0].step.Plan.Levels[0].Arrivals = "trace"
		}, Valid, NotJudged, NotJudged, "lag"},
		{"failover", 5, steady, func(f *facts) {
			f.cells[0].steps[0].step.Plan.Failover = &results.Failover{Service: "agent", How: "kill", At: time.Minute}
		}, Valid, NotJudged, NotJudged, "lag"},
	} {
		q := madeQueue{rate: c.rate, service: 0.1, window: 300, seed: 5}
		f := q.step(q.slower(q.customers(), c.by))
		if c.change != nil {
			c.change(&f)
		}
		s, err := summarize(f)
		if err != nil {
			t.Fatal(err)
		}
		v := s.Cells[0].Steps[0].Services[0]
		if v.Verdict.Is != c.is || v.Growth.Result != c.growth || c.drift != "" && v.Drift.Result != c.drift || !strings.Contains(v.Verdict.Why, c.why) {
			t.Errorf("%s: %+v\n%+v\n%+v", c.name, v.Verdict, v.Growth, v.Drift)
		}
		for _, code := range []string{Saturated, Unsteady, ClientLimited} {
			if warned(s, "step-"+code) != (c.is == code) {
				t.Errorf("%s: warned of %s: %v", c.name, code, c.is != code)
			}
		}
		valid := 0
		if (c.is == Valid || c.is == Saturated) && c.name != "failover" {
			valid = 1
		}
		if n := s.ValidSteps(); n != valid {
			t.Errorf("%s: %d valid steps, want %d", c.name, n, valid)
		}
	}
}

// What is not judged has no numbers, and says why.
func TestClosedLoopDoesNotGrow(t *testing.T) {
	for _, v := range summarized(t, madeRun()).Cells[0].Steps[0].Services {
		if v.Growth.Result != NotJudged || v.Growth.Size.Known() || !strings.Contains(v.Growth.Size.Why, "closed loop") {
			t.Errorf("%s: %+v", v.Name, v.Growth)
		}
	}
}

// Steady servers are called neither saturated nor unsteady, but by chance: at most
// once in 40 here, at up to 0.9 of saturation.
func TestSteadyServersAreValid(t *testing.T) {
	for _, rate := range []float64{2, 7, 9} {
		wrong := 0
		for seed := range uint64(40) {
			q := madeQueue{rate: rate, service: 0.1, window: 120, seed: seed}
			s, err := summarize(q.step(q.customers()))
			if err != nil {
				t.Fatal(err)
			}
			if v := s.Cells[0].Steps[0].Services[0].Verdict; v.Is != Valid {
				wrong++
				t.Logf("%v/s, seed %d: %+v", rate, seed, v)
			}
		}
		if wrong > 1 {
			t.Errorf("%v/s: %d of 40 steady steps are not valid", rate, wrong)
		}
	}
}

// A quantile of a made queue has an interval around it, in the order of the samples'
// time and not of their size.
func TestQuantilesHaveIntervals(t *testing.T) {
	q := madeQueue{rate: 7, service: 0.1, window: 1000, seed: 3}
	s, err := summarize(q.step(q.customers()))
	if err != nil {
		t.Fatal(err)
	}
	for _, told := range s.Cells[0].Steps[0].Services[0].Total.Latency.Quantiles {
		if told.Q == 0.99 { // of the rare crowds that make it, too few were seen
			if told.Low == nil || told.High != nil || !strings.Contains(told.Open, "for an upper end") {
				t.Errorf("q = %v: %+v", told.Q, told)
			}
			continue
		}
		if told.Low == nil || told.High == nil || told.Open != "" {
			t.Errorf("q = %v: %+v", told.Q, told)
			continue
		}
		// Latencies of M/D/1 at 0.7 repeat within seconds: of 7,000 requests an
		// interval is wider than a tenth of what a few hundred would give.
		width := (*told.High - *told.Low) / *told.Number
		if !(*told.Low <= *told.Number && *told.Number <= *told.High) || width < 0.01 || width > 0.5 || math.IsNaN(width) {
			t.Errorf("q = %v: [%v, %v] around %v", told.Q, *told.Low, *told.High, *told.Number)
		}
	}
}

// A step that was ended in its warm-up has an empty window: it says so and why, meets
// nothing, and no figure of it is a number that cannot be written.
func TestEndedInWarmUp(t *testing.T) {
	q := madeQueue{rate: 50, service: 0.1, window: 300, seed: 5}
	var list []customer
	for _, c := range q.slower(q.customers(), func(float64) float64 { return 1 }) {
		if c.sent < 10 {
			list = append(list, c)
		}
	}
	f := q.step(list)
	s := &f.cells[0].steps[0].step
	s.Stopped, s.WindowStart, s.WindowEnd = "hopeless: too many wait", offset(10), offset(10)
	none := int64(0)
	s.Services[0] = results.Integrity{Service: "agent", WarmupDue: int64(len(list)), Scheduled: &none, Offered: &q.rate}
	f.environment.Services[0].SLO = []results.Clause{{Metric: "latency", Quantile: 0.5, Op: "<", Limit: 1, Unit: "s", Text: "p50 < 1 s"}, {Metric: "queue", Op: "<", Limit: 1e6, Unit: "1", Text: "queue < 1e6"}}
	summary, err := summarize(f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(summary); err != nil {
		t.Error(err)
	}
	v := summary.Cells[0].Steps[0].Services[0]
	if want := "ended in its warm-up: hopeless: too many wait"; v.Verdict.Is != Void || !strings.Contains(v.Verdict.Why, want) {
		t.Errorf("%+v, want %s", v.Verdict, want)
	}
	if v.Growth.Result != NotJudged || v.Drift.Result != NotJudged || v.Total.Throughput.Known() || v.InFlight.Known() || v.Queue.Mean.Known() {
		t.Errorf("figures of an empty window: %+v, %+v, %+v, %+v, %+v", v.Growth, v.Drift, v.Total.Throughput, v.InFlight, v.Queue)
	}
	for _, c := range v.SLO {
		if c.Result != NotMet {
			t.Errorf("%s is %s", c.Clause.Text, c.Result)
		}
	}
}

// What is told of a step as soon as it was run is what the summary tells of it, the
// servers' queues too.
func TestJudgeTellsWhatSummaryDoes(t *testing.T) {
	q := madeQueue{rate: 9, service: 0.1, window: 300, seed: 5}
	f := q.step(q.customers())
	f.environment.Services[0].SLO = []results.Clause{{Metric: "queue", Op: "<", Limit: 2, Unit: "1", Text: "queue < 2"}}
	s, err := summarize(f)
	if err != nil {
		t.Fatal(err)
	}
	c := f.cells[0]
	r := results.StepResult{Step: c.steps[0].step, Instances: c.cell.Instances}
	for o, err := range c.observations {
		if err != nil {
			t.Fatal(err)
		}
		r.Observations = append(r.Observations, o)
	}
	r.Samples = func(yield func(results.Sample) bool) {
		for s := range c.steps[0].samples {
			if !yield(s) {
				return
			}
		}
	}
	step, err := Judge(f.environment, results.Cell{}, r)
	if err != nil {
		t.Fatal(err)
	}
	got, want := step.Services[0], s.Cells[0].Steps[0].Services[0]
	if !want.Queue.Mean.Known() || !reflect.DeepEqual(got.Queue, want.Queue) || !reflect.DeepEqual(got.SLO, want.SLO) || !reflect.DeepEqual(got.Verdict, want.Verdict) {
		t.Errorf("told at once: %+v, %+v, %+v\nof the run: %+v, %+v, %+v", got.Queue, got.SLO, got.Verdict, want.Queue, want.SLO, want.Verdict)
	}
}
