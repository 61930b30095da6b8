package runner

import (
	"errors"
	"maps"
	"testing"
	"testing/synctest"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
)

// What is counted in a step is what was counted since it began; what nobody can
// tell is not none.
func TestOutOfMemoryOfAStep(t *testing.T) {
	for _, c := range []struct {
		counts bool
		want   []map[string]int64 // by step
	}{
		{true, []map[string]int64{{"vision-0": 0, "vision-1": 0}, {"vision-0": 0, "vision-1": 2}}},
		{false, []map[string]int64{nil, nil}},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := &mortals{world: &world{}, ways: []string{services.CrashKill}, counts: c.counts}
			end := failoverStep(results.Failover{Service: "vision", Instance: 1, How: services.CrashKill})
			quiet := end
			quiet.Failover = nil
			cell, err := m.runFailover(t, quiet, end)
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range c.want {
				if got := cell.Steps[i].Step.OutOfMemory; !maps.Equal(got, want) || (got == nil) != (want == nil) {
					t.Errorf("counts %v, step %d: %v, want %v", c.counts, i, got, want)
				}
			}
		})
	}
}

// An end that shows it counts where the launcher does not.
func TestEndOutOfMemory(t *testing.T) {
	up := func(err error) []running {
		return []running{{service: &mortal{Service: &instance{&world{}, services.Instance{Name: "a"}}, err: err}}}
	}
	for _, c := range []struct {
		err  error
		want map[string]int64
	}{
		{nil, nil}, {errors.New("gone"), nil}, {&services.ExitError{Status: 1}, nil},
		{&services.ExitError{Status: 1, OOM: "CUDA out of memory"}, map[string]int64{"a": 1}},
	} {
		if got := exhausted(up(c.err)); !maps.Equal(got, c.want) || (got == nil) != (c.want == nil) {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}
