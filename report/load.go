package report

import "github.com/evabench/evabench/analysis"

// httpLoads tells what servers' HTTP parts told of the requests in them; nothing where none
// was read.
func httpLoads(list []place) []Table {
	t := Table{
		ID: "http-load", Title: "Requests in the servers' HTTP parts",
		Notes: []string{
			"By the server's own count of HTTP requests (level D), means over time. In the server: from when a request's body is read to when its answer is sent. Of these in the frontend: those that the engine tells neither as running nor as waiting. Of a service: the sum of its instances, the most is at one.",
		},
		Columns: placeColumns(words("Instance"), numbers("In the server", "requests"), numbers("Max", "requests"), words("Rests on"),
			numbers("In its frontend", "requests"), words("Rests on"), numbers("Readings", "n"), words("From, or why it is unknown")),
	}
	for _, p := range list {
		for i, w := range p.service.Waiting {
			if w.HTTP == nil || i == 0 && len(p.service.Waiting) == 2 {
				continue
			}
			t.Rows = append(t.Rows, p.cells(Text(instanceName(w)), noted(w.HTTP.Mean, number(w.HTTP.Mean.Value, "requests")),
				number(w.HTTP.Max.Value, "requests"), restsOn(w.HTTP.Mean), number(w.HTTP.Frontend.Value, "requests"), restsOn(w.HTTP.Frontend),
				count(w.HTTP.Readings), Text(fromOrWhy(w.HTTP.Mean))))
		}
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return []Table{t}
}

func fromOrWhy(f analysis.Figure) string {
	if f.Known() {
		return f.From
	}
	return f.Why
}
