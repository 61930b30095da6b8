package report

import "github.com/evabench/evabench/analysis"

// exhausted tells of memory that ran out, at each instance where anything told of
// it; no table without one.
func exhausted(s *analysis.Summary) []Table {
	t := Table{
		ID: "out-of-memory", Title: "Memory that ran out",
		Notes:   []string{"Only instances of which anything told so. oom: answers that said it. Told otherwise: lines of the instance's log and ends of its processes during the step; unknown where the launcher sees neither."},
		Columns: placeColumns(words("Instance"), numbers("ok", "n"), numbers("Errors", "n"), numbers("oom", "n"), numbers("Told otherwise", "n")),
	}
	for _, p := range places(s) {
		for _, i := range p.cell.Cell.Instances {
			if i.Service != p.service.Name {
				continue
			}
			row, any := p.memory(i.Name)
			if any {
				t.Rows = append(t.Rows, row)
			}
		}
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return []Table{t}
}

// memory makes an instance's row, and reports whether anything told of memory
// that ran out.
func (p place) memory(instance string) (row []Cell, any bool) {
	var g analysis.Group
	for _, has := range p.service.Instances {
		if has.Name == instance {
			g = has
		}
	}
	oom := g.OutOfMemory()
	told := missing(analysis.Value{Unit: "n", Why: "its launcher sees neither log nor processes"}, "n")
	n, known := p.step.OutOfMemory[instance]
	if known {
		told = count(n)
	}
	row = p.cells(Text(instance), count(g.OK), count(g.Due-g.OK), count(oom), told)
	return row, oom > 0 || n > 0
}
