package loadgen

import (
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/evabench/evabench/results"
)

// errorTextMax bounds the text that is kept of an outcome's first error.
const errorTextMax = 512

// A tally is what the generator counts of one service by itself, apart from
// the samples. It is the loop's.
type tally struct {
	start, windowStart, windowEnd results.Offset

	due, warmupDue, cooldownDue int64

	sent         int64 // of the window
	clientFaults int64 // of the window

	lags   durations // of the window's arrivals that were sent or could not be in time
	errors map[string]string
	thinks time.Duration // sum over the think times that ended in the window
	asked  time.Duration // what they should have been
	nThink int64
	gaps   *hdrhistogram.Histogram

	inFlight, peak int64
	occupancy      occupancy
	parts          []dispersion // of an open loop
}

// begin readies the tally at the step's start.
func (t *tally) begin(s *service) {
	t.start, t.windowStart, t.windowEnd = s.start, s.windowStart, s.windowEnd
	t.occupancy.begin(t.windowStart, t.windowEnd)
	if s.load.Arrivals == nil {
		return
	}
	for _, part := range []time.Duration{time.Second, 5 * time.Second} {
		if n := int64(t.windowEnd.Sub(t.windowStart) / part); n >= 2 {
			t.parts = append(t.parts, newDispersion(part, n))
		}
	}
}

// endEarly moves the window's end, and its start with it if need be.
func (t *tally) endEarly(start, end results.Offset) {
	t.windowStart, t.windowEnd, t.occupancy.end = start, end, end
	for i := range t.parts {
		t.parts[i].cut(int(end.Sub(start) / t.parts[i].part))
	}
	t.parts = slices.DeleteFunc(t.parts, func(d dispersion) bool { return len(d.sent) < 2 })
}

// occupied notes that n more are in flight.
func (t *tally) occupied(now results.Offset, n int64) {
	t.occupancy.until(now, t.inFlight)
	t.inFlight += n
	if now < t.windowEnd {
		t.peak = max(t.peak, t.inFlight)
	}
	t.occupancy.now(now, t.inFlight)
}

// scheduledAt and sentAt note when a session was due and its first call sent.
func (t *tally) scheduledAt(due results.Offset) {
	for i := range t.parts {
		t.parts[i].scheduled.add(due.Sub(t.windowStart), t.parts[i].part)
	}
}

func (t *tally) sentAt(sent results.Offset) {
	for i := range t.parts {
		t.parts[i].sent.add(sent.Sub(t.windowStart), t.parts[i].part)
	}
}

func (t *tally) lag(d time.Duration) { t.lags.add(d) }

func (t *tally) think(took, asked time.Duration) {
	t.thinks += took
	t.asked += asked
	t.nThink++
}

// gapMax is the longest gap that the histogram takes: longer than any timeout.
const gapMax = 24 * time.Hour

func (t *tally) gap(d time.Duration) {
	if t.gaps == nil {
		t.gaps = hdrhistogram.New(1, int64(gapMax), 3)
	}
	// It takes all but what is above gapMax.
	_ = t.gaps.RecordValue(min(int64(d), int64(gapMax)))
}

// told reports whether there is a text of the outcome.
func (t *tally) told(o results.Outcome) bool { return t.errors[o.String()] != "" }

// failed keeps the first text of each outcome but OK.
func (t *tally) failed(o results.Outcome, text string) {
	if _, seen := t.errors[o.String()]; seen {
		return
	}
	if t.errors == nil {
		t.errors = map[string]string{}
	}
	if len(text) > errorTextMax {
		text = text[:errorTextMax]
	}
	t.errors[o.String()] = strings.ToValidUTF8(text, "")
}

// integrity gives the figures once everything has ended.
func (s *service) integrity() results.Integrity {
	t, l := &s.tally, s.load
	end := s.windowEnd
	if s.stopped {
		end = min(end, s.loop.Now())
	}
	t.occupancy.until(end, t.inFlight)
	i := results.Integrity{
		Service: l.Service, Due: t.due, WarmupDue: t.warmupDue, CooldownDue: t.cooldownDue, Sent: t.sent,
		PeakInFlight: t.peak, InFlight: t.occupancy.result(), FirstErrors: t.errors, Lag: lateness(t.lags.all()),
		ClientFaults: t.clientFaults, Gaps: gapsOf(t.gaps),
	}
	if l.Arrivals != nil {
		rate := l.Arrivals.Rate() / float64(s.shard.Of)
		n := s.scheduled()
		i.Offered, i.Scheduled = &rate, &n
		for _, d := range t.parts {
			i.Dispersions = append(i.Dispersions, d.result())
		}
	}
	if t.nThink > 0 {
		mean := t.thinks / time.Duration(t.nThink)
		asked := t.asked / time.Duration(t.nThink)
		i.Think, i.ThinkAsked = &mean, &asked
	}
	return i
}

func gapsOf(h *hdrhistogram.Histogram) results.Gaps {
	if h == nil || h.TotalCount() == 0 {
		return results.Gaps{}
	}
	at := func(q float64) time.Duration { return time.Duration(h.ValueAtQuantile(q)) }
	return results.Gaps{N: h.TotalCount(), P50: at(50), P90: at(90), P99: at(99), Max: time.Duration(h.Max())}
}

// lateness orders lags; quantile q is the smallest lag that at least a share q
// of all does not exceed.
func lateness(lags []time.Duration) results.Lateness {
	n := len(lags)
	if n == 0 {
		return results.Lateness{}
	}
	slices.Sort(lags)
	at := func(percent int) time.Duration { return lags[(n*percent+99)/100-1] }
	return results.Lateness{N: int64(n), P50: at(50), P99: at(99), Max: lags[n-1]}
}

// durations is a list that never moves what it holds: growing a long slice would
// copy megabytes between two requests.
type durations struct{ pieces [][]time.Duration }

const piece = 4096

func (d *durations) add(v time.Duration) {
	last := len(d.pieces) - 1
	if last < 0 || len(d.pieces[last]) == piece {
		d.pieces = append(d.pieces, make([]time.Duration, 0, piece))
		last++
	}
	d.pieces[last] = append(d.pieces[last], v)
}

func (d *durations) all() []time.Duration { return slices.Concat(d.pieces...) }
