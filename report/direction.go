package report

import (
	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// lessIsBetter reports which way of a figure is better, by its unit: of spans less is, of
// rates and capacities more.
func lessIsBetter(unit string) bool { return unit == units.Seconds }

// meaning says in a word whether a relative change of a figure is better or worse. What an
// interval says of it, one of analysis's Contrast constants or nothing, stands before its
// sign: that it is no difference is told so, and a verdict that has the sign against it,
// as of means over other replicates, leaves the change without a word.
func meaning(change float64, less bool, verdict string) string {
	word := analysis.ContrastWorse
	if change > 0 != less {
		word = analysis.ContrastBetter
	}
	switch verdict {
	case analysis.ContrastEquivalent, analysis.ContrastNone:
		return verdict
	case "", analysis.ContrastUnknown, word:
		if units.Change(change) != units.Change(0) {
			return word
		}
	}
	return ""
}

// changeWords writes a change with its meaning: "+49.3 % (worse)".
func changeWords(change float64, meaning string) string {
	if meaning == "" {
		return units.Change(change)
	}
	return units.Change(change) + " (" + meaning + ")"
}

// change makes a cell of a relative change of a figure, with its meaning.
func change(v analysis.Value, less bool, verdict string) Cell {
	c := signed(v)
	if v.Known() {
		c.Meaning = meaning(*v.Number, less, verdict)
		c.Text = changeWords(*v.Number, c.Meaning)
	}
	return c
}

// effectOf makes a cell of an effect on a figure.
func effectOf(e analysis.Effect, less bool) Cell { return change(e.Value, less, held(e.Low, e.High)) }

// held is the verdict of an interval of a change that holds 0; empty of another, and
// without one.
func held(low, high analysis.Value) string {
	if low.Known() && high.Known() && *low.Number <= 0 && *high.Number >= 0 {
		return analysis.ContrastNone
	}
	return ""
}

// verdictOf is that of comparing two configurations by a figure at a step, in pairs; empty
// if they were not.
func verdictOf(s *analysis.Summary, of, against, figure string, step int) string {
	for _, c := range s.Contrasts {
		if c.Of == of && c.Against == against && c.Figure == figure && c.Step == step {
			return c.Verdict
		}
	}
	return ""
}
