package analysis

import (
	"fmt"
	"math"

	"github.com/evabench/evabench/analysis/stats"
)

// Evidence says what a figure of a queue rests on, the best first.
type Evidence string

// The kinds of evidence. Where there is none the figure is unknown, never zero.
const (
	FromRequests Evidence = "A" // each answer's own times, by the server's clock
	FromEngine   Evidence = "B" // the engine's page; blind to what is before the engine
	FromJobs     Evidence = "C" // the server's queue of jobs, by its management API or page
	FromLoad     Evidence = "D" // the server's count of HTTP requests
	FromFlight   Evidence = "E" // ours in flight, less what the engine tells
	FromLatency  Evidence = "F" // our latency, less that of a request alone
	NoEvidence   Evidence = "-"
)

// A Figure is a Value and what it rests on.
type Figure struct {
	Value
	Level Evidence `json:"level"`
	// Inferred says that nobody told the number: Little's law gives it from others.
	Inferred bool `json:"inferred,omitempty"`
	// From names collector and series, or what the number was made from.
	From string `json:"from,omitempty"`
	// Note says what the number must not be read without.
	Note string `json:"note,omitempty"`
}

func resting(number float64, unit string, level Evidence, from string) Figure {
	v := known(number, unit)
	if !v.Known() {
		level = NoEvidence
	}
	return Figure{Value: v, Level: level, From: from}
}

func inferred(number float64, unit string, level Evidence, from string) Figure {
	f := resting(number, unit, level, "Little's law: "+from)
	f.Inferred = f.Known()
	return f
}

func untold(unit string, why error) Figure {
	return Figure{Value: unknown(unit, why.Error()), Level: NoEvidence}
}

// A Waiting is what is known of the requests that waited at one instance, or at all of a
// service, in a step's window.
type Waiting struct {
	Instance string `json:"instance,omitempty"` // empty for all of a service
	// Depth is the mean over time of the requests in the server's queue, DepthMax the most
	// of any reading; of a service, the sum of the instances' means, and the most
	// at one instance.
	Depth    Figure `json:"depth"`
	DepthMax Figure `json:"depth_max"`
	// Wait is the mean time in the server's queue, of the WaitN requests that the
	// server counted between the readings nearest to the window's edges:
	//
	//	Δ seconds in the queue ÷ Δ requests
	//
	// Where the answers tell their own waits it is their mean, and WaitN those that did.
	// WaitN is 0 where Wait is inferred or unknown.
	Wait  Figure `json:"wait"`
	WaitN int64  `json:"wait_n"`
	// ByLittle is the depth that the same two counters tell, Δ seconds in the queue ÷ the
	// seconds between the readings. It has to be near Depth.
	ByLittle Figure `json:"depth_by_little"`
	// AboveFloor is the mean of Sent to Done of ok answers less that of a request
	// that was alone at the instance: all queues, and what running beside others costs.
	AboveFloor Figure `json:"above_floor"`
	// Inference is the mean time of computing by the answers' own word, else the mean of
	// Sent to Done of the ok answers, less Wait.
	Inference Figure `json:"inference"`
	// Backlog is the mean over time of our requests in flight that the engine tells
	// neither as running nor as waiting: they are in its frontend, in a proxy or on the way.
	// BacklogMax is the most at any reading.
	Backlog    Figure `json:"backlog"`
	BacklogMax Figure `json:"backlog_max"`
	// HTTP is what the server's HTTP part tells; nil where nothing read it.
	HTTP *HTTPLoad `json:"http,omitempty"`
	// Batch is how many requests were computed together: the mean of those that ran, or,
	// where the server counts its batches, of a batch. Of a service, the mean of its
	// instances'.
	Batch Figure `json:"batch"`
	// Told is what the answers told of themselves; nil where none did.
	Told *Told `json:"told,omitempty"`
	// Readings are those of the window that Depth is from.
	Readings int64 `json:"readings"`
	// Pages are those that tell of the instance; none for a service.
	Pages []PageTrust `json:"pages,omitempty"`
}

// An endpointQueue reads the figures of one instance.
type endpointQueue struct {
	r     serviceReader
	p     page
	floor floor
	w     Waiting
	// seconds is the growth of the time in the queue, requests that of the requests
	// that it is of, between two readings span seconds apart.
	seconds, requests, span float64
	from                    float64 // the first of the two readings
	words                   words
	served                  float64 // sum of Sent to Done, in seconds
	answers                 int64   // of ok answers done in the window
	excess                  float64 // sum of what answers of known floor took above it
	floored                 int64   // how many they are
}

// waitings gives the figures of the service and of each instance.
func (r serviceReader) waitings(floors floors) []Waiting {
	if len(r.pages) == 0 {
		return nil
	}
	list := []Waiting{{}}
	var all []*endpointQueue
	for _, p := range r.pages {
		q := &endpointQueue{r: r, p: p, floor: floors[p.instance]}
		q.read()
		all = append(all, q)
		list = append(list, q.w)
	}
	list[0] = together(all)
	return list
}

