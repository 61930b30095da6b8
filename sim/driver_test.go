package sim

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/sim/model"
)

// lateAlarm is an alarm that is late.
type lateAlarm struct {
	alarm
	by time.Duration
}

func (a lateAlarm) set(after time.Duration) { a.alarm.set(max(after, 0) + a.by) }

// A World at k times the clock is at k times the clock's time, and a late alarm
// delays what is seen of it, never what happens in it: events that follow from
// each other do not add the delays up.
func TestDriverScale(t *testing.T) {
	for _, c := range []struct {
		scale float64
		late  time.Duration
	}{{1, 0}, {60, 0}, {2.5, 0}, {60, 3 * time.Millisecond}, {1000, time.Millisecond}} {
		t.Run(fmt.Sprintf("scale %v, late %v", c.scale, c.late), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newScaledDriver(c.scale, lateAlarm{newTimerAlarm(), c.late})
				go d.run(t.Context())
				var at []time.Duration
				var seen time.Time
				begin := time.Now()
				do(t, d, func(w *model.World) {
					var next func()
					next = func() {
						at = append(at, w.Now())
						if len(at) < 100 {
							w.At(w.Now()+time.Second, next)
						}
						seen = time.Now()
					}
					w.At(time.Second, next)
				})
				time.Sleep(200 * time.Second)
				synctest.Wait()
				for i, got := range at {
					if want := time.Duration(i+1) * time.Second; got != want {
						t.Fatalf("event %d at %v, want %v", i, got, want)
					}
				}
				// The last is at 100 s of the World; the alarm is late once for it.
				want := time.Duration(100e9/c.scale) + c.late
				if got := seen.Sub(begin); len(at) != 100 || got < want-c.late || got > want+time.Microsecond {
					t.Errorf("%d events, the last seen after %v of the clock, want 100 and %v", len(at), got, want)
				}
				var late time.Duration
				if err := d.doTimed(func(l time.Duration) { late = l }); err != nil {
					t.Fatal(err)
				}
				if late < c.late || late > c.late+time.Microsecond {
					t.Errorf("it says that it was late by %v, want %v", late, c.late)
				}
			})
		})
	}
}

func do(t *testing.T, d *driver, f func(*model.World)) {
	t.Helper()
	if err := d.do(f); err != nil {
		t.Fatal(err)
	}
}

// With a gap, events that are close together are noticed together, at most a gap
// late, and happen when they are due all the same. One that is alone is in time.
func TestDriverGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScaledDriver(10, newTimerAlarm())
		d.gap = 5 * time.Millisecond
		go d.run(t.Context())
		begin := time.Now()
		var at, seen []time.Duration
		do(t, d, func(w *model.World) {
			// On the clock: 100 ms, then 1 ms, 4 ms and 9 ms later, then alone.
			for _, due := range []time.Duration{1000, 1010, 1040, 1090, 5000} {
				w.At(due*time.Millisecond, func() { at, seen = append(at, w.Now()), append(seen, time.Since(begin)) })
			}
		})
		time.Sleep(time.Second)
		synctest.Wait()
		ms := func(list ...time.Duration) []time.Duration {
			for i := range list {
				list[i] *= time.Millisecond
			}
			return list
		}
		if want := ms(1000, 1010, 1040, 1090, 5000); !slices.Equal(at, want) {
			t.Errorf("happened at %v, want %v", at, want)
		}
		// 101 and 104 wait for 105, 109 for 110.
		if want := ms(100, 105, 105, 110, 500); !slices.Equal(seen, want) {
			t.Errorf("noticed at %v, want %v", seen, want)
		}
	})
}

// An event that comes nearer moves the alarm, one that is later does not lose
// the first.
func TestDriverTakesTheNextEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScaledDriver(10, newTimerAlarm())
		go d.run(t.Context())
		begin := time.Now()
		var seen []time.Duration
		for _, at := range []time.Duration{30 * time.Second, 10 * time.Second, 20 * time.Second} {
			do(t, d, func(w *model.World) { w.At(at, func() { seen = append(seen, time.Since(begin)) }) })
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}; !slices.Equal(seen, want) {
			t.Errorf("seen after %v of the clock, want %v", seen, want)
		}
	})
}

func TestDriverEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	d, err := startDriver(ctx, 1, &all)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	all.Wait()
	if err := d.do(func(*model.World) {}); err != errStopped {
		t.Errorf("after the end: %v, want %v", err, errStopped)
	}
	if _, err := startDriver(ctx, 0.5, &all); err == nil {
		t.Error("a scale of 0.5 started")
	}
}

// The system's alarm wakes for what was set last, and not for what is over.
func TestAlarm(t *testing.T) {
	a, err := newAlarm()
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	ctx, cancel := context.WithCancel(t.Context())
	begin := time.Now()
	a.set(time.Hour)
	a.set(20 * time.Millisecond)
	if !a.wait(ctx) || time.Since(begin) < 20*time.Millisecond {
		t.Errorf("woke after %v, want 20 ms", time.Since(begin))
	}
	a.set(-1)
	if !a.wait(ctx) {
		t.Error("a moment that is over did not wake")
	}
	a.set(time.Hour)
	woke := make(chan bool)
	go func() { woke <- a.wait(ctx) }()
	cancel()
	if <-woke {
		t.Error("the end of the context looked like an alarm")
	}
}
