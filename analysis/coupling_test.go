package analysis

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/evabench/evabench/results"
)

// A beside is one step of interference: percentiles of the victim by their names, what it
// completed a second, and the neighbour's load.
type beside struct {
	load, p50, p95, rate float64 // p95 of 0 could not be told
	failed               int64   // of 1,000
	spoiled              bool
}

// besides makes a cell whose victim is "eyes" and whose neighbour "mind".
func besides(config string, replicate int, list ...beside) Cell {
	c := Cell{Cell: results.Cell{Config: results.Config{Name: config}, Replicate: replicate, Status: results.CellDone}}
	for i, b := range list {
		p95 := known(b.p95, "s")
		if b.p95 == 0 {
			p95 = unknown("s", "need n ≥ 72")
		}
		verdict := Verdict{Is: Valid}
		if b.spoiled {
			verdict.Is = ClientLimited
		}
		s := Step{Index: i, Purpose: results.PurposeInterference, Services: []Service{{
			Name: "eyes", Verdict: verdict, Total: Group{
				Due: 1000, OK: 1000 - b.failed, Throughput: known(b.rate, "1/s"),
				Latency: Distribution{Quantiles: []Quantile{{Q: 0.5, Value: known(b.p50, "s")}, {Q: 0.95, Value: p95}}},
			},
		}}}
		if b.load > 0 {
			s.Services = append(s.Services, Service{Name: "mind", Verdict: Verdict{Is: Valid}, Level: results.Level{Service: "mind", Value: b.load, Unit: "users"}})
		}
		c.Steps = append(c.Steps, s)
	}
	return c
}

func coupled(cells ...Cell) []Interference {
	return interferences(&Summary{Cells: cells, Environment: results.Environment{
		Search: &results.Search{Kind: "interference", Raise: "mind"},
		Services: []results.Service{
			{Name: "eyes"}, {Name: "mind", Target: &results.Level{Service: "mind", Value: 4, Unit: "users"}},
		},
	}})
}

func toldEffect(e Effect) string {
	return fmt.Sprintf("%s [%s, %s] of %d", toldValue(e.Value), toldValue(e.Low), toldValue(e.High), e.N)
}

// Ratios are of the same replicate: deployments of which one is twice as slow as the other
// throughout agree on what the neighbour does.
func TestInterferencePairs(t *testing.T) {
	list := coupled(
		besides("off", 1, beside{p50: 0.1, p95: 0.2, rate: 10}, beside{load: 4, p50: 0.2, p95: 0.6, rate: 8}),
		besides("off", 2, beside{p50: 0.2, p95: 0.4, rate: 5}, beside{load: 4, p50: 0.4, p95: 1.2, rate: 4, failed: 100}),
	)
	if len(list) != 1 || list[0].Victim != "eyes" || list[0].Neighbour != "mind" || len(list[0].Points) != 2 {
		t.Fatalf("%+v", list)
	}
	least, p := list[0].Points[0], list[0].Points[1]
	if !least.Inflation.Value.Inapplicable || !least.Loss.Low.Inapplicable || toldValue(least.Load) != "0" || least.Load.Unit != "users" {
		t.Errorf("the least load: %+v", least)
	}
	// 0.6/0.2 and 1.2/0.4 are 3; 8/10 and 4/5 are 0.8. The geometric means of 0.6 and 1.2,
	// and of 8 and 4, are 0.8485 and 5.657.
	if got := toldEffect(p.Inflation); got != "2 [2, 2] of 2" {
		t.Errorf("inflation %s", got)
	}
	if got := toldEffect(p.Loss); got != "0.2 [0.2, 0.2] of 2" {
		t.Errorf("loss %s", got)
	}
	if got := toldValue(p.Tail) + " " + toldValue(p.Throughput) + " " + toldValue(p.Errors); got != "0.8485 5.657 0.05" || p.Quantile != 0.95 || p.N != 2 {
		t.Errorf("%s of p%g, n %d", got, 100*p.Quantile, p.N)
	}
}

