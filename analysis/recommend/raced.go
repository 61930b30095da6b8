package recommend

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// raced takes the winner, or the simplest of those that the race found equivalent, or, of
// a race that ended before either, the one in front.
func (r run) raced(goal string) analysis.Choice {
	race := r.Race
	out := analysis.Choice{Goal: goal, Figure: "capacity", Sure: analysis.Shown}
	front := inFront(race)
	out.Config = front.Config
	switch race.State {
	case analysis.RaceWon: // it is in front
	case analysis.RaceEquivalent:
		var alike []candidate
		for _, name := range race.Equivalent {
			if c, ok := r.of(name); ok {
				alike = append(alike, c)
			}
		}
		if len(alike) > 0 {
			out.Config, out.Equivalent = simplest(alike).name, slices.Clone(race.Equivalent)
		}
	default:
		out.Sure = "the race ended before it could be said: " + race.Why
	}
	if race.State != analysis.RaceOpen && race.Why != "" {
		out.Sure = race.Why
	}
	var left []string
	for _, x := range race.Runners {
		if x.Failed {
			left = append(left, uncompared{name: x.Config, why: x.Left}.words())
		}
	}
	out.Sure = besides(failing(out.Sure, out.Config, r.lost(out.Config)), left)
	none := "no other configuration has a ratio to it"
	out.Costs, out.Low, out.High = unknown(none), unknown(none), unknown(none)
	next := analysis.Runner{}
	for _, x := range race.Runners {
		out.Because = append(out.Because, ran(x))
		if x.Config == out.Config || !x.Ratio.Known() && x.Config != front.Config {
			continue
		}
		if next.Config == "" || next.Config != front.Config && (x.Config == front.Config || *x.Ratio.Number > *next.Ratio.Number) {
			next = x
		}
	}
	if next.Config != "" {
		out.RunnerUp = next.Config
		if out.Config == front.Config { // ratios are to the best
			out.Costs, out.Low, out.High = less1(next.Ratio), less1(next.Low), less1(next.High)
		} else if f, ok := r.Criterion(goal, -1); ok {
			k := f.Contrast(next.Config, out.Config)
			out.Costs, out.Low, out.High = less1(k.Ratio), less1(k.Low), less1(k.High)
		}
	}
	return out
}

// inFront is the runner that the ratios are to: the only one that ran to the end without
// one, the winner, or the first of those that are equivalent.
func inFront(race *analysis.Race) analysis.Runner {
	best := race.Winner
	if best == "" && len(race.Equivalent) > 0 {
		best = race.Equivalent[0]
	}
	var front analysis.Runner
	for _, x := range race.Runners {
		switch {
		case best != "":
			if x.Config == best {
				return x
			}
		case x.Left != "":
		case front.Config == "" || x.Capacity.Known() && (!front.Capacity.Known() || *x.Capacity.Number > *front.Capacity.Number):
			front = x
		}
	}
	return front
}

// ran tells how a runner fared.
func ran(x analysis.Runner) string {
	parts := []string{}
	switch {
	case x.Capacity.Known():
		parts = append(parts, fmt.Sprintf("capacity %s over %s", units.Format(*x.Capacity.Number, x.Capacity.Unit), units.Plural(x.Blocks, "replicate")))
	case x.Below.Known():
		parts = append(parts, "below "+units.Format(*x.Below.Number, x.Below.Unit))
	}
	if x.Ratio.Known() {
		text := units.Change(*x.Ratio.Number-1) + " against the best"
		if x.Low.Known() && x.High.Known() {
			text += fmt.Sprintf(" [%s, %s]", units.Change(*x.Low.Number-1), units.Change(*x.High.Number-1))
		}
		parts = append(parts, text)
	}
	if x.Left != "" {
		parts = append(parts, fmt.Sprintf("left out after replicate %d: %s", x.After, x.Left))
	}
	if len(parts) == 0 {
		parts = append(parts, "no capacity is known")
	}
	return x.Config + ": " + strings.Join(parts, "; ")
}
