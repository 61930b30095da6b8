package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

func steps(s *analysis.Summary) Section {
	list := places(s)
	return Section{
		Title: "Steps",
		Notes: []string{
			"Every arrival that fell due in a window has one outcome: due = sum of outcomes. Due is counted by the load generator apart from the samples.",
			"Think time: what a closed loop's users were asked to take between sessions; pause: until they really sent.",
			"Latency (E2E) counts from when a request was due to its last byte; wait is until it was sent, service from then on. A retry is an arrival and has a latency of its own. Quantiles are exact (inverse of the empirical distribution); one from so few samples that no finite 95 % interval exists is unknown.",
			"TTFT: until the first chunk of content. TPOT: (last chunk - first chunk) / (output tokens - 1) of each answer that told its tokens; vLLM calls it so, AIPerf calls it ITL. Longest gap: between two chunks, of each answer. Tokens are those of the server's usage.",
		},
		Tables: slices.Concat([]Table{
			arrivals(list), objectives(list), rates(list),
			latencies(wholes(list), "latency", "Latency of ok answers, from due to done"),
			intervals(wholes(list), "latency-intervals", "How well the latency quantiles are known"),
			streams(wholes, list, "tokens", "First token and time per token of streamed ok answers"),
			chunks(list),
		}, queues(list), perInstance(list), exhausted(s), []Table{
			detail(latencies(cuts(list), "latency-parts", "Latency by class, model and instance")),
			detail(streams(cuts, list, "tokens-parts", "First token and time per token by class, model and instance")),
		}),
	}
}

// outcomesOf lists the outcomes that were seen anywhere, in their order. The
// counts in it mean nothing.
func outcomesOf(list []part) []analysis.Count {
	var outcomes []analysis.Count
	for _, p := range list {
		outcomes = append(outcomes, p.group.Outcomes...)
	}
	return distinct(outcomes)
}

// distinct leaves each outcome once, in their order. It changes outcomes.
func distinct(outcomes []analysis.Count) []analysis.Count {
	slices.SortFunc(outcomes, func(a, b analysis.Count) int { return cmp.Compare(a.Outcome, b.Outcome) })
	return slices.CompactFunc(outcomes, func(a, b analysis.Count) bool { return a.Outcome == b.Outcome })
}

// outcomeCounts gives a cell for each of the outcomes.
func outcomeCounts(has, outcomes []analysis.Count) []Cell {
	var cells []Cell
	for _, o := range outcomes {
		var n int64
		for _, c := range has {
			if c.Outcome == o.Outcome {
				n = c.N
			}
		}
		cells = append(cells, count(n))
	}
	return cells
}

// arrivals has one column for each outcome that was seen anywhere, and one for
// retries if there were any.
func arrivals(list []place) Table {
	outcomes := outcomesOf(wholes(list))
	retried := slices.ContainsFunc(list, func(p place) bool { return p.service.Total.Retries > 0 })
	t := Table{ID: "arrivals", Title: "Arrivals and outcomes", Columns: placeColumns(words("Load"), numbers("Due", "n"))}
	for _, o := range outcomes {
		t.Columns = append(t.Columns, numbers(o.Outcome.String(), "n"))
	}
	if retried {
		t.Columns = slices.Insert(t.Columns, 5, numbers("of them retries", "n"))
	}
	t.Columns = append(t.Columns, numbers("Sum", "n"), words("Due = sum"))
	for _, p := range list {
		row := p.cells(Text(load(p.service)), count(p.service.Identity.Due))
		if retried {
			row = append(row, count(p.service.Total.Retries))
		}
		row = append(row, outcomeCounts(p.service.Total.Outcomes, outcomes)...)
		holds := "yes"
		if !p.service.Identity.Holds {
			holds = "NO: ARRIVALS UNACCOUNTED FOR"
		}
		t.Rows = append(t.Rows, append(row, count(p.service.Identity.Outcomes), Cell{Text: holds, Note: p.service.Identity.Why}))
	}
	return t
}

func load(s analysis.Service) string {
	l := s.Level
	return fmt.Sprintf("%s %s %s", l.Arrivals, units.Number(l.Value), l.Unit)
}

func rates(list []place) Table {
	t := Table{ID: "throughput", Title: "Throughput", Columns: placeColumns(
		spans("Window"), numbers("Completed in it", "n"), numbers("Completed", "req/s"), numbers("Completed", "req/min"),
		numbers("Answers to its arrivals", "req/s"), numbers("Sessions ended", "n"), spans("Session time"), spans("Think time"), spans("Pause"),
		numbers("Prompt", "tok/s"), numbers("Output", "tok/s"),
	)}
	for i, p := range list {
		g := p.service.Total
		t.Rows = append(t.Rows, p.cells(
			seconds(p.step.Window), count(g.Completed), number(g.Throughput, "req/s").per(1, i, 4, 3), perMinute(g.Throughput).per(60, i, 4, 3),
			number(g.Answered, "req/s"), count(p.service.Sessions.Ended), scaled(p.service.Sessions.Time.Mean), scaled(p.service.Sessions.Think), scaled(p.service.Sessions.Pause),
			number(g.Prompt.PerSecond, "tok/s"), number(g.Output.PerSecond, "tok/s"),
		))
	}
	return t
}

// perMinute shows a rate in another unit.
func perMinute(v analysis.Value) Cell {
	if v.Known() {
		minute := *v.Number * 60
		v.Number = &minute
	}
	return number(v, "req/min")
}

