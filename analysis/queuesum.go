package analysis

import (
	"fmt"
	"slices"
	"strings"
)

// together gives the figures of a service from those of its instances. What one does
// not tell is unknown of all.
func together(all []*endpointQueue) Waiting {
	var w Waiting
	figures := func(of func(*Waiting) *Figure) []*Figure {
		list := make([]*Figure, len(all))
		for i, q := range all {
			list[i] = of(&q.w)
		}
		return list
	}
	w.Depth = summed(figures(func(w *Waiting) *Figure { return &w.Depth }))
	w.DepthMax = largest(figures(func(w *Waiting) *Figure { return &w.DepthMax }))
	w.ByLittle = summed(figures(func(w *Waiting) *Figure { return &w.ByLittle }))
	w.compare()
	w.Backlog = summed(figures(func(w *Waiting) *Figure { return &w.Backlog }))
	w.BacklogMax = largest(figures(func(w *Waiting) *Figure { return &w.BacklogMax }))
	w.HTTP = loadTogether(all)
	w.Batch = summed(figures(func(w *Waiting) *Figure { return &w.Batch }))
	if w.Batch.Known() {
		w.Batch.Value = known(*w.Batch.Number/float64(len(all)), "1")
	}
	waits := summed(waitsOf(all)) // for its level, and what is unknown
	var served, excess, waited, requests float64
	var answers, floored int64
	var f floor
	var told words
	for _, q := range all {
		w.Readings += q.w.Readings
		w.WaitN += q.w.WaitN
		served, excess = served+q.served, excess+q.excess
		answers, floored = answers+q.answers, floored+q.floored
		if f.from == "" {
			f.from = q.floor.from
		}
		if f.why == "" {
			f.why = q.floor.why
		}
		n := q.requests
		switch {
		case q.w.Wait.Inferred:
			n = float64(q.answers)
		case q.w.Wait.Level == FromRequests:
			n = float64(q.w.WaitN)
		}
		told.join(q.words)
		if q.w.Wait.Known() {
			waited, requests = waited+*q.w.Wait.Number*n, requests+n
		}
	}
	if w.Wait = waits; waits.Known() {
		w.Wait.Value = known(waited/requests, "s")
	} else {
		w.WaitN = 0
	}
	w.AboveFloor = aboveFloor(excess, floored, answers, f)
	if len(all) > 0 {
		w.Told = told.told(all[0].r.service.Percentiles)
	}
	if told.apply(&w); w.Inference.Level != FromRequests {
		w.Inference = inference(w.Wait, served, answers)
	}
	return w
}

// waitsOf gives the waits of the instances; those of which nothing was asked have
// none, and are left out if there are others.
func waitsOf(all []*endpointQueue) []*Figure {
	var busy, idle []*Figure
	for _, q := range all {
		if q.w.Wait.Known() || q.requests > 0 || q.r.tally.calls[q.p.instance] != nil {
			busy = append(busy, &q.w.Wait)
		} else {
			idle = append(idle, &q.w.Wait)
		}
	}
	if len(busy) == 0 {
		return idle
	}
	return busy
}

// summed adds figures up. It rests on the weakest of them.
func summed(list []*Figure) Figure {
	return joined(list, func(a, b float64) float64 { return a + b })
}

func largest(list []*Figure) Figure {
	return joined(list, func(a, b float64) float64 { return max(a, b) })
}

func joined(list []*Figure, add func(a, b float64) float64) Figure {
	var number float64
	out := Figure{Level: FromRequests}
	var from []string
	for i, f := range list {
		if !f.Known() {
			return untold(f.Unit, fmt.Errorf("%s", f.Why))
		}
		if i == 0 {
			number = *f.Number
		} else {
			number = add(number, *f.Number)
		}
		out.Level, out.Inferred = max(out.Level, f.Level), out.Inferred || f.Inferred
		from = append(from, f.From)
	}
	slices.Sort(from)
	out.Value, out.From = known(number, list[0].Unit), strings.Join(slices.Compact(from), "; ")
	return out
}
