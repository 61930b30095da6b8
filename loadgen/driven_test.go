package loadgen_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
)

// A look is what somebody saw of a step before ending it.
type look struct {
	driven *loadgen.Driven

	mu         sync.Mutex
	saw, ended bool
	at, over   results.Offset // when it was seen, and when Drive returned
	unfinished map[string]int64
}

func (l *look) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.saw = l.driven.Look(func(now results.Offset, unfinished map[string]int64) { l.at, l.unfinished = now, unfinished })
	l.ended = l.driven.End("seen enough")
}

// check holds the count of what was unfinished against the samples. What fell due
// or ended at that very moment may be on either side of it.
func (l *look) check(service string, samples []results.Sample) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.saw {
		return nil
	}
	var least, most int64
	for _, s := range samples {
		if s.Due < l.at && s.Done > l.at {
			least++
		}
		if s.Due <= l.at && s.Done >= l.at {
			most++
		}
	}
	if n := l.unfinished[service]; n < least || n > most {
		return fmt.Errorf("%s: %d unfinished at %v, the samples say %d to %d", service, n, l.at, least, most)
	}
	return nil
}

// checkEnd checks that the window has its planned length, or ended when it was told
// to and says so.
func (x trial) checkEnd(step results.Step, l *look) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	start, end := step.Start.Add(x.step.Plan.Warmup), step.Start.Add(x.step.Plan.Warmup+x.step.Plan.Window)
	why := ""
	if l.ended {
		end, why = l.at+1, "seen enough"
		start = min(start, end)
	}
	if step.WindowStart != start || step.WindowEnd != end || step.Stopped != why {
		return fmt.Errorf("window %v to %v, stopped %q; want %v to %v, %q", step.WindowStart, step.WindowEnd, step.Stopped, start, end, why)
	}
	if l.ended && l.at.Sub(step.Start) != x.early {
		return fmt.Errorf("ended %v after the start, want %v", l.at.Sub(step.Start), x.early)
	}
	if l.ended && l.over > step.End+1 {
		return fmt.Errorf("the step goes on until %v, the last answer came at %v", l.over, step.End)
	}
	return nil
}

// A step that is not driven cannot be looked at or ended, and neither can one whose
// window is over.
func TestDrivenOnlyWhileWindowGoesOn(t *testing.T) {
	var d loadgen.Driven
	see := func() bool { return d.Look(func(results.Offset, map[string]int64) {}) || d.End("now") }
	if see() {
		t.Error("a step was seen before it was driven")
	}
	err := bubble(t, func() error {
		s := serve(func(w http.ResponseWriter, r *http.Request) {
			read(r)
			time.Sleep(800 * time.Millisecond)
			_, _ = w.Write([]byte("fine"))
		})
		defer s.stop()
		e := s.endpoint(t)
		defer e.Close()
		x := good(e)
		x.Driven = &d
		after := make(chan bool, 1)
		// The last answer comes 600 ms after the window's end.
		defer time.AfterFunc(1100*time.Millisecond, func() { after <- see() }).Stop()
		step, err := drive(context.Background(), results.NewOrigin(time.Now()), x, &sink{})
		if err != nil || step.Stopped != "" || step.End.Sub(step.WindowEnd) < 500*time.Millisecond {
			return fmt.Errorf("%+v, %w", step, err)
		}
		if <-after {
			return fmt.Errorf("a window that was over was seen")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if see() {
		t.Error("a step was seen after it was driven")
	}
}

// Who is told that load began can look at it from then on, however long its begin takes.
func TestDrivenOnceBegun(t *testing.T) {
	err := bubble(t, func() error {
		s := serve(func(w http.ResponseWriter, r *http.Request) {
			read(r)
			time.Sleep(100 * time.Millisecond)
			_, _ = w.Write([]byte("fine"))
		})
		defer s.stop()
		e := s.endpoint(t)
		defer e.Close()
		x := good(e)
		x.Driven = new(loadgen.Driven)
		saw := make(chan bool, 1)
		x.Begun = func(results.Offset) {
			go func() { saw <- x.Driven.Look(func(results.Offset, map[string]int64) {}) }()
			time.Sleep(100 * time.Millisecond) // as many users' begin may take
		}
		if _, err := drive(context.Background(), results.NewOrigin(time.Now()), x, &sink{}); err != nil {
			return err
		}
		if !<-saw {
			return fmt.Errorf("a step that had begun could not be looked at")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
