package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// costTable tells what each configuration takes of the server for what it gives: a table
// for each role, and one of what is taken whoever it is for.
func costTable(s *analysis.Summary) Section {
	if len(s.Costs) == 0 {
		return Section{}
	}
	section := Section{Title: "Cost", Together: true, Notes: takenNotes(s)}
	currency := cmp.Or(s.Environment.Currency, "cost")
	for _, role := range []costRole{
		{"cost-vision", "Vision, for what is taken", "requests", "req/s", 1, func(c analysis.Cost) analysis.CostRates { return c.Vision }},
		{"cost-agent", "VLM responses, for what is taken", "responses", "req/min", 60, func(c analysis.Cost) analysis.CostRates { return c.Agent }},
	} {
		if t, any := role.table(s.Costs, currency); any {
			section.Tables = append(section.Tables, t)
		}
	}
	section.Tables = append(section.Tables, takenTable(s.Costs))
	return section
}

// A costRole is one role's table. Its rates are told in times a second of what analysis
// tells.
type costRole struct {
	id, title, what, unit string
	times                 float64
	of                    func(analysis.Cost) analysis.CostRates
}

// table reports false where no configuration serves the role.
func (r costRole) table(costs []analysis.Cost, currency string) (t Table, any bool) {
	t = Table{ID: r.id, Title: r.title, Columns: []Column{
		words("Configuration"), numbers("Rate", r.unit), numbers("Per GPU", r.unit), numbers("Per slice", r.unit),
		numbers("Each takes", "J"), numbers(titled(r.what)+" per kJ", "n/kJ"), numbers(titled(r.what)+" per "+currency, "n/"+currency), words("At"),
	}}
	for _, c := range costs {
		rates := r.of(c)
		any = any || !rates.PerSecond.Inapplicable
		t.Rows = append(t.Rows, []Cell{
			Text(c.Config), number(times(rates.PerSecond, r.times), r.unit), number(times(rates.PerGPU, r.times), r.unit), number(times(rates.PerSlice, r.times), r.unit),
			number(rates.Energy, "J"), number(times(rates.PerJoule, 1000), "n/kJ"), number(rates.PerCost, "n/"+currency), Text(c.At),
		})
	}
	t.dropInapplicable()
	return t, any
}

// takenTable is what a configuration takes in all.
func takenTable(costs []analysis.Cost) Table {
	t := Table{ID: "cost-server", Title: "What is taken, and what lies idle", Columns: []Column{
		words("Configuration"), numbers("GPUs", "1"), numbers("Slices in use", "1"), numbers("Unused", "1"), ratios("Unused memory"),
		numbers("Power", "W"), numbers("Idle", "W"), spans("Switch"), spans("Start"),
	}}
	for _, c := range costs {
		t.Rows = append(t.Rows, []Cell{
			Text(c.Config), whole(c.GPUs), whole(c.Slices), whole(c.Unused), scaled(c.UnusedMemory),
			number(c.Power, "W"), number(c.Idle, "W"), scaled(c.Switch), scaled(c.Start),
		})
	}
	t.dropInapplicable()
	return t
}

func takenNotes(s *analysis.Summary) []string {
	notes := []string{
		"Slice: a device that an instance stands on, a whole GPU or a MIG instance. Each role is held against all of the server: what it takes alone is not known where the other runs beside it. " +
			"Power is that of the GPUs, of all of them together, within the windows; idle: before load. Energy is power / rate.",
	}
	if slices.ContainsFunc(s.Costs, func(c analysis.Cost) bool { return c.Switch.Known() || c.Start.Known() }) {
		notes = append(notes, "Switch: to plan and apply the layout. Start: from then until load could come, to launch, to be ready and to be warm. Each is the median over the cells in which it was done; what the layout is put back in is in neither.")
	}
	if spent := s.Spent; spent != nil && spent.Switching.Known() {
		text := fmt.Sprintf("Switching, starting and stopping took %.1f min of the server", *spent.Switching.Number/60)
		if spent.Share.Known() {
			text += fmt.Sprintf(", %s of its time", units.Format(*spent.Share.Number, units.Ratio))
		}
		if spent.Cost.Known() {
			text += fmt.Sprintf(", which is %s at %s an hour", units.Format(*spent.Cost.Number, spent.Cost.Unit), units.Format(s.Environment.CostPerHour, s.Environment.Currency))
		}
		notes = append(notes, text+".")
	}
	return notes
}

// times gives a value in another unit, of which one is as many of its own.
func times(v analysis.Value, n float64) analysis.Value {
	if v.Known() {
		more := *v.Number * n
		v.Number = &more
	}
	return v
}

// whole makes a cell of a count that may be unknown.
func whole(v analysis.Value) Cell {
	if !v.Known() {
		return missing(v, units.One)
	}
	return Cell{Text: units.Number(*v.Number), Value: v.Number, Unit: units.One}
}

// titled begins with a capital letter.
func titled(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
