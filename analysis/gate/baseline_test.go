package gate

import (
	"testing"

	"github.com/evabench/evabench/analysis"
)

// Worse by more than 5 % is below 0.95, or of a latency above 1.05; each case lies just on
// one side of it.
func TestRegressions(t *testing.T) {
	for _, c := range []struct {
		name             string
		less             bool
		ratio, low, high float64 // low 0: no interval
		met, warn, sure  bool    // sure: met if one asks to be
	}{
		{"shown", false, 0.90, 0.86, 0.949, false, false, false},
		{"may be", false, 0.90, 0.86, 0.951, true, true, false},
		{"hardly may be", false, 0.96, 0.94, 0.98, true, false, false},
		{"shown to be as good", false, 0.97, 0.951, 0.99, true, false, true},
		{"better", false, 1.2, 1.1, 1.3, true, false, true},
		{"one replicate, worse", false, 0.90, 0, 0, true, true, false},
		{"one replicate, as good", false, 1, 0, 0, true, false, false},
		{"longer, shown", true, 1.10, 1.051, 1.2, false, false, false},
		{"longer, may be", true, 1.10, 1.049, 1.2, true, true, false},
		{"longer, not by more", true, 1.03, 1.02, 1.049, true, false, true},
		{"shorter", true, 0.5, 0.4, 0.6, true, false, true},
	} {
		f := analysis.AgainstFigure{Less: c.less, First: num(1, "s"), Other: num(c.ratio, "s"), Ratio: num(c.ratio, "ratio"), Verdict: analysis.ContrastUnknown}
		if c.low > 0 {
			f.Low, f.High = num(c.low, "ratio"), num(c.high, "ratio")
		}
		a := &analysis.Against{Figures: []analysis.AgainstFigure{f}}
		if got := Regressions(a, 0.05, false)[0]; got.Met != c.met || got.Warn != c.warn {
			t.Errorf("%s: met %v, warned %v; want %v, %v", c.name, got.Met, got.Warn, c.met, c.warn)
		}
		if got := Regressions(a, 0.05, true)[0]; got.Met != c.sure || got.Warn {
			t.Errorf("%s, to be sure: met %v, warned %v; want %v", c.name, got.Met, got.Warn, c.sure)
		}
	}
}

// What the baseline has and the run has not is a regression; the other way round is none.
func TestRegressionOfWhatIsNotThere(t *testing.T) {
	gone := analysis.AgainstFigure{First: num(1, "s"), Other: analysis.Value{Why: "no step"}}
	come := analysis.AgainstFigure{Other: num(1, "s")}
	got := Regressions(&analysis.Against{Figures: []analysis.AgainstFigure{gone, come}}, 0.05, false)
	if got[0].Met || !got[1].Met {
		t.Errorf("%+v", got)
	}
}

// A configuration or step that the run has lost is a regression; one that was never
// measured, or that is new, is none.
func TestRegressionOfWhatIsLost(t *testing.T) {
	for _, c := range []struct {
		alone analysis.AgainstAlone
		n     int
		why   string
	}{
		{analysis.AgainstAlone{Config: "b", Gone: true, Measured: true}, 1, "the baseline has the configuration, and the run has not"},
		{analysis.AgainstAlone{Config: "b", Step: "20 req/s", Gone: true, Measured: true}, 1, "the baseline has the step, and the run has not"},
		{analysis.AgainstAlone{Config: "b", Gone: true}, 0, ""},
		{analysis.AgainstAlone{Config: "b", Measured: true}, 0, ""},
	} {
		got := Regressions(&analysis.Against{Alone: []analysis.AgainstAlone{c.alone}}, 0.05, false)
		if len(got) != c.n {
			t.Errorf("%+v: %d regressions, want %d", c.alone, len(got), c.n)
			continue
		}
		for _, r := range got {
			if r.Met || r.Warn || r.Why != c.why || r.Config != "b" || r.Step != c.alone.Step {
				t.Errorf("%+v: %+v", c.alone, r)
			}
		}
	}
}

// What a race left out is no loss, but it is only to be sure that nothing is lost.
func TestRegressionOfWhatARaceLeftOut(t *testing.T) {
	f := analysis.AgainstFigure{First: num(1, "req/s"), Other: analysis.Value{Why: "it screened"}, LeftOut: "slow"}
	for _, sure := range []bool{false, true} {
		got := Regressions(&analysis.Against{Figures: []analysis.AgainstFigure{f}}, 0.05, sure)[0]
		if got.Met == sure || got.Warn == sure || got.Why != "a race left it out: slow" {
			t.Errorf("sure %v: %+v", sure, got)
		}
	}
}

// A capacity that is bounded by the largest load that was asked for passes where even that
// is as good, and does not where what was found lies below it.
func TestRegressionOfBounds(t *testing.T) {
	most := analysis.Value{Why: "at least 100.0 req/s"}
	none := analysis.Value{Why: "only a load that was met is known"}
	for _, c := range []struct {
		name            string
		first, other    analysis.Value
		low, high       analysis.Value
		basis           string
		met, warn, sure bool
	}{
		{"fell below", most, num(60, "1/s"), none, num(0.61, "ratio"), analysis.BasisUnpaired, false, false, false},
		{"by little", most, num(96, "1/s"), none, num(0.951, "ratio"), analysis.BasisUnpaired, true, true, false},
		{"fell below, seen once", most, num(60, "1/s"), none, num(0.61, "ratio"), analysis.BasisWithin, true, true, false},
		{"rose above", num(95, "1/s"), most, num(1.05, "ratio"), none, analysis.BasisUnpaired, true, false, true},
		{"rose, or fell by little", num(104, "1/s"), most, num(0.951, "ratio"), none, analysis.BasisUnpaired, true, false, true},
		{"less was asked", num(120, "1/s"), most, num(0.83, "ratio"), none, analysis.BasisUnpaired, true, true, false},
		{"met both times", most, most, none, none, "", true, true, false},
	} {
		a := &analysis.Against{Figures: []analysis.AgainstFigure{{
			First: c.first, Other: c.other, FirstN: 3, OtherN: 3, Ratio: none, Low: c.low, High: c.high, Basis: c.basis, Verdict: analysis.ContrastUnknown,
		}}}
		if got := Regressions(a, 0.05, false)[0]; got.Met != c.met || got.Warn != c.warn || got.Met && !got.Warn != (got.Why == "") {
			t.Errorf("%s: met %v, warned %v, %q; want %v, %v", c.name, got.Met, got.Warn, got.Why, c.met, c.warn)
		}
		if got := Regressions(a, 0.05, true)[0]; got.Met != c.sure || got.Warn {
			t.Errorf("%s, to be sure: met %v, warned %v; want %v", c.name, got.Met, got.Warn, c.sure)
		}
	}
}
