package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// Against lays a comparison of runs out. The Document keeps a; nobody may change it
// after.
func Against(a *analysis.Against) *Document {
	d := &Document{
		Title: "evabench: " + namesOf(a), Banner: againstBanner(a), Data: a,
		Summary: &analysis.Summary{Schema: a.Schema, Environment: a.Runs[0].Environment},
	}
	d.Sections = []Section{againstRuns(a), againstDiffers(a)}
	for run := 1; run < len(a.Runs); run++ {
		d.Sections = append(d.Sections, againstFigures(a, run))
	}
	d.clean()
	return d
}

// namesOf writes "runs/before against runs/after".
func namesOf(a *analysis.Against) string {
	var others []string
	for _, r := range a.Runs[1:] {
		others = append(others, r.Name)
	}
	return strings.Join(others, ", ") + " against " + a.Runs[0].Name
}

// againstBanner says which of the runs were simulated.
func againstBanner(a *analysis.Against) string {
	var simulated, faults []string
	for _, r := range a.Runs {
		if e := r.Environment; e.Simulated != "" {
			simulated = append(simulated, r.Label)
			if e.SimulatedFaults != "" {
				faults = append(faults, r.Label+": "+e.SimulatedFaults)
			}
		}
	}
	text := ""
	switch {
	case len(simulated) == 0:
		return ""
	case len(simulated) == len(a.Runs):
		text = "SIMULATED: every number was made by a simulated server, none was measured on a GPU."
	default:
		text = "SIMULATED in part: the numbers of " + strings.Join(simulated, ", ") + " were made by a simulated server, the others were measured."
	}
	if len(faults) > 0 {
		text += " FAULTS INJECTED on purpose: " + strings.Join(faults, "; ") + "."
	}
	return text
}

// againstRuns says which runs these are, and what came out.
func againstRuns(a *analysis.Against) Section {
	t := Table{ID: "runs", Title: "Runs", Columns: []Column{
		words("Run"), words("Folder"), words("Scenario"), words("Started"), words("Host"), numbers("Cells", "n"), numbers("Valid steps", "n"),
	}}
	for _, r := range a.Runs {
		t.Rows = append(t.Rows, []Cell{
			Text(r.Label), Text(r.Name), Text(r.Environment.Scenario), Text(r.Environment.Started.UTC().Format(time.RFC3339)),
			Text(r.Environment.Host.Name), count(r.Cells), count(r.ValidSteps),
		})
	}
	section := Section{Title: "Runs", Tables: []Table{t}}
	if a.Same {
		section.Notes = append(section.Notes, "These are records of one measurement: every ratio is 1, which says nothing of another.")
	}
	for run := 1; run < len(a.Runs); run++ {
		section.Notes = append(section.Notes, outcome(a, run))
	}
	return section
}

// outcome tells in words how a run's figures stand to the first's.
func outcome(a *analysis.Against, run int) string {
	var better, worse []string
	n, equivalent, none, unknown := 0, 0, 0, 0
	for _, f := range a.Figures {
		if f.Run != run {
			continue
		}
		n++
		change := boundsText(lessOne(f.Low), lessOne(f.High))
		if f.Ratio.Known() {
			change = units.Change(*f.Ratio.Number - 1)
		}
		name := fmt.Sprintf("%s of %s %s", f.Figure, f.Config, change)
		if f.Step != "" {
			name += " (" + f.Step + ")"
		}
		switch f.Verdict {
		case analysis.ContrastBetter:
			better = append(better, name)
		case analysis.ContrastWorse:
			worse = append(worse, name)
		case analysis.ContrastEquivalent:
			equivalent++
		case analysis.ContrastNone:
			none++
		default:
			unknown++
		}
	}
	text := fmt.Sprintf("%s against %s, %s:", a.Runs[run].Label, a.Runs[0].Label, units.Plural(n, "figure"))
	if none == n {
		return text + " no difference shown in any."
	}
	add := func(n int, word string, list []string) {
		if n > 0 {
			text += fmt.Sprintf(" %d %s", n, word)
			if len(list) > 0 {
				text += " (" + shortened(list) + ")"
			}
			text += ";"
		}
	}
	add(len(worse), "worse", worse)
	add(len(better), "better", better)
	add(equivalent, "equivalent", nil)
	add(none, "with no difference shown", nil)
	add(unknown, "of which that is not known", nil)
	return strings.TrimSuffix(text, ";") + "."
}

