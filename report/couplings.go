package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// couplings tells what services do to one another: interference, spikes and the joint
// frontier; a Section without a title if there is nothing to tell.
func couplings(s *analysis.Summary) Section {
	var section Section
	if len(s.Interference) > 0 {
		section.Notes = append(section.Notes, isolationNotes(s)...)
		section.Tables = append(section.Tables, interferenceTable(s))
	}
	if len(s.Spikes) > 0 {
		section.Tables = append(section.Tables, spikeRecoveries(s), spikeSpells(s))
	}
	if len(s.Frontiers) > 0 {
		section.Tables = append(section.Tables, frontierTable(s))
	}
	if t := rays(s); len(t.Rows) > 0 {
		section.Tables = append(section.Tables, t)
	}
	if len(section.Tables) > 0 {
		section.Title = "Services beside one another"
	}
	return section
}

// isolationNotes say in a sentence for each victim on which configuration it felt least of
// its neighbour.
func isolationNotes(s *analysis.Summary) []string {
	var notes []string
	for _, i := range s.Isolations {
		first := i.Ranks[0]
		text := fmt.Sprintf("%s isolates %s best: with %s at %s in place of %s, its %s changes by %s, to %s", first.Config, i.Victim, i.Neighbour, amount(i.Load, i.Load.Unit), amount(i.From, i.From.Unit), quantileName(i.Quantile), effectText(first.Inflation), textOf(first.Tail))
		shortest := first
		for at, r := range i.Ranks[1:] {
			if r.Tail.Known() && *r.Tail.Number < *shortest.Tail.Number {
				shortest = r
			}
			if at > 0 && at < len(i.Ranks)-2 {
				continue // the next and the last say enough
			}
			text += fmt.Sprintf("; on %s by %s, %s as much, to %s", r.Config, effectText(r.Inflation), overText(r.Over), textOf(r.Tail))
		}
		text += "."
		if shortest.Config != first.Config {
			text += fmt.Sprintf(" The latency itself is shortest on %s: %s.", shortest.Config, textOf(shortest.Tail))
		}
		if first.Inflation.Low.Known() {
			text += " In brackets: 95 % intervals over replicates."
		} else {
			text += " No interval is known: " + first.Inflation.Low.Why + "."
		}
		if len(i.Unranked) > 0 {
			text += " Not ranked, since it is not known there: " + strings.Join(i.Unranked, ", ") + "."
		}
		notes = append(notes, text)
	}
	if len(notes) == 0 {
		notes = append(notes, "No two configurations can be ranked by what a service feels of its neighbour.")
	}
	var left []string
	for _, i := range s.Interference {
		if i.Left > 0 {
			left = append(left, fmt.Sprintf("%s %d", i.Config, i.Left))
		}
	}
	if len(left) > 0 {
		notes = append(notes, "Steps that are left out, since the load generator spoiled them: "+strings.Join(left, ", ")+".")
	}
	return notes
}

// effectText writes a change with its interval: "+12.3 % [+8.0 %, +16.8 %]".
func effectText(e analysis.Effect) string {
	if !e.Value.Known() {
		return units.Unknown
	}
	text := units.Change(*e.Value.Number)
	if e.Low.Known() && e.High.Known() {
		text += fmt.Sprintf(" [%s, %s]", units.Change(*e.Low.Number), units.Change(*e.High.Number))
	}
	return text
}

// overText says how many times as much the tail grew as on the first.
func overText(e analysis.Effect) string {
	times := func(v analysis.Value) string { return units.Measure(1 + *v.Number) }
	if !e.Value.Known() {
		return "an unknown number of times"
	}
	text := times(e.Value) + " times"
	if e.Low.Known() && e.High.Known() {
		text += fmt.Sprintf(" [%s, %s]", times(e.Low), times(e.High))
	}
	return text
}

