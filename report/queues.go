package report

import (
	"fmt"

	"github.com/evabench/evabench/analysis"
)

// queues tells of what waited at the servers, and what each figure rests on.
func queues(list []place) []Table {
	t := Table{
		ID: "queue", Title: "Queues",
		Notes: []string{
			"What a figure rests on: A, each answer's own times by the server's clock; B, the engine's page, which knows nothing of what waits before the engine; C, the server's queue of jobs; D, its count of HTTP requests (where it was read, a table of its own); E, our requests in flight less those that the engine tells; F, our latency less that of a request alone. \"-\": nothing. * Inferred: nobody told the number itself, it follows from others by Little's law.",
			"Wait: the mean of what the answers told of themselves (A), else time in the server's queue / requests that it counted, by its counters between the readings nearest to the window's edges. By Little: the mean depth that those counters tell. Above floor: sent to done, less that of a request alone at the instance. Inference: the mean of what the answers told of themselves where they did, else sent to done, less the wait. Backlog: ours in flight that the engine tells neither as running nor as waiting. Batch: requests computed together. Of a service: depths add up, the most is at one instance, batch is the instances' mean.",
		},
		Columns: placeColumns(words("Instance"), numbers("Depth", "requests"), numbers("Max", "requests"), words("Rests on"), spans("Wait"), words("Rests on"), numbers("Counted", "n"),
			numbers("By Little", "requests"), spans("Above floor (F)"), spans("Inference"), numbers("Backlog (E)", "requests"), numbers("Batch", "requests"), numbers("Readings", "n")),
	}
	for _, p := range list {
		waiting := p.service.Waiting
		if len(waiting) == 0 { // no instance is known
			none := analysis.Figure{Value: p.service.Queue.Mean, Level: analysis.NoEvidence}
			waiting = []analysis.Waiting{{Depth: none, DepthMax: none, Wait: none, ByLittle: none, AboveFloor: none, Inference: none, Backlog: none, Batch: none}}
		}
		for i, w := range waiting {
			if i == 0 && len(waiting) == 2 {
				continue // there is one instance, and it is the service
			}
			t.Rows = append(t.Rows, p.cells(Text(instanceName(w)),
				noted(w.Depth, number(w.Depth.Value, "requests")), number(w.DepthMax.Value, "requests"), restsOn(w.Depth), noted(w.Wait, scaled(w.Wait.Value)), restsOn(w.Wait), counted(w),
				number(w.ByLittle.Value, "requests"), noted(w.AboveFloor, scaled(w.AboveFloor.Value)), noted(w.Inference, scaled(w.Inference.Value)),
				number(w.Backlog.Value, "requests"), number(w.Batch.Value, "requests"), count(w.Readings)))
		}
	}
	return append(append(append([]Table{t}, tolds(list)...), httpLoads(list)...), detail(queueSources(list)), detail(pages(list)))
}

// counted is how many waits a server counted: no number where it counted none of
// them, and the wait is unknown or follows from others.
func counted(w analysis.Waiting) Cell {
	if w.Wait.Inferred || !w.Wait.Known() {
		return missing(analysis.Value{Unit: "n", Inapplicable: true, Why: "no count of a server stands behind the wait"}, "n")
	}
	return count(w.WaitN)
}

func instanceName(w analysis.Waiting) string {
	if w.Instance == "" {
		return "(all)"
	}
	return w.Instance
}

// noted adds to a figure's cell what it must not be read without.
func noted(f analysis.Figure, c Cell) Cell {
	if f.Known() {
		c.Note = f.Note
	}
	return c
}

// restsOn writes a figure's level, marked if nobody told the number itself.
func restsOn(f analysis.Figure) Cell {
	text := string(f.Level)
	if f.Inferred {
		text += "*"
	}
	return Text(text)
}

// queueSources tells what each known figure is from, and why others are unknown.
func queueSources(list []place) Table {
	t := Table{ID: "queue-sources", Title: "What the figures of queues rest on", Columns: placeColumns(words("Instance"), words("Figure"), words("Level"), words("From, or why it is unknown"))}
	for _, p := range list {
		for _, w := range p.service.Waiting {
			if w.Instance == "" {
				continue
			}
			for _, f := range []struct {
				name string
				analysis.Figure
			}{
				{"depth", w.Depth}, {"depth, max", w.DepthMax}, {"wait", w.Wait}, {"depth by Little", w.ByLittle}, {"above floor", w.AboveFloor},
				{"inference", w.Inference}, {"backlog", w.Backlog}, {"batch", w.Batch},
			} {
				text := f.From
				if !f.Known() {
					text = f.Why
				}
				t.Rows = append(t.Rows, p.cells(Text(w.Instance), Text(f.name), restsOn(f.Figure), Text(text)))
			}
		}
	}
	return t
}

// pages tells how far each page can be trusted.
func pages(list []place) Table {
	t := Table{
		ID: "pages", Title: "Are the servers' pages to be believed?",
		Notes: []string{fmt.Sprintf("Believed: a counter on the page moved as our own count of answers did. Not checked: there is no such counter, or nothing to hold it against. Not believed: its figures are unknown above. Slow: reads of the window that took more than %d ms of the clock.", analysis.SlowRead.Milliseconds())},
		Columns: placeColumns(words("Instance"), words("Page"), words("Verdict"), numbers("Reads", "n"), numbers("Failed", "n"),
			numbers("Slow", "n"), spans("Slowest"), words("Why")),
	}
	for _, p := range list {
		for _, w := range p.service.Waiting {
			for _, page := range w.Pages {
				source := page.Source
				if source == "" {
					source = "none"
				}
				t.Rows = append(t.Rows, p.cells(Text(w.Instance), Text(source), Text(page.Verdict), count(page.Reads), count(page.Failed),
					count(page.Slow), scaled(page.Slowest), Text(page.Why)))
			}
		}
	}
	return t
}
