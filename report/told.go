package report

import "github.com/evabench/evabench/analysis"

// tolds tells what servers told of each request, in the answers themselves; nothing where
// none did.
func tolds(list []place) []Table {
	own := Table{
		ID: "told", Title: "The servers' own word for each request",
		Notes: []string{
			"What answers told of themselves (level A), by the server's clock, of the ok answers that came within the window. Wait: in the server's queue. Work: computing, up to the last token, and the decoding of images where a detector tells of it. Refused: what cannot be a time of the request, below 0, no number, or more than the request took; nothing of it is used. Means stand in the table of queues where at least 95 % of the answers told.",
		},
		Columns: placeColumns(words("Instance"), words("Of"), numbers("Told", "n"), numbers("Answers", "n"), numbers("Refused", "n"), spans("Mean")),
	}
	checks := Table{
		ID: "told-check", Title: "The answers' own waits against the servers' counters",
		Notes:   []string{"Mean waits of the requests between two readings of the counters. Passes within 3 %, and what the requests at the two readings can make."},
		Columns: placeColumns(words("Instance"), spans("Answers"), spans("Counters"), numbers("Answers / counters", "1"), words("Result"), words("Why")),
	}
	qs := quantilesOf(wholes(list))
	for _, q := range qs {
		own.Columns = append(own.Columns, spans(quantileName(q)))
	}
	own.Columns = append(own.Columns, spans("Max"))
	for _, p := range list {
		for i, w := range p.service.Waiting {
			if w.Told == nil || i == 0 && len(p.service.Waiting) == 2 {
				continue
			}
			own.Rows = append(own.Rows, toldRow(p, w, "wait", w.Told.Queue, qs), toldRow(p, w, "work", w.Told.Work, qs))
			if c := w.Told.Check; c != nil {
				checks.Rows = append(checks.Rows, p.cells(Text(instanceName(w)), scaled(c.Left), scaled(c.Right), side(c.Ratio, "1"), Text(c.Result), Text(c.Why)))
			}
		}
	}
	if len(own.Rows) == 0 {
		return nil
	}
	return []Table{own, detail(checks)}
}

func toldRow(p place, w analysis.Waiting, of string, d analysis.Distribution, qs []float64) []Cell {
	row := p.cells(Text(instanceName(w)), Text(of), count(d.N), count(w.Told.Asked), count(w.Told.Refused), toldSpan(d, d.Mean))
	if d.N == 0 {
		for range qs {
			row = append(row, toldSpan(d, d.Mean))
		}
	} else {
		row = append(row, quantileCells(d, qs)...)
	}
	return append(row, toldSpan(d, d.Max))
}

// toldSpan is a span of those that were told; of none it says that none was.
func toldSpan(d analysis.Distribution, v analysis.Value) Cell {
	if d.N == 0 {
		v = analysis.Value{Unit: "s", Why: "no answer told it"}
	}
	return scaled(v)
}
