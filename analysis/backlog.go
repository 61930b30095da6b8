package analysis

import (
	"fmt"
	"math"
	"sort"

	"github.com/evabench/evabench/analysis/stats"
)

// backlog sets what we had in flight at the instance beside what its engine tells, at
// each reading:
//
//	backlog = in flight - (running + waiting)
//
// and averages that over time. An engine counts a request from when it has it: a
// vision-language server that still decodes images tells no queue while clients
// wait (vllm-project/vllm#44688).
func (q *endpointQueue) backlog() {
	p := q.p
	points, err := q.behind()
	mean, covered := stats.TimeMean(points, q.r.window.from.Seconds(), q.r.window.to.Seconds())
	if err == nil && covered < covers {
		_, err = p.gaugeOf(points, q.r.window)
	}
	if err != nil {
		q.w.Backlog, q.w.BacklogMax = untold("1", err), untold("1", err)
		return
	}
	most := math.Inf(-1)
	for _, point := range points {
		most = max(most, point.Value)
	}
	from := "ours in flight - (" + p.engine.running + " + " + p.engine.waiting + ")"
	q.w.Backlog, q.w.BacklogMax = resting(mean, "1", FromFlight, from), resting(most, "1", FromFlight, from)
}

// behind gives the backlog at each reading of the window.
func (q *endpointQueue) behind() ([]stats.Point, error) {
	p := q.p
	if p.source != "" && p.engine.running == "" {
		return nil, fmt.Errorf("the %s page tells waiting requests only", p.source)
	}
	points, err := p.total(q.r.window, p.engine.running, p.engine.waiting)
	if err != nil {
		return nil, err
	}
	calls := q.r.tally.calls[p.instance]
	if calls == nil {
		calls = &callsOf{}
	}
	ours := calls.inFlightAt(points)
	for i := range points {
		points[i].Value = ours[i].Value - points[i].Value
	}
	return points, nil
}

// inFlightAt counts, at each point's moment, the calls with Sent ≤ moment < Done.
// It sorts sent and done, once: all calls must have been taken.
func (c *callsOf) inFlightAt(points []stats.Point) []stats.Point {
	list := make([]stats.Point, len(points))
	if !c.sorted {
		stats.Sort(c.sent)
		stats.Sort(c.done)
		c.sorted = true
	}
	for i, p := range points {
		began := sort.Search(len(c.sent), func(j int) bool { return c.sent[j] > p.At })
		ended := sort.Search(len(c.done), func(j int) bool { return c.done[j] > p.At })
		list[i] = stats.Point{At: p.At, Value: float64(began - ended)}
	}
	return list
}
