package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
)

// Raw has a row for each service of each step, in the order of running, with all that is
// of use as plain numbers: for who reckons on. It is in no Document, since it is too wide
// to be read.
func Raw(s *analysis.Summary) Table {
	list := places(s)
	r := raw{outcomes: outcomesOf(wholes(list)), quantiles: quantilesOf(wholes(list))}
	t := Table{ID: "raw", Title: "Raw: a row for each step and service", Notes: []string{
		"Seconds, requests a second, bytes; no rounding. An empty cell, or words, is no number: never 0. low and high: 95 % interval.",
	}}
	for _, p := range list {
		r.cells = nil
		r.columns = nil
		r.row = len(t.Rows)
		r.add(p)
		t.Columns = r.columns
		t.Rows = append(t.Rows, r.cells)
	}
	t.clean()
	return t
}

// raw makes rows: each cell comes with its column.
type raw struct {
	outcomes  []analysis.Count
	quantiles []float64
	row       int
	columns   []Column
	cells     []Cell
}

func (r *raw) words(name, text string) {
	r.columns, r.cells = append(r.columns, words(name)), append(r.cells, Text(text))
}

// number adds a value, and gives its column.
func (r *raw) number(name, unit string, v analysis.Value) int {
	cell := number(v, unit)
	cell.Note = ""
	if !v.Known() {
		cell.Text = ""
	}
	r.columns, r.cells = append(r.columns, numbers(name, unit)), append(r.cells, cell)
	return len(r.cells) - 1
}

func (r *raw) plain(name, unit string, v float64) int {
	return r.number(name, unit, analysis.Value{Number: &v})
}

// pointer adds a number that may be missing.
func (r *raw) pointer(name, unit string, v *float64) int {
	return r.number(name, unit, analysis.Value{Number: v})
}

func (r *raw) add(p place) {
	c, s, g := p.cell.Cell, p.service, p.service.Total
	r.words("Cell", c.Folder)
	r.words("Configuration", c.Config.Name)
	r.plain("Replicate", "n", float64(c.Replicate))
	r.plain("Step", "n", float64(p.step.Index))
	r.words("Service", s.Name)
	r.words("Step name", p.step.Name)
	r.words("Purpose", cmp.Or(p.step.Purpose, "level"))
	r.words("Heavy", yes(p.step.Heavy))
	r.words("Verdict", s.Verdict.Is)
	r.words("Arrivals", s.Level.Arrivals)
	r.plain("Load", "", s.Level.Value)
	r.words("Load unit", s.Level.Unit)
	window := r.plain("Window", "s", p.step.Window)
	r.plain("Due", "n", float64(g.Due))
	for i, cell := range outcomeCounts(g.Outcomes, r.outcomes) {
		r.columns, r.cells = append(r.columns, numbers(r.outcomes[i].Outcome.String(), "n")), append(r.cells, cell)
	}
	r.plain("Retries", "n", float64(g.Retries))
	completed := r.plain("Completed", "n", float64(g.Completed))
	r.reckoned(r.number("Completed", "req/s", g.Throughput), 1, completed, window)
	minute := perMinute(g.Throughput)
	r.reckoned(r.pointer("Completed", "req/min", minute.Value), 60, completed, window)
	r.reckoned(r.number("Completed", "1/h", g.PerHour), 3600, completed, window)
	r.number("Answered", "req/s", g.Answered)
	r.latency("Latency", g.Latency, true)
	r.number("Median latency", "s", s.Median)
	r.number("Wait, mean", "s", g.Wait.Mean)
	r.number("Service time, mean", "s", g.Served.Mean)
	r.latency("TTFT", g.TTFT, false)
	r.latency("TPOT", g.TPOT, false)
	r.number("Prompt", "tok/s", g.Prompt.PerSecond)
	r.number("Output", "tok/s", g.Output.PerSecond)
	r.plain("Sessions ended", "n", float64(s.Sessions.Ended))
	r.number("Session time, mean", "s", s.Sessions.Time.Mean)
	r.number("In flight, mean", "requests", s.InFlight)
	r.number("Queue, mean", "requests", s.Queue.Mean)
	r.number("Queue, max", "requests", s.Queue.Max)
	r.number("Cached prompt", "ratio", s.Cached)
	r.objectives(s.SLO)
	r.number("Client roofline", "ratio", p.step.Roofline)
	r.words("Ended early", p.step.Stopped)
	r.words("Why the verdict", s.Verdict.Why)
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// reckoned says that a cell of the row is a count ÷ a span.
func (r *raw) reckoned(at int, factor float64, count, span int) {
	r.cells[at] = r.cells[at].per(factor, r.row, count, span)
}

// latency adds a distribution of times, in full with least, most and intervals.
func (r *raw) latency(name string, d analysis.Distribution, full bool) {
	r.plain(name+", of", "n", float64(d.N))
	r.number(name+", mean", "s", d.Mean)
	if full {
		r.number(name+", min", "s", d.Min)
	}
	for _, q := range r.quantiles {
		var at analysis.Quantile
		if i := slices.IndexFunc(d.Quantiles, func(has analysis.Quantile) bool { return has.Q == q }); i >= 0 {
			at = d.Quantiles[i]
		}
		r.number(name+" "+quantileName(q), "s", at.Value)
		if full {
			r.pointer(name+" "+quantileName(q)+" low", "s", at.Low)
			r.pointer(name+" "+quantileName(q)+" high", "s", at.High)
		}
	}
	if full {
		r.number(name+", max", "s", d.Max)
	}
}

func (r *raw) objectives(list []analysis.ClauseValue) {
	met, unmet := 0, []string{}
	for _, v := range list {
		if v.Result == analysis.Met {
			met++
		} else {
			unmet = append(unmet, fmt.Sprintf("%s (%s)", clauseText(v.Clause.Class, v.Clause.Text), v.Result))
		}
	}
	r.plain("Objectives", "n", float64(len(list)))
	r.plain("Met", "n", float64(met))
	r.words("Objectives not met", strings.Join(unmet, "; "))
}
