package findings

import (
	"fmt"
	"slices"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/results"
)

// gainOfSharing gives the largest gain in throughput that the run measured of a
// configuration with MPS or MIG over this one, in words, and whether it is shown.
func gainOfSharing(v view) (gain float64, words string, sure bool) {
	for _, c := range v.summary.Contrasts {
		if c.Of == v.config {
			c = turned(c)
		}
		x, ok := of(c.Ratio)
		if c.Against != v.config || !ok || c.Verdict != analysis.ContrastBetter && c.Verdict != analysis.ContrastNone || !sharesBetter(v, c.Of) || !ofRole(v, c.Figure) {
			continue
		}
		better := x - 1
		if c.Less {
			better = 1/x - 1
		}
		shown := shown(c)
		if better > workUp && (shown && !sure || shown == sure && better > gain) {
			gain, sure = better, shown
			words = fmt.Sprintf("%s has %s of its %s (x%s [%s, %s], n = %d)", c.Of, units.Change(x-1), c.Figure, units.Measure(x), times(c.Low), times(c.High), c.Pairs)
		}
	}
	if gain > 0 || len(v.summary.Contrasts) > 0 {
		return gain, words, sure
	}
	for _, comparison := range v.summary.Comparison {
		for _, c := range comparison.Changes {
			if len(comparison.Rows) <= comparison.Base || comparison.Rows[comparison.Base].Config != v.config || !sharesBetter(v, c.Config) {
				continue
			}
			change := c.Vision
			if v.role() == results.RoleAgent {
				change = c.VLMResponses
			}
			if x, ok := of(change); ok && x > interferesWeak && x > gain {
				gain, words = x, fmt.Sprintf("%s completed %s of it", c.Config, units.Change(x))
			}
		}
	}
	return gain, words, false
}

// shown reports whether a contrast is shown to be better: of one deployment of each it is not,
// since how deployments differ is not known.
func shown(c analysis.Contrast) bool {
	return c.Verdict == analysis.ContrastBetter && c.Basis != analysis.BasisWithin
}

// turned is a contrast the other way round, in what [gainOfSharing] reads of one.
func turned(c analysis.Contrast) analysis.Contrast {
	c.Of, c.Against = c.Against, c.Of
	c.Ratio, c.Low, c.High = inverse(c.Ratio), inverse(c.High), inverse(c.Low)
	switch c.Verdict {
	case analysis.ContrastBetter:
		c.Verdict = analysis.ContrastWorse
	case analysis.ContrastWorse:
		c.Verdict = analysis.ContrastBetter
	}
	return c
}

func inverse(v analysis.Value) analysis.Value {
	if x, ok := of(v); ok && x > 0 {
		x = 1 / x
		return analysis.Value{Number: &x, Unit: v.Unit}
	}
	return analysis.Value{Unit: v.Unit, Why: v.Why}
}

// times writes a ratio as so many times.
func times(v analysis.Value) string {
	x, ok := of(v)
	if !ok {
		return units.Unknown
	}
	return units.Measure(x)
}

// comparedWithSharing reports whether any configuration with MPS or MIG was run beside.
func comparedWithSharing(v view) bool {
	return slices.ContainsFunc(configsOf(v.summary), func(c string) bool { return sharesBetter(v, c) })
}

// sharesBetter reports whether a configuration uses MPS or MIG where this one uses neither.
func sharesBetter(v view, config string) bool {
	other := cellsOf(v.summary, config)
	if config == v.config || len(other) == 0 || len(v.cells) == 0 {
		return false
	}
	uses := func(c *analysis.Cell) (mig, mps bool) {
		return c.MIG == analysis.UseAll || c.MIG == analysis.UseSome, c.MPS == analysis.UseAll || c.MPS == analysis.UseSome
	}
	mig, mps := uses(v.cells[0])
	hasMIG, hasMPS := uses(other[0])
	return hasMIG && !mig || hasMPS && !mps
}

// ofRole reports whether a figure of the tables is about throughput of the service's role.
func ofRole(v view, figure string) bool {
	if v.role() == results.RoleAgent {
		return figure == "VLM responses" || figure == "Agent"
	}
	return figure == "Vision"
}
