package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// An Answer is one of those that a Document begins with: which configuration, how much
// load, how sure.
type Answer struct {
	Asks string // the question, in a few words
	Says string // the answer, to be written large
	// Notes are what must be read with it, a sentence each.
	Notes []string
	// Doubt says that the answer is not sure, or that there is none.
	Doubt bool
	// Aside says that it is no answer to decide by, but what to read before: it is written
	// small, after the others.
	Aside bool
}

// Limits of what an Answer lists.
const (
	headlineLoads   = 4
	headlineConfigs = 6
)

// headline answers what is asked first of a run, three times, and a fourth time if
// anything speaks against its numbers.
func headline(s *analysis.Summary) []Answer {
	h := head{s, searches(s), nil}
	if r := s.Recommendation; r != nil && len(r.Choices) > 0 {
		h.choice = &r.Choices[0]
	}
	config, which := h.which()
	answers := []Answer{which, h.load(config), h.sure(config)}
	if against := h.against(); against.Says != "" {
		answers = append(answers, against)
	}
	return answers
}

// A head is what answers are made of.
type head struct {
	*analysis.Summary
	searched []searched
	choice   *analysis.Choice // for what is asked first; nil without a recommendation
}

// configs lists those of finished cells, in the order of running.
func (h head) configs() []string {
	var names []string
	for _, c := range h.Cells {
		if name := c.Cell.Config.Name; name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// cellsOf are the finished cells of a configuration: its replicates.
func (h head) cellsOf(config string) []analysis.Cell {
	return slices.DeleteFunc(slices.Clone(h.Cells), func(c analysis.Cell) bool {
		return c.Cell.Config.Name != config || !c.Done()
	})
}

// which configuration it is, and the answer that says so; empty if there is none.
func (h head) which() (string, Answer) {
	a := Answer{Asks: "Which configuration?"}
	if h.choice != nil {
		a.Says = h.named(h.choice.Config)
		a.Notes = h.goals()
		a.Doubt = !settled(*h.choice)
		return h.choice.Config, a
	}
	if r := h.Race; r != nil {
		switch {
		case r.State == analysis.RaceWon:
			a.Says = h.named(r.Winner)
			return r.Winner, a
		case r.State == analysis.RaceEquivalent && len(r.Equivalent) > 0:
			a.Says = listed(r.Equivalent, headlineConfigs)
			a.Notes = []string{"They are as good as each other."}
			return r.Equivalent[0], a
		}
		a.Says, a.Doubt = "Not decided", true
		a.Notes = sentencesOf(r.Why)
		return "", a
	}
	switch names := h.configs(); len(names) {
	case 0:
		a.Says, a.Doubt = "None: no cell was finished", true
		return "", a
	case 1:
		a.Says = h.named(names[0])
		a.Notes = []string{"It is the only one that was measured."}
		return names[0], a
	default:
		a.Says, a.Doubt = "None is shown to be best", true
		a.Notes = []string{"Measured: " + listed(names, headlineConfigs) + "."}
		return "", a
	}
}

// named gives a configuration, whose name is the scenario's or a code, with how it shares
// out the GPUs.
func (h head) named(config string) string {
	told := map[analysis.Use]string{analysis.UseAll: "on", analysis.UseSome: "on some devices", analysis.UseNone: "off"}
	for _, c := range h.Cells {
		if c.Cell.Config.Name == config && told[c.MIG] != "" && told[c.MPS] != "" {
			return fmt.Sprintf("%s: MIG %s, MPS %s", config, told[c.MIG], told[c.MPS])
		}
	}
	return config
}

// goals tells what the configuration is for, and which are for the other goals. One that is
// but the best by chance for a goal is not named among those that it is for.
func (h head) goals() []string {
	var same, others, none []string
	for i, c := range h.Recommendation.Choices {
		switch shown := settled(c); {
		case c.Config == h.choice.Config && (shown || i == 0):
			same = append(same, goals[c.Goal])
		case shown:
			others = append(others, fmt.Sprintf("For %s: %s.", goals[c.Goal], c.Config))
		default:
			none = append(none, goals[c.Goal])
		}
	}
	if len(none) > 0 {
		others = append(others, fmt.Sprintf("For %s none is shown to be best.", and(none)))
	}
	notes := []string{"Chosen for " + and(same) + "."}
	if n := len(h.choice.Equivalent); n > 1 {
		notes[0] = fmt.Sprintf("Chosen for %s; the simplest of %d within %s of the best.", and(same), n, units.Format(h.Zone(), units.Ratio))
	}
	return append(notes, others...)
}

// against tells what else speaks against the numbers; without words if nothing does.
func (h head) against() Answer {
	a := Answer{Asks: "What speaks against it?", Doubt: true, Aside: true}
	var told []string
	if n := len(h.Missing); n > 0 {
		told = append(told, units.Plural(n, "cell")+" missing")
	}
	if list := h.invalid(); len(list) > 0 && h.ValidSteps() > 0 {
		told = append(told, units.Plural(len(list), "step")+" not valid")
		a.Notes = append(a.Notes, fmt.Sprintf("Not valid; in means, and in no interval: %s.", listed(list, headlineLoads)))
	}
	if n := len(h.Warnings); n > 0 {
		kinds := kindsOf(h.Warnings)
		told = append(told, fmt.Sprintf("%s of %s in the whole run", units.Plural(n, "warning"), units.Plural(len(kinds), "kind")))
		a.Notes = append(a.Notes, kindsText(kinds, headlineLoads)+". See Warnings before you rely on a number.")
	}
	a.Says = and(told)
	if r := h.Recommendation; r != nil && len(r.NotTested) > 0 {
		a.Notes = append(a.Notes, "Not tested: "+strings.Join(r.NotTested[:min(len(r.NotTested), headlineLoads)], "; ")+".")
	}
	return a
}

// invalid names the steps that were run to measure and cannot be judged.
func (h head) invalid() []string {
	var list []string
	for _, p := range h.InvalidSteps() {
		list = append(list, fmt.Sprintf("%s step %d", p.Cell, p.Step))
	}
	return list
}
