package analysis

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/results"
)

// pairsOf makes cells of configurations with so many VLM responses in each replicate; 0
// leaves the cell out. The first has neither MIG nor MPS.
func pairsOf(answers map[string][]int64) []Cell {
	var cells []Cell
	for _, config := range []string{"base", "a", "b", "c"} {
		for r, n := range answers[config] {
			if n == 0 {
				continue
			}
			c := corner{config: results.Config{Name: config}, mig: config != "base", replicate: r + 1, answers: n, latency: 3600 * 9 / float64(n), models: map[string]int64{"omdet": 2 * n}}
			cells = append(cells, c.cell())
		}
	}
	return cells
}

func contrasted(cells []Cell) Summary {
	s := Summary{Cells: cells, Comparison: compareCells(cells)}
	s.contrast()
	return s
}

func contrastOf(t testing.TB, s Summary, figure, of, against string) Contrast {
	t.Helper()
	i := slices.IndexFunc(s.Contrasts, func(c Contrast) bool { return c.Figure == figure && c.Of == of && c.Against == against })
	if i < 0 {
		t.Fatalf("no contrast of %s, %s against %s, in %+v", figure, of, against, s.Contrasts)
	}
	return s.Contrasts[i]
}

// Ratios 1.10, 1.12 and 1.08 have logs 0.0953102, 0.1133287 and 0.0769610: mean
// 0.0952000, deviation 0.0181841, SE 0.0104986, and with t(0.975; 2) = 4.302653 the
// half-width 0.0451719. t = 9.06785, of which twice the tail, 1 − t/√(t² + 2), is
// 0.0119440.
func TestContrast(t *testing.T) {
	s := contrasted(pairsOf(map[string][]int64{"base": {1000, 1000, 1000}, "a": {1100, 1120, 1080}}))
	c := contrastOf(t, s, "VLM responses", "a", "base")
	near5 := func(what string, v Value, want float64) {
		t.Helper()
		if !v.Known() || math.Abs(*v.Number-want) > 2e-5 {
			t.Errorf("%s is %+v, want %v", what, v, want)
		}
	}
	near5("ratio", c.Ratio, math.Exp(0.0952))
	near5("low", c.Low, math.Exp(0.0952-0.0451719))
	near5("high", c.High, math.Exp(0.0952+0.0451719))
	near5("p", c.P, 0.011944)
	near5("p after Holm", c.Adjusted, 0.011944) // the only one
	near5("P(better)", c.Better, 1-0.011944/2)
	// log 1.03 = 0.0295588 lies 6.25239 standard errors below: the tail is
	// ½(1 − t/√(t² + 2)) = 0.0123199.
	near5("P(better by the zone)", c.BetterByZone, 1-0.0123199)
	if c.Pairs != 3 || c.Basis != BasisReplicates || c.Verdict != ContrastBetter || c.Less || c.Step != 0 || !c.Needs.Inapplicable {
		t.Errorf("%+v", c)
	}
	// The latency is 1/answers: it is better where it is less.
	l := contrastOf(t, s, "VLM latency", "a", "base")
	near5("latency's ratio", l.Ratio, math.Exp(-0.0952))
	near5("latency's P(better)", l.Better, 1-0.011944/2)
	near5("latency's P(better by the zone)", l.BetterByZone, 1-0.0123199)
	if l.Verdict != ContrastBetter || !l.Less {
		t.Errorf("%+v", l)
	}
}

// What the interval says of the zone, at the limits.
func TestContrastVerdicts(t *testing.T) {
	const zone = 0.03
	for _, c := range []struct {
		low, high float64
		more      string // where more is better
	}{
		{0.99, 1.02, ContrastEquivalent},
		{1.001, 1.02, ContrastEquivalent}, // it does not hold 1, and does not matter
		{1 / 1.03, 1.03, ContrastEquivalent},
		{1/1.03 - 1e-9, 1.03, ContrastNone},
		{1 / 1.03, 1.03 + 1e-9, ContrastNone},
		{1.001, 1.04, ContrastBetter},
		{1, 1.04, ContrastNone}, // it holds 1
		{0.9, 0.999, ContrastWorse},
		{0.9, 1, ContrastNone},
	} {
		more := Contrast{Low: known(c.low, "ratio"), High: known(c.high, "ratio")}
		less := more
		less.Less = true
		more.judge(zone)
		less.judge(zone)
		turned := map[string]string{ContrastBetter: ContrastWorse, ContrastWorse: ContrastBetter}[c.more]
		if turned == "" {
			turned = c.more
		}
		if more.Verdict != c.more || less.Verdict != turned {
			t.Errorf("%v to %v: %s, and %s where less is better; want %s, %s", c.low, c.high, more.Verdict, less.Verdict, c.more, turned)
		}
	}
}