// shortened lists at most six things.
func shortened(list []string) string {
	if more := len(list) - briefLines; more > 0 {
		return strings.Join(list[:briefLines], ", ") + fmt.Sprintf(", and %d more", more)
	}
	return strings.Join(list, ", ")
}

// againstDiffers sets the environments side by side.
func againstDiffers(a *analysis.Against) Section {
	t := Table{ID: "what-differs", Title: "What differs", Columns: []Column{words("What")}}
	for _, r := range a.Runs {
		t.Columns = append(t.Columns, words(r.Label))
	}
	t.Columns = append(t.Columns, words("What it means"))
	for _, d := range a.Differences {
		row := []Cell{Text(d.What)}
		for _, v := range d.Values {
			row = append(row, Text(v))
		}
		t.Rows = append(t.Rows, append(row, Text(d.Means)))
	}
	section := Section{Title: "What differs", Tables: []Table{t}}
	if len(t.Rows) == 0 {
		section.Tables, section.Notes = nil, []string{"Nothing that the runs recorded."}
	}
	if len(a.Common) > 0 {
		section.Notes = append(section.Notes, "The same in all: "+strings.Join(a.Common, ", ")+".")
	}
	for i, x := range a.Alone {
		if i == briefLines {
			section.Notes = append(section.Notes, fmt.Sprintf("And %d more that only one run has.", len(a.Alone)-i))
			break
		}
		section.Notes = append(section.Notes, "Not compared: "+aloneText(a, x)+".")
	}
	return section
}

// aloneText says which run has what another has not.
func aloneText(a *analysis.Against, x analysis.AgainstAlone) string {
	has := a.Runs[x.Run].Label
	if x.Gone {
		has = a.Runs[0].Label
	}
	if x.Step == "" {
		return fmt.Sprintf("configuration %s is in %s only", x.Config, has)
	}
	return fmt.Sprintf("step %s of %s (%s) is in %s only", x.Step, x.Config, x.Load, has)
}

// againstFigures has a table for each configuration.
func againstFigures(a *analysis.Against, run int) Section {
	first, other := a.Runs[0].Label, a.Runs[run].Label
	zone := strings.TrimPrefix(units.Change(a.Zone), "+")
	section := Section{Title: other + " against " + first, Together: true, Notes: []string{
		fmt.Sprintf("Change = %s / %s - 1, of the geometric means over the replicates, with its 95 %% interval.", other, first),
		fmt.Sprintf("Equivalent: the interval lies within the indifference zone of %s. Better, worse: it lies on one side of 0 %%. No difference shown: it holds 0 %% and reaches beyond the zone, which is not the same as no difference.", zone),
		"Needs: how many more replicates of each run would decide it, if ratio and spread stay what they are.",
	}}
	section.Notes = append(section.Notes, bases(a, run)...)
	section.Tables = againstTables(a, run)
	return section
}

