package gate

import (
	"fmt"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// A Regression is what became of one figure of a baseline.
type Regression struct {
	analysis.AgainstFigure

	Met bool `json:"met"`
	// Warn says that it is not shown to be as good: it passes, unless one asks to be sure.
	Warn bool   `json:"warn,omitempty"`
	Why  string `json:"why,omitempty"` // of what is not met, or warned of
}

// Regressions judges the figures of a against those of its first run, the baseline: of
// each pair of runs that a compares. A figure that is shown to be worse by more than most,
// a share in [0, 1), does not pass: the favourable end of its interval lies beyond. One
// that may be, or of which nothing is shown, passes with a warning, or with sure does not.
//
// Worse by more than 5 % is a ratio below 0.95 where more is better, and above 1.05 where
// less is.
func Regressions(a *analysis.Against, most float64, sure bool) []Regression {
	list := []Regression{}
	for _, f := range a.Figures {
		list = append(list, regression(f, most, sure))
	}
	return lost(a, list, sure)
}

func regression(f analysis.AgainstFigure, most float64, sure bool) Regression {
	r := Regression{AgainstFigure: f, Met: true}
	worse := func(ratio float64) bool { // by more than most
		if f.Less {
			return ratio > 1+most
		}
		return ratio < 1-most
	}
	limit := units.Format(most, units.Ratio)
	favourable, unfavourable := ends(f)
	switch {
	case !f.Ratio.Known() && (favourable.Known() || unfavourable.Known()):
		r.bounded(worse, limit)
	case !f.Ratio.Known() && !f.First.Known() && f.FirstN == 0:
		if f.Other.Known() {
			r.Warn, r.Why = true, "nothing to compare with, the baseline does not have it: "+f.First.Why
		}
	case !f.Ratio.Known():
		r.Warn, r.Why = true, f.Ratio.Why
		if !f.Other.Known() && f.OtherN == 0 {
			r.Warn, r.Met = false, false
			r.Why = "the baseline has it, and the run has not: " + f.Other.Why
		}
	case f.Verdict == analysis.ContrastNone && f.Needs.Inapplicable:
		// The same measurement.
	case !favourable.Known() || !unfavourable.Known():
		if worse(*f.Ratio.Number) {
			r.Warn, r.Why = true, fmt.Sprintf("worse by more than %s, and not shown to be: %s", limit, f.Low.Why)
		} else if sure {
			r.Warn, r.Why = true, "not shown to be as good: "+f.Low.Why
		}
	case worse(*favourable.Number) && f.Basis == analysis.BasisWithin:
		r.Warn, r.Why = true, onOneDeployment(limit)
	case worse(*favourable.Number):
		r.Met, r.Why = false, fmt.Sprintf("shown to be worse by more than %s", limit)
	case worse(*f.Ratio.Number), sure && worse(*unfavourable.Number):
		r.Warn, r.Why = true, fmt.Sprintf("may be worse by more than %s, which is not shown", limit)
	}
	if r.Warn && sure {
		r.Warn, r.Met = false, false
	}
	return r
}

// ends gives the ends of a ratio's interval by what they mean.
func ends(f analysis.AgainstFigure) (favourable, unfavourable analysis.Value) {
	if f.Less {
		return f.Low, f.High
	}
	return f.High, f.Low
}

// bounded judges a figure of which a run knows a bound alone: so much is met, and more may
// be.
func (r *Regression) bounded(worse func(float64) bool, limit string) {
	favourable, unfavourable := ends(r.AgainstFigure)
	switch {
	case favourable.Known() && worse(*favourable.Number) && r.Basis == analysis.BasisWithin:
		r.Warn, r.Why = true, onOneDeployment(limit)
	case favourable.Known() && worse(*favourable.Number):
		r.Met, r.Why = false, "shown to be worse by more than "+limit
	case !unfavourable.Known() || worse(*unfavourable.Number):
		r.Warn, r.Why = true, fmt.Sprintf("may be worse by more than %s: %s", limit, r.Ratio.Why)
	}
	if r.Why != "" {
		r.Why = r.told(r.First) + " to " + r.told(r.Other) + ": " + r.Why
	}
}

// told writes one run's figure.
func (r *Regression) told(v analysis.Value) string {
	if !v.Known() {
		return v.Why
	}
	return units.Format(*v.Number, r.Unit)
}

func onOneDeployment(limit string) string {
	return fmt.Sprintf("worse by more than %s on one deployment of each; how deployments differ is not known: it takes two replicates or more", limit)
}
