package report

import (
	"fmt"
	"slices"

	"github.com/evabench/evabench/analysis"
)

// capacities draws what each cell sustains, with its interval, beside what it is allowed:
// a chart for each unit and each service whose load was raised.
func (c *charting) capacities() {
	type key struct{ raised, unit string }
	var keys []key
	of := map[key]*Chart{}
	for _, found := range searches(c.summary) {
		k := found.capacity
		at := key{k.Raised, k.Unit}
		chart := of[at]
		if chart == nil {
			what, unit := "all services", "x target"
			if k.Raised != "" {
				what, unit = k.Raised, k.Unit
			}
			keys = append(keys, at)
			chart = &Chart{
				ID: "capacity-" + what, Title: "Capacity of " + what, Asks: "Which configuration carries how much, and how sure is it?", Kind: ChartBars,
				X: Axis{Name: "Configuration"}, Y: Axis{Name: "Load", Unit: unit},
				Notes:  []string{"Capacity: the load at which the first objective fails, with its 95 % interval. Allowed: the load that was run once more and met every objective."},
				Series: []Series{{Name: "Capacity"}, {Name: "Allowed"}},
			}
			of[at] = chart
		}
		x := float64(len(chart.X.Names))
		chart.X.Names = append(chart.X.Names, c.cellName(found.cell))
		if p := valuePoint(k.Estimate); p != nil {
			p.X, p.Low, p.High, p.Note = x, numberOf(k.Low), numberOf(k.High), k.Binding
			// Races confirm one cell of a configuration.
			if !k.Signed.Known() && (c.summary.Race == nil || len(k.Confirmations) > 0) {
				p.Pale, p.Note = true, "no load is allowed"
			}
			chart.Series[0].Points = append(chart.Series[0].Points, *p)
		}
		if p := valuePoint(k.Signed); p != nil {
			p.X = x
			chart.Series[1].Points = append(chart.Series[1].Points, *p)
		}
	}
	for _, at := range keys {
		of[at].paleNote("no load of theirs is allowed")
		c.put(*of[at], "Capacity")
	}
}

// notChosen says why a configuration is not to be chosen by what it did at a step of levels;
// empty if nothing speaks against it.
func notChosen(s *analysis.Summary, row analysis.Row, index int) string {
	valid := slices.ContainsFunc(s.Cells, func(c analysis.Cell) bool {
		return c.Cell.Config.Name == row.Config && slices.ContainsFunc(c.Steps, func(s analysis.Step) bool { return s.Index == index && s.Measures() })
	})
	missed, unknown := missedOf(row)
	switch {
	case !valid:
		return "no valid step"
	case missed:
		return "objectives not met"
	case unknown:
		return "objectives not known to be met"
	}
	return ""
}

// paleNote says which bars are pale and why, if any is.
func (c *Chart) paleNote(why string) {
	var names []string
	for _, s := range c.Series {
		for _, p := range s.Points {
			if p.Pale {
				names = append(names, c.X.Names[int(p.X)])
			}
		}
	}
	if len(names) > 0 {
		c.Notes = append(c.Notes, fmt.Sprintf("Grey: %s; %s.", listed(names, headlineConfigs), why))
	}
}

// comparisons draws the figures of the documents' comparison table, a chart for each: bars
// by configuration of each step.
func (c *charting) comparisons() {
	for _, step := range c.summary.Comparison {
		if len(step.Rows) < 2 {
			continue // nothing to compare
		}
		for i, m := range metrics(step.Rows[0]) {
			if i == 3 && slices.ContainsFunc(step.Rows, func(r analysis.Row) bool { return r.VLMResponses.Mean.Known() }) {
				continue // agent calls a minute are VLM responses an hour
			}
			chart := Chart{
				ID: fmt.Sprintf("compared-%d-%s", step.Index, m.name), Title: fmt.Sprintf("%s: %s by configuration", stepName(step.Step, step.Index), m.name),
				Asks: "Which configuration does the most at the same load?", Kind: ChartBars,
				X: Axis{Name: "Configuration"}, Y: Axis{Name: m.name, Unit: m.unit}, Series: []Series{{Name: m.name}},
				Notes:  []string{"Means over replicates."},
				Detail: len(c.summary.Comparison) > 2 && step.Index != c.summary.Comparison[len(c.summary.Comparison)-1].Index,
			}
			if m.unit == "s" {
				chart.Asks = "Which configuration answers first at the same load?"
				chart.Detail = true
			}
			for j, row := range step.Rows {
				chart.X.Names = append(chart.X.Names, row.Config)
				if p := valuePoint(metrics(row)[i].Mean); p != nil {
					p.X = float64(j)
					p.Note = notChosen(c.summary, row, step.Index)
					p.Pale = p.Note != ""
					chart.Series[0].Points = append(chart.Series[0].Points, *p)
				}
			}
			chart.paleNote("an objective was missed or is not known to be met, or no step is valid")
			c.put(chart, "Comparison")
		}
	}
}

// activities draws what each device did in its step: of levels, and of those that
// confirmed a load. That of the last step is on the first level.
func (c *charting) activities() {
	var list []Chart
	at := map[string]int{}
	for _, cell := range c.summary.Cells {
		for _, step := range cell.Steps {
			if step.Activity == nil || step.Failover != nil || step.Purpose != "" && !step.Confirms() || step.Heavy {
				continue
			}
			name := stepName(step.Name, step.Index)
			if step.Confirms() {
				name = "at the load to be allowed"
			}
			if _, ok := at[name]; !ok {
				at[name] = len(list)
				list = append(list, activityChart(name))
			}
			chart := &list[at[name]]
			for _, d := range step.Activity.Devices {
				x := float64(len(chart.X.Names))
				chart.X.Names = append(chart.X.Names, c.cellName(cell)+", "+d.Device)
				for i, v := range []analysis.Value{d.SM, d.Tensor, d.DRAM} {
					if p := valuePoint(v); p != nil {
						p.X = x
						chart.Series[i].Points = append(chart.Series[i].Points, *p)
					}
				}
			}
		}
	}
	for i := range list {
		list[i].Detail = i < len(list)-1
		c.put(list[i], "Devices")
	}
}

func activityChart(step string) Chart {
	return Chart{
		ID: "activity-" + step, Title: "What each GPU instance did: " + step, Asks: "Which instances idle, and which are full?", Kind: ChartBars,
		X: Axis{Name: "Configuration and instance"}, Y: Axis{Name: "Share of the instance", Unit: "ratio"},
		Series: []Series{{Name: "SM active"}, {Name: "Tensor"}, {Name: "DRAM"}},
	}
}
