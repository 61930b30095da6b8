package mpstest_test

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"

	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/mps/mpstest"
)

// counting counts effects.
type counting struct{ effects int }

func (c *counting) Start(context.Context, []string, int) error { c.effects++; return nil }
func (c *counting) Ask(context.Context, string, string) (string, error) {
	c.effects++
	return "said", nil
}
func (c *counting) Find(context.Context) ([]mps.Process, error) {
	c.effects++
	return []mps.Process{{PID: 1}}, nil
}
func (c *counting) Signal(context.Context, mps.Process, syscall.Signal) error {
	c.effects++
	return nil
}

// TestModes runs start, ask, find and signal, the k-th of them failing.
func TestModes(t *testing.T) {
	for _, c := range []struct {
		mode    mpstest.Mode
		effects [4]int // of the failing command
		errs    [4]bool
	}{
		{mpstest.Before, [4]int{}, [4]bool{true, true, true, true}},
		{mpstest.After, [4]int{1, 1, 1, 1}, [4]bool{true, true, true, true}},
		{mpstest.Swallow, [4]int{0, 0, 1, 0}, [4]bool{}},
		{mpstest.Hang, [4]int{}, [4]bool{true, true, true, true}},
		{mpstest.Call, [4]int{1, 1, 1, 1}, [4]bool{}},
	} {
		for k := 1; k <= 4; k++ {
			ctx, cancel := context.WithCancel(t.Context())
			inner, called := &counting{}, ""
			f := &mpstest.Faulty{Program: inner, At: k, Mode: c.mode, Call: func(command string) { called = command; cancel() }}
			var errs [4]error
			errs[0] = f.Start(ctx, nil, 0)
			_, errs[1] = f.Ask(ctx, "", "ps")
			_, errs[2] = f.Find(ctx)
			errs[3] = f.Signal(ctx, mps.Process{}, syscall.SIGTERM)
			cancel()
			for i, err := range errs {
				if want := i == k-1 && c.errs[i]; errors.Is(err, mpstest.ErrInjected) != want {
					t.Errorf("%v at %d: command %d gave %v", c.mode, k, i+1, err)
				}
			}
			if want := 3 + c.effects[k-1]; inner.effects != want {
				t.Errorf("%v at %d: %d effects, want %d", c.mode, k, inner.effects, want)
			}
			want := []string{"start", "ps", "find", "signal"}
			if f.Count() != 4 || !slices.Equal(f.Commands(), want) {
				t.Errorf("counted %d: %q", f.Count(), f.Commands())
			}
			if calls := c.mode == mpstest.Call || c.mode == mpstest.Hang; calls && called != want[k-1] || !calls && called != "" {
				t.Errorf("%v at %d: called with %q", c.mode, k, called)
			}
		}
	}
}
