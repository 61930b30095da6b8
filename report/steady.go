package report

import (
	"cmp"

	"github.com/evabench/evabench/analysis"
)

// steadiness tells what the verdicts "saturated" and "unsteady" rest on.
func steadiness(list []place) Table {
	t := Table{
		ID: "steadiness", Title: "Did it keep up, and was it steady?",
		Notes: []string{
			"Saturated: the backlog (sessions due and not ended) grew by more than 1 % of the arrivals and half their root, without returning, also if the arrivals are counted as if they had come evenly (Mann and Kendall, p < 0.001; Theil and Sen's slope). Minutes at 95 % of saturation are called so in less than 2 of 100.",
			"Unsteady: requests took more than 5 % longer or shorter at the window's end than at its begin, at equal numbers in flight (p < 0.001); or MSER-5 finds the warm-up's end within the window; or a backlog of before was still worked off.",
		},
		Columns: placeColumns(
			words("Backlog"), numbers("First third", "1"), numbers("Last third", "1"), numbers("Rise", "1"), numbers("To be growth", "1"),
			words("Requests"), ratios("Change"), spans("Unsettled"), words("Why"),
		),
	}
	for _, p := range list {
		g, d := p.service.Growth, p.service.Drift
		if g.Result == "" && d.Result == "" {
			continue
		}
		t.Rows = append(t.Rows, p.cells(
			Text(g.Result), side(g.First, "1"), side(g.Last, "1"), side(g.Size, "1"), side(g.Floor, "1"),
			Text(d.Result), unexplained(scaled(d.Change)), unexplained(scaled(d.Unsettled)), Text(bothWhys(g.Why, d.Why)),
		))
	}
	return t
}

// bothWhys tells two reasons, and one once that they share.
func bothWhys(backlog, requests string) string {
	if backlog == "" || requests == "" || backlog == requests {
		return cmp.Or(backlog, requests)
	}
	return backlog + "; " + requests
}

// unexplained leaves out why a value is unknown, which stands in the row already.
func unexplained(c Cell) Cell {
	c.Note = ""
	return c
}

// intervals tells how well each service's latency quantiles are known.
func intervals(list []part, id, title string) Table {
	t := Table{
		ID: id, Title: title,
		Notes:   []string{"95 % intervals of the quantiles in the long run at this load, from how much tenths of the window differ: requests near capacity are not independent, and intervals that take them for independent hold the truth in 1 to 5 of 10 runs. An end that cannot be told says what it would take. What differs between deployments is not in them."},
		Columns: placeColumns(words("Quantile"), numbers("n", "n"), spans("Value"), spans("Low"), spans("High"), words("What is missing")),
	}
	for _, p := range list {
		for _, q := range p.group.Latency.Quantiles {
			if !q.Known() {
				continue
			}
			t.Rows = append(t.Rows, p.cells(Text(quantileName(q.Q)), count(p.group.Latency.N), scaled(q.Value), end(q, q.Low), end(q, q.High), Text(q.Open)))
		}
	}
	return t
}

// end is a quantile's end of its interval, in the quantile's unit.
func end(q analysis.Quantile, at *float64) Cell {
	return unexplained(scaled(analysis.Value{Number: at, Unit: q.Unit}))
}
