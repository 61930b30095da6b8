package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/sim"
)

// interferenceExtent tells which loads of the neighbour are run, and what they cost.
func (b *bench) interferenceExtent() string {
	s := b.scenario.Search
	var loads []string
	for _, l := range s.Loads {
		loads = append(loads, strconv.FormatFloat(l, 'g', -1, 64))
	}
	cell := (b.scenario.Warmup + b.scenario.Window) * time.Duration(len(s.Loads))
	all := cell * time.Duration(len(b.left()))
	text := fmt.Sprintf("%s, each %s that hold the others beside %s of %s's level: %s a cell, %s in all",
		units.Plural(len(b.left()), "cell"), units.Plural(len(s.Loads), "step"), strings.Join(loads, ", "), s.Raise, loadTime(cell), loadTime(all))
	if b.simulated.scale > sim.MinScale {
		text += fmt.Sprintf(" of server time, %s on the clock", sim.Accelerate(b.simulated.scale).OnClock(all).Round(time.Second))
	}
	return text
}
