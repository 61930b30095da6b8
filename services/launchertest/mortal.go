package launchertest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/evabench/evabench/services"
)

// crashes asks of an instance that it can be ended in each of the ways that it
// tells, and started again where it was.
func crashes(t *testing.T, s Subject) {
	l := s.New(t)
	x := s.launch(t, l, 0)
	var ways []string
	m, ok := x.(services.Mortal)
	if ok {
		ways = slices.Sorted(slices.Values(m.Crashes()))
	}
	if !slices.Equal(ways, s.Crashes) {
		t.Fatalf("an instance can end by %v, want %v", ways, s.Crashes)
	}
	if c, ok := l.(services.Crashing); ok && !slices.Equal(slices.Sorted(slices.Values(c.Crashes())), s.Crashes) {
		t.Errorf("the launcher tells of %v, its instance of %v", c.Crashes(), ways)
	}
	if len(ways) == 0 {
		return
	}
	url := x.Info().URL
	s.answers(t, url)
	if err := m.Crash(t.Context(), "sneeze"); err == nil {
		t.Error(`Crash("sneeze") was done`)
	}
	if err := m.Revive(t.Context()); err == nil {
		t.Error("an instance that runs was started again")
	}
	s.answers(t, url)
	if err := x.Err(); err != nil {
		t.Errorf("Err() after what was refused: %v", err)
	}
	for _, how := range ways {
		t.Run(how, func(t *testing.T) {
			s.crash(t, x, how)
			s.revive(t, x)
		})
	}
	if err := x.Stop(t.Context()); err != nil {
		t.Errorf("Stop() of an instance that was started again: %v", err)
	}
	if err := x.Err(); err != nil {
		t.Errorf("Err() after that stop: %v", err)
	}
	if s.Owned {
		s.gone(t, url)
	}
	if err := m.Revive(t.Context()); err == nil {
		t.Error("an instance that was stopped was started again")
	}
	x = s.launch(t, l, 1)
	s.answers(t, x.Info().URL)
	s.crash(t, x, ways[0])
	if err := x.Stop(t.Context()); err != nil {
		t.Errorf("Stop() after a crash: %v", err)
	}
	if x.Err() == nil {
		t.Error("Err() has forgotten the crash")
	}
}

// allAtOnce lets an instance be ended, started again and stopped at the same time:
// each is done or refused, and when it is stopped it stays so.
func allAtOnce(t *testing.T, s Subject) {
	x := s.launch(t, s.New(t), 0)
	m, ok := x.(services.Mortal)
	if !ok || len(m.Crashes()) == 0 {
		return
	}
	url := x.Info().URL
	s.answers(t, url)
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var acting sync.WaitGroup
	for range 3 {
		acting.Go(func() { _ = m.Crash(ctx, services.CrashKill) }) // refused where it has ended
		acting.Go(func() { _ = m.Revive(ctx) })                    // refused where it has not
		acting.Go(func() { _, _ = x.Err(), exhausted(x) })
	}
	acting.Go(func() {
		if err := x.Stop(ctx); err != nil {
			t.Errorf("Stop() = %v", err)
		}
	})
	acting.Wait()
	if err := x.Stop(ctx); err != nil {
		t.Errorf("Stop() once more = %v", err)
	}
	if m.Revive(ctx) == nil {
		t.Error("an instance that was stopped was started again")
	}
	if s.Owned {
		s.gone(t, url)
	}
}

// crash ends an instance and asks that it is known to have ended.
func (s Subject) crash(t *testing.T, x services.Service, how string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	before := exhausted(x)
	if err := x.(services.Mortal).Crash(ctx, how); err != nil {
		t.Fatalf("Crash(%s) = %v", how, err)
	}
	s.gone(t, x.Info().URL)
	if err := x.Err(); err == nil {
		t.Errorf("Err() is nil after Crash(%s)", how)
	} else if _, ok := errors.AsType[*services.ExitError](err); !ok && s.Owned {
		t.Errorf("Err() after Crash(%s) = %v, want an ExitError", how, err)
	}
	if c, ok := x.(services.Checked); ok && c.Check(ctx) == nil {
		t.Error("Check() of an instance that has ended says that it is up")
	}
	if after := exhausted(x); after < before {
		t.Errorf("OutOfMemory() falls from %d to %d with the end", before, after)
	}
}

// revive starts an instance that has ended, which a context that is over does
// not do.
func (s Subject) revive(t *testing.T, x services.Service) {
	t.Helper()
	info, before := x.Info(), exhausted(x)
	if s.Owned {
		enough := errors.New("enough")
		over, cancel := context.WithCancelCause(t.Context())
		cancel(enough)
		if err := x.(services.Mortal).Revive(over); !errors.Is(err, enough) {
			t.Errorf("Revive() with a context that is over = %v, want its cause", err)
		}
		s.gone(t, info.URL)
		if x.Err() == nil {
			t.Error("Err() is nil after a start that failed")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := x.(services.Mortal).Revive(ctx); err != nil {
		t.Fatalf("Revive() = %v", err)
	}
	s.answers(t, info.URL)
	if err := x.Err(); err != nil {
		t.Errorf("Err() of an instance that runs again: %v", err)
	}
	if again := x.Info(); again.URL != info.URL || again.Name != info.Name || again.Device != info.Device {
		t.Errorf("it was %+v and is %+v", info, again)
	}
	if after := exhausted(x); after < before {
		t.Errorf("OutOfMemory() falls from %d to %d with the new start", before, after)
	}
}

// exhausted is what an instance has counted; 0 if it cannot tell.
func exhausted(x services.Service) int64 {
	if e, ok := x.(services.Exhausted); ok {
		return e.OutOfMemory()
	}
	return 0
}
