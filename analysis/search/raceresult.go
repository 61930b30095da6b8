package search

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/stats"
)

// verdict puts the end in words.
func (r *Race) verdict() string {
	switch r.state {
	case analysis.RaceWon:
		return r.best.config + " has won"
	case analysis.RaceEquivalent:
		return fmt.Sprintf("the others are within %.3g %% of %s", 100*r.zone, r.best.config)
	}
	return r.why
}

// Race is what it came to; before its end, what is known so far.
func (r *Race) Race() analysis.Race {
	r.settle()
	last := r.replicates() + 1
	if !r.brokeOff { // else what a last replicate may decide by has to wait for it
		r.judge(last)
	}
	out := analysis.Race{Zone: r.zone, State: r.state, Why: r.why, Spent: value(r.spent, "s")}
	best := r.best
	if !r.decided {
		best = r.incumbent()
		out.State, out.Why = analysis.RaceOpen, "the cells ended before the ratios were known well enough"
		if r.brokeOff {
			out.Why = "the run broke off before the ratios were known well enough"
		}
		if best == nil {
			for _, x := range r.still() {
				out.Why = join(out.Why, x.config+": "+cmp.Or(x.why, "nothing is known of it"))
			}
		}
		if len(r.still()) == 0 {
			out.Why = "every configuration was left out, each for its own reason"
		}
	}
	var equivalent []*racer
	for _, x := range r.racers {
		out.Runners = append(out.Runners, r.runner(x, best, last))
		if x.left == "" && x != best {
			equivalent = append(equivalent, x)
		}
	}
	switch out.State {
	case analysis.RaceWon:
		out.Winner = best.config
	case analysis.RaceEquivalent:
		slices.SortStableFunc(equivalent, func(a, b *racer) int { return cmp.Compare(b.capacity(), a.capacity()) })
		for _, x := range append([]*racer{best}, equivalent...) {
			out.Equivalent = append(out.Equivalent, x.config)
		}
	}
	return out
}

// runner tells of one configuration beside the best.
func (r *Race) runner(x, best *racer, last int) analysis.Runner {
	unit := "ratio"
	out := analysis.Runner{
		Config: x.config, Left: x.left, After: x.after, Failed: x.failed, Blocks: len(x.blocks),
		Spent: value(x.spent, "s"), Below: value(zeroIsUnknown(x.below), r.unit()), Capacity: value(math.NaN(), r.unit()),
		Ratio: value(math.NaN(), unit), Low: value(math.NaN(), unit), High: value(math.NaN(), unit),
	}
	if x.screened != nil {
		out.Capacity = value(x.capacity(), r.unit())
	}
	if best == nil || x == best {
		return out
	}
	if d := r.differences(x, best, last); len(d) >= 2 {
		mean, low, high := stats.Anytime(d, raceLevel)
		out.Ratio, out.Low, out.High = value(math.Exp(mean), unit), value(math.Exp(low), unit), value(math.Exp(high), unit)
	}
	return out
}

func (r *Race) unit() string {
	ray, err := newRay(r.env)
	if err != nil {
		return "" // NewRace has made one
	}
	return ray.unit()
}
