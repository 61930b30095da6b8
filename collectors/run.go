package collectors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/evabench/evabench/results"
)

// The codes of the warnings that Run gives.
const (
	WarnFailed  = "collector-failed"  // reads that ended with an error; Text is the first
	WarnSlow    = "collector-slow"    // reads that were left out because the one before took too long
	WarnInvalid = "collector-invalid" // readings that were no numbers or named no series
	WarnGivenUp = "collector-given-up"
	WarnRefused = "collector-refused" // a job that cannot be run
)

// ShortestEvery is the shortest time between two reads of a job.
const ShortestEvery = 100 * time.Millisecond

const (
	// lastTimeout bounds the read that follows the end.
	lastTimeout = 2 * time.Second
	// grace is how long a read may go on after its context has ended.
	grace = time.Second
)

// Run reads every job's source at once, then every Every until ctx is done,
// then once more, so that counters bracket all that happened before. Each job
// has its own goroutine: a slow or hanging source delays only its own next
// read. Reads keep to a fixed beat; those that a slow read ran over are left
// out and counted.
//
// Each read gives, beside its readings, results.SeriesReadSeconds and
// results.SeriesReadOK of the job's Subject. What fails does not stop
// anything: it is in the warnings, one per job and code, in the jobs' order.
//
// Run returns when every read has ended, and closes each Collector that is an
// io.Closer and was not given up. A Collector that does not return
// within a second of its context's end is given up, with a warning; its
// goroutine is then left behind. A panic in a Collector is our own mistake and
// ends the program.
func Run(ctx context.Context, origin results.Origin, jobs []Job, sink results.Sink) []results.Warning {
	warnings := make([][]results.Warning, len(jobs))
	var all sync.WaitGroup
	for i, job := range jobs {
		all.Go(func() {
			if err := job.check(); err != nil {
				warnings[i] = []results.Warning{{Code: WarnRefused, Subject: job.Subject.ID, Text: job.Name + ": " + err.Error(), Count: 1}}
				return
			}
			r := &reader{job: job, origin: origin, sink: sink}
			usable := r.run(ctx)
			if c, ok := job.Collector.(io.Closer); ok && usable {
				_ = c.Close() // it only lets connections go
			}
			warnings[i] = r.warnings
		})
	}
	all.Wait()
	return slices.Concat(warnings...)
}

func (j Job) check() error {
	switch {
	case j.Collector == nil:
		return errors.New("the job has no collector")
	case j.Every < ShortestEvery:
		return fmt.Errorf("it is to be read every %v; %v is the least", j.Every, ShortestEvery)
	case j.Timeout <= 0:
		return errors.New("a read needs a time limit")
	}
	return nil
}

// A reader carries out one job. It is used by one goroutine.
type reader struct {
	job      Job
	origin   results.Origin
	sink     results.Sink
	warnings []results.Warning
}

// run reports whether the Collector can still be used.
func (r *reader) run(ctx context.Context) bool {
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for beat := int64(0); ctx.Err() == nil; {
		if !r.read(ctx, r.job.Timeout) {
			return false
		}
		next := int64(time.Since(began)/r.job.Every) + 1
		if skipped := next - beat - 1; skipped > 0 && ctx.Err() == nil {
			r.warn(WarnSlow, fmt.Sprintf("a read took longer than the %v between two", r.job.Every), skipped)
		}
		beat = next
		timer.Reset(time.Until(began.Add(time.Duration(beat) * r.job.Every)))
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return r.read(context.WithoutCancel(ctx), min(r.job.Timeout, lastTimeout))
}

// answer is what one read gave.
type answer struct {
	readings []Reading
	err      error
}

// read reads once and records it. It reports whether the Collector can be
// used again. A read that the end of ctx broke off leaves no trace: the last
// read follows.
func (r *reader) read(ctx context.Context, timeout time.Duration) bool {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	in := make(chan answer, 1)
	go func() {
		readings, err := r.job.Collector.Read(limited)
		in <- answer{readings, err}
	}()
	got, answered := await(limited, in)
	at := r.origin.Now()
	if !answered {
		r.observe(at, r.job.Subject, results.SeriesReadOK, 0, "1")
		r.warn(WarnGivenUp, fmt.Sprintf("a read went on %v after it was told to stop; the source was not read again", grace), 1)
		return false
	}
	if ctx.Err() != nil && got.err != nil {
		return true
	}
	for _, reading := range got.readings {
		if reading.Series == "" || math.IsNaN(reading.Value) || math.IsInf(reading.Value, 0) {
			r.warn(WarnInvalid, fmt.Sprintf("series %q was %v", reading.Series, reading.Value), 1)
			continue
		}
		r.observe(at, reading.Subject, reading.Series, reading.Value, reading.Unit)
	}
	ok := 1.0
	if got.err != nil {
		ok = 0
		r.warn(WarnFailed, got.err.Error(), 1)
	}
	r.observe(at, r.job.Subject, results.SeriesReadSeconds, time.Since(began).Seconds(), "s")
	r.observe(at, r.job.Subject, results.SeriesReadOK, ok, "1")
	return true
}

// await waits for an answer, at most until grace after ctx has ended.
func await(ctx context.Context, in <-chan answer) (answer, bool) {
	select {
	case got := <-in:
		return got, true
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case got := <-in:
		return got, true
	case <-timer.C:
		return answer{}, false
	}
}

func (r *reader) observe(at results.Offset, subject results.Subject, series string, value float64, unit string) {
	r.sink.Observation(results.Observation{
		At: at, Source: r.job.Name, Subject: subject, Series: series, Value: value, Unit: unit,
	})
}

// warn counts a warning; the first text of a code is kept.
func (r *reader) warn(code, text string, count int64) {
	for i := range r.warnings {
		if r.warnings[i].Code == code {
			r.warnings[i].Count += count
			return
		}
	}
	r.warnings = append(r.warnings, results.Warning{
		Code: code, Subject: r.job.Subject.ID, Text: r.job.Name + ": " + text, Count: count,
	})
}
