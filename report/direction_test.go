package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
)

// A change says what it means, by which way of the figure is better, unless its interval
// says that no difference is shown or that it is of no matter.
func TestMeaning(t *testing.T) {
	for _, c := range []struct {
		change  float64
		unit    string
		verdict string
		want    string
	}{
		{0.493, "s", "", "+49.3 % (worse)"},
		{-0.493, "s", "", "-49.3 % (better)"},
		{0.493, "req/s", "", "+49.3 % (better)"},
		{-0.493, "1/h", analysis.ContrastUnknown, "-49.3 % (worse)"},
		{0.493, "s", analysis.ContrastWorse, "+49.3 % (worse)"},
		{0.493, "s", analysis.ContrastNone, "+49.3 % (no difference shown)"},
		{-0.01, "req/min", analysis.ContrastEquivalent, "-1.0 % (equivalent)"},
		{0.02, "s", analysis.ContrastBetter, "+2.0 %"}, // the pairs say otherwise than the means
		{0.0004, "s", "", "0.0 %"},
		{-0.0006, "s", "", "-0.1 % (better)"},
		{0, "req/s", analysis.ContrastNone, "0.0 % (no difference shown)"},
	} {
		if got := change(valueOf(c.change), lessIsBetter(c.unit), c.verdict).Text; got != c.want {
			t.Errorf("change of %v in %s, %q: %q, want %q", c.change, c.unit, c.verdict, got, c.want)
		}
	}
	if got := change(untold("ratio", "not measured"), true, ""); got.Text != "unknown" || got.Meaning != "" {
		t.Errorf("of nothing known: %+v", got)
	}
}

// A change of means is no difference where the comparison in pairs of the same two shows
// none, and an effect where its interval holds 0; which way an interaction is better nobody
// can say.
func TestMeaningsRestOnIntervals(t *testing.T) {
	s := sweep(t)
	of := func(id string, row, column int) string {
		_, rows := shown(t, Build(s), id)
		return rows[row][column]
	}
	if got := of("change-0", 2, 6); got != "-17.2 % (better)" {
		t.Errorf("latency of off-mps: %q", got)
	}
	i := slices.IndexFunc(s.Contrasts, func(c analysis.Contrast) bool {
		return c.Of == "off-mps" && c.Against == "off-ts" && c.Figure == "VLM latency" && c.Step == 0
	})
	s.Contrasts[i].Verdict = analysis.ContrastNone
	if got := of("change-0", 2, 6); got != "-17.2 % (no difference shown)" {
		t.Errorf("latency of off-mps, whose pairs show no difference: %q", got)
	}
	m := &s.Comparison[0].Factorials[0].Metrics[1]
	if got := of("effects-0-0", 1, 1); m.Name != "VLM latency" || got != "-8.8 % (better)" {
		t.Errorf("effect on %s: %q", m.Name, got)
	}
	m.MIG.High = valueOf(0.01)
	if got := of("effects-0-0", 1, 1); got != "-8.8 % (no difference shown)" {
		t.Errorf("effect whose interval holds 0: %q", got)
	}
	if got := of("effects-0-0", 1, 6); strings.ContainsAny(got, "()") {
		t.Errorf("interaction: %q", got)
	}
}
