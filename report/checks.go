package report

import (
	"strconv"

	"github.com/evabench/evabench/analysis"
)

func little(s *analysis.Summary) Section {
	t := Table{ID: "little", Title: "Little's law", Columns: placeColumns(
		words("Check"), numbers("Left", "1"), numbers("Right", "1"), numbers("Left / right", "1"), words("Result"), words("Why"),
	)}
	for _, p := range measured(s) {
		for _, c := range []analysis.Check{p.service.Population, p.service.ServerInFlight} {
			t.Rows = append(t.Rows, p.cells(Text(c.What), side(c.Left, "1"), side(c.Right, "1"), side(c.Ratio, "1"), Text(c.Result), Text(c.Why)))
		}
	}
	return Section{
		Title: "Little's law", Tables: []Table{t},
		Notes: []string{"Two ways to know one number. Judged only in windows of at least 25 times the time that one item stays; passes within 3 %. Requests in flight are compared at the moments of the servers' readings; a difference that chance could explain is not judged."},
	}
}

// side is a number whose reason for being unknown stands in the row already.
func side(v analysis.Value, unit string) Cell {
	c := number(v, unit)
	c.Note = ""
	return c
}

func integrity(s *analysis.Summary) Section {
	t := Table{ID: "integrity", Title: "Does the step measure the server?", Columns: placeColumns(
		words("Verdict"), numbers("Lag n", "n"), spans("Lag p50"), spans("Lag p99"), spans("Lag max"),
		numbers("Peak in flight", "n"), numbers("Mean in flight", "1"), numbers("Warm-up due", "n"), numbers("Warm-up samples", "n"), words("Why"),
	)}
	counters := Table{ID: "counters", Title: "The servers' own counts against ours", Columns: placeColumns(
		words("Instance"), words("Of"), numbers("Server", "n"), numbers("Ours", "n"), words("Result"), words("Why"), words("Source"),
	)}
	list := places(s)
	for _, p := range list {
		i := p.service.Integrity
		lag := []Cell{seconds(i.Lag.P50.Seconds()), seconds(i.Lag.P99.Seconds()), seconds(i.Lag.Max.Seconds())}
		if i.Lag.N == 0 {
			none := scaled(analysis.Value{Unit: "s", Why: "nothing was sent"})
			lag = []Cell{none, none, none}
		}
		row := p.cells(Text(p.service.Verdict.Is), count(i.Lag.N))
		row = append(row, lag...)
		t.Rows = append(t.Rows, append(row, count(i.PeakInFlight), number(p.service.InFlight, "1"),
			count(p.service.Identity.WarmupDue), count(p.service.Identity.WarmupSamples), Text(p.service.Verdict.Why)))
		for _, c := range p.service.Counters {
			counters.Rows = append(counters.Rows, p.cells(Text(c.Instance), Text(c.What), side(c.Server, "n"), side(c.Ours, "n"), Text(c.Result), Text(c.Why), Text(c.Source)))
		}
	}
	return Section{
		Title: "Integrity", Tables: []Table{t, steadiness(list), stimulus(list), dispersions(list), clients(s), counters, flight(list)},
		Notes: []string{"Valid: no request failed for want of something on our own machine, our own lag at its p99 is at most 1 ms or 5 % of the least median that an objective is about, whichever is more, and our thread that sends and reads was busy for at most " + strconv.FormatFloat(analysis.BusyLimit*100, 'f', -1, 64) + " %" + " of the window, as all of us of the machine; and it was neither saturated nor unsteady. Saturated and valid steps measure the server."},
	}
}