// Where replicates differ there is an interval: the logs of 2 and 8 have the mean ln 4, and
// t(0.975, 1) = 12.706 standard errors of ln 2 on either side.
func TestInterferenceInterval(t *testing.T) {
	list := coupled(
		besides("off", 1, beside{p95: 1, rate: 10}, beside{load: 4, p95: 2, rate: 5}),
		besides("off", 2, beside{p95: 1, rate: 10}, beside{load: 4, p95: 8, rate: 0}),
	)
	e := list[0].Points[1].Inflation
	for _, c := range []struct {
		got  Value
		want float64
	}{{e.Value, 3}, {e.Low, 4*math.Exp(-12.7062*math.Ln2) - 1}, {e.High, 4*math.Exp(12.7062*math.Ln2) - 1}, {e.Min, 1}, {e.Max, 7}} {
		if !c.got.Known() || math.Abs(*c.got.Number-c.want) > 1e-3*math.Abs(c.want) {
			t.Errorf("%s, want %g", toldValue(c.got), c.want)
		}
	}
	// One completed nothing: the mean loss is told, and no interval.
	if loss := list[0].Points[1].Loss; toldEffect(loss) != "0.75 [-, -] of 2" || loss.Low.Why == "" {
		t.Errorf("loss %s", toldEffect(loss))
	}
	// What is left of throughput, 0.9 and 0.4, is a loss of 0.4 with an interval about it.
	loss := coupled(
		besides("off", 1, beside{p95: 1, rate: 10}, beside{load: 4, p95: 2, rate: 9}),
		besides("off", 2, beside{p95: 1, rate: 10}, beside{load: 4, p95: 8, rate: 4}),
	)[0].Points[1].Loss
	if math.Abs(*loss.Value.Number-0.4) > 1e-9 || !(*loss.Low.Number < 0.1 && *loss.Min.Number < 0.11 && *loss.Max.Number > 0.59 && *loss.High.Number > 0.6 && *loss.High.Number < 1) {
		t.Errorf("loss %s, %s to %s", toldEffect(loss), toldValue(loss.Min), toldValue(loss.Max))
	}
	one := coupled(besides("off", 1, beside{p95: 1, rate: 10}, beside{load: 4, p95: 2, rate: 5}))[0].Points[1]
	if toldEffect(one.Inflation) != "1 [-, -] of 1" || one.Inflation.Low.Why != oneReplicate || one.Loss.High.Why != oneReplicate {
		t.Errorf("of one replicate %s: %q", toldEffect(one.Inflation), one.Inflation.Low.Why)
	}
}

// The percentile is one that every step of every configuration can tell, or else every step
// of this one. A step that the client spoiled is left out.
func TestInterferenceCounts(t *testing.T) {
	list := coupled(
		besides("off", 1, beside{p50: 1, p95: 2, rate: 1}, beside{load: 2, p50: 1, p95: 2, rate: 1}, beside{load: 4, p50: 2, rate: 1}),
		besides("mig", 1, beside{p50: 1, p95: 2, rate: 1}, beside{load: 2, p50: 9, p95: 9, rate: 1, spoiled: true}, beside{load: 4, p50: 1, p95: 2, rate: 1}),
	)
	if len(list) != 2 || list[0].Points[1].Quantile != 0.5 || list[1].Points[0].Quantile != 0.5 {
		t.Fatalf("%+v", list)
	}
	if n := len(list[1].Points); n != 2 || toldValue(list[1].Points[1].Load) != "4" || list[1].Left != 1 || list[0].Left != 0 {
		t.Errorf("%d points of the spoiled one, %d and %d steps left out", n, list[1].Left, list[0].Left)
	}
	if all := coupled(besides("off", 1, beside{p50: 1, rate: 1, spoiled: true})); len(all) != 1 || len(all[0].Points) != 0 || all[0].Left != 1 {
		t.Errorf("all steps spoiled: %+v", all)
	}
	if got := toldValue(list[0].Points[2].Inflation.Value); got != "1" {
		t.Errorf("inflation of p50 %s", got)
	}
	if coupled()[0:] != nil || interferences(&Summary{}) != nil {
		t.Error("a run without such steps has interference")
	}
}

