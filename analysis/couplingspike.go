package analysis

import (
	"cmp"
	"slices"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// spikes gathers the samples of a step with a spike; nil for other steps.
type spikes struct {
	step  results.Step
	calls map[string][]spikeCall // by service
}

// A spikeCall is one arrival; moments are seconds since the window's start.
type spikeCall struct {
	due, done float64
	ok        bool
}

func spikeOf(s results.Step) *spikes {
	if s.Plan.Spike == nil {
		return nil
	}
	return &spikes{s, map[string][]spikeCall{}}
}

// add takes a sample of the step.
func (k *spikes) add(s results.Sample) {
	if k == nil {
		return
	}
	k.calls[s.Service] = append(k.calls[s.Service], spikeCall{
		s.Due.Sub(k.step.WindowStart).Seconds(), s.Done.Sub(k.step.WindowStart).Seconds(), s.Outcome == results.OK,
	})
}

// summary tells of the spike, but for the cell that it was in; nil for other steps.
func (k *spikes) summary(env results.Environment) *SpikeResult {
	if k == nil {
		return nil
	}
	plan, end := k.step.Plan.Spike, k.step.WindowEnd.Sub(k.step.WindowStart).Seconds()
	out := &SpikeResult{
		Step: k.step.Index, Service: plan.Service, Factor: plan.Factor,
		From: min(plan.At.Seconds(), end), To: min((plan.At + plan.For).Seconds(), end),
	}
	names := []string{plan.Service}
	for _, l := range k.step.Plan.Levels {
		if l.Service != plan.Service {
			names = append(names, l.Service)
		}
	}
	for _, name := range names {
		calls := k.calls[name]
		slices.SortFunc(calls, func(a, b spikeCall) int { return cmp.Compare(a.due, b.due) })
		f := flightOf(calls)
		v := SpikeService{Service: name}
		quantiles := serviceOf(env, name).Percentiles
		v.Before = spellOf(calls, f, 0, out.From, quantiles)
		told := []float64{v.Before.Quantile}
		v.Within, v.After = spellOf(calls, f, out.From, out.To, told), spellOf(calls, f, out.To, end, told)
		out.Services = append(out.Services, v)
		if name == plan.Service {
			out.Recovery, out.Resolution = recoveryOf(calls, f, out.From, out.To, end)
		}
	}
	return out
}

// spikesOf gives what the steps with a spike tell.
func spikesOf(cells []Cell) []SpikeResult {
	var list []SpikeResult
	for _, c := range cells {
		for _, s := range c.Steps {
			if s.spike == nil {
				continue
			}
			r := *s.spike
			r.Config, r.Replicate = cmp.Or(c.Cell.Config.Name, c.Cell.Folder), c.Cell.Replicate
			list = append(list, r)
		}
	}
	return list
}

// spellOf tells of a part of the window. Its tail is the highest of the quantiles that
// can be told, or the lowest if none can.
func spellOf(calls []spikeCall, f flight, from, to float64, quantiles []float64) Spell {
	s := Spell{Seconds: to - from, Completed: unknown("1/s", "empty"), InFlight: unknown("1", "empty")}
	var latency []float64
	completed := 0
	for _, c := range calls {
		if c.ok && c.done >= from && c.done < to {
			completed++
		}
		if c.due < from || c.due >= to {
			continue
		}
		s.Due++
		if c.ok {
			latency = append(latency, c.done-c.due)
		} else {
			s.Failed++
		}
	}
	slices.Sort(latency)
	s.Median = quantile(latency, 0.5)
	for _, q := range slices.Sorted(slices.Values(quantiles)) {
		if v := quantile(latency, q); s.Quantile == 0 || v.Known() {
			s.Quantile, s.Tail = q, v
		}
	}
	if to > from {
		s.Completed, s.InFlight = known(float64(completed)/(to-from), "1/s"), known(f.mean(from, to), "1")
	}
	return s
}

// A flight gives how many calls were due and had not ended.
type flight struct{ due, done sums }

// sums are moments in their order, with how much they add up to.
type sums struct{ at, sum []float64 }

func flightOf(calls []spikeCall) flight {
	var due, done []float64
	for _, c := range calls {
		due, done = append(due, c.due), append(done, c.done)
	}
	return flight{sumsOf(due), sumsOf(done)}
}

func sumsOf(at []float64) sums {
	slices.Sort(at)
	s := sums{at, make([]float64, len(at)+1)}
	for i, t := range at {
		s.sum[i+1] = s.sum[i] + t
	}
	return s
}

// past is ∫ n(t) dt up to a moment, where n counts the moments before t.
func (s sums) past(to float64) float64 {
	n, _ := slices.BinarySearch(s.at, to)
	return float64(n)*to - s.sum[n]
}

// mean is the mean number over time from one moment to another.
func (f flight) mean(from, to float64) float64 {
	inFlight := f.due.past(to) - f.due.past(from) - (f.done.past(to) - f.done.past(from))
	return max(0, inFlight) / (to - from)
}

// medianOf is that of numbers; they are sorted in place.
func medianOf(list []float64) float64 {
	slices.Sort(list)
	return stats.Quantile(list, 0.5)
}
