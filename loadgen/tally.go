package loadgen

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evabench/evabench/results"
)

// errorTextMax bounds the text that is kept of an outcome's first error.
const errorTextMax = 512

// A tally is what the generator counts of one service by itself, apart from
// the samples. It is safe for concurrent use.
type tally struct {
	due, warmupDue atomic.Int64
	peak           atomic.Int64
	clientFaults   atomic.Int64 // of the window

	mu     sync.Mutex
	lags   []time.Duration // of the window's arrivals that were sent or could not be in time
	errors map[string]string
	thinks time.Duration // sum over the think times that ended in the window
	asked  time.Duration // what they should have been
	nThink int64
}

// fellDue counts an arrival when it falls due, before anything is done for it.
func (t *tally) fellDue(inWindow bool) {
	if inWindow {
		t.due.Add(1)
	} else {
		t.warmupDue.Add(1)
	}
}

func (t *tally) lag(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lags = append(t.lags, d)
}

func (t *tally) think(took, asked time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.thinks += took
	t.asked += asked
	t.nThink++
}

// failed keeps the first text of each outcome but OK.
func (t *tally) failed(o results.Outcome, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
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
	i := results.Integrity{
		Service: l.Service, Due: t.due.Load(), WarmupDue: t.warmupDue.Load(),
		PeakInFlight: t.peak.Load(), FirstErrors: t.errors, Lag: lateness(t.lags),
		ClientFaults: t.clientFaults.Load(),
	}
	if l.Arrivals != nil {
		rate := l.Arrivals.Rate()
		n := s.scheduled()
		i.Offered, i.Scheduled = &rate, &n
	}
	if t.nThink > 0 {
		mean := t.thinks / time.Duration(t.nThink)
		asked := t.asked / time.Duration(t.nThink)
		i.Think, i.ThinkAsked = &mean, &asked
	}
	return i
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
