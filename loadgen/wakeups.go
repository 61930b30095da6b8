package loadgen

import (
	"container/heap"
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/evabench/evabench/results"
)

// handOver is how long before a moment the step's Waiter is asked for the rest
// of the wait: more than a timer of package time is late.
const handOver = 3 * time.Millisecond

// wakeUps wakes the users of one closed loop, each at its moment. One goroutine
// waits for the earliest of them with the step's Waiter, so that thousands of
// users hold one thread of the operating system and not thousands.
//
// Note: a timer of package time for each user was late by some 0.9 ms with 24
// users, a quarter of a think time of 3.3 ms, which is what 0.2 s are at scale 60.
type wakeUps struct {
	origin results.Origin
	waiter Waiter
	kick   chan struct{} // holds a token if the earliest moment may be another

	mu      sync.Mutex
	waiting wakeHeap
	// final is the moment of the wait that the Waiter has taken over and that
	// nothing but the step's end cuts short, or NoOffset.
	final results.Offset
}

// A wakeUp is one user's wait; woken is closed at the moment.
type wakeUp struct {
	at    results.Offset
	woken chan struct{}
}

func newWakeUps(origin results.Origin, waiter Waiter) *wakeUps {
	return &wakeUps{origin: origin, waiter: waiter, kick: make(chan struct{}, 1), final: results.NoOffset}
}

// until returns at the moment, or sooner when ctx is done, and reports whether
// the moment was reached. It is called by many goroutines while run runs.
func (w *wakeUps) until(ctx context.Context, at results.Offset) bool {
	w.mu.Lock()
	if w.final != results.NoOffset && at < w.final {
		// Too late to be waited for in turn; with think times of more than
		// some milliseconds it is the exception.
		w.mu.Unlock()
		return w.waiter.Until(ctx, w.origin, at)
	}
	u := wakeUp{at, make(chan struct{})}
	heap.Push(&w.waiting, u)
	first := w.waiting[0] == u
	w.mu.Unlock()
	if first {
		w.rouse()
	}
	select {
	case <-u.woken:
		return true
	case <-ctx.Done():
		return false
	}
}

// rouse lets run look at the earliest moment again.
func (w *wakeUps) rouse() {
	select {
	case w.kick <- struct{}{}:
	default: // it will
	}
}

// run wakes users until ctx is done.
func (w *wakeUps) run(ctx context.Context) {
	for ctx.Err() == nil {
		at, final := w.next()
		switch {
		case at == results.NoOffset:
			select {
			case <-w.kick:
			case <-ctx.Done():
			}
		case final:
			if w.waiter.Until(ctx, w.origin, at) {
				w.wake()
				// This thread is about to sleep: who was woken may run here
				// before. Note: without, the median was some 70 µs later.
				runtime.Gosched()
			}
		default:
			w.approach(ctx, at.Add(-handOver))
		}
	}
}

// next gives the earliest moment, NoOffset if nobody waits, and whether it is
// so near that the Waiter is to wait for it.
func (w *wakeUps) next() (at results.Offset, final bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 {
		return results.NoOffset, false
	}
	at = w.waiting[0].at
	if final = at.Sub(w.origin.Now()) <= handOver; final {
		w.final = at
	}
	return at, final
}

// approach waits until about the moment, or until someone is to be woken sooner.
func (w *wakeUps) approach(ctx context.Context, at results.Offset) {
	t := time.NewTimer(at.Sub(w.origin.Now()))
	defer t.Stop()
	select {
	case <-t.C:
	case <-w.kick:
	case <-ctx.Done():
	}
}

// wake wakes everyone whose moment has come.
func (w *wakeUps) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.final = results.NoOffset
	for now := w.origin.Now(); len(w.waiting) > 0 && w.waiting[0].at <= now; {
		close(heap.Pop(&w.waiting).(wakeUp).woken)
	}
}

// wakeHeap has the earliest wakeUp first.
type wakeHeap []wakeUp

func (h wakeHeap) Len() int           { return len(h) }
func (h wakeHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h wakeHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *wakeHeap) Push(x any)        { *h = append(*h, x.(wakeUp)) }
func (h *wakeHeap) Pop() any {
	last := len(*h) - 1
	u := (*h)[last]
	*h = (*h)[:last]
	return u
}
