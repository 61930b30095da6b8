package report

import (
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/analysis"
)

// A FlatColumn says what a column of [Flat] holds.
type FlatColumn struct {
	// Name ends with the unit of its numbers, a base unit, where that is not one.
	Name string
	// About is for people: what it is, and of what.
	About string
	// Number says that its cells are numbers, empty where one is not known. Else they are
	// texts.
	Number bool
}

// Flat lays a Summary out for data tools: a row for each service of each step of each
// cell, in the order of running, and every figure in a column of its own, in base units.
// A column of numbers is aligned Right. A cell of it without a value has the Note why; its
// Text is NotApplicable if there can be none.
// The two last columns gather those. Columns are always the same, but for the
// percentiles, which are those that the scenario asks for. Texts are as safe to print as a
// Document's.
func Flat(s *analysis.Summary) Table {
	list := places(s)
	fields := flatFields(s, quantilesOf(wholes(list)))
	t := Table{ID: "flat", Title: "Every figure of every service in every step"}
	for _, f := range fields {
		c := words(f.Name)
		if f.Number {
			c.Align = Right
		}
		t.Columns = append(t.Columns, c)
	}
	t.Columns = append(t.Columns, words(unknownColumn), words(inapplicableColumn))
	for _, p := range list {
		row := make([]Cell, len(fields), len(fields)+2)
		var unknown, inapplicable []string
		for i, f := range fields {
			c := f.cell(p)
			switch {
			case c.Value != nil || !f.Number:
			case c.Text == NotApplicable:
				inapplicable = append(inapplicable, f.Name)
			default:
				unknown = append(unknown, f.Name+": "+c.Note)
			}
			printable(&c.Text)
			printable(&c.Note)
			row[i] = c
		}
		told := Text(strings.Join(unknown, "; "))
		printable(&told.Text)
		t.Rows = append(t.Rows, append(row, told, Text(strings.Join(inapplicable, " "))))
	}
	return t
}

// The columns that say what is not known, and of what there can be nothing.
const (
	unknownColumn      = "unknown"
	inapplicableColumn = "not_applicable"
)

// FlatColumns describes the columns of Flat with these percentiles, each in (0, 1).
func FlatColumns(percentiles ...float64) []FlatColumn {
	var all []FlatColumn
	for _, f := range flatFields(&analysis.Summary{}, percentiles) {
		all = append(all, f.FlatColumn)
	}
	return append(all,
		FlatColumn{unknownColumn, "which of the columns are empty because the number is not known, and why: `name: reason; name: reason`", false},
		FlatColumn{inapplicableColumn, "which of the columns are empty because there can be no number: `name name`", false},
	)
}

// A flatField is a column and where its cells come from.
type flatField struct {
	FlatColumn
	cell func(place) Cell
}

func flatText(name, about string, of func(place) string) flatField {
	return flatField{FlatColumn{name, about, false}, func(p place) Cell { return Text(of(p)) }}
}

func flatCount(name, about string, of func(place) int64) flatField {
	return flatField{FlatColumn{name, about, true}, func(p place) Cell { return count(of(p)) }}
}

func flatValue(name, about string, of func(place) analysis.Value) flatField {
	return flatField{FlatColumn{name, about, true}, func(p place) Cell {
		v := of(p)
		if v.Known() {
			return Cell{Value: v.Number, Unit: v.Unit}
		}
		return missing(v, v.Unit)
	}}
}

