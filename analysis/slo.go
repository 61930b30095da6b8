package analysis

import (
	"fmt"

	"github.com/evabench/evabench/results"
)

// judge evaluates one clause of a service's SLO. An empty window does not
// meet any clause; a value that cannot be told leaves it unknown.
func (r serviceReader) judge(c results.Clause, s Service, streams bool) ClauseValue {
	t := &r.tally.total
	if c.Class != "" {
		t = r.tally.classes[c.Class]
	}
	if t == nil || t.due == 0 {
		return ClauseValue{c, unknown(c.Unit, "nothing was due in the window"), NotMet}
	}
	out := ClauseValue{Clause: c, Value: r.metric(c, t, s, streams), Result: Unknown}
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

// metric gives the value that a clause is about. The tally's spans are sorted.
func (r serviceReader) metric(c results.Clause, t *tally, s Service, streams bool) Value {
	switch c.Metric {
	case "latency":
		return clauseQuantile(t.latency, c.Quantile)
	case "ttft":
		if !streams {
			return unknown("s", "answers were not streamed")
		}
		return clauseQuantile(t.ttft, c.Quantile)
	case "errors":
		return known(float64(t.due-t.outcomes[results.OK])/float64(t.due), "ratio")
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

// clauseQuantile says beside what is needed how many samples there are, which
// a clause does not show otherwise.
func clauseQuantile(sorted []float64, q float64) Value {
	v := quantile(sorted, q)
	if !v.Known() && len(sorted) > 0 {
		v.Why += fmt.Sprintf(", have %d", len(sorted))
	}
	return v
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
