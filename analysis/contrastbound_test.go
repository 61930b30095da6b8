package analysis

import (
	"math"
	"strings"
	"testing"

	"github.com/evabench/evabench/results"
)

func alwaysMet(most float64) Capacity {
	return Capacity{State: CapacityAlways, Unit: "req/s", Estimate: unknown("1/s", ""), Above: known(most, "1/s")}
}

func cliffAt(met, missed float64) Capacity {
	return Capacity{State: CapacityCliff, Unit: "req/s", Estimate: unknown("1/s", ""), Above: known(met, "1/s"), Below: known(missed, "1/s")}
}

// What met the largest load that may be asked for carries that or more: that is better than
// what was found below it, and says nothing of what met the same.
func TestContrastOfBounds(t *testing.T) {
	always, found := alwaysMet(100), func(x float64) Capacity { return foundAt(x, 0.03) }
	for _, c := range []struct {
		name      string
		base, a   []Capacity
		want      string // of a against the base
		low, high float64
	}{
		// The logs of 60, 61 and 59 to 100 vary by 0.0167: SE 0.0096, times 4.30 is 0.0414.
		{"found below a bound", []Capacity{always, always, always}, []Capacity{found(60), found(61), found(59)}, ContrastWorse, 0, 0.6253},
		{"a bound above what was found", []Capacity{found(60), found(61), found(59)}, []Capacity{always, always, always}, ContrastBetter, 1 / 0.6253, 0},
		// The logs of 97/60, 100/61 and 100/59: mean 0.5008, less 4.30 of their SE 0.0140.
		{"some replicates are bounds", []Capacity{found(60), found(61), found(59)}, []Capacity{found(97), always, always}, ContrastBetter, 1.5534, 0},
		{"a bound below what was found", []Capacity{found(120), found(121), found(119)}, []Capacity{always, always, always}, ContrastUnknown, 0.8333 * math.Exp(-0.0208), 0},
		{"two bounds", []Capacity{always, always, always}, []Capacity{always, always, always}, ContrastUnknown, 0, 0},
		{"two cliffs apart", []Capacity{cliffAt(100, 103), cliffAt(100, 103)}, []Capacity{cliffAt(60, 61), cliffAt(60, 61)}, ContrastWorse, 60.0 / 103, 0.61},
		{"two cliffs at one place", []Capacity{cliffAt(100, 102), cliffAt(100, 102)}, []Capacity{cliffAt(100, 102), cliffAt(100, 102)}, ContrastEquivalent, 1 / 1.02, 1.02},
		{"wide brackets", []Capacity{cliffAt(100, 150), cliffAt(100, 150)}, []Capacity{cliffAt(100, 150), cliffAt(100, 150)}, ContrastNone, 1 / 1.5, 1.5},
		// One deployment of each: the found one's interval of ±3 % alone.
		{"one replicate", []Capacity{always}, []Capacity{found(60)}, ContrastWorse, 0, 0.618},
		{"one replicate, within its interval", []Capacity{always}, []Capacity{found(98)}, ContrastUnknown, 0, 0.98 * 1.03},
	} {
		got := contrastOf(t, contrasted(searchedCells(map[string][]Capacity{"base": c.base, "a": c.a})), "capacity", "a", "base")
		if got.Verdict != c.want || got.Ratio.Known() || got.Pairs != len(c.a) || !strings.Contains(got.Ratio.Why, "only a load that was met is known of ") {
			t.Errorf("%s: %s, %+v; want %s", c.name, got.Verdict, got, c.want)
		}
		for end, v := range map[*Value]float64{&got.Low: c.low, &got.High: c.high} {
			if v == 0 && end.Known() || v != 0 && (!end.Known() || math.Abs(*end.Number/v-1) > 2e-4) {
				t.Errorf("%s: %+v to %+v, want %v to %v (0: not known)", c.name, got.Low, got.High, c.low, c.high)
			}
		}
		if got.decided() != got.Needs.Inapplicable {
			t.Errorf("%s: %s, and needs %+v", c.name, got.Verdict, got.Needs)
		}
	}
	// Of what was only tried below its least load nothing is known but that.
	never := Capacity{State: CapacityNever, Unit: "req/s", Estimate: unknown("1/s", ""), Below: known(10, "1/s")}
	if c := contrastOf(t, contrasted(searchedCells(map[string][]Capacity{"base": {always}, "a": {never}})), "capacity", "a", "base"); c.Pairs != 0 || !strings.Contains(c.Ratio.Why, "never met") {
		t.Errorf("%+v", c)
	}
}

