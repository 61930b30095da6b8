package analysis

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/results"
)

// Jain's index lies between 1/n and 1 and is 1 for equal parts only; the largest
// part over the mean lies between 1 and n. Neither depends on the order or the
// unit.
func TestImbalanceLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.Float64Range(0, 1e6), 1, 12).Draw(t, "parts")
		parts[0] = max(parts[0], 1e-3)
		n := float64(len(parts))
		m := imbalance("x", parts)
		jain, most := *m.Jain.Number, *m.MaxToMean.Number
		if jain < 1/n-1e-9 || jain > 1 || most < 1-1e-9 || most > n+1e-9 || m.Instances != len(parts) {
			t.Fatalf("%v: Jain %v, max/mean %v of %v", parts, jain, most, n)
		}
		spread := slices.Max(parts) - slices.Min(parts)
		if equal := spread < 1e-9*slices.Max(parts); equal && jain < 1-1e-9 || spread > 0.1*slices.Max(parts) && jain > 1-1e-6 {
			t.Fatalf("%v: Jain %v", parts, jain)
		}
		scale := rapid.Float64Range(1e-3, 1e3).Draw(t, "scale")
		other := slices.Clone(parts)
		slices.Reverse(other)
		for i := range other {
			other[i] *= scale
		}
		if o := imbalance("x", other); math.Abs(*o.Jain.Number-jain) > 1e-9 || math.Abs(*o.MaxToMean.Number-most) > 1e-9*n {
			t.Fatalf("%v times %v: %+v, want %+v", parts, scale, o, m)
		}
	})
}

// Where k of n share alike and the rest has nothing, the index is k/n; where all
// are zero there is none.
func TestImbalanceOfSome(t *testing.T) {
	for n := 1; n <= 6; n++ {
		for k := 0; k <= n; k++ {
			parts := append(slices.Repeat([]float64{7}, k), make([]float64, n-k)...)
			m := imbalance("x", parts)
			if k == 0 {
				why(t, "Jain", m.Jain, "zero")
				why(t, "max/mean", m.MaxToMean, "zero")
				continue
			}
			number(t, "Jain", m.Jain, float64(k)/float64(n))
			number(t, "max/mean", m.MaxToMean, float64(n)/float64(k))
		}
	}
}

// A Summary of an open loop over three instances, of which one gets nothing, with
// retries, a stimulus that is not what was asked for and a client that is too
// busy, for the reports' tests.
func TestOpenGolden(t *testing.T) {
	f := openRun("poisson", 20, 1990, func(i int, s *results.Sample) {
		s.Endpoint = []string{"vision-0", "vision-1"}[i%3/2]
		switch {
		case i < 20 && i%2 == 0:
			s.Outcome, s.Status = results.HTTP5xx, 500
		case i < 20:
			s.Session, s.Attempt = s.Session-1, 1
		}
	})
	f.environment.Scenario, f.environment.Simulated = "open", ""
	f.cells, f.missing, f.environment.Planned = f.cells[:1], nil, nil
	c := &f.cells[0]
	for _, name := range []string{"vision-1", "vision-2"} {
		c.cell.Instances = append(c.cell.Instances, results.Instance{Service: "vision", Name: name, Device: "GPU-1"})
	}
	step := &c.steps[0].step
	step.Services[0].Dispersions = []results.Dispersion{{Part: time.Second, N: 100, Scheduled: 0.97, Sent: 0.96}, {Part: 5 * time.Second, N: 20, Scheduled: 1.1, Sent: 1.4}}
	step.Services[0].InFlight = []results.Occupancy{{Mean: 1.9, Max: 2}, {Mean: 2.1, Max: 4}}
	step.Services[0].FirstErrors = map[string]string{"http_5xx": "worker died"}
	step.Services[0].Think = nil
	step.Client.CPU, step.Client.Loop, step.Client.Stamped, step.Client.Unstamped = 90*time.Second, 85*time.Second, 2000, 402
	step.Warnings = []results.Warning{{Code: "roofline", Subject: "vision", Text: "20/s is more than half of what this client can do", Count: 1}}
	golden(t, "testdata/open.json", summarized(t, f))
}

// Three instances of vision, of which one got every other request, one the rest
// and one nothing: it is told of, and counts. A service of one has no imbalance.
func TestInstancesAreTold(t *testing.T) {
	f := madeRun()
	samples := madeSamples(100*time.Millisecond, time.Second)
	for i := range samples {
		if s := &samples[i]; s.Service == "vision" {
			s.Endpoint = []string{"vision-0", "vision-1"}[s.Seq%2]
		}
	}
	c := &f.cells[0]
	c.steps[0] = madeStep(samples, time.Second)
	for _, name := range []string{"vision-1", "vision-2"} {
		c.cell.Instances = append(c.cell.Instances, results.Instance{Service: "vision", Name: name})
	}
	services := summarized(t, f).Cells[0].Steps[0].Services
	v := services[0]
	if len(v.Instances) != 3 || v.Instances[2].Name != "vision-2" || v.Instances[2].Due != 0 || v.Instances[0].Due+v.Instances[1].Due != 2000 {
		t.Fatalf("instances %+v", v.Instances)
	}
	if len(v.Imbalances) != 2 || v.Imbalances[0].Of != "completed" || v.Imbalances[1].Of != "in flight" {
		t.Fatalf("imbalances %+v", v.Imbalances)
	}
	// 1,000 and 999 completed, of which the one that was shed is among the even
	// numbers; in flight is 1 each.
	number(t, "completed, Jain", v.Imbalances[0].Jain, 1999.0*1999/(3*(999.0*999+1000*1000)))
	number(t, "completed, max/mean", v.Imbalances[0].MaxToMean, 1000/(1999.0/3))
	number(t, "in flight, Jain", v.Imbalances[1].Jain, 2.0/3)
	number(t, "in flight of one", v.Instances[0].InFlight, 1)
	number(t, "in flight of all", v.InFlight, 2)
	if services[1].Imbalances != nil {
		t.Errorf("one instance has %+v", services[1].Imbalances)
	}
}
