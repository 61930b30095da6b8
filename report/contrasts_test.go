package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

func valueOf(v float64) analysis.Value { return analysis.Value{Number: &v, Unit: "ratio"} }

// madeContrast is +8.9 % [+6.1, +11.8] of three pairs.
func madeContrast(change func(*analysis.Contrast)) analysis.Contrast {
	none := analysis.Value{Unit: "min", Why: "it is decided", Inapplicable: true}
	c := analysis.Contrast{
		Of: "B", Against: "A", Figure: "capacity", Unit: "req/s", Step: -1, Pairs: 3, Basis: analysis.BasisReplicates,
		Ratio: valueOf(1.089), Low: valueOf(1.061), High: valueOf(1.118), Better: valueOf(0.9982), BetterByZone: valueOf(0.9996),
		P: valueOf(0.0036), Adjusted: valueOf(0.0072), Verdict: analysis.ContrastBetter, Needs: none,
	}
	change(&c)
	return c
}

func withContrasts(list ...analysis.Contrast) *analysis.Summary {
	return &analysis.Summary{
		Contrasts: list, Comparison: []analysis.Comparison{{Index: 0, Step: "8 users"}},
		Cells: []analysis.Cell{{Capacity: &analysis.Capacity{Arrivals: "poisson"}}},
	}
}

// Each verdict has its sentence, of the interval of the ratio.
func TestContrastSentences(t *testing.T) {
	missing := analysis.Value{Unit: "ratio", Why: "one pair has no spread"}
	for _, c := range []struct {
		change func(*analysis.Contrast)
		want   string
	}{
		{func(*analysis.Contrast) {}, "B sustains +8.9 % [+6.1, +11.8] more Poisson load than A (3 pairs)."},
		{func(c *analysis.Contrast) {
			c.Ratio, c.Low, c.High, c.Verdict = valueOf(0.9), valueOf(0.85), valueOf(0.95), analysis.ContrastWorse
		}, "B sustains 10.0 % [5.0, 15.0] less Poisson load than A (3 pairs)."},
		{func(c *analysis.Contrast) { c.Pairs, c.Basis = 1, analysis.BasisWithin }, "B sustains +8.9 % [+6.1, +11.8] more Poisson load than A (one deployment of each)."},
		{func(c *analysis.Contrast) {
			c.Ratio, c.Low, c.High, c.Verdict = valueOf(1.01), valueOf(0.99), valueOf(1.02), analysis.ContrastEquivalent
		}, "B and A are equivalent in capacity: +1.0 % [-1.0, +2.0] lies within the indifference zone of 3.0 % (3 pairs)."},
		{func(c *analysis.Contrast) {
			c.Low, c.Verdict, c.Needs = valueOf(0.99), analysis.ContrastNone, valueOf(41.2)
		}, "No difference in capacity is shown between B and A: +8.9 % [-1.0, +11.8] (3 pairs); about 42 min more of the server would decide it."},
		{func(c *analysis.Contrast) { c.Low, c.Verdict, c.Needs = valueOf(0.99), analysis.ContrastNone, missing }, "No difference in capacity is shown between B and A: +8.9 % [-1.0, +11.8] (3 pairs)."},
		{func(c *analysis.Contrast) { c.Low, c.High, c.Verdict = missing, missing, analysis.ContrastUnknown }, "capacity of B against A: +8.9 % (better), without an interval: one pair has no spread."},
		{func(c *analysis.Contrast) { c.Ratio, c.High = missing, missing }, "capacity of B against A: at least +6.1 % (3 pairs): better."},
		{func(c *analysis.Contrast) {
			c.Ratio, c.Low, c.High, c.Verdict = missing, missing, missing, analysis.ContrastUnknown
		}, "capacity of B against A cannot be compared: one pair has no spread."},
		{func(c *analysis.Contrast) { c.Step, c.Figure = 0, "VLM responses" }, "8 users: B completes +8.9 % [+6.1, +11.8] more VLM responses than A (3 pairs)."},
		{func(c *analysis.Contrast) {
			c.Step, c.Figure, c.Less, c.Verdict = 0, "VLM latency", true, analysis.ContrastWorse
		}, "8 users: B has a +8.9 % [+6.1, +11.8] longer VLM latency than A (3 pairs)."},
		{func(c *analysis.Contrast) {
			c.Step, c.Figure, c.Ratio, c.Low, c.High, c.Verdict = 0, "Vision", valueOf(0.9), valueOf(0.85), valueOf(0.95), analysis.ContrastWorse
		}, "8 users: B completes 10.0 % [5.0, 15.0] fewer Vision requests than A (3 pairs)."},
	} {
		notes := contrasts(withContrasts(madeContrast(c.change))).Notes
		if got := notes[len(notes)-1]; got != c.want {
			t.Errorf("%q\nwant %q", got, c.want)
		}
	}
}