// In a race a bound holds however often was looked, so that it lies farther out.
func TestBoundsOfARace(t *testing.T) {
	low := func(race bool) float64 {
		base, a := []Capacity{foundAt(50, 0.03)}, []Capacity{alwaysMet(100)}
		for _, x := range []float64{60, 61, 59, 60} {
			base, a = append(base, foundAt(x, 0.03)), append(a, alwaysMet(100))
		}
		if !race {
			base, a = base[1:], a[1:]
		}
		cells := searchedCells(map[string][]Capacity{"base": base, "a": a})
		s := Summary{Cells: cells, Comparison: compareCells(cells), Environment: results.Environment{Search: &results.Search{Race: race}}}
		s.contrast()
		return *contrastOf(t, s, "capacity", "a", "base").Low.Number
	}
	if race, fixed := low(true), low(false); !(race < fixed && fixed < 100.0/60) {
		t.Errorf("at least %v of a race, %v else", race, fixed)
	}
}

// Two runs: what met the largest load may not fall below it unseen, nor be blamed for it.
func TestAgainstBounds(t *testing.T) {
	made := func(start float64, c Capacity) NamedSummary {
		n := drawnRun{seed: 1, start: start, level: plainLevel, rates: [][2]int64{{1000, 1100}, {1000, 1100}}, tails: [][2]float64{{0.1, 0.2}, {0.1, 0.2}}}.named("x")
		n.Summary.Environment.Search = &results.Search{Kind: "capacity", Raise: "vision"}
		for i := range n.Summary.Cells {
			n.Summary.Cells[i].Steps[0].Purpose = results.PurposeProbe
			n.Summary.Cells[i].Capacity = &c
		}
		return n
	}
	for _, c := range []struct {
		name         string
		first, other Capacity
		want         string
		low, high    float64
	}{
		{"fell below", alwaysMet(100), foundAt(60, 0.03), ContrastWorse, 0, 0.6},
		{"rose above", foundAt(95, 0.03), alwaysMet(100), ContrastBetter, 100.0 / 95, 0},
		{"met both times", alwaysMet(100), alwaysMet(100), ContrastUnknown, 0, 0},
		{"less was asked", foundAt(95, 0.03), alwaysMet(50), ContrastUnknown, 50.0 / 95, 0},
		{"a ladder", cliffAt(50, 75), cliffAt(20, 30), ContrastWorse, 20.0 / 75, 0.6},
	} {
		for _, f := range compareTwo(t, made(1, c.first), made(2, c.other)).Figures {
			if f.Verdict != c.want || f.Ratio.Known() || f.FirstN != 2 || f.OtherN != 2 {
				t.Errorf("%s: %+v, want %s", c.name, f, c.want)
			}
			for end, v := range map[*Value]float64{&f.Low: c.low, &f.High: c.high} {
				if v == 0 && end.Known() || v != 0 && (!end.Known() || math.Abs(*end.Number/v-1) > 1e-9) {
					t.Errorf("%s: %+v to %+v, want %v to %v (0: not known)", c.name, f.Low, f.High, c.low, c.high)
				}
			}
			if c.first.State == CapacityAlways && (f.First.Known() || f.First.Why != "at least 100.0 req/s") {
				t.Errorf("%s: the first is %+v", c.name, f.First)
			}
		}
	}
}