// flatNumber is of what is always known.
func flatNumber(name, about string, of func(place) float64) flatField {
	return flatField{FlatColumn{name, about, true}, func(p place) Cell {
		v := of(p)
		return Cell{Value: &v}
	}}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func flatFields(s *analysis.Summary, qs []float64) []flatField {
	return slices.Concat(flatPlace(s), flatArrivals(), flatRates(), flatTimes(qs), flatQueue(), flatTrust())
}

// flatPlace says which run, cell, step and service a row is of.
func flatPlace(s *analysis.Summary) []flatField {
	e := s.Environment
	return []flatField{
		flatText("scenario", "the scenario's name", func(place) string { return e.Scenario }),
		flatText("started", "when the run began, UTC", func(place) string { return e.Started.UTC().Format("2006-01-02T15:04:05Z") }),
		flatText("simulated", "the simulated server that made every number of the row; empty on a real one", func(place) string { return e.Simulated }),
		flatText("cell", "the cell's folder in the run directory", func(p place) string { return p.cell.Cell.Folder }),
		flatText("cell_status", "how the cell ended: done, failed, interrupted", func(p place) string { return p.cell.Cell.Status }),
		flatText("configuration", "the configuration's name", func(p place) string { return p.cell.Cell.Config.Name }),
		flatCount("replicate", "the replicate's number, from 1", func(p place) int64 { return int64(p.cell.Cell.Replicate) }),
		flatText("layout", "the layout, as read back from the GPUs", func(p place) string { return p.cell.Layout.Applied }),
		flatText("mig", "on how many of its devices MIG is used: none, some, all, unknown", func(p place) string { return string(p.cell.MIG) }),
		flatText("mps", "on how many of its devices MPS is used: none, some, all, unknown", func(p place) string { return string(p.cell.MPS) }),
		flatText("sharing", "how devices are shared", func(p place) string { return p.cell.Cell.Config.Sharing }),
		flatText("placement", "which instance runs on which device, as the configuration has it", func(p place) string { return p.cell.Cell.Config.Placement }),
		flatText("routing", "how requests are dealt to instances", func(p place) string { return p.cell.Cell.Config.Routing }),
		flatCount("step_index", "the step's number within the cell, from 0", func(p place) int64 { return int64(p.step.Index) }),
		flatText("step", "the step's name; empty if it has none", func(p place) string { return p.step.Name }),
		flatText("purpose", "why a search ran the step; empty for a step of a ladder", func(p place) string { return p.step.Purpose }),
		flatText("heavy", "whether every request was its class' heavy variant: yes, no", func(p place) string { return yesNo(p.step.Heavy) }),
		flatText("stopped", "why the step was ended early; empty if it was not", func(p place) string { return p.step.Stopped }),
		flatText("service", "the service's name", func(p place) string { return p.service.Name }),
		flatText("role", "vision or agent", func(p place) string { return p.service.Role }),
		flatText("arrivals", "how load arrives: constant, poisson, gamma, trace, cameras, closed", func(p place) string { return p.service.Level.Arrivals }),
		flatNumber("load", "the load that was asked for, in load_unit", func(p place) float64 { return p.service.Level.Value }),
		flatText("load_unit", "req/s (sessions a second of a service with sessions), cameras, users", func(p place) string { return p.service.Level.Unit }),
		flatNumber("window_seconds", "length of the window, of which all figures are", func(p place) float64 { return p.step.Window }),
	}
}

// flatArrivals counts what became of the arrivals.
func flatArrivals() []flatField {
	list := []flatField{
		flatCount("due", "arrivals that fell due in the window; the sum of the outcomes", func(p place) int64 { return p.service.Total.Due }),
		flatCount("retries", "those of them that are the second or a later attempt of a request", func(p place) int64 { return p.service.Total.Retries }),
	}
	for o := (analysis.Count{}).Outcome + 1; ; o++ {
		if _, err := o.MarshalText(); err != nil { // there are no more
			break
		}
		list = append(list, flatCount("outcome_"+o.String(), "those of them that ended so", func(p place) int64 {
			for _, c := range p.service.Total.Outcomes {
				if c.Outcome == o {
					return c.N
				}
			}
			return 0
		}))
	}
	return append(list, flatCount("completed", "ok answers that came within the window, whenever they were due", func(p place) int64 { return p.service.Total.Completed }))
}

// flatRates are what was done in the time.
func flatRates() []flatField {
	return []flatField{
		flatValue("throughput_per_second", "completed ÷ window", func(p place) analysis.Value { return p.service.Total.Throughput }),
		flatValue("completed_per_hour", "completed, scaled to one hour", func(p place) analysis.Value { return p.service.Total.PerHour }),
		flatValue("answered_per_second", "outcome_ok ÷ window", func(p place) analysis.Value { return p.service.Total.Answered }),
		flatValue("requested_per_second", "arrivals (of sessions, if there are) that the scenario asks for", func(p place) analysis.Value { return p.service.Stimulus.Requested }),
		flatValue("achieved_per_second", "those that were really sent", func(p place) analysis.Value { return p.service.Stimulus.Achieved }),
		flatCount("sessions_ended", "sessions that ended within the window", func(p place) int64 { return p.service.Sessions.Ended }),
		flatValue("sessions_per_second", "sessions_ended ÷ window", func(p place) analysis.Value { return p.service.Sessions.PerSecond }),
		flatValue("session_mean_seconds", "mean time of a session, from its first call's due to its last call's done", func(p place) analysis.Value { return p.service.Sessions.Time.Mean }),
		flatValue("think_mean_seconds", "mean think time of a closed loop's users", func(p place) analysis.Value { return p.service.Sessions.Think }),
		flatCount("prompt_tokens", "sum over the completed answers that told", func(p place) int64 { return p.service.Total.Prompt.Sum }),
		flatValue("prompt_tokens_per_second", "the same ÷ window; unknown if an answer did not tell", func(p place) analysis.Value { return p.service.Total.Prompt.PerSecond }),
		flatCount("output_tokens", "sum over the completed answers that told", func(p place) int64 { return p.service.Total.Output.Sum }),
		flatValue("output_tokens_per_second", "the same ÷ window; unknown if an answer did not tell", func(p place) analysis.Value { return p.service.Total.Output.PerSecond }),
		flatValue("cached_prompt_ratio", "share of the prompt tokens that the server had kept", func(p place) analysis.Value { return p.service.Cached }),
		flatValue("tokens_per_chunk", "mean over all chunks of the answers that told their tokens", func(p place) analysis.Value { return p.service.Total.TokensPerChunk }),
	}
}

// flatTimes are the distributions of times, each with the percentiles.
func flatTimes(qs []float64) []flatField {
	var list []flatField
	for _, d := range []struct {
		name, about string
		of          func(analysis.Group) analysis.Distribution
	}{
		{"latency", "from due to done, of ok answers", func(g analysis.Group) analysis.Distribution { return g.Latency }},
		{"wait", "from due to sent, of ok answers", func(g analysis.Group) analysis.Distribution { return g.Wait }},
		{"served", "from sent to done, of ok answers", func(g analysis.Group) analysis.Distribution { return g.Served }},
		{"ttft", "from due to the first chunk of content, of streamed ok answers", func(g analysis.Group) analysis.Distribution { return g.TTFT }},
		{"ttft_from_sent", "from sent to the first chunk of content, of streamed ok answers", func(g analysis.Group) analysis.Distribution { return g.SentTTFT }},
		{"tpot", "(last chunk - first chunk) ÷ (output tokens - 1), of streamed ok answers", func(g analysis.Group) analysis.Distribution { return g.TPOT }},
		{"longest_gap", "longest time between two chunks, of each streamed ok answer", func(g analysis.Group) analysis.Distribution { return g.LongestGap }},
	} {
		of := func(p place) analysis.Distribution { return d.of(p.service.Total) }
		list = append(list,
			flatCount(d.name+"_n", "how many: "+d.about, func(p place) int64 { return of(p).N }),
			flatValue(d.name+"_mean_seconds", "mean: "+d.about, func(p place) analysis.Value { return of(p).Mean }),
			flatValue(d.name+"_min_seconds", "least: "+d.about, func(p place) analysis.Value { return of(p).Min }),
			flatValue(d.name+"_max_seconds", "most: "+d.about, func(p place) analysis.Value { return of(p).Max }))
		for _, q := range qs {
			list = append(list, flatQuantile(d.name+"_"+strings.ReplaceAll(quantileName(q), ".", "_"), d.about, q, of)...)
		}
	}
	return append(list, flatGaps()...)
}

// flatQuantile is a quantile and its interval.
func flatQuantile(name, about string, q float64, of func(place) analysis.Distribution) []flatField {
	find := func(p place) analysis.Quantile {
		for _, has := range of(p).Quantiles {
			if has.Q == q {
				return has
			}
		}
		return analysis.Quantile{Value: analysis.Value{Unit: "s", Inapplicable: true}} // not asked for, of this service
	}
	bound := func(of func(analysis.Quantile) *float64) func(place) analysis.Value {
		return func(p place) analysis.Value {
			found := find(p)
			v := analysis.Value{Number: of(found), Unit: "s", Why: found.Open, Inapplicable: found.Inapplicable}
			if v.Why == "" {
				v.Why = found.Why
			}
			return v
		}
	}
	share := strconv.FormatFloat(q, 'g', -1, 64)
	return []flatField{
		flatValue(name+"_seconds", "quantile "+share+", exact: "+about, func(p place) analysis.Value { return find(p).Value }),
		flatValue(name+"_low_seconds", "lower bound of its 95 % interval", bound(func(q analysis.Quantile) *float64 { return q.Low })),
		flatValue(name+"_high_seconds", "upper bound of its 95 % interval", bound(func(q analysis.Quantile) *float64 { return q.High })),
	}
}
