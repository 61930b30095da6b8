package analysis

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// Told is what a server itself told of the requests that were answered ok within a
// step's window, each of itself, in the answer.
type Told struct {
	// Asked is how many answers there were. Refused of them told what cannot be: no time
	// at all, or more than the request took to us; nothing of these is used.
	Asked   int64 `json:"asked"`
	Refused int64 `json:"refused"`
	// Queue is of the waits in the server's queue, Work of the times that the server
	// computed, of those that told them: N of Asked.
	Queue Distribution `json:"queue"`
	Work  Distribution `json:"work"`
	// Check holds the mean of Queue against the server's counters of the same, where
	// both are there, between the same two readings. A service has none.
	Check *Check `json:"check,omitempty"`
}

// toldShare is the least share of the answers that must tell their times for the mean of
// those that do to stand for all: who waits longest may be who does not tell.
const toldShare = 0.95

// A time that a server tells of a request may be longer than the request took to us by
// toldSlack, and by toldDrift of it: the server's clock is another, and each tells in
// steps of its own.
const (
	toldSlack = time.Millisecond
	toldDrift = 0.001
)

// ownWord is what one answer tells of itself; results.Untold for what it does not.
type ownWord struct {
	queue, work time.Duration
	refused     bool
}

// wordOf takes what a sample holds and refuses what cannot be: the parts of a request are
// not longer than the request. Scale is of a simulated server's time, which its moments
// are in.
func wordOf(a answered, scale float64) ownWord {
	took, told := a.done.Sub(a.sent), max(a.queue, 0)+max(a.work, 0)
	slack := time.Duration(float64(toldSlack)*max(1, scale) + toldDrift*float64(took))
	if a.refused || told > took+slack {
		return ownWord{results.Untold, results.Untold, true}
	}
	return ownWord{queue: a.queue, work: a.work}
}

// words gathers what the answers of one instance, or of several, told; spans in seconds.
type words struct {
	asked, refused int64
	queue, work    []float64
}

func (t *words) add(w ownWord) {
	t.asked++
	if w.refused {
		t.refused++
	}
	if w.queue != results.Untold {
		t.queue = append(t.queue, w.queue.Seconds())
	}
	if w.work != results.Untold {
		t.work = append(t.work, w.work.Seconds())
	}
}

func (t *words) join(o words) {
	t.asked, t.refused = t.asked+o.asked, t.refused+o.refused
	t.queue, t.work = append(t.queue, o.queue...), append(t.work, o.work...)
}

// told gives the distributions; nil where no answer told anything. It sorts.
func (t *words) told(quantiles []float64) *Told {
	if len(t.queue) == 0 && len(t.work) == 0 && t.refused == 0 {
		return nil
	}
	return &Told{Asked: t.asked, Refused: t.refused, Queue: distribution(t.queue, quantiles), Work: distribution(t.work, quantiles)}
}

// figure gives the mean of spans, if enough of the answers told theirs.
func (t *words) figure(spans []float64, from string) (Figure, bool) {
	n := int64(len(spans))
	if n == 0 || float64(n) < toldShare*float64(t.asked) {
		return Figure{}, false
	}
	f := resting(stats.Mean(spans), "s", FromRequests, from)
	if n < t.asked {
		f.Note = fmt.Sprintf("of the %d of %d answers that told it", n, t.asked)
	}
	return f, true
}

// apply lets the answers' own word stand before what rests on less.
func (t *words) apply(w *Waiting) {
	if f, ok := t.figure(t.queue, "each answer's own wait in the server's queue"); ok {
		w.Wait, w.WaitN = f, int64(len(t.queue))
		if w.Told.Check != nil && w.Told.Check.Result == Fail {
			w.Wait.Note = strings.TrimPrefix(w.Wait.Note+"; the server's counters tell another", "; ")
		}
	}
	if f, ok := t.figure(t.work, "each answer's own time of computing"); ok {
		w.Inference = f
	}
}

