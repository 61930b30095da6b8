package collectors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/evabench/evabench/results"
)

// The codes of the warnings that Run gives.
const (
	WarnFailed   = "collector-failed"     // reads that ended with an error; Text is the first
	WarnSlow     = "collector-slow"       // reads that were left out because the one before took too long
	WarnLong     = "collector-long-reads" // reads that took longer than LongRead
	WarnInvalid  = "collector-invalid"    // readings that were no numbers or named no series
	WarnFlood    = "collector-flood"      // reads with too much in them, see ErrFlood and MostReadings
	WarnGivenUp  = "collector-given-up"
	WarnPanicked = "collector-panicked" // a fault of ours in a collector, which was given up
	WarnRefused  = "collector-refused"  // a job that cannot be run
)

// LongRead is the longest that a read takes without a warning: what a longer one
// tells is of an uncertain moment.
const LongRead = 50 * time.Millisecond

// MostReadings is the most that one read may give.
const MostReadings = 10_000

// FloodPause is how long a source that gives too much is left alone.
const FloodPause = 10 * time.Second

// ShortestEvery is the shortest time between two reads of a job.
const ShortestEvery = 100 * time.Millisecond

const (
	// lastTimeout bounds the read that follows the end.
	lastTimeout = 2 * time.Second
	// grace is how long a read may go on after its context has ended.
	grace = time.Second
)

// Run reads every job's source every Every until ctx is done, then once more, so that
// counters bracket all that happened before. Each job has its own goroutine: a slow or
// hanging source delays only its own next read. The first read of a job is within its first
// Every, at the job's phase: the k-th of n jobs of one Every has k/n of it, so that they are
// not all read in one burst. Reads begin at whole multiples of Every after the first, however
// long each takes and however late its timer is; those that a slow read ran over are
// left out and counted. A source that gives too much is left alone for FloodPause.
//
// Each read gives, beside its readings, results.SeriesReadSeconds and
// results.SeriesReadOK of the job's Subject, all at the moment of origin when the
// answer was in: what it tells is at most SeriesReadSeconds older, if the source
// keeps nothing. What fails does not stop anything: it is in the warnings, one per
// job and code, in the jobs' order.
//
// Run returns when every read has ended, and closes each Collector that is an
// io.Closer and was not given up. A Collector that does not return
// within a second of its context's end is given up, with a warning; its
// goroutine is then left behind. So is one that panics: that is our own mistake,
// but what is measured beside it would be lost with it.
func Run(ctx context.Context, origin results.Origin, jobs []Job, sink results.Sink) []results.Warning {
	warnings := make([][]results.Warning, len(jobs))
	var all sync.WaitGroup
	began, at := time.Now(), phases(jobs)
	for i, job := range jobs {
		all.Go(func() {
			if err := job.check(); err != nil {
				warnings[i] = []results.Warning{{Code: WarnRefused, Subject: job.Subject.ID, Text: job.Name + ": " + err.Error(), Count: 1}}
				return
			}
			r := &reader{job: job, origin: origin, sink: sink, began: began.Add(at[i])}
			usable := r.run(ctx)
			r.warnLong()
			warnings[i] = r.warnings
			if !usable {
				return
			}
			if w, ok := job.Collector.(Warned); ok {
				warnings[i] = append(warnings[i], w.Warnings()...)
			}
			if c, ok := job.Collector.(io.Closer); ok {
				_ = c.Close() // it only lets connections go
			}
		})
	}
	all.Wait()
	return slices.Concat(warnings...)
}

// phases gives when each job is read first: those of one Every are spread evenly over it, in
// their order.
func phases(jobs []Job) []time.Duration {
	of := make(map[time.Duration]int64)
	for _, j := range jobs {
		of[j.Every]++
	}
	list, before := make([]time.Duration, len(jobs)), make(map[time.Duration]int64)
	for i, j := range jobs {
		list[i] = time.Duration(float64(j.Every) * float64(before[j.Every]) / float64(of[j.Every]))
		before[j.Every]++
	}
	return list
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
	began    time.Time // when the first read is due
	warnings []results.Warning

	flooded     bool          // the last read gave too much
	reads, long int64         // ended, and longer than LongRead
	longest     time.Duration // of long
}

