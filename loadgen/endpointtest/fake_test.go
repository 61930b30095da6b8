package endpointtest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// fakeLineOf runs f on a loop in virtual time with a line of a Fake.
func fakeLineOf(t *testing.T, e Exchange, f func(loop pace.Loop, line loadgen.Line)) {
	synctest.Test(t, func(t *testing.T) {
		loop := pace.NewTimed(results.NewOrigin(time.Now()))
		line, err := Fake(e).Open(loop)
		if err != nil {
			t.Fatal(err)
		}
		loop.Post(func() { f(loop, line) })
		loop.Run()
		line.Close()
		if err := loop.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestFake(t *testing.T) {
	r := &loadgen.Request{Model: "m"}
	done := 0
	fakeLineOf(t, func(ctx context.Context, got *loadgen.Request, chunk func()) loadgen.Answer {
		if got != r {
			t.Errorf("asked %+v", got)
		}
		for range 3 {
			time.Sleep(time.Second)
			chunk()
		}
		time.Sleep(time.Second)
		return loadgen.Answer{Outcome: results.OK, Text: "a", First: 99, OutputTokens: 7}
	}, func(loop pace.Loop, line loadgen.Line) {
		var gaps []time.Duration
		x := &loadgen.Exchange{Gap: func(d time.Duration) { gaps = append(gaps, d) }}
		start := loop.Now()
		x.Done = func(x *loadgen.Exchange) {
			done++
			a := x.Answer
			if a.Outcome != results.OK || a.Text != "a" || a.Chunks != 3 || a.OutputTokens != 7 || len(gaps) != 2 || a.LongestGap != time.Second ||
				a.First.Sub(start) != time.Second || a.Final.Sub(start) != 3*time.Second || a.Done.Sub(start) != 4*time.Second {
				t.Errorf("%+v, gaps %v", a, gaps)
			}
			loop.Quit()
		}
		p, err := Fake(nil).Prepare(r)
		if err != nil {
			t.Error(err)
		}
		line.Send(p, x)
		if done != 0 {
			t.Error("Done was called within Send")
		}
	})
	if done != 1 {
		t.Errorf("done %d times", done)
	}
}

// An aborted exchange ends at once, with what had come in, and only once.
func TestFakeAbort(t *testing.T) {
	var answers []loadgen.Answer
	ended := false
	fakeLineOf(t, func(ctx context.Context, _ *loadgen.Request, chunk func()) loadgen.Answer {
		chunk()
		<-ctx.Done()
		time.Sleep(time.Second) // it need not end at once
		ended = true
		return loadgen.Answer{Outcome: results.OK}
	}, func(loop pace.Loop, line loadgen.Line) {
		x := &loadgen.Exchange{Done: func(x *loadgen.Exchange) { answers = append(answers, x.Answer) }}
		start := loop.Now()
		line.Send(&loadgen.Request{}, x)
		abort := &pace.Timer{Sharp: true, F: func() {
			line.Abort(x, results.Timeout)
			if len(answers) != 1 {
				t.Errorf("done %d times when Abort returned", len(answers))
			}
		}}
		loop.Set(abort, start.Add(time.Minute))
		loop.Set(&pace.Timer{F: loop.Quit}, start.Add(2*time.Minute))
	})
	if len(answers) != 1 || !ended {
		t.Fatalf("done %d times, the call ended %v", len(answers), ended)
	}
	if a := answers[0]; a.Outcome != results.Timeout || a.Detail == "" || a.Chunks != 1 || a.Done.Sub(a.First) != time.Minute || a.OutputTokens != results.UnknownTokens {
		t.Errorf("%+v", a)
	}
}