// interferenceTable has a row for each load of the neighbour.
func interferenceTable(s *analysis.Summary) Table {
	t := Table{
		ID: "interference", Title: "What a service at a held load feels of its neighbour",
		Notes: []string{
			"Percentile: the highest of the victim's ok answers that could be told at every load. Change and loss: against the least load that any configuration has, in the same replicate; geometric means over replicates; from and to are their 95 % interval (Student's t on logarithms). Errors: arrivals that did not end ok, which are in no percentile.",
		},
		Columns: []Column{
			words("Configuration"), words("Service"), words("Neighbour"), numbers("Its load", ""), words("Unit"), words("Percentile"), spans("Latency"),
			ratios("Change"), ratios("from"), ratios("to"), numbers("Completed", "req/s"), ratios("Loss"), ratios("from"), ratios("to"), ratios("Errors"), numbers("n", "n"),
		},
	}
	for _, i := range s.Interference {
		for _, p := range i.Points {
			name := units.Unknown
			if p.Quantile > 0 {
				name = quantileName(p.Quantile)
			}
			t.Rows = append(t.Rows, []Cell{
				Text(i.Config), Text(i.Victim), Text(i.Neighbour), number(p.Load, ""), Text(p.Load.Unit), Text(name), scaled(p.Tail),
				effectOf(p.Inflation, true), signed(p.Inflation.Low), signed(p.Inflation.High), number(p.Throughput, "req/s"),
				signed(p.Loss.Value), signed(p.Loss.Low), signed(p.Loss.High), scaled(p.Errors), count(p.N),
			})
		}
	}
	return t
}

// spikeRecoveries has a row for each spike.
func spikeRecoveries(s *analysis.Summary) Table {
	t := Table{
		ID: "spikes", Title: "How long spikes were felt",
		Notes: []string{
			"Recovery: from the spike's end until the median latency of the service, and its requests in flight, were back in the range that they had before, and stayed there. The window is cut into parts of the length beside it; in range is what is at most the greatest before, or the upper quartile and three times the distance of the quartiles, if that is higher (Tukey's outer fence); medians of three neighbouring parts are judged. 0: back within the first part.",
			"Such steps are in no comparison and no capacity, and objectives that are missed in them are not counted.",
		},
		Columns: []Column{
			words("Configuration"), numbers("Replicate", "1"), words("Service"), numbers("Factor", "x"), spans("After"), spans("For"), spans("Recovery"), spans("Parts of"), words("Why not known"),
		},
	}
	for _, k := range s.Spikes {
		why, parts := "", Text(units.Unknown)
		if !k.Recovery.Known() {
			why = k.Recovery.Why
		}
		if k.Resolution > 0 {
			parts = seconds(k.Resolution)
		}
		factor := k.Factor
		cell := scaled(k.Recovery)
		cell.Note = "" // the column beside it tells
		t.Rows = append(t.Rows, []Cell{
			Text(k.Config), count(k.Replicate), Text(k.Service), number(analysis.Value{Number: &factor}, "x"), seconds(k.From), seconds(k.To - k.From),
			cell, parts, Text(why),
		})
	}
	return t
}

// spikeSpells has a row for each service before, in and after each spike.
func spikeSpells(s *analysis.Summary) Table {
	t := Table{
		ID: "spike-spells", Title: "Before, in and after a spike",
		Notes: []string{"Arrivals by when they were due; completed: ok answers by when they came. Tail: the highest percentile that the time before the spike could tell."},
		Columns: []Column{
			words("Configuration"), numbers("Replicate", "1"), words("Spike"), words("Service"), words("When"), spans("Length"), numbers("Due", "n"), numbers("Failed", "n"),
			numbers("Completed", "req/s"), numbers("In flight", "1"), spans("Median"), words("Percentile"), spans("Tail"),
		},
	}
	for _, k := range s.Spikes {
		what := fmt.Sprintf("%s x%g", k.Service, k.Factor)
		for _, v := range k.Services {
			for _, part := range []struct {
				name string
				analysis.Spell
			}{{"before", v.Before}, {"in it", v.Within}, {"after", v.After}} {
				t.Rows = append(t.Rows, []Cell{
					Text(k.Config), count(k.Replicate), Text(what), Text(v.Service), Text(part.name), seconds(part.Seconds), count(part.Due), count(part.Failed),
					number(part.Completed, "req/s"), number(part.InFlight, "1"), scaled(part.Median), Text(quantileName(part.Quantile)), scaled(part.Tail),
				})
			}
		}
	}
	return t
}

