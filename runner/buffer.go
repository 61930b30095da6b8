package runner

import (
	"context"
	"iter"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/results"
)

// idleReads bounds the wait for a reading before a step: the read that is under way, the
// time until the next, and that one. A page that is slower leaves the step without one, and
// is warned of by its collector.
const idleReads = 2*scrapeTimeout + DefaultCollectEvery

// buffer holds a cell's facts until they are written. It is safe for
// concurrent use.
type buffer struct {
	sampling sync.Mutex         // guards samples: the load waits for nobody else
	samples  [][]results.Sample // pieces, which stay where they are

	mu           sync.Mutex            // guards the rest
	observations []results.Observation // from the dropped-th on
	dropped      int
	given        int                        // how many of all fresh has given
	began        map[readKey]results.Offset // reads of which only the end is missing
	awaited      map[readKey]bool           // collectors that began no read since asked
	asked        results.Offset             // when awaitReads was called
	allRead      chan struct{}              // closed when awaited is empty
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
	b := &buffer{origin: origin, began: map[readKey]results.Offset{}}
	for _, j := range jobs {
		b.jobs = append(b.jobs, readKey{j.Name, j.Subject})
	}
	return b
}

// awaitReads waits until every collector has begun and ended one more read, or failed to,
// and at most for a span. A read that was under way may tell of before it.
func (b *buffer) awaitReads(ctx context.Context, atMost time.Duration) {
	if len(b.jobs) == 0 {
		return
	}
	b.mu.Lock()
	b.awaited, b.asked, b.allRead = map[readKey]bool{}, b.origin.Now(), make(chan struct{})
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
	k := readKey{o.Source, o.Subject}
	switch o.Series {
	case results.SeriesReadSeconds: // comes just before the read's end
		b.began[k] = o.At.Add(-time.Duration(math.Round(o.Value * float64(time.Second))))
	case results.SeriesReadOK:
		began, told := b.began[k] // not told of one that was given up, and is not read again
		delete(b.began, k)
		if !b.awaited[k] || told && began <= b.asked {
			return
		}
		if delete(b.awaited, k); len(b.awaited) == 0 {
			close(b.allRead)
		}
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
	return b.dropped + len(b.observations)
}

// since gives a copy of the observations from the n-th on, with the moments of
// another origin. They must not be dropped.
func (b *buffer) since(n int, to results.Origin) []results.Observation {
	b.mu.Lock()
	late := slices.Clone(b.observations[n-b.dropped:])
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
// another origin, and drops those before the keep-th: a day's would be gigabytes.
func (b *buffer) fresh(to results.Origin, keep int) []results.Observation {
	b.mu.Lock()
	late := slices.Clone(b.observations[b.given-b.dropped:])
	b.given = b.dropped + len(b.observations)
	b.observations = slices.Clone(b.observations[keep-b.dropped:]) // what is dropped is let go
	b.dropped = keep
	b.mu.Unlock()
	moveTo(to, b.origin, late)
	return late
}