// A part is a group of a place: the whole, a class, a model or an instance.
type part struct {
	place
	kind  string
	group analysis.Group
}

// wholes lists the whole of each place.
func wholes(list []place) []part {
	var all []part
	for _, p := range list {
		all = append(all, part{p, "all", p.service.Total})
	}
	return all
}

// cuts lists the parts of each place, where there is more than one. Models
// that are cut as the classes are, are left out.
func cuts(list []place) []part {
	var all []part
	for _, p := range list {
		add := func(kind string, groups []analysis.Group) {
			for _, g := range groups {
				if len(groups) > 1 {
					all = append(all, part{p, kind + " " + g.Name, g})
				}
			}
		}
		s := p.service
		add("class", s.Classes)
		if !slices.EqualFunc(s.Classes, s.Models, func(a, b analysis.Group) bool { return a.Name == b.Name && a.Due == b.Due }) {
			add("model", s.Models)
		}
		add("instance", s.Instances)
	}
	return all
}

func detail(t Table) Table {
	t.Detail = true
	return t
}

// quantilesOf lists the quantiles that any of the parts' services tells.
func quantilesOf(list []part) []float64 {
	var qs []float64
	for _, p := range list {
		for _, q := range p.service.Total.Latency.Quantiles {
			qs = append(qs, q.Q)
		}
	}
	slices.Sort(qs)
	return slices.Compact(qs)
}

func quantileName(q float64) string {
	// Nine digits hide that 0.07·100 is not 7.
	return "p" + strconv.FormatFloat(q*100, 'g', 9, 64)
}

func quantileCells(d analysis.Distribution, qs []float64) []Cell {
	var cells []Cell
	for _, q := range qs {
		i := slices.IndexFunc(d.Quantiles, func(has analysis.Quantile) bool { return has.Q == q })
		if i < 0 {
			cells = append(cells, Text("")) // the scenario does not ask this service for it
			continue
		}
		cells = append(cells, scaled(d.Quantiles[i].Value))
	}
	return cells
}

func latencies(list []part, id, title string) Table {
	qs := quantilesOf(list)
	t := Table{ID: id, Title: title, Columns: placeColumns(words("Of"), numbers("n", "n"), spans("Mean"))}
	for _, q := range qs {
		t.Columns = append(t.Columns, spans(quantileName(q)))
	}
	t.Columns = append(t.Columns, spans("Min"), spans("Max"), spans("Mean wait"), spans("Mean service"))
	for _, p := range list {
		d := p.group.Latency
		row := p.cells(Text(p.kind), count(d.N), scaled(d.Mean))
		row = append(row, quantileCells(d, qs)...)
		t.Rows = append(t.Rows, append(row, scaled(d.Min), scaled(d.Max), scaled(p.group.Wait.Mean), scaled(p.group.Served.Mean)))
	}
	return t
}

// streams tells of first tokens, for services that stream.
func streams(of func([]place) []part, list []place, id, title string) Table {
	parts := of(slices.DeleteFunc(slices.Clone(list), func(p place) bool { return p.service.Total.TTFT.N == 0 }))
	qs := quantilesOf(parts)
	t := Table{ID: id, Title: title, Columns: placeColumns(words("Of"), words("Figure"), numbers("n", "n"), spans("Mean"))}
	for _, q := range qs {
		t.Columns = append(t.Columns, spans(quantileName(q)))
	}
	t.Columns = append(t.Columns, spans("Max"))
	for _, p := range parts {
		for _, f := range []struct {
			name string
			d    analysis.Distribution
		}{{"TTFT from due", p.group.TTFT}, {"TTFT from sent", p.group.SentTTFT}, {"TPOT", p.group.TPOT}, {"Longest gap", p.group.LongestGap}} {
			if f.d.N == 0 {
				continue
			}
			row := p.cells(Text(p.kind), Text(f.name), count(f.d.N), scaled(f.d.Mean))
			row = append(row, quantileCells(f.d, qs)...)
			t.Rows = append(t.Rows, append(row, scaled(f.d.Max)))
		}
	}
	return t
}

// chunks tells of the gaps between chunks of content, of all answers together.
func chunks(list []place) Table {
	t := Table{
		ID: "chunk-gaps", Title: "Time between chunks of content (ITL)",
		Notes:   []string{"ITL as vLLM has it: all gaps between two chunks of content of one answer, pooled over all answers to arrivals of the window (AIPerf: ICL). It is the time of one token only where a chunk has one: see tokens per chunk."},
		Columns: placeColumns(numbers("Gaps", "n"), spans("p50"), spans("p90"), spans("p99"), spans("Max"), numbers("Tokens per chunk", "1")),
	}
	for _, p := range list {
		g := p.service.Integrity.Gaps
		if g.N == 0 {
			continue
		}
		t.Rows = append(t.Rows, p.cells(count(g.N), seconds(g.P50.Seconds()), seconds(g.P90.Seconds()), seconds(g.P99.Seconds()), seconds(g.Max.Seconds()),
			number(p.service.Total.TokensPerChunk, "1")))
	}
	return t
}

func objectives(list []place) Table {
	t := Table{ID: "objectives", Title: "Objectives", Columns: placeColumns(words("Clause"), words("Class"), Column{Name: "Value", Align: Right, Scaled: true}, words("Result"))}
	for _, p := range list {
		for _, c := range p.service.SLO {
			t.Rows = append(t.Rows, p.cells(Text(c.Clause.Text), Text(c.Clause.Class), scaled(c.Value), Text(c.Result)))
		}
	}
	return t
}
