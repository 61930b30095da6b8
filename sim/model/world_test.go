package model

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The same seed gives the same trace, however the World is advanced.
func TestSameSeedSameTrace(t *testing.T) {
	for _, mps := range []bool{false, true} {
		trace := func(poll time.Duration) ([]Detection, Usage, EngineStats) {
			var all []Detection
			w, d, e := saturatedWorld(mps, func(x Detection) { all = append(all, x) })
			for w.Now() < 20*time.Second {
				w.Advance(w.Now() + poll)
				d.Usage(w.Now()) // asking changes nothing
			}
			return all, d.Usage(20 * time.Second), e.Stats()
		}
		fine, fineUsage, fineStats := trace(ms / 4)
		coarse, coarseUsage, coarseStats := trace(20 * time.Second)
		if len(fine) < 100 || fineStats.Steps < 100 {
			t.Fatalf("mps %v: only %d detections, %d steps", mps, len(fine), fineStats.Steps)
		}
		if !slices.Equal(fine, coarse) || fineUsage != coarseUsage || fineStats != coarseStats {
			t.Errorf("mps %v: %+v %+v, advanced at once %+v %+v", mps, fineUsage, fineStats, coarseUsage, coarseStats)
		}
	}
}

// MIG instances are devices of their own: what one does is the same whatever
// its neighbours do, while the host has cores enough for all.
func TestNeighboursDoNotTouch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64Range(1, 1000).Draw(t, "seed")
		calls := drawCalls(t, 4, 80)
		mps := rapid.Bool().Draw(t, "mps")
		// first is the trace of the first device beside so many others.
		first := func(neighbours int) (ends []time.Duration) {
			var w World
			h := NewHost(&w, 1000)
			for i := range 1 + neighbours {
				d := w.AddDevice(DeviceConfig{SMs: 50, Bandwidth: 1e9, Quantum: 2 * ms, Switch: ms / 5})
				c := Client{MPS: mps != (i > 0), Share: 1}
				end := func() {
					if i == 0 {
						ends = append(ends, w.Now())
					}
				}
				det := NewDetector(&w, h, d, c, DetectorConfig{
					Workers: 2, Queue: 99, BatchSize: 2, BatchDelay: ms, Before: ms, After: ms, Spread: 0.5,
					Job: Job{Work: 0.3, Parallel: 30, Bytes: 3e6},
				})
				e := NewEngine(&w, h, d, c, EngineConfig{
					MaxSeqs: 4, MaxTokens: 32, KVBlocks: 20, BlockTokens: 4, Frontend: ms, ImageFrontend: ms, Gap: ms,
					Base: 0.1, PerSequence: 0.01, PerToken: 0.001, Parallel: 50, WeightBytes: 5e6, PrefixCache: true,
				})
				for k, p := range calls {
					w.At(p.at, func() {
						call := p.call
						call.Token = end
						e.Submit(call)
						det.Submit(seed+uint64(k), false, func(Detection) { end() })
					})
				}
			}
			run(&w)
			return ends
		}
		if alone, beside := first(0), first(2); !slices.Equal(alone, beside) {
			t.Fatalf("alone %v, beside two %v", alone, beside)
		}
	})
}

// What falls to one moment comes in one order: devices as they were made, then
// timers, wherever the World was advanced to before.
func TestOrderWithinAMoment(t *testing.T) {
	for _, poll := range []time.Duration{0, 3 * ms} {
		var w World
		a, b := w.AddDevice(testDevice), w.AddDevice(testDevice)
		one, two := a.AddProcess(Client{Share: 1}), b.AddProcess(Client{Share: 1})
		other := b.AddProcess(Client{Share: 1})
		var log []string
		w.At(3*ms, func() { log = append(log, "timer") })
		// On the second device turns of 1 ms: 1, 2, and its end at 3.
		w.Submit(b, two, Job{Work: 0.2, Parallel: 100}, func() { log = append(log, "second") })
		w.Submit(b, other, Job{Work: 0.5, Parallel: 100}, nil)
		w.Submit(a, one, Job{Work: 0.3, Parallel: 100}, func() { log = append(log, "first") })
		w.Advance(poll - ms/2)
		w.Advance(time.Second)
		if want := []string{"first", "second", "timer"}; !slices.Equal(log, want) {
			t.Errorf("advanced to %v first: %v, want %v", poll, log, want)
		}
	}
}

// Timers come in order of time, and of the calls that set them.
func TestTimersAreInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w World
		type event struct {
			at time.Duration
			n  int
		}
		var got, want []event
		for n := range rapid.IntRange(1, 50).Draw(t, "timers") {
			at := time.Duration(rapid.IntRange(0, 10).Draw(t, "at"))
			want = append(want, event{at, n})
			w.At(at, func() {
				got = append(got, event{at, n})
				if w.Now() != at {
					t.Fatalf("a timer for %v comes at %v", at, w.Now())
				}
			})
		}
		slices.SortStableFunc(want, func(a, b event) int { return int(a.at - b.at) })
		w.Advance(100)
		if !slices.Equal(got, want) {
			t.Fatalf("order %v, want %v", got, want)
		}
	})
}

func TestFifo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q fifo[int]
		var want []int
		for i := range rapid.IntRange(0, 200).Draw(t, "operations") {
			switch op := rapid.SampledFrom([]string{"push", "push", "front", "pop", "back", "remove"}).Draw(t, "op"); {
			case op == "push":
				q.push(i)
				want = append(want, i)
			case op == "front":
				q.pushFront(i)
				want = slices.Insert(want, 0, i)
			case op == "remove":
				odd := func(x int) bool { return x%5 == 1 }
				q.remove(odd)
				want = slices.DeleteFunc(want, odd)
			case len(want) == 0:
			case op == "pop":
				if got := q.pop(); got != want[0] {
					t.Fatalf("popped %d, want %d", got, want[0])
				}
				want = want[1:]
			default:
				if got := q.popBack(); got != want[len(want)-1] {
					t.Fatalf("popped %d from behind, want %d", got, want[len(want)-1])
				}
				want = want[:len(want)-1]
			}
			if !slices.Equal(q.all(), want) || q.len() != len(want) {
				t.Fatalf("queue %v, want %v", q.all(), want)
			}
		}
	})
}