// Of several against the base the best has the sentence: of a latency, that with the
// least; models, percentiles and pairs with the best have none.
func TestContrastSentencesAreOfTheBest(t *testing.T) {
	of := func(config, figure string, ratio float64, less bool) analysis.Contrast {
		return madeContrast(func(c *analysis.Contrast) {
			c.Of, c.Figure, c.Ratio, c.Less, c.Step = config, figure, valueOf(ratio), less, 0
		})
	}
	got := sentences(withContrasts(
		of("B", "VLM responses", 1.1, false), of("C", "VLM responses", 1.2, false), of("D", "VLM responses", 1.15, false),
		of("B", "VLM latency", 1.1, true), of("C", "VLM latency", 1.05, true),
		of("B", "Agent", 1.1, false), of("B", "Vision owl-v2", 1.1, false), of("B", "vision p95", 1.1, true),
		madeContrast(func(c *analysis.Contrast) {
			c.Figure, c.Step, c.Of, c.Against, c.Ratio = "VLM responses", 0, "D", "C", valueOf(1.9)
		}),
	))
	if len(got) != 2 || !strings.Contains(got[0], "C completes +20.0 %") || !strings.Contains(got[1], "C has a +5.0 %") {
		t.Errorf("sentences %q", got)
	}
}

// Capacity, services, models and percentiles have a table each, and p is in one for
// looking things up.
func TestContrastTables(t *testing.T) {
	if s := contrasts(&analysis.Summary{}); s.Title != "" {
		t.Errorf("nothing to compare has a section %+v", s)
	}
	at := func(figure string, less bool) analysis.Contrast {
		return madeContrast(func(c *analysis.Contrast) {
			c.Figure, c.Step, c.Less = figure, 0, less
			if less {
				c.Load = "vision 30 req/s, agent 8 users"
			}
		})
	}
	s := withContrasts(madeContrast(func(*analysis.Contrast) {}), at("VLM responses", false), at("VLM latency", true), at("Agent", false), at("Vision owl-v2", false), at("vision p95", true))
	s.Environment = results.Environment{Zone: 0.05}
	section := contrasts(s)
	var ids []string
	for _, table := range section.Tables {
		ids = append(ids, table.ID)
		if table.Detail != (table.ID == "contrasts-p") {
			t.Errorf("%s: for looking things up: %v", table.ID, table.Detail)
		}
		if has := strings.Contains(strings.Join(table.Notes, " "), "common population"); has != slices.Contains([]string{"contrasts-0-services", "contrasts-0-latencies"}, table.ID) {
			t.Errorf("%s: notes %q", table.ID, table.Notes)
		}
	}
	if want := []string{"contrasts-capacity", "contrasts-0-services", "contrasts-0-models", "contrasts-0-latencies", "contrasts-p"}; !slices.Equal(ids, want) {
		t.Errorf("tables %q, want %q", ids, want)
	}
	heads, rows := shown(t, &Document{Sections: []Section{section}}, "contrasts-capacity")
	if want := []string{"capacity", "B", "A", "+8.9 %", "+6.1 %", "+11.8 %", "0.998", "> 0.999", "better", "3"}; !slices.Equal(rows[0], want) {
		t.Errorf("row %q, want %q", rows[0], want)
	}
	if !slices.Contains(heads, "P(by > 5.0 %)") || slices.Contains(heads, "Needs") || slices.Contains(heads, "Interval from") {
		t.Errorf("heads %q", heads)
	}
	// What some rows do not share is told of each.
	s.Contrasts = append(s.Contrasts, madeContrast(func(c *analysis.Contrast) {
		c.Pairs, c.Basis, c.Verdict, c.Needs = 1, analysis.BasisWithin, analysis.ContrastNone, analysis.Value{Unit: "min", Why: "no spread"}
	}))
	heads, rows = shown(t, &Document{Sections: []Section{contrasts(s)}}, "contrasts-capacity")
	if !slices.Contains(heads, "Needs") || !slices.Equal(rows[1][8:], []string{"no difference shown", "1", "unknown", "one deployment of each"}) {
		t.Errorf("heads %q, row %q", heads, rows[1])
	}
	if _, rows := shown(t, &Document{Sections: []Section{section}}, "contrasts-p"); !slices.Equal(rows[0], []string{"search", "capacity", "B", "A", "0.004", "0.007"}) {
		t.Errorf("small print %q", rows[0])
	}
}

// Certainty is never printed.
func TestProbability(t *testing.T) {
	for p, want := range map[float64]string{0: "< 0.001", 0.0005: "< 0.001", 0.00051: "0.001", 0.5: "0.500", 0.9994: "0.999", 0.9995: "> 0.999", 1: "> 0.999"} {
		if got := probability(valueOf(p)); got.Text != want || *got.Value != p {
			t.Errorf("%v is %q, want %q", p, got.Text, want)
		}
	}
}

// Of two runs of which one only tells a bound, that is told, and no change of nothing.
func TestOutcomeOfBounds(t *testing.T) {
	missing := analysis.Value{Unit: "ratio", Why: "only a load that was met is known"}
	a := &analysis.Against{Runs: []analysis.AgainstRun{{Label: "A"}, {Label: "B"}}, Figures: []analysis.AgainstFigure{{
		Config: "off", Run: 1, Figure: "capacity", Ratio: missing, Low: missing, High: valueOf(0.61), Verdict: analysis.ContrastWorse,
	}}}
	if got, want := outcome(a, 1), "B against A, 1 figure: 1 worse (capacity of off at most -39.0 %)."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
