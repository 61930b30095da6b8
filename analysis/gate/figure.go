package gate

import (
	"fmt"
	"math"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// judge judges one service in one step.
func (c checker) judge(v analysis.Service, p Point) Point {
	if c.r.Metric == MetricValid {
		p.Value = analysis.Value{Inapplicable: true}
		p.End = p.Value
		p.Met = v.Verdict.Is == analysis.Valid
		if !p.Met {
			p.Why = v.Verdict.Is + ": " + v.Verdict.Why
		}
		return p
	}
	if !v.Verdict.Measures() {
		return c.unknown(p, fmt.Sprintf("the step does not measure the server: %s, %s", v.Verdict.Is, v.Verdict.Why))
	}
	if v.Verdict.Is == analysis.Saturated && c.r.Metric != MetricThroughput && c.r.Metric != MetricTokens && c.r.Metric != MetricErrors {
		return c.unknown(p, "the backlog grew, so that a longer window would give another figure: "+v.Verdict.Why)
	}
	if c.r.Metric == MetricSLO {
		return c.objectives(v, p)
	}
	p.End = analysis.Value{Unit: c.r.Unit, Inapplicable: true, Why: "the figure has no interval within a step"}
	switch c.r.Metric {
	case MetricLatency:
		c.quantile(v, v.Total.Latency, &p)
	case MetricTTFT:
		c.quantile(v, v.Total.TTFT, &p)
	case MetricTPOT:
		c.quantile(v, v.Total.TPOT, &p)
	case MetricSession:
		c.quantile(v, v.Sessions.Time, &p)
	case MetricThroughput:
		p.Value = v.Total.Throughput
	case MetricQueue:
		p.Value = v.Queue.Mean
	case MetricTokens:
		p.Value = v.Total.Output.PerSecond
	case MetricErrors:
		p.Value = analysis.Value{Unit: c.r.Unit, Why: "nothing was due in the window"}
		if v.Total.Due > 0 {
			share := float64(v.Total.Due-v.Total.OK) / float64(v.Total.Due)
			p.Value.Number, p.Value.Why = &share, ""
		}
	}
	return c.decide(p)
}

// objectives judges those of the scenario.
func (c checker) objectives(v analysis.Service, p Point) Point {
	p.Value = analysis.Value{Inapplicable: true}
	p.End = p.Value
	if len(v.SLO) == 0 {
		return c.unknown(p, "the scenario asks nothing of "+v.Name+": it has no slo")
	}
	var missed []string
	for _, clause := range v.SLO {
		if clause.Result == analysis.Met {
			continue
		}
		text := clause.Clause.Text + " is " + clause.Result
		switch {
		case clause.Value.Known():
			text += ": " + units.Format(*clause.Value.Number, clause.Value.Unit)
		case clause.Value.Why != "":
			text += ": " + clause.Value.Why
		}
		missed = append(missed, text)
	}
	p.Met, p.Why = len(missed) == 0, strings.Join(missed, "; ")
	return p
}

// decide compares a point's value, and with Sure its unfavourable end, with the limit.
func (c checker) decide(p Point) Point {
	if !p.Value.Known() {
		return c.unknown(p, p.Value.Why)
	}
	p.Met = c.holds(*p.Value.Number)
	if !c.o.Sure || !p.Met || p.End.Inapplicable {
		return p
	}
	switch {
	case !p.End.Known():
		p.Met, p.Why = false, "its interval has no such end: "+p.End.Why
	case !c.holds(*p.End.Number):
		p.Met, p.Why = false, "its interval reaches to "+units.Format(*p.End.Number, p.End.Unit)
	}
	return p
}

func (c checker) holds(value float64) bool {
	switch c.r.Op {
	case "<":
		return value < c.r.Limit
	case "<=":
		return value <= c.r.Limit
	case ">":
		return value > c.r.Limit
	}
	return value >= c.r.Limit
}

// quantile fills in a percentile, or the mean, of times. An arrival that did not end ok
// took longer than any limit, as in the scenario's own objectives: else a server that
// refuses most would be the fastest.
func (c checker) quantile(v analysis.Service, d analysis.Distribution, p *Point) {
	failed := v.Total.Due - v.Total.OK
	if failed > 0 && (c.r.Quantile == 0 || c.r.Metric == MetricSession) {
		p.Beyond = true
		p.Value = analysis.Value{Unit: c.r.Unit, Why: "over every limit: " + missing(failed, v.Total.Due) + ", which count as later than any"}
		p.End = p.Value
		return
	}
	if c.r.Quantile == 0 {
		p.Value = d.Mean
		return
	}
	told, ok := at(d, c.r.Quantile)
	if !ok {
		p.Value = analysis.Value{Unit: c.r.Unit, Why: untold(d, v.Name)}
		p.End = p.Value
		return
	}
	p.Value = told.Value
	p.End = analysis.Value{Unit: c.r.Unit, Number: told.High, Why: told.Open}
	if failed == 0 || c.r.Metric == MetricSession || !told.Known() {
		return
	}
	rank := math.Ceil(c.r.Quantile*float64(v.Total.Due) - 1e-9)
	if rank > float64(v.Total.OK) {
		p.Beyond = true
		p.Value = analysis.Value{Unit: c.r.Unit, Why: "over every limit: it falls among arrivals that did not end ok, " + missing(failed, v.Total.Due)}
		p.End = p.Value
		return
	}
	if exact, ok := c.clause(v); ok {
		p.Value, p.Note = exact, missing(failed, v.Total.Due)+", which count as later than all"
		p.End = analysis.Value{Unit: c.r.Unit, Why: "the interval is of ok answers alone"}
		return
	}
	c.amongFailed(v, d, p, rank)
}

// clause gives the value of the scenario's own objective on the same percentile, which
// was told from every arrival.
func (c checker) clause(v analysis.Service) (analysis.Value, bool) {
	for _, clause := range v.SLO {
		k := clause.Clause
		if k.Metric == c.r.Metric && k.Class == "" && math.Abs(k.Quantile-c.r.Quantile) < 1e-9 {
			return clause.Value, true
		}
	}
	return analysis.Value{}, false
}

// amongFailed puts the failed arrivals above all others. The quantile q of all is then
// the one of rank ⌈q·due⌉ of the ok ones, which lies at or below the least told
// percentile that is no lower.
func (c checker) amongFailed(v analysis.Service, d analysis.Distribution, p *Point, rank float64) {
	note := missing(v.Total.Due-v.Total.OK, v.Total.Due)
	lower := *p.Value.Number
	p.End = analysis.Value{Unit: c.r.Unit, Why: "the interval is of ok answers alone, and " + note}
	share := rank / float64(v.Total.OK)
	upper := math.Inf(1)
	reach := func(q, seconds float64) {
		if q >= share-1e-12 {
			upper = min(upper, seconds)
		}
	}
	for _, q := range d.Quantiles {
		if q.Known() {
			reach(q.Q, *q.Number)
		}
	}
	if d.Max.Known() {
		reach(1, *d.Max.Number)
	}
	if c.r.Metric == MetricLatency {
		for _, point := range v.Curve {
			reach(point.Share, point.Seconds)
		}
	}
	switch {
	case c.holds(upper):
		p.Value.Number, p.Note = &upper, "at most: "+note
	case !c.holds(lower):
		p.Note = "at least: " + note
	default:
		above := "above " + units.Format(lower, c.r.Unit)
		if !math.IsInf(upper, 1) {
			above = "between " + units.Format(lower, c.r.Unit) + " and " + units.Format(upper, c.r.Unit)
		}
		p.Value = analysis.Value{Unit: c.r.Unit, Why: fmt.Sprintf("%s, so that it lies %s", note, above)}
	}
}

func missing(failed, due int64) string {
	return fmt.Sprintf("%s of %s arrivals did not end ok", units.Number(float64(failed)), units.Number(float64(due)))
}

// at gives the quantile of a share.
func at(d analysis.Distribution, q float64) (analysis.Quantile, bool) {
	for _, told := range d.Quantiles {
		if math.Abs(told.Q-q) < 1e-9 {
			return told, true
		}
	}
	return analysis.Quantile{}, false
}

// untold says why a distribution does not tell a percentile.
func untold(d analysis.Distribution, service string) string {
	if len(d.Quantiles) == 0 {
		return "it was not measured"
	}
	var all []string
	for _, q := range d.Quantiles {
		all = append(all, fmt.Sprintf("p%g", math.Round(q.Q*1e5)/1e3))
	}
	return fmt.Sprintf("the run tells %s of %s; others are asked for by percentiles: in the scenario", strings.Join(all, ", "), service)
}
