package collectors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/results"
)

// The law of beats, over ten minutes of virtual time: however long reads take,
// each begins at a whole multiple of Every, to the nanosecond, or is the last;
// every beat was read or left out and counted; and every moment that is told is
// the answer's, with its read's own time.
func TestBeatsDoNotDrift(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		every := time.Duration(rapid.Int64Range(int64(ShortestEvery), int64(2*time.Second)).Draw(r, "every"))
		// Most reads are quick; some take up to three times Every, but none so long
		// that it is given up after the end. Of odd nanoseconds, so that errors would
		// add up.
		took := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) time.Duration {
			most := min(every/2, 9*grace/10)
			if rapid.IntRange(0, 9).Draw(r, "slow") == 0 {
				most = min(3*every, 9*grace/10)
			}
			return time.Duration(rapid.Int64Range(1, int64(most)).Draw(r, "took"))
		}), 1, 20).Draw(r, "reads")
		origin := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(r, "origin")) // before the first read

		// The end is between two beats: at one, either may come first.
		span := (10 * time.Minute).Truncate(every) + every/2

		var fault error
		synctest.Test(t, func(*testing.T) { fault = beats(origin, every, span, took) })
		if fault != nil {
			r.Fatal(fault)
		}
	})
}

func beats(lead, every, span time.Duration, took []time.Duration) error {
	origin := results.NewOrigin(time.Now())
	time.Sleep(lead)
	start := time.Now()
	var began []time.Duration
	c := collect(func(context.Context) ([]Reading, error) {
		began = append(began, time.Since(start))
		time.Sleep(took[(len(began)-1)%len(took)])
		return one("n", float64(len(began))), nil
	})
	ctx, cancel := context.WithTimeout(context.Background(), span)
	defer cancel()
	var sink record
	warnings := Run(ctx, origin, []Job{{Name: "c", Collector: c, Every: every, Timeout: time.Hour}}, &sink)

	last, beat := len(began)-1, int64(-1)
	var skipped int64
	for i, at := range began[:last] {
		if at%every != 0 {
			return fmt.Errorf("read %d of one each %v began at %v", i, every, at)
		}
		skipped += int64(at/every) - beat - 1
		beat = int64(at / every)
	}
	// The last read is at the end, or when the one that ran then was over.
	over := began[last-1] + took[(last-1)%len(took)]
	end := max(span, over)
	if over < span {
		skipped += int64(over/every) - beat
	}
	if began[last] != end {
		return fmt.Errorf("the last read began at %v, want %v", began[last], end)
	}
	counted := int64(0)
	for _, w := range warnings {
		if w.Code == WarnSlow {
			counted = w.Count
		}
	}
	if counted != skipped {
		return fmt.Errorf("%d beats are told to be left out; %d were", counted, skipped)
	}
	for i, o := range sink.all["c"] {
		read := i / 3
		want := lead + began[read] + took[read%len(took)]
		if time.Duration(o.At) != want {
			return fmt.Errorf("%s of read %d is at %v, want %v after the origin", o.Series, read, time.Duration(o.At), want)
		}
		if o.Series == results.SeriesReadSeconds && o.Value != took[read%len(took)].Seconds() {
			return fmt.Errorf("read %d is told to take %v s, took %v", read, o.Value, took[read%len(took)])
		}
	}
	if n := len(sink.all["c"]); n != 3*len(began) {
		return fmt.Errorf("%d observations of %d reads", n, len(began))
	}
	return nil
}

// A read of 50 ms is no warning, one of a nanosecond more is.
func TestLongReads(t *testing.T) {
	for took, want := range map[time.Duration]int{LongRead: 0, LongRead + 1: 1} {
		synctest.Test(t, func(t *testing.T) {
			c := collect(func(context.Context) ([]Reading, error) { time.Sleep(took); return nil, nil })
			_, warnings := runFor(t, 900*time.Millisecond, Job{Name: "c", Collector: c})
			if len(warnings) != want {
				t.Errorf("reads of %v: %+v, want %d", took, warnings, want)
			}
			for _, w := range warnings { // at 0, 500 and, as the last, 900 ms
				if w.Code != WarnLong || w.Count != 3 || !strings.Contains(w.Text, "3 of 3 reads") {
					t.Errorf("reads of %v: %+v, want 3 reads that took long", took, w)
				}
			}
		})
	}
}