// run reports whether the Collector can still be used.
func (r *reader) run(ctx context.Context) bool {
	began := r.began
	timer := time.NewTimer(r.job.Every) // reset before it is waited for
	defer timer.Stop()
	if phase := time.Until(began); phase > 0 {
		r.wait(ctx, timer, phase)
	}
	for beat := int64(0); ctx.Err() == nil; {
		if !r.read(ctx, r.job.Timeout) {
			return false
		}
		next := int64(time.Since(began)/r.job.Every) + 1
		if r.flooded {
			next = int64((time.Since(began)+FloodPause)/r.job.Every) + 1
		} else if skipped := next - beat - 1; skipped > 0 && ctx.Err() == nil {
			r.warn(WarnSlow, fmt.Sprintf("a read took longer than the %v between two", r.job.Every), skipped)
		}
		beat = next
		r.wait(ctx, timer, time.Until(began.Add(time.Duration(beat)*r.job.Every)))
	}
	return r.read(context.WithoutCancel(ctx), min(r.job.Timeout, lastTimeout))
}

// wait waits so long, at most until the end of ctx.
func (r *reader) wait(ctx context.Context, timer *time.Timer, d time.Duration) {
	timer.Reset(d)
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// answer is what one read gave.
type answer struct {
	readings []Reading
	err      error
	panicked bool
}

// ask reads once, with a panic as an error.
func (r *reader) ask(ctx context.Context) (a answer) {
	defer func() {
		if fault := recover(); fault != nil {
			a = answer{nil, fmt.Errorf("panic: %v", fault), true}
		}
	}()
	readings, err := r.job.Collector.Read(ctx)
	return answer{readings, err, false}
}

// read reads once and records it. It reports whether the Collector can be
// used again. A read that the end of ctx broke off leaves no trace: the last
// read follows.
func (r *reader) read(ctx context.Context, timeout time.Duration) bool {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	in := make(chan answer, 1)
	go func() { in <- r.ask(limited) }()
	got, answered := await(limited, in)
	at, took := r.origin.Now(), time.Since(began)
	switch {
	case !answered:
		r.observe(at, r.job.Subject, results.SeriesReadOK, 0, "1")
		r.warn(WarnGivenUp, fmt.Sprintf("a read went on %v after it was told to stop; the source was not read again", grace), 1)
		return false
	case got.panicked:
		r.observe(at, r.job.Subject, results.SeriesReadOK, 0, "1")
		r.warn(WarnPanicked, got.err.Error()+"; the source was not read again: please report this", 1)
		return false
	case ctx.Err() != nil && got.err != nil:
		return true
	}
	r.flooded = len(got.readings) > MostReadings || errors.Is(got.err, ErrFlood)
	if r.flooded {
		r.warn(WarnFlood, fmt.Sprintf("a read gave too much, and the source was left alone for %v", FloodPause), 1)
	}
	r.take(at, got.readings)
	ok := 1.0
	if got.err != nil {
		ok = 0
		r.warn(WarnFailed, got.err.Error(), 1)
	}
	if r.reads++; took > LongRead {
		r.long++
		r.longest = max(r.longest, took)
	}
	r.observe(at, r.job.Subject, results.SeriesReadSeconds, took.Seconds(), "s")
	r.observe(at, r.job.Subject, results.SeriesReadOK, ok, "1")
	return true
}

// take records what a read gave, and warns of what makes no sense.
func (r *reader) take(at results.Offset, readings []Reading) {
	for _, reading := range readings[:min(len(readings), MostReadings)] {
		if reading.Series == "" || math.IsNaN(reading.Value) || math.IsInf(reading.Value, 0) {
			r.warn(WarnInvalid, fmt.Sprintf("series %q was %v", reading.Series, reading.Value), 1)
			continue
		}
		r.observe(at, reading.Subject, reading.Series, reading.Value, reading.Unit)
	}
}

// warnLong tells of reads that took long.
func (r *reader) warnLong() {
	if r.long == 0 {
		return
	}
	r.warn(WarnLong, fmt.Sprintf("%d of %d reads took longer than %v, the longest %v: what they tell is late by as much, and some servers answer nothing else meanwhile",
		r.long, r.reads, LongRead, r.longest.Round(time.Millisecond)), r.long)
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

// mostText bounds what a source says in a warning, in bytes.
const mostText = 1000

// warn counts a warning; the first text of a code is kept.
func (r *reader) warn(code, text string, count int64) {
	for i := range r.warnings {
		if r.warnings[i].Code == code {
			r.warnings[i].Count += count
			return
		}
	}
	if len(text) > mostText {
		text = strings.ToValidUTF8(text[:mostText], "") + "…"
	}
	r.warnings = append(r.warnings, results.Warning{
		Code: code, Subject: r.job.Subject.ID, Text: r.job.Name + ": " + text, Count: count,
	})
}
