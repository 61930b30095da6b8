package analysis

import (
	"fmt"
	"slices"
	"time"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// Spent is what the cells of a run took of the server.
type Spent struct {
	// Switching is the time in which layouts were planned and applied and services were
	// made to fit, started, warmed and stopped; Loaded that under load. Both in seconds.
	Switching Value `json:"switching"`
	Loaded    Value `json:"loaded"`
	// Share is Switching ÷ both, Cost what Switching costs in the currency of the
	// scenario; inapplicable if it states none.
	Share Value `json:"switching_share"`
	Cost  Value `json:"switching_cost"`
}

// The phases of a cell, by what they are for.
var (
	switching = []string{"plan", "apply"}
	starting  = []string{"adapt", "launch", "ready", "warm", "alone", "count"}
)

// notModelled is why a simulated server has no times of switching.
const notModelled = "the simulated server does not model how long switching and starting take"

// idleOf is the mean over the cells that know it.
func idleOf(cells []Cell) Value {
	none := unknown("W", "no reading of the GPUs' power before load")
	var watts []float64
	for _, c := range cells {
		switch {
		case c.Idle.Known():
			watts = append(watts, *c.Idle.Number)
		case c.Idle.Why != "":
			none = c.Idle
		}
	}
	if len(watts) == 0 {
		return none
	}
	return known(stats.Mean(watts), "W")
}

// startsOf gives the medians of the times to switch and to start.
func startsOf(env results.Environment, cells []Cell) (apply, start Value) {
	if env.Simulated != "" {
		return unknown("s", notModelled), unknown("s", notModelled)
	}
	apply, start = inapplicable("s", "nothing was to be changed for the layout"), unknown("s", "no cell tells how its services were started")
	var applied, started []float64
	for _, c := range cells {
		if took, ok := during(c.Cell, switching); ok && len(c.Layout.Plan) > 0 {
			applied = append(applied, took.Seconds())
		}
		if took, ok := during(c.Cell, starting); ok {
			started = append(started, took.Seconds())
		}
	}
	if len(applied) > 0 {
		apply = known(median(applied), "s")
	}
	if len(started) > 0 {
		start = known(median(started), "s")
	}
	return apply, start
}

// median is the middle one, or the mean of the two in the middle; of at least one.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// during adds up a cell's phases of these names, and reports whether it has any.
func during(c results.Cell, names []string) (took time.Duration, any bool) {
	for _, p := range c.Phases {
		if slices.Contains(names, p.Name) {
			took, any = took+p.End.Sub(p.Start), true
		}
	}
	return took, any
}

// spent adds up all cells, whatever became of them; nil of a run without a step.
func spent(s *Summary) *Spent {
	var loaded float64
	var switched time.Duration
	steps := 0
	// Cells of one layout that follow each other tell of the same switch: it is known by
	// when it was.
	seen := map[string]bool{}
	for _, c := range s.Cells {
		for _, step := range c.Steps {
			loaded, steps = loaded+step.Loaded, steps+1
		}
		for _, p := range c.Cell.Phases {
			if slices.Contains(switching, p.Name) {
				key := fmt.Sprint(p.Name, c.Cell.Started.Add(time.Duration(p.Start)).Round(sameMoment))
				if seen[key] {
					continue
				}
				seen[key] = true
			}
			switched += p.End.Sub(p.Start)
		}
	}
	if steps == 0 {
		return nil
	}
	out := &Spent{Switching: known(switched.Seconds(), "s"), Loaded: known(loaded, "s"), Cost: inapplicable("1", "the scenario states no server.cost_per_hour")}
	if s.Environment.Simulated != "" {
		out.Switching = unknown("s", notModelled)
	}
	out.Share = over(out.Switching, known(switched.Seconds()+loaded, "s"), "ratio")
	if per := s.Environment.CostPerHour; per > 0 {
		out.Cost = over(out.Switching, known(3600/per, "s"), s.Environment.Currency)
	}
	return out
}

// sameMoment is within which two cells tell the same moment by the wall clock.
const sameMoment = 10 * time.Millisecond
