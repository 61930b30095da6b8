package report

import (
	"slices"
	"strconv"

	"github.com/evabench/evabench/analysis"
)

// spread lists the instances of the services that have several.
func spread(list []place) []part {
	var all []part
	for _, p := range list {
		if len(p.service.Imbalances) == 0 {
			continue
		}
		for _, g := range p.service.Instances {
			all = append(all, part{p, g.Name, g})
		}
	}
	return all
}

// perInstance has a row for each instance of a service with several; nothing
// where there is none.
func perInstance(list []place) []Table {
	parts := spread(list)
	if len(parts) == 0 {
		return nil
	}
	qs := quantilesOf(parts)
	outcomes := outcomesOf(parts)
	t := Table{ID: "per-instance", Title: "Load over instances", Columns: placeColumns(words("Routing"), words("Instance"), numbers("Due", "n"))}
	for _, o := range outcomes {
		t.Columns = append(t.Columns, numbers(o.Outcome.String(), "n"))
	}
	t.Columns = append(t.Columns, numbers("Completed", "req/s"), numbers("Mean in flight", "1"), spans("Mean latency"))
	for _, q := range qs {
		t.Columns = append(t.Columns, spans(quantileName(q)))
	}
	for _, p := range parts {
		row := p.cells(Text(p.cell.Cell.Config.Routing), Text(p.kind), count(p.group.Due))
		row = append(row, outcomeCounts(p.group.Outcomes, outcomes)...)
		row = append(row, number(p.group.Throughput, "req/s"), number(p.group.InFlight, "1"), scaled(p.group.Latency.Mean))
		t.Rows = append(t.Rows, append(row, quantileCells(p.group.Latency, qs)...))
	}
	return []Table{t, imbalances(list)}
}

func imbalances(list []place) Table {
	t := Table{
		ID: "imbalance", Title: "Imbalance over instances",
		Notes: []string{
			"Max / mean: of the instance with the most, 1 where all are equal. Jain's index: (sum x)^2 / (n x sum x^2), 1 where all are equal, k/n where k of n share alike and the others have nothing (Jain, Chiu and Hawe, 1984). A router with weights is meant to be uneven.",
		},
		Columns: placeColumns(words("Routing"), words("Of"), numbers("Instances", "n"), numbers("Max / mean", "1"), numbers("Jain's index", "1")),
	}
	for _, p := range list {
		for _, i := range p.service.Imbalances {
			t.Rows = append(t.Rows, p.cells(Text(p.cell.Cell.Config.Routing), Text(i.Of), count(i.Instances), number(i.MaxToMean, "1"), number(i.Jain, "1")))
		}
	}
	return t
}

// stimulus sets the load that was asked for beside the load that was sent.
func stimulus(list []place) Table {
	t := Table{
		ID: "stimulus", Title: "The load that was asked for and the load that was sent",
		Notes: []string{"Rates are of sessions over the window. Scheduled: what the schedule has there, which is random in a Poisson process. Achieved: begun within the window. Sent and not sent are the window's arrivals, later calls and retries too."},
		Columns: placeColumns(numbers("Requested", "1/s"), numbers("Scheduled", "1/s"), numbers("Achieved", "1/s"),
			spans("Mean wait for a slot"), numbers("Sent", "n"), numbers("Not sent", "n")),
	}
	for _, p := range list {
		s := p.service.Stimulus
		t.Rows = append(t.Rows, p.cells(number(s.Requested, "1/s"), number(s.Scheduled, "1/s"), number(s.Achieved, "1/s"), scaled(s.SlotWait),
			count(p.service.Integrity.Sent), count(p.service.Total.Due-p.service.Integrity.Sent)))
	}
	return t
}

// dispersions has no rows in closed loops.
func dispersions(list []place) Table {
	t := Table{
		ID: "dispersion", Title: "How even the load was",
		Notes:   []string{"Variance over mean of the number of sessions in equal parts of the window: 1 in a Poisson process, near 0 at an even rate. Scheduled: as they were due; sent: as they were sent."},
		Columns: placeColumns(spans("Part"), numbers("Parts", "n"), numbers("Scheduled", "1"), numbers("Sent", "1")),
	}
	for _, p := range list {
		for _, d := range p.service.Integrity.Dispersions {
			t.Rows = append(t.Rows, p.cells(seconds(d.Part.Seconds()), count(d.N), plainNumber(d.Scheduled), plainNumber(d.Sent)))
		}
	}
	return t
}

// flightRows is how many rows of requests in flight a place has at most.
const flightRows = 10

// flight tells of the requests in flight over the window, of several parts in a
// row. Where they end is not told: of a step that was stopped there are fewer.
func flight(list []place) Table {
	t := Table{ID: "in-flight", Title: "Requests in flight in equal parts of the window", Columns: placeColumns(words("Parts"), numbers("Mean", "1"), numbers("Max", "n"))}
	for _, p := range list {
		parts := p.service.Integrity.InFlight
		together := max(1, (len(parts)+flightRows-1)/flightRows)
		first := 1
		for row := range slices.Chunk(parts, together) {
			mean, most := 0.0, int64(0)
			for _, o := range row {
				mean += o.Mean / float64(len(row))
				most = max(most, o.Max)
			}
			last := first + len(row) - 1
			name := strconv.Itoa(first)
			if last > first {
				name += " to " + strconv.Itoa(last)
			}
			t.Rows = append(t.Rows, p.cells(Text(name), plainNumber(mean), count(most)))
			first = last + 1
		}
	}
	return detail(t)
}

// clients tells what the load generator used, a row for each step. Where no
// step tells, it has none.
func clients(s *analysis.Summary) Table {
	t := Table{
		ID: "client", Title: "What the load generator used of its own machine",
		Notes: []string{"Of the machine's clock, over the window. CPU: of the whole process, in cores; loop: the thread that sends and reads. Kernel-stamped: reads of which the kernel told when the bytes came in, so that our own delay is in no first token and no gap between chunks. Of roofline: the share of what the client can do on its machine, as evabench selftest measures it."},
		Columns: []Column{
			words("Cell"), words("Step"), spans("Window"), numbers("CPU", "cores"), ratios("Loop busy"), numbers("GCs", "n"), spans("GC pauses"),
			numbers("Reads", "n"), ratios("Kernel-stamped"), ratios("Of roofline"),
		},
	}
	for _, c := range s.Cells {
		for _, step := range c.Steps {
			row := []Cell{Text(c.Cell.Folder), Text(stepName(step.Name, step.Index))}
			if u := step.Client; u != nil {
				row = append(row, seconds(u.Wall.Seconds()), number(u.Cores, "cores"), scaled(u.Busy), count(u.GCs), seconds(u.GCPause.Seconds()),
					count(u.Client.Stamped+u.Unstamped), scaled(u.Stamped))
			} else {
				none := analysis.Value{Why: "the load generator did not tell"}
				for _, column := range t.Columns[len(row) : len(t.Columns)-1] {
					row = append(row, missing(none, column.Unit))
				}
			}
			row = append(row, scaled(step.Roofline))
			t.Rows = append(t.Rows, row)
		}
	}
	if !slices.ContainsFunc(s.Cells, func(c analysis.Cell) bool {
		return slices.ContainsFunc(c.Steps, func(step analysis.Step) bool { return step.Client != nil })
	}) {
		t.Rows = nil
	}
	return t
}

// plainNumber makes a cell of a number of unit 1.
func plainNumber(v float64) Cell { return number(analysis.Value{Number: &v}, "1") }
