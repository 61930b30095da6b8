package runner

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/results"
)

// A buffer gives what one that never lets anything go would, and keeps no more than is still
// asked for.
func TestBufferLetsGo(t *testing.T) {
	origin := results.NewOrigin(time.Now())
	rapid.Check(t, func(t *rapid.T) {
		b := newBuffer(nil, origin)
		var all []results.Observation
		given, marks := 0, []int{0} // of those that may still ask, the oldest first
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"observe", "mark", "since", "forget", "fresh"}).Draw(t, "step") {
			case "observe":
				for range rapid.IntRange(1, 5).Draw(t, "n") {
					o := results.Observation{Series: "s", At: results.Offset(len(all)), Value: float64(len(all))}
					all = append(all, o)
					b.Observation(o)
				}
			case "mark":
				if got := b.observed(); got != len(all) {
					t.Fatalf("%d are observed, want %d", got, len(all))
				}
				marks = append(marks, len(all))
			case "since":
				n := rapid.SampledFrom(marks).Draw(t, "from")
				if got := b.since(n, origin); !slices.Equal(got, all[n:]) {
					t.Fatalf("since %d: %v, want %v", n, got, all[n:])
				}
			case "forget":
				if len(marks) > 1 {
					marks = marks[1:]
				}
			case "fresh":
				if got := b.fresh(origin, marks[0]); !slices.Equal(got, all[given:]) {
					t.Fatalf("fresh: %v, want %v", got, all[given:])
				}
				given = len(all)
				if kept := len(b.observations); kept != len(all)-marks[0] || cap(b.observations) > 2*kept+8 {
					t.Fatalf("%d are kept in room for %d; %d may still be asked for", kept, cap(b.observations), len(all)-marks[0])
				}
			}
		}
	})
}

// A slowPage tells what a server had counted when it was asked, and is slow to send it.
type slowPage struct {
	count *atomic.Int64
	takes time.Duration
	err   error
}

func (p slowPage) Read(context.Context) ([]collectors.Reading, error) {
	n := p.count.Load()
	time.Sleep(p.takes)
	return []collectors.Reading{{Series: "count", Value: float64(n), Unit: "1"}}, p.err
}

// A read that was under way when a step's last answer came may tell of before it: the next
// one is waited for, beside a page that is read at another moment, and also if it fails.
func TestAwaitsReadsThatBeginLater(t *testing.T) {
	for name, fault := range map[string]error{"good": nil, "failing": context.DeadlineExceeded} {
		for _, at := range []time.Duration{0, 1, 100 * time.Millisecond, 300*time.Millisecond - 1, 300 * time.Millisecond, 301 * time.Millisecond} {
			t.Run(name+" after "+at.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var count atomic.Int64
					count.Store(100)
					jobs := []collectors.Job{
						{Name: "slow", Collector: slowPage{&count, 300 * time.Millisecond, fault}, Every: time.Second, Timeout: 2 * time.Second},
						{Name: "quick", Collector: slowPage{&count, 0, nil}, Every: time.Second, Timeout: 2 * time.Second},
					}
					origin := results.NewOrigin(time.Now())
					b := newBuffer(jobs, origin)
					ctx, stop := context.WithCancel(t.Context())
					ended := make(chan struct{})
					go func() {
						defer close(ended)
						collectors.Run(ctx, origin, jobs, b)
					}()
					time.Sleep(3*time.Second + at)
					synctest.Wait()
					count.Store(130)
					mark, asked := b.observed(), origin.Now()
					b.awaitReads(t.Context(), idleReads)
					if took := origin.Now().Sub(asked); took > 1300*time.Millisecond {
						t.Errorf("it was waited for %v", took)
					}
					last := map[string]float64{}
					for _, o := range b.since(mark, origin) {
						if o.Series == "count" {
							last[o.Source] = o.Value
						}
					}
					if last["slow"] != 130 || last["quick"] != 130 {
						t.Errorf("the readings after the last answer tell %v", last)
					}
					stop()
					<-ended
				})
			})
		}
	}
}

// A page that was given up is not waited for any more than one that was read.
func TestAwaitsNoReadThatWasGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := make(chan struct{})
		jobs := []collectors.Job{{Name: "hung", Collector: hungPage{never}, Every: time.Second, Timeout: time.Second}}
		origin := results.NewOrigin(time.Now())
		b := newBuffer(jobs, origin)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			collectors.Run(t.Context(), origin, jobs, b)
		}()
		b.awaitReads(t.Context(), time.Minute)
		if waited := origin.Now(); waited != results.Offset(2*time.Second) { // its limit, and the second after it
			t.Errorf("it was waited for %v", waited)
		}
		close(never)
		<-ended
	})
}

type hungPage struct{ never chan struct{} }

func (p hungPage) Read(context.Context) ([]collectors.Reading, error) {
	<-p.never
	return nil, nil
}
