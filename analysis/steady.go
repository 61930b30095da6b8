package analysis

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// What a window did, of a QueueGrowth or a Drift, beside NotJudged.
const (
	Grew   = "grew"
	Shrank = "shrank"
	Drifts = "drifts"
	Steady = "steady"
)

// A QueueGrowth tells whether the backlog of a service, sessions that were due and had not
// ended, grew within the window: see [stats.Parts.Grew]. A closed loop's cannot, for
// its users wait: whether that is saturated shows in throughput that no longer rises
// with users, which one step cannot tell.
type QueueGrowth struct {
	Result string `json:"result"` // Grew, Shrank, Steady or NotJudged
	Why    string `json:"why,omitempty"`
	// First and Last are the mean backlog in the first and last third of the window,
	// Size how much it rose by a robust slope, Floor what it has to rise by at least.
	First Value `json:"first_third"`
	Last  Value `json:"last_third"`
	Size  Value `json:"rise"`
	Floor Value `json:"floor"`
}

// A Drift tells whether requests took as long at the window's end as at its begin, at
// equal numbers in flight, and whether what the data say of the warm-up's end lies
// within the window: see [stats.Steady].
type Drift struct {
	Result string `json:"result"` // Drifts, Steady or NotJudged
	Why    string `json:"why,omitempty"`
	// Change is that of the time of a request over the window, as a share.
	Change Value `json:"change"`
	// Unsettled is how much of the window belongs to the warm-up still, in seconds.
	Unsettled Value `json:"unsettled_seconds"`
}

// growth judges the backlog. Trace, failover and spike steps have no steady rate.
func (r serviceReader) growth() QueueGrowth {
	none := func(why string) QueueGrowth {
		v := unknown("1", why)
		return QueueGrowth{Result: NotJudged, Why: why, First: v, Last: v, Size: v, Floor: v}
	}
	if why := r.unsteadyByPlan(); why != "" {
		return none(why)
	}
	if r.level.Arrivals == closedLoop {
		return none("a closed loop's backlog cannot grow: its users wait")
	}
	b := stats.Backlog{From: r.window.from.Seconds(), To: r.window.to.Seconds()}
	if r.integrity.Offered != nil {
		b.Offered = *r.integrity.Offered
	}
	var ended []session
	for s := range r.tally.sessions.all() {
		if s.start == results.NoOffset {
			continue
		}
		b.Due = append(b.Due, s.start.Seconds())
		if s.end != results.NoOffset {
			b.Done = append(b.Done, s.end.Seconds())
			ended = append(ended, s)
		}
	}
	stats.Sort(b.Due)
	stats.Sort(b.Done)
	b.Alone = alone(ended)
	g := stats.Grew(b)
	if !g.Judged {
		return none(g.Why)
	}
	out := QueueGrowth{Result: Steady, Why: g.Why, First: known(g.First, "1"), Last: known(g.Last, "1"), Size: known(g.Size, "1"), Floor: known(g.Floor, "1")}
	if g.Grew {
		out.Result = Grew
	} else if g.Shrank {
		out.Result = Shrank
	}
	return out
}

// alone guesses how long a session takes that finds the servers idle, in seconds; 0 if
// none ended. It sorts. That is the twentieth part of all that was fastest, or the
// median of the first twenty, whichever is less: under overload most met a queue, and
// the first may have met a cold server.
func alone(ended []session) float64 {
	if len(ended) == 0 {
		return 0
	}
	byStart := func(a, b session) int { return cmp.Compare(a.start, b.start) }
	if !slices.IsSortedFunc(ended, byStart) {
		slices.SortFunc(ended, byStart)
	}
	took := make([]float64, len(ended))
	for i, s := range ended {
		took[i] = s.end.Sub(s.start).Seconds()
	}
	first := slices.Sorted(slices.Values(took[:min(20, len(took))]))
	stats.Sort(took)
	return min(stats.Quantile(took, 0.05), stats.Quantile(first, 0.5))
}

// drift judges the times of requests.
func (r serviceReader) drift() Drift {
	why := r.unsteadyByPlan()
	var d stats.Drift
	if why == "" {
		calls := r.tally.history
		byDue := func(a, b stats.Call) int { return cmp.Compare(a.Due, b.Due) }
		if !slices.IsSortedFunc(calls, byDue) {
			slices.SortStableFunc(calls, byDue)
		}
		d = stats.Steady(calls, r.window.from.Seconds(), r.window.to.Seconds())
		why = d.Why
	}
	if !d.Judged {
		return Drift{NotJudged, why, unknown("ratio", why), unknown("s", why)}
	}
	out := Drift{Steady, why, known(d.Change, "ratio"), known(d.Settled-r.window.from.Seconds(), "s")}
	if d.Drifts {
		out.Result = Drifts
	}
	return out
}

// unsteadyByPlan tells why a step is not meant to be steady; empty if it is.
func (r serviceReader) unsteadyByPlan() string {
	switch {
	case r.step.Plan.Failover != nil:
		return "an instance was made to end in the window"
	case r.step.Plan.Spike != nil:
		return "a load was made to rise in the window"
	case r.level.Arrivals == "trace":
		return "the rate of a trace changes"
	case r.window.length() <= 0:
		return "empty window"
	}
	return ""
}

// call makes what steadiness is judged by of a sample.
func call(s *results.Sample) stats.Call {
	return stats.Call{Due: s.Due.Seconds(), Done: s.Done.Seconds(), OK: s.Outcome == results.OK, Follows: s.Call > 0 || s.Attempt > 0}
}

// interval gives the ends of a quantile's interval, nil where there is none, and why.
// Sorted are the same spans as inOrder, in seconds; over is how long they were
// gathered.
func interval(inOrder, sorted []float64, q float64, over time.Duration) (low, high *float64, why string) {
	i := stats.QuantileInterval(inOrder, sorted, q, over.Seconds())
	if !math.IsNaN(i.Low) {
		low = &i.Low
	}
	if !math.IsNaN(i.High) {
		high = &i.High
	}
	return low, high, i.Why
}