// Exchanging the two configurations turns ratio and interval round, and keeps p.
func TestContrastTurnedRound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &measure{name: "x", less: rapid.Bool().Draw(t, "less"), by: map[string]map[int]reading{"a": {}, "b": {}}}
		for r := range rapid.IntRange(2, 6).Draw(t, "replicates") {
			for _, config := range []string{"a", "b"} {
				f.by[config][r] = reading{value: rapid.Float64Range(1, 100).Draw(t, config), grain: 0.001, deviation: math.NaN()}
			}
		}
		m := matcher{zone: 0.03, race: rapid.Bool().Draw(t, "race"), minutes: map[string]float64{"a": 1, "b": 2}}
		c, d := m.pair(f, "a", "b"), m.pair(f, "b", "a")
		near(t, "ratio", d.Ratio, 1 / *c.Ratio.Number)
		near(t, "p", d.P, *c.P.Number)
		near(t, "P(better)", d.Better, 1-*c.Better.Number)
		if c.Low.Known() != d.High.Known() || c.Needs.Known() != d.Needs.Known() {
			t.Fatalf("%+v turned round is %+v", c, d)
		}
		if c.Low.Known() {
			near(t, "low", d.Low, 1 / *c.High.Number)
			near(t, "high", d.High, 1 / *c.Low.Number)
		}
		if want := map[string]string{ContrastBetter: ContrastWorse, ContrastWorse: ContrastBetter}[c.Verdict]; want != "" && d.Verdict != want || want == "" && d.Verdict != c.Verdict {
			t.Errorf("%s turned round is %s", c.Verdict, d.Verdict)
		}
		if c.Needs.Known() {
			near(t, "needs", d.Needs, *c.Needs.Number)
		}
	})
}

// One replicate has a ratio, and nothing that says how sure it is.
func TestContrastOfOneReplicate(t *testing.T) {
	c := contrastOf(t, contrasted(pairsOf(map[string][]int64{"base": {1000}, "a": {1500}})), "VLM responses", "a", "base")
	near(t, "ratio", c.Ratio, 1.5)
	for what, v := range map[string]Value{"low": c.Low, "high": c.High, "better": c.Better, "by zone": c.BetterByZone, "p": c.P, "adjusted": c.Adjusted, "needs": c.Needs} {
		if v.Known() || v.Inapplicable || !strings.Contains(v.Why, "two replicates") {
			t.Errorf("%s is %+v", what, v)
		}
	}
	if c.Verdict != ContrastUnknown || c.Basis != "" || c.Pairs != 1 {
		t.Errorf("%+v", c)
	}
}

// A replicate enters where both sides measured the server, and what does not enter is
// told.
func TestContrastLeavesOut(t *testing.T) {
	all := map[string][]int64{"base": {1000, 1000, 1000}, "a": {1100, 1120, 1080}}
	for _, c := range []struct {
		name   string
		change func(c *Cell)
		pairs  int
		why    string
	}{
		{"saturated is a finding about the server", func(c *Cell) { c.Steps[0].Services[0].Verdict.Is = Saturated }, 3, ""},
		{"client-limited", func(c *Cell) { c.Steps[0].Services[0].Verdict.Is = ClientLimited }, 2, ""},
		{"unsteady", func(c *Cell) { c.Steps[0].Services[1].Verdict.Is = Unsteady }, 2, ""},
		{"not done", func(c *Cell) { c.Cell.Status = results.CellFailed }, 2, ""},
		{"of another step", func(c *Cell) { c.Steps[0].Index = 1 }, 2, ""},
	} {
		cells := pairsOf(all)
		c.change(&cells[4]) // a, replicate 2
		got := contrastOf(t, contrasted(cells), "VLM responses", "a", "base")
		if got.Pairs != c.pairs {
			t.Errorf("%s: %d pairs, want %d", c.name, got.Pairs, c.pairs)
		}
	}
	cells := pairsOf(all)
	for i := 3; i < 6; i++ {
		cells[i].Steps[0].Services[1].Verdict.Is = ClientLimited
	}
	got := contrastOf(t, contrasted(cells), "VLM responses", "a", "base")
	if got.Ratio.Known() || got.Verdict != ContrastUnknown || got.Pairs != 0 || !strings.Contains(got.Ratio.Why, "a r2: agent is client-limited") {
		t.Errorf("nothing of a measured the server: %+v", got)
	}
	// Nothing was answered in one replicate: there is no ratio to nothing.
	cells = pairsOf(all)
	cells[3].Steps[0].Services[1].Total.Completed = 0
	if got := contrastOf(t, contrasted(cells), "VLM responses", "a", "base"); got.Pairs != 2 {
		t.Errorf("a replicate without an answer: %+v", got)
	}
}