func (q *endpointQueue) read() {
	q.w.Instance = q.p.instance
	q.w.Pages = q.p.trusts()
	q.depth()
	q.backlog()
	q.w.HTTP = q.load()
	q.batch()
	q.wait()
	q.w.compare()
	q.word()
	q.latency()
	q.infer()
}

// depth takes the gauge of what waits.
func (q *endpointQueue) depth() {
	points, err := q.p.total(q.r.window, q.p.engine.waiting)
	var g gauge
	if err == nil {
		g, err = q.p.gaugeOf(points, q.r.window)
	}
	if err != nil {
		q.w.Depth, q.w.DepthMax = untold("1", err), untold("1", err)
		return
	}
	from := q.p.source + " " + q.p.engine.waiting
	q.w.Depth, q.w.DepthMax = resting(g.mean, "1", q.p.engine.level, from), resting(g.max, "1", q.p.engine.level, from)
	q.w.Readings = g.readings
}

// wait takes the growth of the time in the queue.
func (q *endpointQueue) wait() {
	p, e := q.p, q.p.engine
	if e.queued == "" && p.sums != nil {
		p, e = *p.sums, p.sums.engine
	}
	from, err := q.growth(p, e)
	if err != nil {
		q.w.Wait, q.w.ByLittle = untold("s", err), untold("1", err)
		return
	}
	q.w.ByLittle = resting(q.seconds/q.span, "1", FromEngine, from)
	if q.requests == 0 {
		q.w.Wait = untold("s", fmt.Errorf("%s counted no request between the readings at the window's edges", p.instance))
		return
	}
	q.w.WaitN = int64(q.requests)
	q.w.Wait = resting(q.seconds/q.requests, "s", FromEngine, from)
}

// gaugeFar is how far a gauge of the queue's depth may be from what the queue's counters tell
// of it, as a share of the larger and in requests, before that is told with it.
const (
	gaugeFarShare = 0.25
	gaugeFarLeast = 0.1
)

// compare tells with the depth where the counters tell another. An engine that tells its
// gauges between two of its steps has none waiting then, if all fit into the next: what
// arrives within a step waits unseen.
func (w *Waiting) compare() {
	if !w.Depth.Known() || !w.ByLittle.Known() {
		return
	}
	gauge, counters := *w.Depth.Number, *w.ByLittle.Number
	if math.Abs(gauge-counters) > gaugeFarShare*max(gauge, counters)+gaugeFarLeast {
		w.Depth.Note = fmt.Sprintf("the queue's own counters tell a mean of %.3g: the gauge is of the moments at which the server tells it", counters)
	}
}

// growth reads the two counters at the readings nearest to the window's edges.
func (q *endpointQueue) growth(p page, e engine) (from string, err error) {
	if p.source != "" && e.queued == "" {
		return "", fmt.Errorf("the %s page tells no time in the queue", p.source)
	}
	series := []string{e.queued}
	if e.queuedN != "" {
		series = append(series, e.queuedN)
	}
	a, b, err := q.r.edges(p, series...)
	if err != nil {
		return "", err
	}
	seconds := difference(p.readings[e.queued], a, b)
	requests := known(float64(q.r.okBetween(p.instance, a, b)), "1")
	by := "ok answers"
	if e.queuedN != "" {
		requests, by = difference(p.readings[e.queuedN], a, b), e.queuedN
	}
	for _, v := range []Value{seconds, requests} {
		if !v.Known() {
			return "", fmt.Errorf("%s at %s: %s", p.source, p.instance, v.Why)
		}
	}
	q.seconds, q.requests, q.span, q.from = *seconds.Number, *requests.Number, b-a, a
	return p.source + " " + e.queued + " by " + by, nil
}

// batch takes the mean batch.
func (q *endpointQueue) batch() {
	p, e := q.p, q.p.engine
	if e.items != "" {
		a, b, err := q.r.edges(p, e.items, e.batches)
		if err != nil {
			q.w.Batch = untold("1", err)
			return
		}
		items, batches := difference(p.readings[e.items], a, b), difference(p.readings[e.batches], a, b)
		switch {
		case !items.Known() || !batches.Known():
			q.w.Batch = untold("1", fmt.Errorf("%s at %s: %s%s", p.source, p.instance, items.Why, batches.Why))
		case *batches.Number == 0:
			q.w.Batch = untold("1", fmt.Errorf("%s computed no batch between the readings", p.instance))
		default:
			q.w.Batch = resting(*items.Number / *batches.Number, "1", FromEngine, p.source+" "+e.items+" by "+e.batches)
		}
		return
	}
	if p.source != "" && e.running == "" {
		q.w.Batch = untold("1", fmt.Errorf("the %s page tells no batches", p.source))
		return
	}
	points, err := p.total(q.r.window, e.running)
	var g gauge
	if err == nil {
		g, err = p.gaugeOf(points, q.r.window)
	}
	if err != nil {
		q.w.Batch = untold("1", err)
		return
	}
	q.w.Batch = resting(g.mean, "1", FromEngine, p.source+" "+e.running)
}

