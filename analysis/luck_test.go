package analysis_test

import (
	"testing"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/queues"
	"github.com/evabench/evabench/results"
)

// The luck of a step's arrivals is told where an estimate rests on the step, and where the law
// of the arrivals is known; it goes with the share that was late.
func TestLuck(t *testing.T) {
	judged := func(system, purpose string, seed uint64, change func(*results.StepResult)) analysis.ClauseValue {
		t.Helper()
		s, ok := queues.Named(system)
		if !ok {
			t.Fatalf("no system %s", system)
		}
		r := s.Start(seed).Step(results.StepPlan{Levels: s.Levels(s.Truth.Load), Warmup: 4 * time.Second, Window: 30 * time.Second, Purpose: purpose}, nil)
		if change != nil {
			change(&r)
		}
		step, err := analysis.Judge(results.Environment{Services: s.Services}, results.Cell{}, r)
		if err != nil {
			t.Fatal(err)
		}
		return step.Services[0].SLO[0]
	}
	changed := func(change func(*results.Sample)) func(*results.StepResult) { // every ninth sample
		return func(r *results.StepResult) {
			all := r.Samples
			r.Samples = func(yield func(results.Sample) bool) {
				for s := range all {
					if s.Seq%9 == 7 {
						change(&s)
					}
					if !yield(s) {
						return
					}
				}
			}
		}
	}
	retried := changed(func(s *results.Sample) { s.Attempt = 1 })
	chained := changed(func(s *results.Sample) { s.Call = 1 })
	for _, c := range []struct {
		name, system, purpose string
		change                func(*results.StepResult)
		told                  bool
	}{
		{"a probe", "mid-nobatch", results.PurposeProbe, nil, true},
		{"a confirmation", "mid-nobatch", results.PurposeConfirm, nil, true},
		{"bursts", "gamma-bursts", results.PurposeProbe, nil, true},
		{"a step of the climb", "mid-nobatch", results.PurposeClimb, nil, false},
		{"a step of a ladder", "mid-nobatch", "", nil, false},
		{"users who wait", "closed", results.PurposeProbe, nil, false},
		{"a recording", "mmpp", results.PurposeProbe, nil, false},
		{"requests that were asked again", "mid-nobatch", results.PurposeProbe, retried, true},
		{"sessions of several calls", "mid-nobatch", results.PurposeProbe, chained, false},
	} {
		if got := judged(c.system, c.purpose, 1, c.change).Luck; (got != nil) != c.told {
			t.Errorf("%s: luck %v, want one: %v", c.name, got, c.told)
		}
	}

	// Of twelve windows at one load the six of the worse luck were late more often.
	var more, less float64
	for seed := range uint64(12) {
		v := judged("mid-nobatch", results.PurposeProbe, seed, nil)
		switch share := float64(v.Over) / float64(v.Judged); {
		case *v.Luck > 0:
			more = max(more, share)
		default:
			less = max(less, share)
		}
	}
	if !(more > less) {
		t.Errorf("of unkind arrivals at most %.3f were late, of kind ones %.3f", more, less)
	}
}
