package model

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The cores are a queue with several servers, first come first served: piece
// i begins when it has come and the first core is free.
func TestHostIsAQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w World
		cores := rapid.IntRange(1, 4).Draw(t, "cores")
		h := NewHost(&w, cores)
		free := make([]time.Duration, cores)
		var at, total time.Duration
		var got, want []time.Duration
		n := rapid.IntRange(1, 30).Draw(t, "pieces")
		got = make([]time.Duration, n)
		for i := range n {
			at += time.Duration(rapid.IntRange(0, 5).Draw(t, "gap")) * ms
			work := time.Duration(rapid.IntRange(0, 20).Draw(t, "work")) * ms
			w.At(at, func() { h.Run(work, func() { got[i] = w.Now() }) })
			first := slices.Index(free, slices.Min(free))
			free[first] = max(free[first], at) + work
			want, total = append(want, free[first]), total+work
		}
		for next, ok := w.NextEvent(); ok; next, ok = w.NextEvent() {
			w.Advance(next)
			if h.Running() > h.Cores() || h.Waiting() > 0 && h.Running() < h.Cores() {
				t.Fatalf("%d pieces run on %d cores, %d wait", h.Running(), cores, h.Waiting())
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("ends %v, want %v", got, want)
		}
		if busy := h.Busy(w.Now()); !near(busy, total.Seconds()) || h.Running()+h.Waiting() != 0 {
			t.Fatalf("busy for %v core-seconds, the work was %v", busy, total)
		}
	})
}

// What waited goes before what the end of another piece asks for.
func TestHostServesInOrder(t *testing.T) {
	var w World
	h := NewHost(&w, 1)
	var order []string
	h.Run(ms, func() {
		order = append(order, "first")
		h.Run(ms, func() { order = append(order, "asked for by the first") })
	})
	h.Run(ms, func() { order = append(order, "second") })
	w.Advance(ms / 2)
	if got := h.Busy(w.Now()); !near(got, 0.0005) {
		t.Errorf("busy for %v s after half a millisecond", got)
	}
	run(&w)
	if want := []string{"first", "second", "asked for by the first"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
}
