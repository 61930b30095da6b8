package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// Limits of a Brief, beyond which it says how much it leaves out.
const (
	briefSquares = 2 // 2x2s of MIG and MPS
	briefLines   = 6 // of a list
)

// Brief lays a Summary out on about one screen: the comparison, the effects of
// MIG and MPS, the models, where everything sat, and what speaks against the
// numbers. Of several steps, the last has all tables and the others the first.
// The Document keeps s; nobody may change it after.
func Brief(s *analysis.Summary) *Document {
	d := newDocument(s)
	tables := Section{}
	for i, c := range s.Comparison {
		tables.Tables = append(tables.Tables, briefComparison(c))
		if i == len(s.Comparison)-1 {
			tables.Tables = append(tables.Tables, briefChanges(c))
			tables.Tables = append(tables.Tables, briefEffects(c)...)
			tables.Tables = append(tables.Tables, briefModels(c))
		}
	}
	tables.Tables = append(tables.Tables, briefPlacement(s))
	d.Sections = []Section{tables, {Notes: briefNotes(s)}}
	d.clean()
	return d
}

// briefComparison is the published guide's table.
func briefComparison(c analysis.Comparison) Table {
	t := Table{
		ID: fmt.Sprintf("comparison-%d", c.Index),
		Title: fmt.Sprintf("%s, window %s (O: on every device, X: on none; n: replicates)",
			stepName(c.Step, c.Index), units.Format(c.Window, units.Seconds)),
		Columns: []Column{
			words("Configuration"), words("MIG"), words("MPS"), numbers("VLM responses", "1/h"), spans("VLM latency"),
			numbers("Vision", "req/s"), numbers("Agent", "req/min"), numbers("VLM answers", "n"), numbers("n", "n"),
		},
	}
	for _, r := range c.Rows {
		row := []Cell{
			Text(r.Config), mark(r.MIG), mark(r.MPS), aggregate(r.VLMResponses, "1/h", false), aggregate(r.VLMLatency, "s", true),
			aggregate(r.Vision, "req/s", false), aggregate(r.Agent, "req/min", false), count(r.Answers), count(r.Replicates),
		}
		if r.Failed > 0 {
			row[8].Note = fmt.Sprintf("%d not done", r.Failed)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func briefChanges(c analysis.Comparison) Table {
	t := Table{ID: fmt.Sprintf("change-%d", c.Index), Columns: []Column{words("Configuration")}}
	if len(c.Rows) < 2 {
		return t
	}
	t.Title = "Change against " + c.Rows[c.Base].Config
	for _, m := range metrics(c.Rows[c.Base]) {
		t.Columns = append(t.Columns, ratios(m.name))
	}
	for i, r := range c.Rows {
		if i == c.Base {
			continue
		}
		row := []Cell{Text(r.Config)}
		for _, v := range changesOf(c, i) {
			row = append(row, signed(v))
		}
		t.Rows = append(t.Rows, row)
	}
	if len(c.Factorials) == 0 { // else it is told there
		t.Notes = changeNotes(c)[1:]
	}
	return t
}

// briefEffects has a row for each figure, and with replicates one of ranges
// below it.
func briefEffects(c analysis.Comparison) []Table {
	var tables []Table
	for i, f := range c.Factorials {
		if i == briefSquares {
			last := &tables[i-1]
			last.Notes = append(last.Notes, fmt.Sprintf("%s of MIG and MPS more: see the full report.", units.Plural(len(c.Factorials)-i, "table")))
			break
		}
		t := effectTable(c, f, i)
		t.Rows = nil
		for _, m := range f.Metrics {
			row, ranges, ranged := []Cell{Text(m.Name)}, []Cell{Text("  range")}, false
			for _, e := range effectsOf(m) {
				text := rangeText(e.Effect)
				ranged = ranged || text != ""
				row, ranges = append(row, signed(e.Value)), append(ranges, Text(text))
			}
			t.Rows = append(t.Rows, row)
			if ranged {
				t.Rows = append(t.Rows, ranges)
			}
		}
		t.Notes = append(slices.Clone(t.Notes), effectNotes[1])
		tables = append(tables, t)
	}
	return tables
}

// briefModels is the table of vision models without what the comparison has.
func briefModels(c analysis.Comparison) Table {
	t := modelTable(c)
	t.Title = "Vision models, requests completed in a second"
	drop := func(i int) bool { return i >= 1 && i <= 3 } // MIG, MPS, total requests
	var columns []Column
	for i, column := range t.Columns {
		if !drop(i) {
			column.Unit = ""
			columns = append(columns, column)
		}
	}
	for i, row := range t.Rows {
		var cells []Cell
		for j, cell := range row {
			if !drop(j) {
				cells = append(cells, cell)
			}
		}
		t.Rows[i] = cells
	}
	t.Columns = columns
	return t
}

// briefPlacement has a row for each device, once for all configurations that
// sit alike.
func briefPlacement(s *analysis.Summary) Table {
	t := Table{ID: "placement", Title: "Placement", Columns: []Column{
		words("Configurations"), words("Device"), numbers("SMs", "1"), numbers("Memory", "GiB"), words("Instances"),
	}}
	var seats [][][]Cell // of each placement: its rows without the first cell
	var names [][]string
	var seen []string
	for _, c := range s.Cells {
		name := c.Cell.Config.Name
		if name == "" || slices.Contains(seen, name) {
			continue
		}
		seen = append(seen, name)
		rows := seatsOf(c)
		i := slices.IndexFunc(seats, func(other [][]Cell) bool {
			return slices.EqualFunc(rows, other, func(a, b []Cell) bool {
				return slices.EqualFunc(a, b, func(a, b Cell) bool { return a.Text == b.Text })
			})
		})
		if i < 0 {
			i = len(seats)
			seats, names = append(seats, rows), append(names, nil)
		}
		names[i] = append(names[i], name)
	}
	for i, rows := range seats {
		for _, row := range rows {
			t.Rows = append(t.Rows, append([]Cell{Text(strings.Join(names[i], ", "))}, row...))
		}
	}
	return t
}

// seatsOf lists the devices of a cell on which something runs, and what is on
// none that is known.
func seatsOf(c analysis.Cell) [][]Cell {
	var rows [][]Cell
	seated := map[string]bool{}
	for _, d := range c.Layout.Devices {
		var here []string
		for _, i := range c.Cell.Instances {
			if i.Device == d.UUID {
				here = append(here, i.Name)
				seated[i.Name] = true
			}
		}
		if len(here) > 0 {
			rows = append(rows, []Cell{Text(d.Name), count(d.SMs), gibibytes(d.MemoryBytes), Text(strings.Join(here, ", "))})
		}
	}
	var others []string
	for _, i := range c.Cell.Instances {
		if !seated[i.Name] {
			others = append(others, i.Name)
		}
	}
	if len(others) > 0 {
		rows = append(rows, []Cell{Text(units.Unknown), Text(units.Unknown), Text(units.Unknown), Text(strings.Join(others, ", "))})
	}
	return rows
}

// briefNotes says what speaks for and against the numbers.
func briefNotes(s *analysis.Summary) []string {
	if len(s.Comparison) == 0 {
		return append([]string{"No step was measured."}, briefWarnings(s)...)
	}
	notes := append(briefVerdicts(s), briefObjectives(s)...)
	if line := briefHTTP(s); line != "" {
		notes = append(notes, line)
	}
	return append(notes, briefWarnings(s)...)
}

func briefVerdicts(s *analysis.Summary) []string {
	var doubts tally
	all := 0
	for _, p := range places(s) {
		all++
		if v := p.service.Verdict; v.Is != analysis.Valid {
			doubts.add(p, p.service.Name+": "+v.Is)
		}
	}
	if len(doubts.keys) == 0 {
		return []string{fmt.Sprintf("Validity: all %s valid: no sign that the load generator spoiled them.", units.Plural(all, "measurement"))}
	}
	return doubts.lines("Not valid: ", s)
}

func briefObjectives(s *analysis.Summary) []string {
	var unmet tally
	all := 0
	for _, p := range places(s) {
		for _, clause := range p.service.SLO {
			all++
			if clause.Result != analysis.Met {
				unmet.add(p, fmt.Sprintf("%s %s: %s", p.service.Name, clause.Clause.Text, clause.Result))
			}
		}
	}
	switch {
	case all == 0:
		return []string{"Objectives: none asked."}
	case len(unmet.keys) == 0:
		return []string{fmt.Sprintf("Objectives: all %d met.", all)}
	}
	return unmet.lines("Objective ", s)
}

// A tally counts what was found, by configuration.
type tally struct {
	keys  []string
	count map[string]map[string]int
}

func (t *tally) add(p place, key string) {
	if t.count == nil {
		t.count = map[string]map[string]int{}
	}
	if t.count[key] == nil {
		t.keys = append(t.keys, key)
		t.count[key] = map[string]int{}
	}
	t.count[key][cmp.Or(p.cell.Cell.Config.Name, p.cell.Cell.Folder)]++
}

// lines tells of each thing in which configurations it was found, and how
// often, if that is not once in each of their steps.
func (t *tally) lines(begin string, s *analysis.Summary) []string {
	steps := map[string]int{}
	for _, c := range s.Cells {
		steps[cmp.Or(c.Cell.Config.Name, c.Cell.Folder)] += len(c.Steps)
	}
	var lines []string
	for i, key := range t.keys {
		if i == briefLines {
			lines = append(lines, fmt.Sprintf("And %d more: see the full report.", len(t.keys)-i))
			break
		}
		var where []string
		for _, config := range slices.Sorted(maps.Keys(t.count[key])) {
			if n := t.count[key][config]; n != steps[config] {
				config += fmt.Sprintf(" (%d of %s)", n, units.Plural(steps[config], "step"))
			}
			where = append(where, config)
		}
		in := strings.Join(where, ", ")
		if len(where) == len(steps) && len(where) > 1 && !strings.Contains(in, "(") {
			in = "every configuration"
		}
		lines = append(lines, begin+key+" in "+in+".")
	}
	return lines
}

// briefHTTP tells what part of the times between sending and answer HTTP took
// on a simulated server.
func briefHTTP(s *analysis.Summary) string {
	var services []string
	least, most := map[string]float64{}, map[string]float64{}
	for _, p := range places(s) {
		o := p.service.Overhead
		if o == nil || !o.Share.Known() {
			continue
		}
		name, share := p.service.Name, *o.Share.Number
		if !slices.Contains(services, name) {
			services = append(services, name)
			least[name], most[name] = share, share
		}
		least[name], most[name] = min(least[name], share), max(most[name], share)
	}
	var told []string
	for _, name := range services {
		low, high := units.Fixed(least[name]*100, 1), units.Fixed(most[name]*100, 1)
		if low != high {
			low += " to " + high
		}
		told = append(told, fmt.Sprintf("%s %s %%", name, low))
	}
	if len(told) == 0 {
		return ""
	}
	return "HTTP cost, in server time, of the time from sending to answer: " + strings.Join(told, ", ") + "."
}

func briefWarnings(s *analysis.Summary) []string {
	if len(s.Warnings) == 0 {
		return []string{"Warnings: none."}
	}
	var codes []string
	counts := map[string]int{}
	for _, w := range s.Warnings {
		if counts[w.Code]++; counts[w.Code] == 1 {
			codes = append(codes, w.Code)
		}
	}
	for i, code := range codes {
		codes[i] = fmt.Sprintf("%s %d", code, counts[code])
	}
	return []string{fmt.Sprintf("Warnings: %d (%s); read them in the full report before relying on a number.", len(s.Warnings), strings.Join(codes, ", "))}
}