// With four configurations and one figure there are three contrasts against the base,
// and two against the best: that of the two is there once. Holm's method counts those
// against one configuration.
func TestContrastsOfFour(t *testing.T) {
	s := contrasted(pairsOf(map[string][]int64{"base": {1000, 1010, 1005}, "a": {1200, 1230, 1190}, "b": {1100, 1090, 1130}, "c": {1005, 1000, 1015}}))
	var got []string
	against := map[string][]Contrast{}
	for _, c := range s.Contrasts {
		if c.Figure == "VLM responses" {
			got = append(got, c.Of+"/"+c.Against)
			against[c.Against] = append(against[c.Against], c)
		}
	}
	if want := []string{"a/base", "b/base", "c/base", "b/a", "c/a"}; !slices.Equal(got, want) {
		t.Errorf("contrasts %q, want %q", got, want)
	}
	for config, list := range against {
		least := slices.MinFunc(list, func(a, b Contrast) int { return cmpFloat(*a.P.Number, *b.P.Number) })
		near(t, "the least p against "+config, least.Adjusted, *least.P.Number*float64(len(list)))
	}
	// Of a latency the best has the least.
	contrastOf(t, s, "VLM latency", "c", "a")
	// A base that is the best has no second list.
	s = contrasted(pairsOf(map[string][]int64{"base": {1300, 1310}, "a": {1200, 1230}, "b": {1100, 1090}}))
	for _, c := range s.Contrasts {
		if c.Against != "base" {
			t.Errorf("%s: %s against %s", c.Figure, c.Of, c.Against)
		}
	}
}

func cmpFloat(a, b float64) int {
	if a < b {
		return -1
	}
	return 1
}

// Percentiles are compared at one load, which is told, and at none where loads differ.
func TestContrastsAtACommonLoad(t *testing.T) {
	make := func(load func(replicate int) float64) []Cell {
		cells := pairsOf(map[string][]int64{"base": {1000, 1000}, "a": {1100, 1120}})
		for i := range cells {
			v := &cells[i].Steps[0].Services[0]
			v.Level = results.Level{Service: "vision", Arrivals: "poisson", Value: 30, Unit: "req/s"}
			cells[i].Steps[0].Services[1].Level = results.Level{Service: "agent", Arrivals: "closed", Value: 8, Unit: "users"}
			if cells[i].Cell.Config.Name == "a" {
				v.Level.Value = load(cells[i].Cell.Replicate)
			}
			v.Total.Latency.Quantiles = []Quantile{
				{Q: 0.95, Value: known(0.1+0.001*float64(i), "s")}, {Q: 0.99, Value: known(0.2+0.001*float64(i), "s")}, {Q: 0.999, Value: unknown("s", "need n")},
			}
		}
		return cells
	}
	s := contrasted(make(func(int) float64 { return 30 }))
	c := contrastOf(t, s, "vision p95", "a", "base")
	if c.Load != "vision 30 req/s, agent 8 users" || !c.Less || c.Pairs != 2 || c.Unit != "s" {
		t.Errorf("%+v", c)
	}
	contrastOf(t, s, "vision p99", "a", "base")
	if slices.ContainsFunc(s.Contrasts, func(c Contrast) bool { return c.Figure == "vision p99.9" }) {
		t.Error("a percentile that no step could tell is compared")
	}
	s = contrasted(make(func(int) float64 { return 31 }))
	if c := contrastOf(t, s, "vision p95", "a", "base"); c.Ratio.Known() || !strings.Contains(c.Ratio.Why, "common load") {
		t.Errorf("at 30 and at 31 req/s: %+v", c)
	}
	if c := contrastOf(t, s, "Vision", "a", "base"); c.Pairs != 2 || c.Load != "" {
		t.Errorf("a rate at two loads: %+v", c)
	}
	s = contrasted(make(func(r int) float64 { return 29 + float64(r) }))
	if c := contrastOf(t, s, "vision p95", "a", "base"); c.Pairs != 1 {
		t.Errorf("of two replicates one is at a common load: %+v", c)
	}
}