// The configuration of least inflation comes first, and the others are told against it in
// pairs of replicates.
func TestIsolation(t *testing.T) {
	cell := func(config string, replicate int, ratio float64) Cell {
		slow := float64(replicate) // what differs between deployments of one replicate alike
		return besides(config, replicate, beside{p50: 1, p95: 1, rate: 1}, beside{load: 4, p50: 1, p95: ratio * slow, rate: 1})
	}
	list := coupled(
		cell("ts", 1, 6), cell("ts", 2, 6), cell("mps", 1, 2), cell("mps", 2, 2), cell("mig", 1, 1), cell("mig", 2, 1),
		besides("other", 1, beside{load: 4, p50: 1, p95: 1, rate: 1}),
	)
	got := isolations(list)
	if len(got) != 1 || len(got[0].Ranks) != 3 || strings.Join(got[0].Unranked, " ") != "other" {
		t.Errorf("with a configuration that has no other load: %+v", got)
	}
	got = isolations(list[:3])
	if len(got) != 1 || toldValue(got[0].Load) != "4" || got[0].Victim != "eyes" {
		t.Fatalf("%+v", got)
	}
	var lines []string
	for _, r := range got[0].Ranks {
		lines = append(lines, r.Config+" "+toldValue(r.Inflation.Value)+" "+toldEffect(r.Over))
	}
	// The ratios are 1 and 2, 2 and 4, 6 and 12: geometric means 1.414, 2.828 and 8.485.
	want := "mig 0.4142 - [-, -] of 0; mps 1.828 1 [1, 1] of 2; ts 7.485 5 [5, 5] of 2"
	if got := strings.Join(lines, "; "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if isolations(list[:1]) != nil {
		t.Error("one configuration is ranked")
	}
}

// Ratios to different loads of the neighbour are not compared: off's step beside a neighbour
// that stood still was spoiled, and beside 4 users its victim was slow already.
func TestIsolationOfOneReference(t *testing.T) {
	list := coupled(
		besides("off", 1, beside{p95: 1, rate: 1, spoiled: true}, beside{load: 4, p95: 3, rate: 1}, beside{load: 8, p95: 3.9, rate: 1}),
		besides("mps", 1, beside{p95: 1, rate: 1}, beside{load: 4, p95: 1.5, rate: 1}, beside{load: 8, p95: 2, rate: 1}),
		besides("mig", 1, beside{p95: 1, rate: 1}, beside{load: 4, p95: 1.2, rate: 1}, beside{load: 8, p95: 1.5, rate: 1}),
	)
	for _, p := range list[0].Points {
		if p.Inflation.Value.Known() || p.Inflation.Value.Inapplicable || p.Inflation.Value.Why != noReference || p.Loss.Value.Known() {
			t.Errorf("at %s: %+v", toldValue(p.Load), p)
		}
	}
	got := isolations(list)
	if len(got) != 1 || toldValue(got[0].Load) != "8" || toldValue(got[0].From) != "0" || got[0].From.Unit != "users" {
		t.Fatalf("%+v", got)
	}
	if r := got[0].Ranks; len(r) != 2 || r[0].Config != "mig" || r[1].Config != "mps" || strings.Join(got[0].Unranked, " ") != "off" {
		t.Errorf("%+v", got[0])
	}
}

// levelled makes a cell with steps of levels that completed so much in 100 s.
func levelled(config string, vision, agent int64, result string) Cell {
	s := Step{Name: "levels", Window: 100, Services: []Service{
		{Name: "eyes", Role: results.RoleVision, Verdict: Verdict{Is: Valid}, Total: Group{Completed: vision}, SLO: []ClauseValue{{Result: result}}},
		{Name: "mind", Role: results.RoleAgent, Verdict: Verdict{Is: Valid}, Total: Group{Completed: agent}},
	}}
	return Cell{Cell: results.Cell{Config: results.Config{Name: config}, Replicate: 1, Status: results.CellDone}, Steps: []Step{s}}
}

func TestFrontiers(t *testing.T) {
	// A search of two rays, of which the second was not confirmed.
	rays := levelled("rays", 3000, 10, Met)
	rays.Steps[0].Purpose = results.PurposeConfirm
	rays.Capacities = []Capacity{
		{Ray: 1, Mix: "even", Signed: known(10, "ratio"), Low: known(9, "ratio"), High: known(12, "ratio"), Confirmations: []Confirmation{{Step: 0, Met: true}}},
		{Ray: 2, Mix: "uneven", Confirmations: []Confirmation{{Step: 0, Met: false}}},
	}
	spike := levelled("spike", 9000, 90, Met)
	spike.Steps[0].Purpose = results.PurposeSpike
	vision := levelled("vision", 9000, 90, Met)
	vision.Steps[0].Services = vision.Steps[0].Services[:1]
	got := frontiers(&Summary{Cells: []Cell{
		levelled("a", 2000, 100, Met), levelled("a", 2200, 120, Met), // two replicates
		levelled("b", 2100, 100, Met), levelled("missed", 9000, 90, NotMet), levelled("half", 9000, 90, Met), levelled("half", 9000, 90, Unknown), rays, spike, vision,
	}})
	var lines []string
	for _, f := range got {
		for _, p := range f.Points {
			lines = append(lines, fmt.Sprintf("%s: %s/s %s/min at %s, step %d, %s to %s, n %d, best %v", f.Config, toldValue(p.Vision), toldValue(p.Agent), p.Mix, p.Step, toldValue(p.Low), toldValue(p.High), p.N, p.Best))
		}
	}
	want := []string{
		"a: 21/s 66/min at levels, step 0, - to -, n 2, best true",
		"b: 21/s 60/min at levels, step 0, - to -, n 1, best false", // as much Vision as a, and less of the Agent
		"rays: 30/s 6/min at even, step -1, -0.1 to 0.2, n 1, best true",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// Two replicates of three that confirmed a load are told as such; they are no frontier, and
// hide none. An interval is told where all have one, in whatever order.
func TestFrontierOfSomeReplicates(t *testing.T) {
	ray := func(config string, replicate int, vision int64, met, ranged bool) Cell {
		c := levelled(config, vision, 10, Met)
		c.Cell.Replicate, c.Steps[0].Purpose = replicate, results.PurposeConfirm
		k := Capacity{Ray: 1, Mix: "even", Low: unknown("ratio", ""), High: unknown("ratio", ""), Confirmations: []Confirmation{{Met: met}}}
		if met {
			k.Signed = known(10, "ratio")
		}
		if ranged {
			k.Low, k.High = known(10-float64(replicate), "ratio"), known(10+float64(replicate), "ratio")
		}
		c.Capacities = []Capacity{k}
		return c
	}
	told := func(cells ...Cell) (text string) {
		for _, f := range frontiers(&Summary{Cells: cells}) {
			for _, p := range f.Points {
				text += fmt.Sprintf("%s %s/s %s to %s, %d of %d, best %v; ", f.Config, toldValue(p.Vision), toldValue(p.Low), toldValue(p.High), p.N, p.Of, p.Best)
			}
		}
		return text
	}
	for name, c := range map[string]struct {
		cells []Cell
		want  string
	}{
		"one failed": {
			[]Cell{ray("a", 1, 3000, true, true), ray("a", 2, 3000, false, true), ray("a", 3, 3000, true, true), ray("b", 1, 2000, true, true)},
			"a 30/s -0.3 to 0.3, 2 of 3, best false; b 20/s -0.1 to 0.1, 1 of 1, best true; ",
		},
		"the first without":  {[]Cell{ray("a", 1, 3000, true, false), ray("a", 2, 3000, true, true), ray("a", 3, 3000, true, true)}, "a 30/s - to -, 3 of 3, best true; "},
		"the second without": {[]Cell{ray("a", 2, 3000, true, true), ray("a", 1, 3000, true, false), ray("a", 3, 3000, true, true)}, "a 30/s - to -, 3 of 3, best true; "},
		"all with":           {[]Cell{ray("a", 1, 3000, true, true), ray("a", 2, 3000, true, true)}, "a 30/s -0.2 to 0.2, 2 of 2, best true; "},
	} {
		if got := told(c.cells...); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
