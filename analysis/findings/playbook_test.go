package findings

import (
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// Requests in flight go 0.5, 1, 2; throughput rises no more from the second on, so that
// one in flight is enough, half a one for each of two instances.
func TestPlaybookSaysHowMuch(t *testing.T) {
	s := healthy()
	services(func(v *analysis.Service) {
		if v.Level.Value == 40 {
			v.Total.Throughput = val(20.3, "1/s")
		}
	})(s)
	s.Contrasts = []analysis.Contrast{{Of: "mig", Against: "base", Figure: "Vision", Verdict: analysis.ContrastBetter, Ratio: val(1.295, "ratio")}}
	mig := healthyCell(9, 1, "mig")
	mig.Cell.Config.Layout = "4x1g.24gb"
	s.Cells = append(s.Cells, mig)
	s.Cells[0].Capacity = &analysis.Capacity{Unit: "req/s", Signed: val(37, "1"), Loads: []analysis.CapacityLoad{{Service: "vision", Unit: "req/s", Signed: val(37, "1")}}}
	s.Environment.Services[0].Target = &results.Level{Unit: "req/s", Value: 20}
	Complete(s)
	for i, want := range []string{
		"on base, 0.5000 for each instance of vision: there throughput stopped to rise, at 20.00 answers a second",
		"was not measured", "was not measured",
		"base bears 37 req/s of vision, +85.0 % more than its target of 20",
		"mig has +29.5 % of the Vision of base",
		"above 37 req/s on base",
	} {
		if got := s.Findings.Playbook[i]; !strings.Contains(got, want) {
			t.Errorf("action %d: %q, want %q in it", i+1, got, want)
		}
	}
	s = healthy()
	Complete(s)
	if got := s.Findings.Playbook[0]; !strings.Contains(got, "is not shown") {
		t.Errorf("a run in which throughput rose to the end says %q", got)
	}
}

// Throughput that stands still because no more is asked shows no limit: a load that is held
// beside a neighbour that is raised, a load that is repeated, the probes of a search.
func TestHeldLoadShowsNoLimit(t *testing.T) {
	held := func(v *analysis.Service) {
		i := slices.Index(loads, v.Level.Value)
		v.Total.Throughput, v.InFlight, v.Level.Value = val([]float64{5.7, 6.02, 6}[i], "1/s"), val([]float64{1, 1.9, 2.6}[i], "1"), 6
	}
	top := func(v *analysis.Service) {
		if v.Level.Value == 40 {
			v.Total.Throughput = val(20.3, "1/s")
		}
	}
	purpose := func(purpose string) func(*analysis.Summary) {
		return steps(func(step *analysis.Step) { step.Purpose = purpose })
	}
	for name, change := range map[string][]func(*analysis.Summary){
		"held":        {services(held), purpose(results.PurposeInterference)},
		"repeated":    {services(held)},
		"in a search": {services(top), purpose(results.PurposeProbe)},
		"asked for":   {services(top)},
		"on a ladder": {services(top), purpose(results.PurposeClimb)},
		"of more users": {services(top), services(func(v *analysis.Service) {
			v.Level.Arrivals, v.Level.Unit, v.Level.Value = "closed", "users", 20+v.Level.Value/20
		})},
	} {
		s := healthy()
		for _, f := range change {
			f(s)
		}
		Complete(s)
		shown := name == "asked for" || name == "on a ladder" || name == "of more users"
		if got := s.Findings.Playbook[0]; strings.Contains(got, "throughput stopped to rise, at") != shown {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// The confirmed load is that of the replicate that bears least, as in the headline and the
// alert rules; one that came to no load, as the first of a race may, hides no other.
func TestPlaybookSaysTheLeast(t *testing.T) {
	signed := func(x analysis.Value) *analysis.Capacity {
		return &analysis.Capacity{Unit: "req/s", Signed: x, Loads: []analysis.CapacityLoad{{Service: "vision", Unit: "req/s", Signed: x}}}
	}
	s := healthy()
	s.Environment.Services[0].Target = &results.Level{Unit: "req/s", Value: 10}
	for i, x := range []analysis.Value{none("1"), val(20, "1"), val(17, "1")} {
		s.Cells[i].Capacity = signed(x)
	}
	Complete(s)
	for i, want := range map[int]string{
		3: "base bears 17 req/s of vision, the least of 2 replicates, +70.0 % more than its target of 10",
		5: "above 17 req/s on base, the least of 2 replicates, which were confirmed",
	} {
		if got := s.Findings.Playbook[i]; !strings.Contains(got, want) {
			t.Errorf("action %d: %q, want %q in it", i+1, got, want)
		}
	}
}

// Batches are compared at a load that both configurations were driven at, and not to look:
// a search drives each at loads of its own.
func TestBatchesAreComparedAtOneLoad(t *testing.T) {
	run := func(change func(small *analysis.Cell)) string {
		s := healthy()
		for i := range 3 {
			small := healthyCell(3+i, 1+i, "small")
			small.Cell.Config.Params = map[string]string{"vision.batch_size": "4"}
			for j := range small.Steps {
				small.Steps[j].Services[0].Median = val([]float64{0.02, 0.030 + 0.001*float64(i), 0.06}[j], "s")
			}
			change(&small)
			s.Cells = append(s.Cells, small)
		}
		Complete(s)
		return s.Findings.Playbook[1]
	}
	ownLoads := func(c *analysis.Cell) {
		c.Steps[2].Services[0].Level.Value = 25
	}
	if got, want := run(ownLoads), "2. Make batches smaller: at 20 req/s, vision with batches of at most 4 in place of 8 has a median of 31.00 ms [28.52 ms, 33.48 ms] (n = 3) in place of 45.00 ms [45.00 ms, 45.00 ms] (n = 3)."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for name, change := range map[string]func(*analysis.Cell){
		"no load in common": func(c *analysis.Cell) {
			for j := range c.Steps {
				c.Steps[j].Services[0].Level.Value++
			}
		},
		"probes": func(c *analysis.Cell) {
			for j := range c.Steps {
				c.Steps[j].Purpose = results.PurposeProbe
			}
		},
		"more workers": func(c *analysis.Cell) { c.Cell.Config.Workers = map[string]int{"m": 2} },
	} {
		if got := run(change); !strings.Contains(got, "was not measured") {
			t.Errorf("%s: %q", name, got)
		}
	}
}
