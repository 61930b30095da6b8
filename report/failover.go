package report

import (
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
)

// failovers has the steps in which an instance was made to end; no table if there
// are none.
func failovers(s *analysis.Summary) Section {
	return Section{
		Title: "Failover",
		Notes: []string{
			"Steps in which one instance was made to end under load. They are in no comparison and held against no objective. Requests are counted in the stretch in which they ended, whenever they were due: those in flight at the instance's end fail after it. The stretches follow the instance that was made to end, not those that ended with it.",
			"Ended after: from the planned moment until the end was known; the other spans count from there. Before: from the window's start until the planned moment, since an end is known a little after it is felt. Being ended: where that took more than 1 s, the time until it was known. Ended, not ejected: requests still went to the instance, as to one behind a balancer that has not noticed. Ejected: none did. Answered again: since its first right answer after it was started again; its caches begin empty. Of before: the throughput over that of the stretch before; how sure it is follows from the n beside it.",
		},
		Tables: []Table{failoverEnds(s), failoverStretches(s, false), failoverEvents(s)},
	}
}

// hasFailover reports whether there is such a step.
func hasFailover(s *analysis.Summary) bool {
	return slices.ContainsFunc(s.Cells, func(c analysis.Cell) bool {
		return slices.ContainsFunc(c.Steps, func(s analysis.Step) bool { return s.Failover != nil })
	})
}

// aFailover is one such step.
type aFailover struct {
	cell analysis.Cell
	step analysis.Step
	*analysis.Failover
}

func failoversOf(s *analysis.Summary) []aFailover {
	var list []aFailover
	for _, c := range s.Cells {
		for _, step := range c.Steps {
			if step.Failover != nil {
				list = append(list, aFailover{c, step, step.Failover})
			}
		}
	}
	return list
}

func (f aFailover) cells(more ...Cell) []Cell {
	return append([]Cell{Text(f.cell.Cell.Folder), Text(stepName(f.step.Name, f.step.Index))}, more...)
}

// failoverEnds has a row for each instance that was made to end.
func failoverEnds(s *analysis.Summary) Table {
	t := Table{ID: "failover", Title: "Instances that were made to end", Columns: []Column{
		words("Cell"), words("Step"), words("Load"), words("Instance"), words("How"), words("It ended by"),
		spans("Ended after"), spans("Ejected after"), spans("Started again after"), spans("Answered again after"), words("Ended with it"),
	}}
	for _, f := range failoversOf(s) {
		t.Rows = append(t.Rows, f.cells(
			Text(loads(f.step)), Text(f.Instance), Text(f.Plan.How), Text(f.How), scaled(f.Ended), scaled(f.Ejected), scaled(f.Restarted), scaled(f.Answered),
			Text(strings.Join(f.Others, ", "))))
	}
	return t
}

// loads tells the levels of all services of a step.
func loads(s analysis.Step) string {
	var list []string
	for _, v := range s.Services {
		list = append(list, v.Name+" "+load(v))
	}
	return strings.Join(list, ", ")
}

// failoverStretches has a row for each service in each stretch. Short leaves out
// steps' names, outcomes and latencies.
func failoverStretches(s *analysis.Summary, short bool) Table {
	t := Table{ID: "failover-stretches", Title: "What was sustained before, during and after", Columns: []Column{
		words("Cell"), words("Step"), words("Service"), words("Stretch"), spans("Length"), numbers("Ended", "n"),
		numbers("Completed", "req/s"), ratios("Of before"), ratios("Failed"),
	}}
	outcomes, qs := failoverFigures(s)
	if !short {
		for _, o := range outcomes {
			t.Columns = append(t.Columns, numbers(o.Outcome.String(), "n"))
		}
		t.Columns = append(t.Columns, spans("Mean latency"))
		for _, q := range qs {
			t.Columns = append(t.Columns, spans(quantileName(q)))
		}
	}
	for _, f := range failoversOf(s) {
		if short {
			f.step.Name = ""
		}
		for i := range f.step.Services {
			for _, stretch := range f.Stretches {
				v := stretch.Services[i]
				row := f.cells(Text(v.Name), Text(stretch.Name), seconds(stretch.Length), count(v.Ended),
					number(v.Throughput, "req/s"), scaled(v.OfBefore), scaled(v.Failed))
				if !short {
					row = append(row, outcomeCounts(v.Outcomes, outcomes)...)
					row = append(append(row, scaled(v.Latency.Mean)), quantileCells(v.Latency, qs)...)
				}
				t.Rows = append(t.Rows, row)
			}
		}
	}
	return t
}

// failoverFigures lists the outcomes and quantiles that any stretch tells.
func failoverFigures(s *analysis.Summary) (outcomes []analysis.Count, qs []float64) {
	for _, f := range failoversOf(s) {
		for _, stretch := range f.Stretches {
			for _, v := range stretch.Services {
				outcomes = append(outcomes, v.Outcomes...)
				for _, q := range v.Latency.Quantiles {
					qs = append(qs, q.Q)
				}
			}
		}
	}
	slices.Sort(qs)
	return distinct(outcomes), slices.Compact(qs)
}

// failoverEvents tells all that happened, of other instances too.
func failoverEvents(s *analysis.Summary) Table {
	t := Table{ID: "failover-events", Title: "What happened when", Columns: []Column{
		words("Cell"), words("Step"), spans("At"), words("Instance"), words("Event"), words("How"),
	}}
	for _, f := range failoversOf(s) {
		for _, e := range f.Events {
			t.Rows = append(t.Rows, f.cells(seconds(e.At.Seconds()), Text(e.Instance), Text(e.Kind), Text(e.Text)))
		}
	}
	if len(t.Rows) > 0 {
		t.Notes = []string{"Since the cell's origin, on the clock of all its samples."}
	}
	return detail(t)
}

// briefFailovers are the tables of a Brief; none if there is no failover.
func briefFailovers(s *analysis.Summary) []Table {
	if !hasFailover(s) {
		return nil
	}
	ends := failoverEnds(s)
	ends.Title = "Failover: instances that were made to end"
	const load, ended = 2, 6 // columns that would take the page's width
	ends.Columns = slices.Delete(slices.Delete(ends.Columns, ended, ended+1), load, load+1)
	for i, row := range ends.Rows {
		row[1] = Text(stepName("", failoversOf(s)[i].step.Index))
		ends.Rows[i] = slices.Delete(slices.Delete(row, ended, ended+1), load, load+1)
	}
	return []Table{ends, failoverStretches(s, true)}
}
