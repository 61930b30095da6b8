package runner

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/services"
)

func TestFailoverFaults(t *testing.T) {
	boom := errors.New("boom")
	kill := []string{services.CrashKill}
	plan := results.Failover{Service: "vision", How: services.CrashKill, Restart: true}
	for _, c := range []struct {
		name string
		m    *mortals
		plan func(*results.Failover)
		want string
	}{
		{"too few", &mortals{ways: kill}, func(f *results.Failover) { f.Instance = 2 },
			"failover: vision-2 is to end, but the placement gives service vision 2 instances; say instance: 0 to 1"},
		{"unknown way", &mortals{ways: kill}, func(f *results.Failover) { f.How = services.CrashFault },
			"failover: vision-0 cannot be made to end by fault; its launcher knows: kill"},
		{"goes on", &mortals{ways: kill, refuses: boom}, nil, "failover: make vision-0 end by kill: boom"},
		{"lost", &mortals{ways: kill, lost: boom}, nil, "failover: start vision-0 again: boom"},
		{"never back", &mortals{ways: kill, loading: time.Hour}, nil, "failover: vision-0 was started again: vision-0 at http://vision-0 on gpu0 (GPU-0) is not ready: a request: connect"},
		{"another dies", &mortals{ways: kill, after: func(x *mortal) { x.of.all["http://vision-1"].die(boom) }}, nil, "vision-1 ended by itself: boom"},
		{"it dies again", &mortals{ways: kill, after: func(x *mortal) { time.AfterFunc(time.Second, func() { x.die(boom) }) }}, nil, "vision-0 ended by itself: boom"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := plan
				if c.plan != nil {
					c.plan(&f)
				}
				c.m.world = &world{}
				cell, err := c.m.runFailover(t, failoverStep(f))
				if err == nil || strings.Count(err.Error(), c.want) != 1 {
					t.Errorf("Run() = %v, want once %q", err, c.want)
				}
				if cell.Cell.Status != results.CellFailed || !strings.Contains(cell.Cell.Fault, c.want) {
					t.Errorf("the cell is %s: %s", cell.Cell.Status, cell.Cell.Fault)
				}
			})
		})
	}
}

// A service that ends before it is made to ends the step as it always does, and
// one that knows nothing of this is told.
func TestFailoverOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		b, _ := w.bench(t)
		b.Cells = b.Cells[:1]
		b.NewChooser = func(scenarios.Cell) Chooser {
			return plannedSteps{failoverStep(results.Failover{Service: "vision", How: services.CrashKill})}
		}
		err := b.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "failover: vision-0 cannot be made to end: its launcher does not know how") {
			t.Errorf("Run() = %v", err)
		}
		m := &mortals{world: &world{}, ways: []string{services.CrashKill}}
		m.onAnswer = func(n int64) {
			if n == 40 {
				m.all["http://vision-0"].die(errors.New("out of memory"))
			}
		}
		_, err = m.runFailover(t, failoverStep(results.Failover{Service: "vision", How: services.CrashKill}))
		if err == nil || !strings.Contains(err.Error(), "vision-0 ended by itself: out of memory") || m.all["http://vision-0"].crash != 0 {
			t.Errorf("Run() = %v", err)
		}
	})
}

// back is an instance that was started again just after it was asked.
type back struct {
	services.Service
	asked int
}

func (b *back) Err() error {
	if b.asked++; b.asked == 1 {
		return errors.New("signal 9 (killed)")
	}
	return nil
}

// An instance that comes back while it is judged has not ended by itself.
func TestBackWhileJudged(t *testing.T) {
	s := &back{Service: &instance{&world{}, services.Instance{Name: "vision-0"}}}
	f := &failing{plan: &results.Failover{How: services.CrashKill}, up: []running{{service: s}}, gone: []bool{false}, crashed: true}
	if err := f.died(t.Context(), nil); err != nil || s.asked != 2 {
		t.Errorf("%v, asked %d times", err, s.asked)
	}
}