// searchedCells make a replicate's capacity of each configuration.
func searchedCells(capacities map[string][]Capacity) []Cell {
	ones := []int64{1, 1, 1, 1, 1, 1}
	cells := pairsOf(map[string][]int64{"base": ones[:len(capacities["base"])], "a": ones[:len(capacities["a"])]})
	for i := range cells {
		c := &cells[i]
		c.Steps[0].Purpose = results.PurposeProbe
		c.Capacity = &capacities[c.Cell.Config.Name][c.Cell.Replicate-1]
	}
	return cells
}

func foundAt(estimate, share float64) Capacity {
	return Capacity{State: CapacityFound, Unit: "req/s", Estimate: known(estimate, "1/s"), Low: known(estimate/(1+share), "1/s"), High: known(estimate*(1+share), "1/s")}
}

// Of one deployment each, the interval is from those of the two capacities: ±3 % and
// ±4 % make ±5.0 % on the log scale.
func TestContrastOfCapacities(t *testing.T) {
	s := contrasted(searchedCells(map[string][]Capacity{"base": {foundAt(100, 0.03)}, "a": {foundAt(120, 0.04)}}))
	c := contrastOf(t, s, "capacity", "a", "base")
	half := math.Hypot(math.Log(1.03), math.Log(1.04))
	near(t, "ratio", c.Ratio, 1.2)
	if math.Abs(math.Log(*c.High.Number/1.2)-half) > 1e-7 || math.Abs(math.Log(1.2 / *c.Low.Number)-half) > 1e-7 {
		t.Errorf("%v to %v, want 1.2 ± %v of the log", *c.Low.Number, *c.High.Number, half)
	}
	if c.Basis != BasisWithin || c.Step != -1 || c.Pairs != 1 || c.Unit != "req/s" || c.Verdict != ContrastBetter {
		t.Errorf("%+v", c)
	}
	if len(s.Contrasts) != 1 {
		t.Errorf("the steps of a search are compared: %+v", s.Contrasts)
	}
	// What is not decided by it needs replicates, and how many is not known.
	s = contrasted(searchedCells(map[string][]Capacity{"base": {foundAt(100, 0.03)}, "a": {foundAt(102, 0.04)}}))
	if c := contrastOf(t, s, "capacity", "a", "base"); c.Verdict != ContrastNone || c.Needs.Known() || c.Needs.Inapplicable {
		t.Errorf("%+v", c)
	}
	// Replicates take its place, but only those that found a capacity.
	never := Capacity{State: CapacityNever, Unit: "req/s", Estimate: unknown("1/s", "")}
	s = contrasted(searchedCells(map[string][]Capacity{
		"base": {foundAt(100, 0.03), foundAt(101, 0.03), foundAt(99, 0.03)}, "a": {foundAt(120, 0.03), foundAt(124, 0.03), never},
	}))
	c = contrastOf(t, s, "capacity", "a", "base")
	near(t, "ratio", c.Ratio, math.Sqrt(1.2*124/101))
	if c.Basis != BasisReplicates || c.Pairs != 2 {
		t.Errorf("%+v", c)
	}
	s = contrasted(searchedCells(map[string][]Capacity{"base": {foundAt(100, 0.03)}, "a": {never}}))
	if c := contrastOf(t, s, "capacity", "a", "base"); c.Ratio.Known() || !strings.Contains(c.Ratio.Why, "a r1: the search ended: never met") {
		t.Errorf("%+v", c)
	}
}

