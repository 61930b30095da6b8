package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/queues"
	"github.com/evabench/evabench/results"
)

// longRuns says how long the truths are computed.
type longRuns struct {
	queues queues.Effort
	runs   int           // of each of EVA's systems at each load
	window time.Duration // of such a run
}

// printTruths computes the loads that the systems sustain in the long run and prints
// them as lines of their tables.
func printTruths(w io.Writer, names string, l longRuns) error {
	asked := func(name string) bool { return names == "" || strings.Contains(","+names+",", ","+name+",") }
	line := func(name string, t queues.Truth, ok bool) {
		if !ok {
			fmt.Fprintf(w, "\t// %s: none\n", name)
			return
		}
		fmt.Fprintf(w, "\t\t%q: {State: %q, Load: %.6g, Error: %.2g, Binding: %q},\n", name, t.State, t.Load, t.Error, t.Binding)
	}
	for _, s := range queues.All() {
		if asked(s.Name) {
			t, ok := s.Solve(l.queues)
			line(s.Name, t, ok)
		}
	}
	for _, e := range evaSystems() {
		if !asked(e.name) {
			continue
		}
		s, err := ofEVA(e)
		if err != nil {
			return err
		}
		t, ok := interpolate(s, e.around, l)
		line(e.name, t, ok)
	}
	return nil
}

// interpolate finds the load at which the first clause of the raised service to be
// missed is just met, from the shares beyond the limit at two loads, whose logs are
// taken to be linear in the load's: false if none is met at the first and missed at
// the second. The error comes from how the runs differ.
func interpolate(s subject, around [2]float64, l longRuns) (queues.Truth, bool) {
	var shares [2][][]float64 // by load, run and clause
	for i, load := range around {
		shares[i] = make([][]float64, l.runs)
		each(l.runs, func(run int) {
			plan := results.StepPlan{Levels: s.levels(load), Warmup: 15 * time.Minute, Window: l.window}
			shares[i][run] = beyond(s.services[0], s.start(uint64(1000+run)).Step(plan, nil))
		})
	}
	best, found := queues.Truth{Load: math.Inf(1)}, false
	for j, c := range s.services[0].SLO {
		allowed := 1 - c.Quantile
		if c.Metric == "errors" {
			allowed = c.Limit
		}
		low, lowError := meanOf(shares[0], j)
		high, highError := meanOf(shares[1], j)
		if !(low < allowed && high > allowed) {
			continue
		}
		slope := math.Log(high/low) / math.Log(around[1]/around[0])
		at := math.Log(allowed/low) / math.Log(high/low)
		load := around[0] * math.Pow(around[1]/around[0], at)
		if load < best.Load {
			e := math.Hypot((1-at)*lowError/low, at*highError/high) / slope
			best, found = queues.Truth{State: "found", Load: load, Error: e, Binding: c.Text}, true
		}
	}
	return best, found
}

// meanOf is the mean over runs of a clause's share, with its standard error.
func meanOf(shares [][]float64, clause int) (mean, e float64) {
	n := float64(len(shares))
	for _, run := range shares {
		mean += run[clause] / n
	}
	for _, run := range shares {
		e += (run[clause] - mean) * (run[clause] - mean) / (n - 1) / n
	}
	return mean, math.Sqrt(e)
}

// beyond gives, by clause of a service, the share of a step's window that was later
// than its limit or failed.
func beyond(v results.Service, r results.StepResult) []float64 {
	n, over := count(v, r)
	all := make([]float64, len(v.SLO))
	for j := range all {
		all[j] = float64(over[j]) / float64(n[j])
	}
	return all
}
