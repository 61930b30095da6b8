package report

import (
	"fmt"
	"strconv"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// banner is what every page says of a run that was simulated, or may have been; empty for a
// real one.
func banner(s *analysis.Summary) string {
	if s.Environment.Lost != "" && s.Environment.Simulated == "" {
		return "REAL OR SIMULATED IS NOT KNOWN: environment.json is lost."
	}
	if s.Environment.Simulated == "" {
		return ""
	}
	text := "SIMULATED: every number was made by the simulated server " + s.Environment.Simulated
	if k := s.Environment.SimulatedScale; k > 1 {
		text += " at " + scale(k) + " times the clock's speed"
	}
	text += ", none was measured on a GPU."
	if faults := s.Environment.SimulatedFaults; faults != "" {
		text += " " + faultsInjected + " on purpose: " + faults + "."
	}
	return text
}

// faultsInjected stands on every page of a run with faults.
const faultsInjected = "FAULTS INJECTED"

// scale writes a scale; empty if it is not told.
func scale(k float64) string {
	if k == 0 {
		return ""
	}
	return strconv.FormatFloat(k, 'g', -1, 64)
}

// simulatedTime tells at which speed a run was simulated, and how much of its
// latencies is HTTP's and not the model's. It has no table for a real run.
func simulatedTime(s *analysis.Summary) Section {
	section := Section{Title: "Simulated time"}
	if s.Environment.Simulated == "" {
		return section
	}
	t := Table{ID: "http-cost", Title: "What HTTP cost, in server time", Columns: placeColumns(
		words("Instance"), numbers("Ours", "n"), numbers("Server's", "n"), spans("Sent to done"), spans("Model"),
		spans("HTTP cost"), Column{Name: "Share", Unit: units.Ratio, Align: Right, Scaled: true},
	)}
	over := 0
	for _, p := range places(s) {
		if p.service.Overhead == nil {
			continue
		}
		if share := p.service.Overhead.Share; share.Known() && *share.Number > analysis.OverheadLimit {
			over++
		}
		t.Rows = append(t.Rows, p.cells(costCells("all", *p.service.Overhead)...))
		if len(p.service.Overheads) == 1 {
			continue
		}
		for _, o := range p.service.Overheads {
			t.Rows = append(t.Rows, p.cells(costCells(o.Instance, o)...))
		}
	}
	if k := s.Environment.SimulatedScale; k > 0 {
		section.Notes = append(section.Notes, "Scale: "+scale(k)+" seconds of server time in one of the clock. Every time and rate of this report is server time.")
	}
	if about := s.Environment.SimulatedAbout; about != "" {
		section.Notes = append(section.Notes, "The server: "+about)
	}
	section.Notes = append(section.Notes, costNotes(t, over, s.Environment.SimulatedScale)...)
	if len(t.Rows) > 0 {
		section.Tables = []Table{t}
	}
	var late float64
	for _, c := range s.Cells {
		if c.Late != nil {
			late = max(late, *c.Late)
		}
	}
	if late > 0 {
		section.Notes = append(section.Notes, "The server's timer was late by at most "+units.Format(late, units.Seconds)+" of the clock. That delays an answer, never the model.")
	}
	return section
}

// costNotes say what HTTP cost is, or that nothing tells it, and of how many
// rows it is too high.
func costNotes(t Table, over int, k float64) []string {
	if len(t.Rows) == 0 {
		return []string{"HTTP cost: unknown: the server did not tell its own time for requests."}
	}
	notes := []string{"HTTP cost: our mean time from sending to answer, less the mean that the server's model took, both of the requests between the same two readings of its counters. Both programs spend it on the clock, so a faster server has more of it. Share: of our mean."}
	if over == 0 {
		return notes
	}
	text := fmt.Sprintf("WARNING: HTTP cost is more than %s for %d of the services and steps below", units.Format(analysis.OverheadLimit, units.Ratio), over)
	if k > 1 {
		text += ": a smaller scale has less of it"
	}
	return append(notes, text+".")
}

func costCells(instance string, o analysis.Overhead) []Cell {
	return []Cell{Text(instance), count(o.ClientN), count(o.ServerN), scaled(o.Client), scaled(o.Server), scaled(o.Cost), scaled(o.Share)}
}
