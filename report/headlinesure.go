package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// sure says whether the configuration is shown to be the right one, on how many replicates
// that rests, and what warnings are about them.
func (h head) sure(config string) Answer {
	a := Answer{Asks: "How sure?"}
	switch {
	case h.choice != nil:
		h.chosen(&a)
	case h.Race != nil && h.Race.State != analysis.RaceOpen:
		a.Says = "Shown by the race"
	case config == "" && h.steps() > 0 && h.ValidSteps() == 0:
		a.Says, a.Doubt = "Nothing is shown: no step measures the server", true
		if f := h.Findings; f != nil && len(f.Top) > 0 {
			a.Notes = sentencesOf(f.Top[0].Diagnosis)
		}
	case config == "":
		a.Says, a.Doubt = "Nothing is shown", true
		a.Notes = []string{"What was measured does not say which is better, or was not compared."}
	default:
		a.Says, a.Doubt = "There is nothing to compare it with", true
	}
	if config != "" {
		a.Notes = append(a.Notes, h.rests(config))
	}
	return a
}

// chosen says how sure the recommendation is.
func (h head) chosen(a *Answer) {
	k := h.choice
	n := h.replicates()
	switch {
	case !settled(*k):
		a.Says, a.Doubt = "Not sure", true
		a.Notes = sentencesOf(k.Sure)
	case k.Sure == analysis.Alone && h.mayHaveMet():
		a.Says, a.Doubt = "Not sure", true
	case k.Sure == analysis.Alone && n < 2 && h.Environment.Simulated != "":
		a.Says, a.Doubt = "Seen once, in simulation: not repeated, untested on a real GPU", true
	case k.Sure == analysis.Alone && n < 2: // an objective that was missed by little may be met the next time
		a.Says, a.Doubt = "Seen once: not repeated", true
	case h.Environment.Simulated != "":
		a.Says, a.Doubt = "Clear in simulation; untested on a real GPU", true
	default:
		a.Says = "The ranking is clear"
	}
	a.Notes = append(a.Notes, h.others()...)
	if k.RunnerUp != "" && k.Costs.Known() {
		a.Notes = append(a.Notes, fmt.Sprintf("The next best is %s; %s %s.", h.named(k.RunnerUp), k.Figure, otherwise(k.Costs, k.Low, k.High)))
	}
}

// replicates is on how many the choice rests at least: those that measure the server, of the
// chosen one and of those that missed an objective beside it.
func (h head) replicates() int {
	at, row := h.lastMet(h.choice.Config)
	if row == nil {
		return len(h.cellsOf(h.choice.Config))
	}
	n := len(h.measured(h.choice.Config, at.Index))
	for _, r := range at.Rows {
		if missed, _ := missedOf(r); missed {
			n = min(n, len(h.measured(r.Config, at.Index)))
		}
	}
	return n
}

// mayHaveMet reports whether it is not known of another whether it met every objective.
func (h head) mayHaveMet() bool {
	at, _ := h.lastMet(h.choice.Config)
	return slices.ContainsFunc(at.Rows, func(r analysis.Row) bool {
		missed, unknown := missedOf(r)
		return r.Config != h.choice.Config && unknown && !missed
	})
}

// others says what became of the other configurations at the load that was carried.
func (h head) others() (notes []string) {
	at, _ := h.lastMet(h.choice.Config)
	var missing, open []string
	for _, r := range at.Rows {
		if r.Config == h.choice.Config {
			continue
		}
		if missed, unknown := missedOf(r); missed {
			missing = append(missing, r.Config)
		} else if unknown {
			open = append(open, r.Config)
		}
	}
	switch alone := h.choice.Sure == analysis.Alone; {
	case alone && len(missing) == 0:
		notes = append(notes, "It alone is known to have met every objective.")
	case alone:
		notes = append(notes, fmt.Sprintf("It alone is known to have met every objective; missed by %s.", listed(missing, headlineConfigs)))
	case len(missing) > 0:
		notes = append(notes, fmt.Sprintf("Objectives were missed at that load by %s.", listed(missing, headlineConfigs)))
	}
	if len(open) > 0 {
		notes = append(notes, fmt.Sprintf("Whether %s met them is not known.", listed(open, headlineConfigs)))
	}
	return notes
}

// rests says on what the numbers of a configuration rest.
func (h head) rests(config string) string {
	text := units.Plural(len(h.cellsOf(config)), "replicate")
	var about []analysis.Warning
	for _, w := range h.Warnings {
		if h.touches(w, config) {
			about = append(about, w)
		}
	}
	if len(about) == 0 {
		return text + "; no warning touches it."
	}
	touch := "touch"
	if len(about) == 1 {
		touch = "touches"
	}
	return fmt.Sprintf("%s; %s %s it: %s.", text, units.Plural(len(about), "warning"), touch, kindsText(kindsOf(about), 1))
}

// touches reports whether a warning is about a configuration: about one of its cells, or
// about none, and so about the whole run.
func (h head) touches(w analysis.Warning, config string) bool {
	parts := strings.FieldsFunc(w.Where, func(r rune) bool { return r == ' ' || r == '/' || r == ',' })
	if slices.ContainsFunc(parts, func(p string) bool { return slices.Contains(h.Missing, p) }) {
		return false // told as missing
	}
	some := false
	for _, c := range h.Cells {
		if slices.Contains(parts, c.Cell.Folder) {
			some = true
			if c.Cell.Config.Name == config {
				return true
			}
		}
	}
	return !some
}

// steps counts those that were run to measure.
func (h head) steps() int {
	n := 0
	for _, c := range h.Cells {
		for _, step := range c.Steps {
			if step.Failover == nil {
				n++
			}
		}
	}
	return n
}
