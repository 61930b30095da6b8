package analysis

import (
	"slices"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// beforeLoad is from the end of all that starts services or sends requests to warm them
// up until the first step; empty without either.
func beforeLoad(c cellFacts) window {
	if len(c.steps) == 0 {
		return window{0, -1}
	}
	w := window{results.NoOffset, c.steps[0].step.Start}
	for _, p := range c.cell.Phases {
		if p.Name != "count" && slices.Contains(starting, p.Name) && (w.from == results.NoOffset || p.End > w.from) {
			w.from = p.End
		}
	}
	if w.from == results.NoOffset || w.from > w.to {
		return window{0, -1}
	}
	return w
}

// idle is the power of all the GPUs of a cell together before load; zero where nothing
// was read of any then, and unknown where not of all.
func (d *deviceReadings) idle(c cellFacts) Value {
	var sum float64
	var seen, silent []string
	for _, dev := range c.layout.Devices {
		if slices.Contains(seen, dev.GPU) {
			continue
		}
		seen = append(seen, dev.GPU)
		if watts, ok := d.of(dev.GPU, d.before).drawn(); ok {
			sum += watts
		} else {
			silent = append(silent, dev.Name)
		}
	}
	switch {
	case len(silent) == len(seen):
		return Value{}
	case len(silent) > 0:
		return unknown("W", "no reading of the power of "+silent[0]+" before load")
	}
	return known(sum, "W")
}

// drawn is the power over a short time of few readings: by the energy counter if there
// are two of it, else the mean of the first gauge that was read.
func (d deviceSeries) drawn() (watts float64, ok bool) {
	if points := d.of(seriesEnergy); len(points) > 1 {
		first, last := points[0], points[len(points)-1]
		if last.At > first.At && last.Value >= first.Value {
			return (last.Value - first.Value) / (last.At - first.At), true
		}
	}
	for _, series := range powerGauges {
		var values []float64
		for _, p := range d.of(series) {
			values = append(values, p.Value)
		}
		if len(values) > 0 {
			return stats.Mean(values), true
		}
	}
	return 0, false
}
