package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// goals are what a goal is for people.
var goals = map[string]string{
	analysis.GoalJoint:   "all services together",
	analysis.GoalVision:  "the most Vision requests",
	analysis.GoalAgent:   "the most VLM responses",
	analysis.GoalLatency: "the least tail latency",
}

// recommendation says which configuration to use, and why; a Section without a title if
// there is none.
func recommendation(s *analysis.Summary) Section {
	r := s.Recommendation
	if r == nil || len(r.Environments) == 0 && len(r.Choices) == 0 {
		return Section{}
	}
	section := Section{Title: "Recommendation", Together: true}
	for _, c := range r.Choices {
		section.Notes = append(section.Notes, titled(choiceSentence(c, s.Zone())))
	}
	if len(r.Choices) > 0 {
		section.Tables = append(section.Tables, choiceTable(s, r.Choices), evidenceTable(r.Choices))
	}
	if len(r.Environments) > 0 {
		section.Tables = append(section.Tables, environmentTable(r.Environments))
	}
	if s.Race != nil {
		section.Tables = append(section.Tables, raceTable(s.Race))
	}
	if len(r.NotTested) > 0 {
		section.Notes = append(section.Notes, "Not tested: "+strings.Join(r.NotTested, "; ")+".")
	}
	return section
}

// choiceSentence is a choice for who reads one line of it. It begins with a small letter.
func choiceSentence(c analysis.Choice, zone float64) string {
	text := fmt.Sprintf("for %s: %s", goals[c.Goal], c.Config)
	if !settled(c) {
		text = fmt.Sprintf("for %s none is shown to be best; by what was measured %s", goals[c.Goal], c.Config)
	}
	if len(c.Equivalent) > 1 {
		text += fmt.Sprintf(", the simplest of %d within %s of the best", len(c.Equivalent), units.Format(zone, units.Ratio))
	}
	if c.RunnerUp != "" {
		text += fmt.Sprintf("; next %s, %s", c.RunnerUp, changeText(c))
	}
	switch {
	case c.Sure == analysis.Shown && slices.Contains(c.Equivalent, c.RunnerUp):
		return text + ". Those are as good; from any other the difference is clear."
	case c.Sure == analysis.Shown:
		return text + ". The difference is clear."
	}
	return text + ". " + titled(c.Sure) + "."
}

// costs says what the next would change.
func costs(c analysis.Choice) Cell {
	return change(c.Costs, c.Goal == analysis.GoalLatency, held(c.Low, c.High))
}

// changeText tells that with its interval.
func changeText(c analysis.Choice) string {
	v, low, high := c.Costs, c.Low, c.High
	if !v.Known() {
		return cmp.Or(boundsText(low, high), "by how much is unknown: "+v.Why)
	}
	text := costs(c).Text
	if low.Known() && high.Known() {
		text += fmt.Sprintf(" [%s, %s]", units.Change(*low.Number), units.Change(*high.Number))
	}
	return text
}

func choiceTable(s *analysis.Summary, choices []analysis.Choice) Table {
	t := Table{ID: "recommendation", Title: "Which configuration for what", Columns: []Column{
		words("For"), words("Configuration"), words("By"), words("As good"), words("Next"), ratios("With it"), ratios("From"), ratios("To"), words("How sure"),
	}, Notes: []string{fmt.Sprintf("Of the configurations within %s of the best the simplest is taken: no MIG before MIG, time-slicing before MPS, fewer devices, fewer workers, round-robin, automatic placement, fewer parameters. With it: the figure of the next ÷ that of the configuration, less 1, with a 95 %% interval.", units.Format(s.Zone(), units.Ratio))}}
	for _, c := range choices {
		t.Rows = append(t.Rows, []Cell{
			Text(goals[c.Goal]), Text(c.Config), Text(c.Figure), Text(strings.Join(c.Equivalent, ", ")), Text(c.RunnerUp),
			costs(c), signed(c.Low), signed(c.High), Text(c.Sure),
		})
	}
	return t
}

func evidenceTable(choices []analysis.Choice) Table {
	t := Table{ID: "recommendation-evidence", Title: "Evidence", Columns: []Column{words("For"), words("Because")}}
	for _, c := range choices {
		for _, because := range c.Because {
			t.Rows = append(t.Rows, []Cell{Text(goals[c.Goal]), Text(because)})
		}
	}
	return t
}

func environmentTable(list []analysis.OperatingEnvironment) Table {
	t := Table{ID: "operating-environments", Title: "What the guide says of such a server, and what was measured", Columns: []Column{
		words("Environment"), words("Because"), words("The guide"), words("Measured"), words("Evidence"),
	}}
	for _, e := range list {
		t.Rows = append(t.Rows, []Cell{Text(e.Name), Text(e.Why), Text(e.Rule), Text(e.Measured), Text(e.Because)})
	}
	return t
}

// raceTable tells how the configurations of a race fared.
func raceTable(r *analysis.Race) Table {
	t := Table{ID: "race", Title: "Race: " + raceSentence(r), Columns: []Column{
		words("Configuration"), numbers("Capacity", ""), numbers("Below", ""), numbers("Replicates", "n"), ratios("Against the best"), ratios("From"), ratios("To"),
		spans("Under load"), words("Left out"),
	}, Notes: []string{"The 95 % intervals hold however often was looked. Below: a load at which it missed an objective, where that is all that is known."}}
	for _, x := range r.Runners {
		left := ""
		if x.Left != "" {
			left = fmt.Sprintf("after replicate %d: %s", x.After, x.Left)
		}
		t.Rows = append(t.Rows, []Cell{
			Text(x.Config), number(x.Capacity, x.Capacity.Unit), number(x.Below, x.Below.Unit), count(x.Blocks),
			change(lessOne(x.Ratio), false, held(lessOne(x.Low), lessOne(x.High))), signed(lessOne(x.Low)), signed(lessOne(x.High)), scaled(x.Spent), Text(left),
		})
	}
	return t
}

// raceSentence tells how it ended.
func raceSentence(r *analysis.Race) string {
	text := ""
	switch r.State {
	case analysis.RaceWon:
		text = r.Winner + " won"
	case analysis.RaceEquivalent:
		text = strings.Join(r.Equivalent, ", ") + " are as good as each other"
	default:
		text = "not decided"
	}
	if r.Why != "" {
		text += " (" + r.Why + ")"
	}
	if r.Spent.Known() {
		text += fmt.Sprintf(", %.1f min under load in all", *r.Spent.Number/60)
	}
	return text
}

// briefRecommendation is a line for what is asked first, and one that says what the guide
// says if what was measured does not.
func briefRecommendation(s *analysis.Summary) []string {
	r := s.Recommendation
	if r == nil || len(r.Choices) == 0 {
		return nil
	}
	first := choiceSentence(r.Choices[0], s.Zone())
	if settled(r.Choices[0]) {
		first = "recommended " + first
	}
	notes := []string{titled(first)}
	for _, e := range r.Environments {
		if e.Measured == analysis.Disagrees {
			return append(notes, fmt.Sprintf("The guide says of a %s: %s. What was measured here disagrees.", e.Name, e.Rule))
		}
	}
	return notes
}
