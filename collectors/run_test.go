package collectors

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/results"
)

// collect is a Collector made of a function.
type collect func(context.Context) ([]Reading, error)

func (c collect) Read(ctx context.Context) ([]Reading, error) { return c(ctx) }

// record keeps observations by the name of their source.
type record struct {
	mu  sync.Mutex
	all map[string][]results.Observation
}

func (r *record) Sample(results.Sample) { panic("a collector made a sample") }

func (r *record) Observation(o results.Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = make(map[string][]results.Observation)
	}
	r.all[o.Source] = append(r.all[o.Source], o)
}

// at gives the moments, in milliseconds, of a source's observations of a series.
func (r *record) at(source, series string) []int64 {
	var at []int64
	for _, o := range r.all[source] {
		if o.Series == series {
			at = append(at, time.Duration(o.At).Milliseconds())
		}
	}
	return at
}

// runFor runs the jobs for d of virtual time.
func runFor(t *testing.T, d time.Duration, jobs ...Job) (*record, []results.Warning) {
	t.Helper()
	for i := range jobs {
		jobs[i].Subject = results.Subject{Kind: results.SubjectEndpoint, ID: "of " + jobs[i].Name}
		if jobs[i].Every == 0 {
			jobs[i].Every = 500 * time.Millisecond
		}
		if jobs[i].Timeout == 0 {
			jobs[i].Timeout = 300 * time.Millisecond
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var sink record
	warnings := Run(ctx, results.NewOrigin(time.Now()), jobs, &sink)
	return &sink, warnings
}

func one(series string, value float64) []Reading {
	return []Reading{{Subject: results.Subject{Kind: results.SubjectEndpoint, ID: "a"}, Series: series, Value: value, Unit: "1"}}
}

// A good source beside one that hangs, one that fails and one that talks
// nonsense: it is read at 0, 500, …, 2000 ms and once more at the end, 2200. The others are
// a quarter of 500 ms later each.
func TestRunKeepsEachSourceApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0.0
		good := collect(func(context.Context) ([]Reading, error) { n++; return one("n", n), nil })
		hang := collect(func(ctx context.Context) ([]Reading, error) { <-ctx.Done(); return nil, ctx.Err() })
		fail := collect(func(context.Context) ([]Reading, error) {
			n := errors.New("first fault")
			return one("partial", 1), n
		})
		nonsense := collect(func(context.Context) ([]Reading, error) {
			return slices.Concat(one("nan", math.NaN()), one("inf", math.Inf(1)), one("", 1), one("sense", 2)), nil
		})
		sink, warnings := runFor(t, 2200*time.Millisecond,
			Job{Name: "good", Collector: good}, Job{Name: "hang", Collector: hang},
			Job{Name: "fail", Collector: fail}, Job{Name: "nonsense", Collector: nonsense})

		if got, want := sink.at("good", "n"), []int64{0, 500, 1000, 1500, 2000, 2200}; !slices.Equal(got, want) {
			t.Errorf("good was read at %v, want %v", got, want)
		}
		for i, o := range sink.all["good"] {
			want := []string{"n", results.SeriesReadSeconds, results.SeriesReadOK}[i%3]
			if o.Series != want || o.Series == "n" && o.Value != float64(i/3+1) || o.Series == results.SeriesReadOK && o.Value != 1 {
				t.Errorf("good's observation %d: %+v", i, o)
			}
		}
		// Each read that hangs ends with its limit of 300 ms, but the one begun at
		// 2125 is broken off at 2200 and leaves no trace: the last one follows.
		if got, want := sink.at("hang", results.SeriesReadOK), []int64{425, 925, 1425, 1925, 2500}; !slices.Equal(got, want) {
			t.Errorf("hang was over at %v, want %v", got, want)
		}
		if got, want := sink.at("fail", "partial"), []int64{250, 750, 1250, 1750, 2200}; !slices.Equal(got, want) {
			t.Errorf("fail's readings came at %v, want %v", got, want)
		}
		for _, o := range sink.all["fail"] {
			if o.Series == results.SeriesReadOK && o.Value != 0 {
				t.Errorf("fail was ok: %+v", o)
			}
		}
		if got := sink.at("nonsense", "sense"); !slices.Equal(got, []int64{375, 875, 1375, 1875, 2200}) || len(sink.all["nonsense"]) != 3*5 {
			t.Errorf("nonsense: %v", sink.all["nonsense"])
		}
		want := []results.Warning{
			{Code: WarnFailed, Subject: "of hang", Text: "hang: context deadline exceeded", Count: 5},
			{Code: WarnLong, Subject: "of hang", Text: "hang: 5 of 5 reads took longer than 50ms, the longest 300ms: what they tell is late by as much, and some servers answer nothing else meanwhile", Count: 5},
			{Code: WarnFailed, Subject: "of fail", Text: "fail: first fault", Count: 5},
			{Code: WarnInvalid, Subject: "of nonsense", Text: `nonsense: series "nan" was NaN`, Count: 15},
		}
		if !slices.Equal(warnings, want) {
			t.Errorf("got %+v, want %+v", warnings, want)
		}
	})
}

// A read of 1.2 s with 0.5 s between two: the beats 0.5 and 1.0, then 2.0 and
// 2.5, are left out; the next ones keep to the beat.
func TestRunLeavesOutBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := collect(func(context.Context) ([]Reading, error) {
			time.Sleep(1200 * time.Millisecond)
			return one("n", 1), nil
		})
		sink, warnings := runFor(t, 3500*time.Millisecond, Job{Name: "slow", Collector: slow, Timeout: 5 * time.Second})
		// begun at 0, 1500, 3000 (over at 4200, after the end at 3500) and last at 4200
		if got, want := sink.at("slow", "n"), []int64{1200, 2700, 4200, 5400}; !slices.Equal(got, want) {
			t.Errorf("answers at %v, want %v", got, want)
		}
		if len(warnings) != 2 || warnings[0].Code != WarnSlow || warnings[0].Count != 4 || warnings[1].Code != WarnLong || warnings[1].Count != 4 {
			t.Errorf("got %+v, want 4 left out and 4 that took long", warnings)
		}
	})
}

// A source that does not even listen to its context is given up; Run returns.
func TestRunGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		deaf := collect(func(context.Context) ([]Reading, error) { <-release; return nil, nil })
		began := time.Now()
		sink, warnings := runFor(t, 10*time.Second, Job{Name: "deaf", Collector: deaf})
		// 300 ms limit and 1 s of grace.
		if took := time.Since(began); took != 1300*time.Millisecond {
			t.Errorf("took %v, want 1.3s", took)
		}
		if len(warnings) != 1 || warnings[0].Code != WarnGivenUp || len(sink.all["deaf"]) != 1 {
			t.Errorf("got %+v, %+v", warnings, sink.all)
		}
		close(release)
	})
}

func TestRunRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := collect(func(context.Context) ([]Reading, error) { return nil, nil })
		sink, warnings := runFor(t, time.Second,
			Job{Name: "fast", Collector: good, Every: ShortestEvery - 1},
			Job{Name: "fastest", Collector: good, Every: ShortestEvery},
			Job{Name: "none"})
		if len(warnings) != 2 || warnings[0].Code != WarnRefused || warnings[1].Code != WarnRefused {
			t.Errorf("got %+v, want two refused", warnings)
		}
		if got := len(sink.at("fastest", results.SeriesReadOK)); got < 10 {
			t.Errorf("fastest was read %d times", got)
		}
	})
}
