package gate

import (
	"fmt"

	"github.com/evabench/evabench/analysis"
)

// everyFigure stands for the figures of what a run has not.
const everyFigure = "every figure"

// lost adds to what became of the figures the configurations and steps that the baseline
// measured and the run has not at all: none of them can be as good. What a race left out
// since it could not win is no loss, but nothing is shown of it either.
func lost(a *analysis.Against, list []Regression, sure bool) []Regression {
	for i, r := range list {
		if r.LeftOut != "" && r.First.Known() && !r.Other.Known() {
			list[i].Met, list[i].Warn = !sure, !sure
			list[i].Why = "a race left it out: " + r.LeftOut
		}
	}
	for _, x := range a.Alone {
		if !x.Gone || !x.Measured {
			continue
		}
		what := "configuration"
		if x.Step != "" {
			what = "step"
		}
		why := fmt.Sprintf("the baseline has the %s, and the run has not", what)
		none := analysis.Value{Why: why}
		list = append(list, Regression{Why: why, AgainstFigure: analysis.AgainstFigure{
			Config: x.Config, Run: x.Run, Step: x.Step, Load: x.Load, Figure: everyFigure, First: none, Other: none, Ratio: none, Low: none, High: none,
			P: none, Verdict: analysis.ContrastUnknown, Needs: none,
		}})
	}
	return list
}