// word takes what the answers told of themselves, and holds it against the server's
// counters before it stands before them.
func (q *endpointQueue) word() {
	for _, a := range q.r.tally.okDone[q.p.instance] {
		if q.r.window.holds(a.done) {
			q.words.add(wordOf(a, q.r.scale))
		}
	}
	if q.w.Told = q.words.told(q.r.service.Percentiles); q.w.Told != nil {
		q.w.Told.Check = q.againstCounters()
	}
}

// leastWaits is how many waits there must be on both sides to be held against each other.
const leastWaits = 20

// againstCounters checks
//
//	mean of the answers' own waits = Δ seconds in the queue ÷ Δ requests
//
// of the answers that came between the two readings that the right side is from. They are
// the same requests but for those at the readings: one at each, and as many as the two
// counts are apart, of which none waited longer than the longest.
func (q *endpointQueue) againstCounters() *Check {
	if !q.w.Wait.Known() || q.w.Wait.Inferred || q.requests == 0 {
		return nil
	}
	var own []float64
	for _, a := range q.r.tally.okDone[q.p.instance] {
		if at := a.done.Seconds(); at <= q.from || at > q.from+q.span {
			continue
		}
		if w := wordOf(a, q.r.scale); w.queue != results.Untold {
			own = append(own, w.queue.Seconds())
		}
	}
	c := &Check{What: "mean wait in the queue, by each answer = by the server's counters", Result: NotJudged}
	c.Right = known(q.seconds/q.requests, "s")
	n, theirs := float64(len(own)), q.requests
	if n == 0 {
		c.Why = "no answer told its wait"
		c.Left, c.Ratio = unknown("s", c.Why), unknown("ratio", c.Why)
		return c
	}
	left, right := stats.Mean(own), *c.Right.Number
	c.Left, c.Ratio = known(left, "s"), unknown("ratio", "the counters tell that none waited")
	if right > 0 {
		c.Ratio = known(left/right, "ratio")
	}
	apart := math.Abs(n - theirs)
	limit := littleTolerance*max(left, right) + toldSlack.Seconds()/10 + (apart+2)/max(n, theirs)*slices.Max(own)
	switch {
	case min(n, theirs) < leastWaits:
		c.Why = fmt.Sprintf("%.0f waits against %.0f, and %d are needed", n, theirs, leastWaits)
	case apart > (1-toldShare)*max(n, theirs)+float64(q.r.integrity.PeakInFlight):
		c.Why = fmt.Sprintf("the counters are of %.0f requests, and %.0f of our answers told their wait: these are not the same", theirs, n)
	case math.Abs(left-right) <= limit:
		c.Result = Pass
	default:
		c.Result = Fail
		c.Why = fmt.Sprintf("the answers tell a mean wait of %.3g ms, the counters one of %.3g ms, and %.3g ms can be of requests at the readings", left*1e3, right*1e3, limit*1e3)
	}
	return c
}

// toldWarnings tells of answers that told what cannot be, and of those that told what the
// server's counters do not.
func toldWarnings(list []Waiting) []results.Warning {
	var warnings []results.Warning
	for _, w := range list {
		if w.Told == nil || w.Instance == "" {
			continue
		}
		if w.Told.Refused > 0 {
			warnings = append(warnings, results.Warning{Code: "told-refused", Count: w.Told.Refused, Subject: w.Instance, Text: fmt.Sprintf(
				"%d of %d answers of %s told times of themselves that cannot be: below 0, no number, or longer than the request took; they are taken as not told", w.Told.Refused, w.Told.Asked, w.Instance)})
		}
		if w.Told.Check != nil && w.Told.Check.Result == Fail {
			warnings = append(warnings, results.Warning{Code: "told-differs", Count: 1, Subject: w.Instance, Text: w.Instance + ": " + w.Told.Check.Why})
		}
	}
	return warnings
}
