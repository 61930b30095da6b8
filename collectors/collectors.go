// Package collectors reads what servers, GPUs and hosts tell of themselves
// while load runs. A collector reads one source once; [Run] reads it again and
// again, on its own connections, and never delays a request or ends a run:
// what fails is a warning with a count.
package collectors

import (
	"context"
	"errors"
	"time"

	"github.com/evabench/evabench/results"
)

// A Collector reads one source. It is used by one goroutine at a time.
type Collector interface {
	// Read reads once. What is missing, empty or stale gives no Reading: unknown
	// is never zero. Readings and an error may come together. It returns
	// soon after ctx is done.
	Read(ctx context.Context) ([]Reading, error)
}

// ErrFlood is wrapped by the error of a Read that stopped because the source gave too
// much. Run then leaves the source alone for [FloodPause]: to take in and throw away
// megabytes again and again would cost the processors that the load needs.
var ErrFlood = errors.New("too much to read")

// Warned is what a [Collector] may be besides, if it has something to tell of what
// it read. Run asks once, after the last Read, and only if that has returned.
type Warned interface {
	// Warnings gives what is to be told, one for each code. The caller owns it.
	Warnings() []results.Warning
}

// A Reading is an Observation without its moment and source, which Run adds.
type Reading struct {
	Subject results.Subject
	Series  string
	Value   float64
	Unit    string
}

// A Source says what to read; each kind of source builds a [Collector] for it
// from a scenario's arguments.
type Source interface {
	// Collector gives the reader of one page for one subject.
	Collector(target Target) (Collector, error)
}

// A Target is what a Source is pointed at.
type Target struct {
	Subject results.Subject
	URL     string // page to read; empty for sources that have none
}

// A Job is one collector and how often it is read.
type Job struct {
	Name      string // the source's kind
	Collector Collector
	Subject   results.Subject // of the reading's own series (see results.SeriesReadOK)
	Every     time.Duration   // from one read's begin to the next one's, at least ShortestEvery
	Timeout   time.Duration   // of one read, above 0
}
