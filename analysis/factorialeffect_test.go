package analysis

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// Each effect has the interval of its ratios within replicates: of MIG alone they are
// 1.1 and 1.3, with the log mean 0.178837, SE 0.083527 and t(0.975; 1) = 12.706205.
func TestEffectIntervals(t *testing.T) {
	cells := func() []Cell {
		var list []Cell
		for _, c := range append(square(1, [4]int64{100, 110, 160, 230}), square(2, [4]int64{100, 130, 140, 250})...) {
			list = append(list, c.cell())
		}
		return list
	}
	m := metricOf(t, compareCells(cells())[0].Factorials[0], "VLM responses")
	for _, c := range []struct {
		name string
		got  Effect
		logs []float64
	}{
		{"MIG", m.MIG, []float64{math.Log(1.1), math.Log(1.3)}},
		{"MIG with MPS", m.MIGWithMPS, []float64{math.Log(230.0 / 160), math.Log(250.0 / 140)}},
		{"interaction", m.Interaction, []float64{math.Log(230.0 / 160 / 1.1), math.Log(250.0 / 140 / 1.3)}},
	} {
		low, high := stats.Paired(c.logs).Interval()
		near(t, c.name+" low", c.got.Low, low-1)
		near(t, c.name+" high", c.got.High, high-1)
	}
	if got, want := *m.MIG.High.Number, math.Exp(0.178837+12.706205*0.083527)-1; math.Abs(got-want) > 1e-4 {
		t.Errorf("MIG is at most %v, want %v", got, want)
	}
	// A replicate that does not measure the server is in no interval, and in the effect only
	// where no two others are.
	list := cells()
	list[5].Steps[0].Services[0].Verdict.Is = ClientLimited // MIG, replicate 2
	m = metricOf(t, compareCells(list)[0].Factorials[0], "VLM responses")
	near(t, "MIG", m.MIG.Value, 0.2)
	if m.MIG.Low.Known() || m.MIG.High.Known() || !strings.Contains(m.MIG.Low.Why, "two replicates that measure") {
		t.Errorf("with one replicate that measures the server: %+v", m.MIG)
	}
	if !m.MPS.Low.Known() {
		t.Errorf("MPS alone rests on others: %+v", m.MPS)
	}
	list = cells()
	for _, c := range square(3, [4]int64{100, 900, 100, 100}) { // far off, as its step measures the client
		list = append(list, c.cell())
	}
	whole := metricOf(t, compareCells(cells())[0].Factorials[0], "VLM responses")
	list[9].Steps[0].Services[0].Verdict.Is = ClientLimited // MIG, replicate 3
	m = metricOf(t, compareCells(list)[0].Factorials[0], "VLM responses")
	near(t, "MIG of two that are fit", m.MIG.Value, *whole.MIG.Value.Number)
	near(t, "most of two that are fit", m.MIG.Max, *whole.MIG.Max.Number)
	if m.MIG.N != 2 || m.MPS.N != 3 || m.Interaction.N != 2 || *m.MIG.Value.Number < *m.MIG.Low.Number || *m.MIG.Value.Number > *m.MIG.High.Number {
		t.Errorf("with a spoiled third: MIG %+v, MPS of %d, interaction of %d", m.MIG, m.MPS.N, m.Interaction.N)
	}
	// Ten and twelve answers in both replicates are no certain 20 %: see
	// TestContrastOfCoarseCounts.
	m = metricOf(t, compared(append(square(1, [4]int64{10, 12, 10, 12}), square(2, [4]int64{10, 12, 10, 12})...)).Factorials[0], "VLM responses")
	if math.Abs(math.Log1p(*m.MIG.High.Number)-math.Log(1.2)-0.337616) > 1e-5 {
		t.Errorf("MIG of coarse counts: %v to %v", *m.MIG.Low.Number, *m.MIG.High.Number)
	}
	if one := metricOf(t, compared(square(1, [4]int64{100, 120, 150, 240})).Factorials[0], "Vision").Both; one.Low.Known() || one.Low.Why == "" {
		t.Errorf("one replicate: %+v", one)
	}
}