// againstTables has one for each configuration and step.
func againstTables(a *analysis.Against, run int) []Table {
	var tables []Table
	var seen []string
	for _, f := range a.Figures {
		if f.Run != run {
			continue
		}
		title := f.Config + ": " + cmp.Or(f.Step, "capacity")
		at := slices.Index(seen, title)
		if at < 0 {
			at, seen = len(seen), append(seen, title)
			tables = append(tables, Table{
				ID: fmt.Sprintf("against-%d-%d", run, at), Title: title,
				Columns: []Column{
					words("Figure"), words("Unit"), {Name: a.Runs[0].Label, Align: Right, Scaled: true}, {Name: a.Runs[run].Label, Align: Right, Scaled: true},
					ratios("Change"), ratios("95 % from"), ratios("to"), words("Verdict"), words("Replicates"), numbers("Needs", "n"),
				},
				Notes: []string{"Less is better of latencies."},
			})
		}
		tables[at].Rows = append(tables[at].Rows, againstRow(f))
	}
	for i := range tables {
		tables[i].noteCommon(a.Runs[0].Label, a.Runs[run].Label)
		tables[i].dropInapplicable() // what every row would need, where all is decided
	}
	return tables
}

// The columns of a table of figures that become a note where all rows have the same.
const (
	againstFrom       = 5 // its cells' notes
	againstReplicates = 8
)

// noteCommon puts what all rows have in common below the table: on what their intervals
// rest, and how many replicates there are.
func (t *Table) noteCommon(first, other string) {
	basis, replicates := t.Rows[0][againstFrom], t.Rows[0][againstReplicates].Text
	if !slices.ContainsFunc(t.Rows, func(row []Cell) bool { return row[againstFrom].Note != basis.Note || row[againstFrom].Value == nil }) {
		t.Notes = append(t.Notes, "Intervals from "+basis.Note+".")
		for _, row := range t.Rows {
			row[againstFrom].Note = ""
		}
	}
	if slices.ContainsFunc(t.Rows, func(row []Cell) bool { return row[againstReplicates].Text != replicates }) {
		return
	}
	mine, theirs, _ := strings.Cut(replicates, ", ")
	t.Notes = append(t.Notes, fmt.Sprintf("Replicates: %s of %s, %s of %s.", mine, first, theirs, other))
	t.Columns = slices.Delete(t.Columns, againstReplicates, againstReplicates+1)
	for i := range t.Rows {
		t.Rows[i] = slices.Delete(t.Rows[i], againstReplicates, againstReplicates+1)
	}
}

// againstRow tells one figure; on what its interval rests stands in a note.
func againstRow(f analysis.AgainstFigure) []Cell {
	unit := againstUnit(f)
	low := signed(lessOne(f.Low))
	if f.Basis != "" {
		low.Note = f.Basis
	}
	return []Cell{
		Text(f.Figure), Text(unit), number(f.First, unit), number(f.Other, unit), signed(lessOne(f.Ratio)), low, signed(lessOne(f.High)),
		Text(f.Verdict), Text(fmt.Sprintf("%d, %d", f.FirstN, f.OtherN)), number(f.Needs, "n"),
	}
}

// againstUnit is that of a figure as the tables of one run write it.
func againstUnit(f analysis.AgainstFigure) string {
	switch {
	case f.Figure == "VLM responses":
		return "1/h"
	case f.Unit == units.PerSecond:
		return units.Requests
	case f.Unit == "1/min":
		return units.PerMinute
	}
	return f.Unit
}

// bases says what the intervals rest on.
func bases(a *analysis.Against, run int) []string {
	var list []string
	for _, b := range []struct{ basis, text string }{
		{analysis.BasisSameArrivals, "Pairs with the same arrivals: the replicates of one number had the same seed in both runs, so their requests came at the same moments, and the interval is that of the pairs' ratios."},
		{analysis.BasisUnpaired, "Unpaired replicates: the runs' replicates did not meet the same arrivals (another seed, another step, or a search, which drives its own loads), and the interval is by Welch's method on logarithms."},
		{analysis.BasisWithin, "One deployment of each: the interval is from those of the two figures. What differs between deployments is not in it; replicates tell that."},
	} {
		if slices.ContainsFunc(a.Figures, func(f analysis.AgainstFigure) bool { return f.Run == run && f.Basis == b.basis }) {
			list = append(list, b.text)
		}
	}
	return list
}
