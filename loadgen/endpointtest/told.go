package endpointtest

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// Told is a good answer in which the server tells times of the very request, and what
// is to be taken of them: results.Untold for what is not told.
type Told struct {
	// Header is added to the subject's good answer; Body, if not empty, stands for its
	// body.
	Header      http.Header
	Body        string
	Queue, Work time.Duration
	Refused     bool // it told what is no time
}

// HeaderTimes are the cases of kinds that take times from the header.
func HeaderTimes() map[string]Told {
	header := func(queue, decode, compute string) http.Header {
		h := http.Header{}
		for name, value := range map[string]string{"X-Evabench-Queue-Ms": queue, "X-Evabench-Decode-Ms": decode, "X-Evabench-Compute-Ms": compute} {
			if value != "-" {
				h.Set(name, value)
			}
		}
		return h
	}
	const no = results.Untold
	return map[string]Told{
		"both":             {Header: header("12.345", "0.5", "7.25"), Queue: 12345 * time.Microsecond, Work: 7750 * time.Microsecond},
		"neither waited":   {Header: header("0.000", "-", "0"), Queue: 0, Work: 0},
		"queue alone":      {Header: header("3", "-", "-"), Queue: 3 * time.Millisecond, Work: no},
		"compute alone":    {Header: header("-", "-", "3"), Queue: no, Work: 3 * time.Millisecond},
		"decode alone":     {Header: header("-", "3", "-"), Queue: no, Work: no},
		"negative":         {Header: header("-1", "-", "3"), Queue: no, Work: no, Refused: true},
		"negative part":    {Header: header("1", "-2", "3"), Queue: no, Work: no, Refused: true},
		"negative compute": {Header: header("1", "5", "-3"), Queue: no, Work: no, Refused: true},
		"not a number":     {Header: header("NaN", "-", "3"), Queue: no, Work: no, Refused: true},
		"endless":          {Header: header("1", "-", "Inf"), Queue: no, Work: no, Refused: true},
		"huge":             {Header: header("1", "-", "1e300"), Queue: no, Work: no, Refused: true},
		"words":            {Header: header("soon", "-", "3"), Queue: no, Work: no, Refused: true},
		"empty":            {Header: header("", "-", "3"), Queue: no, Work: no, Refused: true},
	}
}

// tells has a good answer that tells times, and one that does not after it: nothing is
// left over.
func (s Subject) tells(t *testing.T, way road, told Told) {
	var silent atomic.Bool // tells no times
	handler := func(w http.ResponseWriter, r *http.Request) {
		if !silent.Load() {
			maps.Copy(w.Header(), told.Header)
			if told.Body != "" {
				drain(r)
				_, _ = io.WriteString(w, told.Body)
				return
			}
		}
		s.Good(w, r)
	}
	s.with(t, way, handler, func(b *bench) {
		got := b.send().answer()
		if got.Outcome != results.OK || got.ServerQueue != told.Queue || got.ServerWork != told.Work || got.ServerRefused != told.Refused {
			t.Errorf("got %v (%s), queue %v, work %v, refused %v; want ok, %v, %v, %v",
				got.Outcome, got.Detail, got.ServerQueue, got.ServerWork, got.ServerRefused, told.Queue, told.Work, told.Refused)
		}
		silent.Store(true)
		if got := b.send().answer(); got.ServerQueue != results.Untold || got.ServerWork != results.Untold || got.ServerRefused {
			t.Errorf("of an answer that tells nothing: queue %v, work %v, refused %v", got.ServerQueue, got.ServerWork, got.ServerRefused)
		}
	})
}

// told runs the cases of times.
func (s Subject) told(t *testing.T, way road) {
	if len(s.Told) == 0 {
		t.Error("no case of the subject has a server that tells times of the request")
	}
	t.Run("nothing", func(t *testing.T) { s.tells(t, way, Told{Queue: results.Untold, Work: results.Untold}) })
	for _, name := range slices.Sorted(maps.Keys(s.Told)) {
		t.Run(name, func(t *testing.T) { s.tells(t, way, s.Told[name]) })
	}
}