// warned has something to tell, and is asked only if its Read has returned.
type warned struct {
	collect
	asked *int
}

func (w warned) Warnings() []results.Warning {
	*w.asked++
	return []results.Warning{{Code: "odd", Subject: "w", Text: "this is odd", Count: 1}}
}

func TestRunAsksForWarnings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, deaf := 0, 0
		release := make(chan struct{})
		_, warnings := runFor(t, time.Second,
			Job{Name: "deaf", Collector: warned{collect(func(context.Context) ([]Reading, error) { <-release; return nil, nil }), &deaf}},
			Job{Name: "good", Collector: warned{collect(func(context.Context) ([]Reading, error) { return nil, nil }), &good}})
		if good != 1 || deaf != 0 || len(warnings) != 2 || warnings[0].Code != WarnGivenUp || warnings[1].Code != "odd" {
			t.Errorf("asked %d and %d times, got %+v", good, deaf, warnings)
		}
		close(release)
	})
}

// A panic in one collector does not end the others nor the program. What is too much is
// cut, and its source left alone: read at its phase, 10.5 s later and, as the last, at 11.1 s.
func TestRunOutlivesPanicsAndFloods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		bad := collect(func(context.Context) ([]Reading, error) {
			if reads++; reads == 2 {
				panic("index out of range")
			}
			return one("n", 1), nil
		})
		flood := collect(func(context.Context) ([]Reading, error) {
			return slices.Repeat(one("n", 1), MostReadings+5), nil
		})
		large := collect(func(context.Context) ([]Reading, error) { return nil, fmt.Errorf("a page: %w", ErrFlood) })
		full := collect(func(context.Context) ([]Reading, error) { return slices.Repeat(one("n", 1), MostReadings), nil })
		talk := collect(func(context.Context) ([]Reading, error) { return nil, errors.New(strings.Repeat("ä", 1<<20)) })
		sink, warnings := runFor(t, 11100*time.Millisecond, Job{Name: "bad", Collector: bad}, Job{Name: "flood", Collector: flood},
			Job{Name: "large", Collector: large}, Job{Name: "full", Collector: full}, Job{Name: "talk", Collector: talk})

		if got := sink.at("bad", results.SeriesReadOK); !slices.Equal(got, []int64{0, 500}) || sink.all["bad"][len(sink.all["bad"])-1].Value != 0 {
			t.Errorf("bad was read at %v, and not read after its panic", got)
		}
		for i, name := range []string{"flood", "large"} {
			phase := int64(100 * (i + 1)) // of five jobs
			if got := sink.at(name, results.SeriesReadOK); !slices.Equal(got, []int64{phase, phase + 10500, 11100}) {
				t.Errorf("%s was read at %v", name, got)
			}
		}
		if got := len(sink.at("flood", "n")); got != 3*MostReadings {
			t.Errorf("%d readings of the flood, want %d", got, 3*MostReadings)
		}
		if got := len(sink.at("full", results.SeriesReadOK)); got != 23 { // 0.3 to 10.8 s, and last
			t.Errorf("full was read %d times, want 23", got)
		}
		var codes []string
		for _, w := range warnings {
			codes = append(codes, fmt.Sprintf("%s %s %d", w.Subject, w.Code, w.Count))
			if len(w.Text) > 1100 || strings.ContainsRune(w.Text, 0xfffd) {
				t.Errorf("%s: %d bytes of text", w.Subject, len(w.Text))
			}
		}
		want := []string{
			"of bad collector-panicked 1", "of flood collector-flood 3", "of large collector-flood 3", "of large collector-failed 3",
			"of talk collector-failed 23",
		}
		if !slices.Equal(codes, want) || !strings.Contains(warnings[0].Text, "index out of range") {
			t.Errorf("got %q, want %q; %.200s", codes, want, warnings[0].Text)
		}
	})
}