// frontierTable has the points of all configurations.
func frontierTable(s *analysis.Summary) Table {
	t := Table{
		ID: "frontier", Title: "What was sustained of Vision and of Agent together",
		Notes: []string{
			"Loads at which every objective was met: those that confirmed the capacity along a mix, where from and to are the ends of its 95 % interval over that load, and the steps of levels. Best: every replicate confirmed it, and no such point of any configuration has as much of both and more of one.",
		},
		Columns: []Column{
			words("Configuration"), numbers("Vision", "req/s"), numbers("Agent", "req/min"), words("Measured at"), ratios("from"), ratios("to"), numbers("n", "n"), words("Best"),
		},
	}
	for _, f := range s.Frontiers {
		for _, p := range f.Points {
			best := ""
			if p.Best {
				best = "yes"
			}
			n := count(p.N)
			if p.N < p.Of {
				n.Note = fmt.Sprintf("of %d: in the others no load was confirmed along the mix", p.Of)
			}
			t.Rows = append(t.Rows, []Cell{
				Text(f.Config), number(p.Vision, "req/s"), number(p.Agent, "req/min"), Text(p.Mix), signed(p.Low), signed(p.High), n, Text(best),
			})
		}
	}
	return t
}

// rays tells what the search along each mix came to.
func rays(s *analysis.Summary) Table {
	t := Table{
		ID: "frontier-searches", Title: "The capacity along each mix",
		Notes: []string{"Loads are factors of the mix. Allowed: confirmed by a step of its own."},
		Columns: []Column{
			words("Cell"), words("Mix"), numbers("Allowed", "x mix"), numbers("Capacity", "x mix"), numbers("95 % from", "x mix"), numbers("to", "x mix"),
			words("Fails first"), words("State"), words("Why"), spans("Load time"),
		},
	}
	for _, c := range s.Cells {
		for _, a := range c.Capacities {
			t.Rows = append(t.Rows, []Cell{
				Text(c.Cell.Folder), Text(a.Mix), number(a.Signed, "x mix"), number(a.Estimate, "x mix"), number(a.Low, "x mix"), number(a.High, "x mix"),
				Text(a.Binding), Text(a.State), Text(a.Why), scaled(a.Spent),
			})
		}
	}
	return t
}

// briefCouplings are the tables of a Brief, with what is read at a glance.
func briefCouplings(s *analysis.Summary) Section {
	var section Section
	if len(s.Interference) > 0 {
		section.Notes = isolationNotes(s)
		// A section whose tables have no row is not printed, and its notes are needed most then.
		if t := interferenceTable(s); len(t.Rows) > 0 {
			section.Tables = append(section.Tables, t.only("Configuration", "Service", "Its load", "Unit", "Percentile", "Latency", "Change", "Completed", "Errors", "n"))
		}
	}
	if len(s.Spikes) > 0 {
		section.Tables = append(section.Tables, spikeRecoveries(s).only("Configuration", "Replicate", "Service", "Factor", "For", "Recovery", "Why not known"),
			spikeSpells(s).only("Configuration", "Replicate", "Spike", "Service", "When", "Due", "Failed", "Median", "Percentile", "Tail"))
	}
	if len(s.Cells) > 0 && len(s.Cells[0].Capacities) > 0 {
		if t := frontierTable(s); len(t.Rows) > 0 {
			section.Tables = append(section.Tables, t.only("Configuration", "Vision", "Agent", "Measured at", "n", "Best"))
		}
		section.Tables = append(section.Tables, rays(s).only("Cell", "Mix", "Allowed", "Capacity", "State"))
	}
	return section
}

// only leaves the first column of each of these names, without the table's notes.
func (t Table) only(names ...string) Table {
	short := Table{ID: t.ID, Title: t.Title, Rows: make([][]Cell, len(t.Rows))}
	for _, name := range names {
		at := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
		short.Columns = append(short.Columns, t.Columns[at])
		for i, row := range t.Rows {
			short.Rows[i] = append(short.Rows[i], row[at])
		}
	}
	return short
}
