package pace

import (
	"math"

	"github.com/evabench/evabench/results"
)

// never is the moment of a heap with no timer.
const never = results.Offset(math.MaxInt64)

// A heap holds timers by moment and, within one, by the order of setting. It is
// 4-ary: shallower than a binary one, with the four children in two cache lines.
// The zero value is empty.
type heap struct{ entries []entry }

// An entry has the keys beside the pointer, so that sifting stays in the slice.
type entry struct {
	at  results.Offset
	seq uint64
	t   *Timer
}

func (e *entry) before(o *entry) bool {
	return e.at < o.at || e.at == o.at && e.seq < o.seq
}

// next is the moment of the first timer, or never.
func (h *heap) next() results.Offset {
	if len(h.entries) == 0 {
		return never
	}
	return h.entries[0].at
}

// set adds the timer or moves it.
func (h *heap) set(t *Timer, at results.Offset, seq uint64) {
	t.at, t.seq = at, seq
	e := entry{at, seq, t}
	if t.index == 0 {
		h.entries = append(h.entries, e)
		h.up(len(h.entries)-1, e)
		return
	}
	h.place(t.index-1, e)
}

// remove takes the timer out, if it is in.
func (h *heap) remove(t *Timer) {
	if t.index == 0 {
		return
	}
	i, last := t.index-1, len(h.entries)-1
	e := h.entries[last]
	h.entries[last] = entry{}
	h.entries = h.entries[:last]
	t.index = 0
	if i != last {
		h.place(i, e)
	}
}

// place puts e where it belongs, from i on.
func (h *heap) place(i int, e entry) {
	if i > 0 && e.before(&h.entries[(i-1)/4]) {
		h.up(i, e)
		return
	}
	h.down(i, e)
}

func (h *heap) up(i int, e entry) {
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&h.entries[parent]) {
			break
		}
		h.put(i, h.entries[parent])
		i = parent
	}
	h.put(i, e)
}

func (h *heap) down(i int, e entry) {
	for {
		first := 4*i + 1
		if first >= len(h.entries) {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, len(h.entries)); c++ {
			if h.entries[c].before(&h.entries[least]) {
				least = c
			}
		}
		if !h.entries[least].before(&e) {
			break
		}
		h.put(i, h.entries[least])
		i = least
	}
	h.put(i, e)
}

func (h *heap) put(i int, e entry) {
	h.entries[i] = e
	e.t.index = i + 1
}
