package sim

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
)

// followed keeps what who follows a run is told.
type followed struct {
	plans   []results.StepPlan
	samples []results.Sample
	steps   []results.Step
	ends    []results.Offset // of stretches
	cells   []results.Cell
}

func (f *followed) follow(fact runner.Fact) {
	switch fact := fact.(type) {
	case runner.StepBegins:
		f.plans = append(f.plans, fact.Plan)
	case runner.StepRuns:
		for s := range fact.Samples {
			f.samples = append(f.samples, s)
		}
		f.ends = append(f.ends, fact.From, fact.To)
	case runner.StepEnds:
		f.steps = append(f.steps, fact.Step)
	case runner.CellEnds:
		f.cells = append(f.cells, fact.Cell)
	}
}

// Who follows an accelerated run is told of server time: the plans that were asked for,
// and the same samples, steps and cell as are recorded.
func TestFollowersSeeServerTime(t *testing.T) {
	for _, k := range []float64{1, 20} {
		out := measured(t, k)
		f := &out.followed
		if len(f.plans) != 2 || f.plans[0].Window != 200*time.Second || f.plans[0].Levels[0].Value != 8.5 {
			t.Errorf("scale %v: told of the plans %+v", k, f.plans)
		}
		order(f.samples)
		order(out.samples)
		if len(f.samples) != len(out.samples) {
			t.Fatalf("scale %v: told of %d samples, %d were recorded", k, len(f.samples), len(out.samples))
		}
		for i := range f.samples {
			if f.samples[i] != out.samples[i] {
				t.Fatalf("scale %v: told of sample %+v, recorded %+v", k, f.samples[i], out.samples[i])
			}
		}
		if got, want := text(t, f.steps), text(t, out.steps); got != want {
			t.Errorf("scale %v: told of steps\n%s, recorded\n%s", k, got, want)
		}
		// Both steps take some 440 s of server time.
		if last := f.ends[len(f.ends)-1]; last < results.Offset(430*time.Second) || last > results.Offset(460*time.Second) {
			t.Errorf("scale %v: the last stretch ends at %v", k, last)
		}
		if len(f.cells) != 1 || len(f.cells[0].Phases) == 0 {
			t.Errorf("scale %v: told of cells %+v", k, f.cells)
		}
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
