package analysis

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/evabench/evabench/analysis/luck"
	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// clauses gives a service's SLO. One that says nothing of the errors of all
// its arrivals allows none: a latency is of the answers that came, and would
// be met best by a server that refuses most.
func (r serviceReader) clauses() []results.Clause {
	slo := r.service.SLO
	all := func(c results.Clause) bool { return c.Metric == "errors" && c.Class == "" }
	if len(slo) == 0 || slices.ContainsFunc(slo, all) {
		return slo
	}
	return append(slices.Clone(slo), results.Clause{Metric: "errors", Op: "<=", Unit: "ratio", Text: "errors <= 0 % (default)"})
}

// judge evaluates one clause of a service's SLO. An empty window does not
// meet any clause; a value that cannot be told leaves it unknown. An arrival
// that did not end ok took longer than every limit: a quantile that falls
// among such arrivals has no value, and does not meet its clause.
func (r serviceReader) judge(c results.Clause, s Service, streams bool) ClauseValue {
	t := r.judged(c.Class)
	if t == nil || t.due == 0 {
		return ClauseValue{Clause: c, Value: unknown(c.Unit, "nothing was due in the window"), Result: NotMet}
	}
	out := ClauseValue{Clause: c, Value: r.metric(c, t, s, streams), Result: Unknown}
	out.Judged, out.Over = t.over(c)
	out.Luck = r.luck(c)
	if out.Value.Why == amongFailed {
		out.Result = NotMet
	}
	if !out.Value.Known() {
		return out
	}
	holds, err := compare(*out.Value.Number, c.Op, c.Limit)
	switch {
	case err != nil:
		out.Value.Why = err.Error()
	case holds:
		out.Result = Met
	default:
		out.Result = NotMet
	}
	return out
}

// judged gives the tally that a clause is about, whose spans are sorted; nil if nothing was
// due of its class, all if that is empty. In a step of heavy requests alone a class is its
// heavy variant.
func (r serviceReader) judged(class string) *tally {
	t := r.tally.classes[class]
	if t == nil && r.step.Plan.Heavy {
		t = r.tally.classes[class+results.HeavySuffix]
	}
	if class == "" || t != nil && t.taken == r.tally.total.taken {
		return &r.tally.total // see [cutter.groups]: a class of all samples is not sorted
	}
	return t
}

// metric gives the value that a clause is about. The tally's spans are sorted.
func (r serviceReader) metric(c results.Clause, t *tally, s Service, streams bool) Value {
	switch c.Metric {
	case "latency":
		return clauseQuantile(t.latency, t.failed(), c.Quantile)
	case "ttft":
		if !streams {
			return unknown("s", "answers were not streamed")
		}
		return clauseQuantile(t.ttft, t.failed(), c.Quantile)
	case "errors":
		return known(float64(t.failed())/float64(t.due), "ratio")
	case "queue":
		if c.Class != "" {
			return unknown("1", "servers do not tell their queue by class")
		}
		return s.Queue.Mean
	case "tokens_per_second":
		return tokens(t.output, t.untoldOut, r.window).PerSecond
	}
	return unknown(c.Unit, fmt.Sprintf("unknown metric %q", c.Metric))
}

// over counts the arrivals that a clause judges one by one, and those of them that
// are over its limit or did not end ok; 0 and 0 for other clauses. An ok answer without a
// first token is none of those that a ttft judges, as it is in none of its quantiles.
func (t *tally) over(c results.Clause) (judged, over int64) {
	sorted := t.latency
	switch c.Metric {
	case "errors":
		return t.due, t.failed()
	case "ttft":
		sorted = t.ttft
	case "latency":
	default:
		return 0, 0
	}
	within := sort.Search(len(sorted), func(i int) bool {
		holds, _ := compare(sorted[i], c.Op, c.Limit)
		return !holds
	})
	judged = int64(len(sorted)) + t.failed()
	return judged, judged - int64(within)
}

// failed counts the arrivals of the window that did not end ok.
func (t *tally) failed() int64 { return t.due - t.outcomes[results.OK] }

// amongFailed is why a clause's quantile has no value although there are
// arrivals enough.
const amongFailed = "over every limit: the quantile falls among arrivals that did not end ok"

// clauseQuantile gives a quantile of sorted seconds and of failed arrivals,
// which rank above all of them. Of too few it says beside what is needed how
// many there are, which a clause does not show otherwise.
func clauseQuantile(sorted []float64, failed int64, q float64) Value {
	ranked := slices.Concat(sorted, slices.Repeat([]float64{math.Inf(1)}, int(failed)))
	if need := stats.MinSamples(q); len(ranked) > 0 && len(ranked) < need {
		return unknown("s", fmt.Sprintf("need n ≥ %d, have %d", need, len(ranked)))
	}
	if math.IsInf(stats.Quantile(ranked, q), 1) {
		return unknown("s", amongFailed)
	}
	return quantile(ranked, q)
}

func compare(value float64, op string, limit float64) (bool, error) {
	switch op {
	case "<":
		return value < limit, nil
	case "<=":
		return value <= limit, nil
	case ">":
		return value > limit, nil
	case ">=":
		return value >= limit, nil
	}
	return false, fmt.Errorf("unknown comparison %q", op)
}

// luck tells how kind the step's arrivals were to a clause on times; nil where it cannot be
// told, and in steps that no estimate rests on.
func (r serviceReader) luck(c results.Clause) *float64 {
	shape := r.service.GapShape
	if shape == nil || c.Quantile == 0 || r.step.Plan.Purpose != results.PurposeProbe && r.step.Plan.Purpose != results.PurposeConfirm {
		return nil
	}
	if r.tally.chained {
		return nil // calls that follow others are load as well, and not the law's
	}
	law := luck.Law{Rate: r.level.Value, Shape: *shape}
	more, ok := law.Of(r.tally.dues(), r.step.Start.Seconds(), r.step.WindowStart.Seconds(), r.step.WindowEnd.Seconds(), c.Limit, 1-c.Quantile)
	if !ok {
		return nil
	}
	return &more
}

// dues are the moments in seconds at which the step's sessions were due, ascending.
func (t *serviceTally) dues() []float64 {
	if t.sortedDues == nil {
		t.sortedDues = make([]float64, 0, len(t.history))
		for _, c := range t.history {
			if !c.Follows {
				t.sortedDues = append(t.sortedDues, c.Due)
			}
		}
		stats.Sort(t.sortedDues)
	}
	return t.sortedDues
}