// Turning the names of MIG and MPS round turns nothing but the names, of intervals too,
// and the interval holds the geometric mean of the replicates' ratios.
func TestEffectIntervalLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Int64Range(1, 1000)
		var straight, turned []corner
		sum, n := 0.0, rapid.IntRange(2, 5).Draw(t, "replicates")
		for r := range n {
			v := [4]int64{value.Draw(t, "n"), value.Draw(t, "g"), value.Draw(t, "p"), value.Draw(t, "b")}
			straight = append(straight, square(r+1, v)...)
			turned = append(turned, square(r+1, [4]int64{v[0], v[2], v[1], v[3]})...)
			sum += math.Log(float64(v[1]) / float64(v[0]))
		}
		a, b := compared(straight).Factorials[0].Metrics[0], compared(turned).Factorials[0].Metrics[0]
		for _, pair := range [][2]Effect{{a.MIG, b.MPS}, {a.MIGWithMPS, b.MPSWithMIG}, {a.Both, b.Both}, {a.Interaction, b.Interaction}} {
			near(t, "low", pair[1].Low, *pair[0].Low.Number)
			near(t, "high", pair[1].High, *pair[0].High.Number)
		}
		if mean := math.Exp(sum/float64(n)) - 1; mean < *a.MIG.Low.Number-1e-9 || mean > *a.MIG.High.Number+1e-9 {
			t.Errorf("%v is not within %v to %v", mean, *a.MIG.Low.Number, *a.MIG.High.Number)
		}
	})
}

// A Summary of a whole 2x2, small, for the reports' tests.
func TestSweepGolden(t *testing.T) {
	s := Summary{Schema: results.SchemaVersion, Environment: madeRun().environment}
	s.Environment.Scenario, s.Environment.Planned, s.Environment.SimulatedScale = "sweep", nil, 60
	// The first and the last are published (712 and 1,032 responses), the two
	// between are made up; the second replicate has 2 % more of all.
	for r, v := range [][4]int64{{712, 780, 860, 1032}, {726, 796, 877, 1053}} {
		for i, c := range square(r+1, v) {
			cell := c.cell()
			cell.Cell.Index = 4*r + i
			cell.Cell.Folder = fmt.Sprintf("%03d-%s-r%d", cell.Cell.Index, c.config.Name, c.replicate)
			cell.Cell.Started = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			cell.Cell.Instances = []results.Instance{
				{Service: "vision", Name: "vision-0", Device: cell.Layout.Devices[0].UUID},
				{Service: "agent", Name: "agent-0", Device: cell.Layout.Devices[0].UUID},
			}
			limit := results.Clause{Metric: "latency", Quantile: 0.9, Op: "<", Limit: 35, Unit: "s", Text: "p90 < 35 s"}
			judged := ClauseValue{Clause: limit, Value: known(c.latency, "s"), Result: Met}
			if c.latency >= 35 {
				judged.Result = NotMet
			}
			cell.Steps[0].Services[1].SLO = []ClauseValue{judged}
			s.Cells = append(s.Cells, cell)
			// HTTP took 20 ms of 500 ms more in each corner: 2, 4, 6 and 8 %; of the
			// agent it is known in the first replicate only.
			share := 0.02 * float64(i+1)
			vision := Overhead{Client: known(0.5, "s"), Server: known(0.5*(1-share), "s"), ClientN: 900, ServerN: 901, Cost: known(0.5*share, "s"), Share: known(share, "ratio")}
			cell.Steps[0].Services[0].Overhead = &vision
			if w, high := vision.warning(s.Environment.SimulatedScale); high {
				s.Warnings = append(s.Warnings, Warning{cell.Cell.Folder + " step 0", w})
			}
			none := unknown("s", "fewer than two readings within the window")
			cell.Steps[0].Services[1].Overhead = &Overhead{Client: none, Server: none, Cost: none, Share: unknown("ratio", none.Why)}
			if r == 0 {
				cell.Steps[0].Services[1].Overhead = &Overhead{Client: known(c.latency, "s"), Server: known(c.latency*0.99, "s"), ClientN: 90, ServerN: 90, Cost: known(c.latency*0.01, "s"), Share: known(0.01, "ratio")}
			}
			s.warn(cell.Cell.Folder+" step 0", "stopped-load", "the median latency is more than 5 % of the window")
		}
	}
	s.Comparison = compareCells(s.Cells)
	s.contrast()
	golden(t, "testdata/sweep.json", &s)
}
