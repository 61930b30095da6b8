package runner

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/results"
)

// idleReads bounds the wait for a reading before a step: a page that is slower
// leaves the step without one, and is warned of by its collector.
const idleReads = scrapeTimeout + time.Second

// buffer holds a cell's facts until they are written. It is safe for
// concurrent use.
type buffer struct {
	sampling sync.Mutex         // guards samples: the load waits for nobody else
	samples  [][]results.Sample // pieces, which stay where they are

	mu           sync.Mutex // guards the rest
	observations []results.Observation
	given        int              // how many of them fresh has given
	awaited      map[readKey]bool // collectors that did not read since awaitReads
	allRead      chan struct{}    // closed when awaited is empty
	jobs         []readKey
	origin       results.Origin // of the observations
}

// readKey tells one collector's reads from another's.
type readKey struct {
	source  string
	subject results.Subject
}

// newBuffer makes a buffer for the facts of a cell with these collectors, whose
// origin is given.
func newBuffer(jobs []collectors.Job, origin results.Origin) *buffer {
	b := &buffer{origin: origin}
	for _, j := range jobs {
		b.jobs = append(b.jobs, readKey{j.Name, j.Subject})
	}
	return b
}

// awaitReads waits until every collector has read once more, or failed to, and
// at most for a span.
func (b *buffer) awaitReads(ctx context.Context, atMost time.Duration) {
	if len(b.jobs) == 0 {
		return
	}
	b.mu.Lock()
	b.awaited, b.allRead = map[readKey]bool{}, make(chan struct{})
	for _, k := range b.jobs {
		b.awaited[k] = true
	}
	all := b.allRead
	b.mu.Unlock()
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-all:
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (b *buffer) Sample(s results.Sample) {
	b.sampling.Lock()
	defer b.sampling.Unlock()
	last := len(b.samples) - 1
	if last < 0 || len(b.samples[last]) == samplesPiece {
		b.samples = append(b.samples, make([]results.Sample, 0, samplesPiece))
		last++
	}
	b.samples[last] = append(b.samples[last], s)
}

// samplesPiece is how many samples are kept in one piece, 600 KB. Note: one
// slice that grows copied tens of megabytes between two requests.
const samplesPiece = 2048

func (b *buffer) Observation(o results.Observation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.observations = append(b.observations, o)
	if o.Series != results.SeriesReadOK || len(b.awaited) == 0 {
		return
	}
	if delete(b.awaited, readKey{o.Source, o.Subject}); len(b.awaited) == 0 {
		close(b.allRead)
	}
}

// takeSamples gives all samples as pieces.
func (b *buffer) takeSamples() [][]results.Sample {
	b.sampling.Lock()
	defer b.sampling.Unlock()
	taken := b.samples
	b.samples = nil
	return taken
}

// each gives the samples of pieces, which do not change any more.
func each(pieces [][]results.Sample) iter.Seq[results.Sample] {
	return func(yield func(results.Sample) bool) {
		for _, piece := range pieces {
			for _, s := range piece {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// observed counts the observations so far.
func (b *buffer) observed() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.observations)
}

// since gives a copy of the observations from the n-th on, with the moments of
// another origin.
func (b *buffer) since(n int, to results.Origin) []results.Observation {
	b.mu.Lock()
	late := slices.Clone(b.observations[n:])
	b.mu.Unlock()
	moveTo(to, b.origin, late)
	return late
}

// moveTo turns observations' moments from one origin to another.
func moveTo(to, from results.Origin, list []results.Observation) {
	for i := range list {
		list[i].At = to.At(from.Time(list[i].At))
	}
}

// fresh gives a copy of the observations since it was called last, with the moments of
// another origin.
func (b *buffer) fresh(to results.Origin) []results.Observation {
	b.mu.Lock()
	late := slices.Clone(b.observations[b.given:])
	b.given = len(b.observations)
	b.mu.Unlock()
	moveTo(to, b.origin, late)
	return late
}