// latency takes what our own samples tell.
func (q *endpointQueue) latency() {
	for _, a := range q.r.tally.okDone[q.p.instance] {
		if !q.r.window.holds(a.done) {
			continue
		}
		took := a.done.Sub(a.sent).Seconds()
		q.served += took
		q.answers++
		if alone, ok := q.floor.of[a.class]; ok {
			q.excess += took - alone
			q.floored++
		}
	}
	q.w.AboveFloor = aboveFloor(q.excess, q.floored, q.answers, q.floor)
}

// aboveFloor is of the answers whose floor is known.
func aboveFloor(excess float64, floored, answers int64, f floor) Figure {
	switch {
	case answers == 0:
		return untold("s", fmt.Errorf("no answer was ok in the window"))
	case floored == 0:
		return untold("s", fmt.Errorf("how long a request takes alone is not known: %s", f.why))
	}
	figure := resting(excess/float64(floored), "s", FromLatency, f.from)
	if floored < answers {
		figure.Note = fmt.Sprintf("of the %d of %d answers for which it is known how long a request takes alone", floored, answers)
	}
	return figure
}

// infer makes what follows from what is known.
func (q *endpointQueue) infer() {
	perSecond := float64(q.answers) / q.r.window.seconds()
	q.words.apply(&q.w)
	q.w.infer(perSecond, q.floored == q.answers)
	if q.w.Inference.Level != FromRequests {
		q.w.Inference = inference(q.w.Wait, q.served, q.answers)
	}
}

// infer fills in by Little's law, at a rate of answers, what no server told:
//
//	requests waiting = answers/s · wait
//
// What our latency tells is of all answers, or of none.
func (w *Waiting) infer(perSecond float64, whole bool) {
	switch {
	case w.Depth.Known():
	case w.ByLittle.Known():
		w.Depth = inferred(*w.ByLittle.Number, "1", w.ByLittle.Level, w.ByLittle.From)
	case w.Wait.Known() && !w.Wait.Inferred:
		w.Depth = inferred(perSecond**w.Wait.Number, "1", w.Wait.Level, "answers/s x "+w.Wait.From)
	case w.AboveFloor.Known() && whole && *w.AboveFloor.Number > 0:
		w.Depth = inferred(perSecond**w.AboveFloor.Number, "1", FromLatency, "answers/s x latency above the floor; at most this many waited")
	}
	if !w.Wait.Known() && w.Depth.Known() && w.Depth.Level != FromLatency && perSecond > 0 {
		w.Wait = inferred(*w.Depth.Number/perSecond, "s", w.Depth.Level, w.Depth.From+" by answers/s")
	}
}

func inference(wait Figure, served float64, answers int64) Figure {
	switch {
	case !wait.Known():
		return untold("s", fmt.Errorf("the wait is not known: %s", wait.Why))
	case answers == 0:
		return untold("s", fmt.Errorf("no answer was ok in the window"))
	}
	took := served / float64(answers)
	if took < *wait.Number {
		return untold("s", fmt.Errorf("requests waited %.3g ms by the server and took %.3g ms by us: these are not the same requests", *wait.Number*1e3, took*1e3))
	}
	f := resting(took-*wait.Number, "s", wait.Level, "sent to done, less the wait")
	f.Inferred = wait.Inferred
	return f
}

// edges gives the moments of the readings of some series, told together, that are
// nearest to the window's edges, in seconds. They must not be further from them
// than the part of the window that readings need not cover.
func (r serviceReader) edges(p page, series ...string) (a, b float64, err error) {
	if _, err := p.total(r.window, series...); err != nil {
		return 0, 0, err
	}
	count := map[float64]int{}
	var moments []stats.Point
	for _, name := range series {
		seen := map[float64]bool{}
		for _, points := range p.readings[name] {
			for _, point := range points {
				if seen[point.At] {
					continue
				}
				seen[point.At] = true
				if count[point.At]++; count[point.At] == len(series) {
					moments = append(moments, stats.Point{At: point.At})
				}
			}
		}
	}
	from, to := r.window.from.Seconds(), r.window.to.Seconds()
	nearest := func(edge float64) (at float64, ok bool) {
		far := (1 - covers) / 2 * (to - from)
		for _, m := range moments {
			if r.around.before != nil && m.At < r.around.before.Seconds() || r.around.after != nil && m.At > r.around.after.Seconds() {
				continue
			}
			if d := max(m.At-edge, edge-m.At); d <= far {
				at, far, ok = m.At, d, true
			}
		}
		return at, ok
	}
	a, began := nearest(from)
	b, ended := nearest(to)
	if !began || !ended || a >= b {
		return 0, 0, fmt.Errorf("%s has no two readings of %s near the window's edges%s", p.instance, series[0], p.because(r.window))
	}
	return a, b, nil
}

// okBetween counts the ok answers of an instance that were done after one moment and not
// after the other, in seconds.
func (r serviceReader) okBetween(instance string, from, to float64) int64 {
	var n int64
	for _, a := range r.tally.okDone[instance] {
		if at := a.done.Seconds(); at > from && at <= to {
			n++
		}
	}
	return n
}