// A race looks after each block, and its intervals are those that may be looked at. What
// screened, and what confirmed, is no block.
func TestContrastsOfARace(t *testing.T) {
	blocks := func(n int, race bool) Contrast {
		base := []Capacity{foundAt(100, 0.03), foundAt(101, 0.03), foundAt(99, 0.03), foundAt(100, 0.03)}[:n]
		a := []Capacity{foundAt(120, 0.03), foundAt(124, 0.03), foundAt(117, 0.03), foundAt(121, 0.03)}[:n]
		if race {
			confirmed := foundAt(500, 0.03)
			confirmed.Confirmations = []Confirmation{{Met: true}}
			base, a = slices.Concat([]Capacity{foundAt(50, 0.03)}, base, []Capacity{confirmed}), slices.Concat([]Capacity{foundAt(150, 0.03)}, a, []Capacity{confirmed})
		}
		cells := searchedCells(map[string][]Capacity{"base": base, "a": a})
		s := Summary{Cells: cells, Comparison: compareCells(cells), Environment: results.Environment{Search: &results.Search{Race: race}}}
		s.contrast()
		return contrastOf(t, s, "capacity", "a", "base")
	}
	two, four, fixed := blocks(2, true), blocks(4, true), blocks(4, false)
	if two.Verdict != ContrastUnknown || two.Low.Known() || !two.Ratio.Known() || !strings.Contains(two.Low.Why, "race") {
		t.Errorf("two blocks: %+v", two)
	}
	if *four.Low.Number >= *fixed.Low.Number || *four.High.Number <= *fixed.High.Number || *four.P.Number <= *fixed.P.Number {
		t.Errorf("four blocks: %v to %v, p %v; without a race %v to %v, p %v", *four.Low.Number, *four.High.Number, *four.P.Number, *fixed.Low.Number, *fixed.High.Number, *fixed.P.Number)
	}
	if four.Verdict != ContrastBetter || four.Pairs != 4 || *four.Ratio.Number != *fixed.Ratio.Number {
		t.Errorf("four blocks: %+v", four)
	}
}

// What is not decided says how long it takes: so many pairs of cells of 10 and of 14
// minutes, the fewest with which the interval leaves out 1 or lies within the zone.
func TestContrastNeeds(t *testing.T) {
	cells := pairsOf(map[string][]int64{"base": {10000, 10000, 10000}, "a": {10000, 10600, 10150}})
	for i := range cells {
		length := 600.0
		if cells[i].Cell.Config.Name == "a" {
			length = 840
		}
		// A phase before the origin, the load, and the stop after it.
		cells[i].Cell.Phases = []results.Phase{{Name: "apply", Start: -60e9, End: -30e9}, {Name: "stop", Start: results.Offset((length - 80) * 1e9), End: results.Offset((length - 60) * 1e9)}}
		cells[i].Steps[0].Start, cells[i].Steps[0].Loaded = 0, length-100
	}
	c := contrastOf(t, contrasted(cells), "VLM responses", "a", "base")
	if c.Verdict != ContrastNone || !c.Needs.Known() {
		t.Fatalf("%+v", c)
	}
	// Logs 0, 0.058269 and 0.014889: mean 0.024386, deviation 0.030270; an interval with
	// a half-width below the mean takes t(0.975; n−1)·0.030270/√n ≤ 0.024386: at n = 9
	// it is 0.023268, at n = 8 0.025307. So 6 more pairs of 24 minutes.
	near(t, "needs", c.Needs, 6*24)
	for i := range cells {
		cells[i].Cell.Phases, cells[i].Steps[0].Loaded = nil, 0
	}
	if c := contrastOf(t, contrasted(cells), "VLM responses", "a", "base"); c.Needs.Known() || !strings.Contains(c.Needs.Why, "6 further pairs") {
		t.Errorf("without a record of time: %+v", c.Needs)
	}
}

// Counts of ten and twelve in each of two replicates are alike because they are whole
// numbers: they do not make it certain.
func TestContrastOfCoarseCounts(t *testing.T) {
	c := contrastOf(t, contrasted(pairsOf(map[string][]int64{"base": {10, 10}, "a": {12, 12}})), "VLM responses", "a", "base")
	// One answer is 1/10 and 1/12: the deviation is √((1/100 + 1/144)/12) = 0.037577, SE
	// 0.026571, and with t(0.975; 1) = 12.7062 the half-width 0.337616.
	if c.Verdict != ContrastNone || math.Abs(math.Log(*c.High.Number/1.2)-0.337616) > 1e-5 {
		t.Errorf("%+v to %v", c, *c.High.Number)
	}
}

// The zone is the scenario's.
func TestContrastZone(t *testing.T) {
	cells := pairsOf(map[string][]int64{"base": {100000, 100000, 100000}, "a": {104000, 104010, 103990}})
	s := Summary{Cells: cells, Comparison: compareCells(cells)}
	for zone, want := range map[float64]string{0: ContrastBetter, 0.03: ContrastBetter, 0.05: ContrastEquivalent} {
		s.Environment.Zone = zone
		s.contrast()
		if c := contrastOf(t, s, "VLM responses", "a", "base"); c.Verdict != want {
			t.Errorf("zone %v: %s, want %s", zone, c.Verdict, want)
		}
	}
}
