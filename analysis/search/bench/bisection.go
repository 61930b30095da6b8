package main

import (
	"fmt"
	"math"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// A bisection is what a search is compared with: it doubles the load until the SLO
// is missed, then halves the bracket, and believes each probe. It ends when the
// bracket is no wider than 2 %, or in a closed loop between two populations.
type bisection struct {
	subject     subject
	probe       time.Duration // window of a probe
	met, notMet float64       // 0 and +Inf if there is none
	load        float64       // of the probe that runs
}

// newBisection makes a bisection with windows of a length.
func newBisection(s subject, probe time.Duration) *bisection {
	return &bisection{subject: s, probe: probe, notMet: math.Inf(1), load: s.from}
}

// warmup of a probe, as a share of its window.
const warmup = 0.05

func (b *bisection) Next(last *results.StepResult) (results.StepPlan, bool) {
	if last != nil {
		if meets(b.subject.services, *last) {
			b.met = b.load
		} else {
			b.notMet = b.load
		}
		if !b.choose() {
			return results.StepPlan{}, false
		}
	}
	return results.StepPlan{
		Name: fmt.Sprintf("%.6g", b.load), Levels: b.subject.levels(b.load),
		Warmup: time.Duration(warmup * float64(b.probe)), Window: b.probe, Purpose: results.PurposeProbe,
	}, true
}

// choose sets the next load, if there is one.
func (b *bisection) choose() bool {
	switch {
	case math.IsInf(b.notMet, 1):
		if b.met >= b.subject.most {
			return false
		}
		b.load = min(2*b.met, b.subject.most)
	case b.met == 0:
		if b.load = b.notMet / 2; b.load < b.subject.from/16 || b.subject.closed && b.load < 1 {
			return false
		}
	default:
		b.load = math.Sqrt(b.met * b.notMet)
		if b.notMet/b.met <= 1.02 || b.subject.closed && b.notMet-b.met <= 1 {
			return false
		}
	}
	if b.subject.closed {
		b.load = math.Round(b.load)
	}
	return b.load != b.met && b.load != b.notMet
}

func (b *bisection) Watch(results.Progress) string { return "" }

// Capacity is the middle of the bracket, with the bracket as its interval: what
// bisections print.
func (b *bisection) Capacity() analysis.Capacity {
	value := func(x float64) analysis.Value { return analysis.Value{Number: &x, Unit: b.subject.unit} }
	switch {
	case b.met == 0:
		return analysis.Capacity{State: analysis.CapacityNever, Below: value(b.notMet)}
	case math.IsInf(b.notMet, 1):
		return analysis.Capacity{State: analysis.CapacityAlways, Above: value(b.met)}
	}
	return analysis.Capacity{State: analysis.CapacityFound, Estimate: value(math.Sqrt(b.met * b.notMet)), Low: value(b.met), High: value(b.notMet), Tolerance: 0.01}
}

// meets says whether a step's window met every clause by its plain shares: of its
// requests, or a class's, at most so many were later than a limit or failed.
func meets(services []results.Service, r results.StepResult) bool {
	type counts struct{ n, over int64 }
	tallies := make([][]counts, len(services))
	for i, v := range services {
		tallies[i] = make([]counts, len(v.SLO)+1) // the last: errors, of which none are allowed unless a clause does
	}
	for s := range r.Samples {
		if s.Due < r.Step.WindowStart || s.Due >= r.Step.WindowEnd {
			continue
		}
		for i, v := range services {
			if v.Name != s.Service {
				continue
			}
			failed := s.Outcome != results.OK
			for j, c := range v.SLO {
				if c.Class != "" && c.Class != s.Class {
					continue
				}
				tallies[i][j].n++
				late := c.Metric == "latency" && s.Done.Sub(s.Due).Seconds() >= c.Limit || c.Metric == "ttft" && s.First.Sub(s.Due).Seconds() >= c.Limit
				if failed || late {
					tallies[i][j].over++
				}
			}
			if failed {
				tallies[i][len(v.SLO)].over++
			}
		}
	}
	for i, v := range services {
		allowsErrors := false
		for j, c := range v.SLO {
			allowed := 1 - c.Quantile
			if c.Metric == "errors" {
				allowed, allowsErrors = c.Limit, true
			}
			if t := tallies[i][j]; t.n == 0 || float64(t.over) > allowed*float64(t.n) {
				return false
			}
		}
		if !allowsErrors && tallies[i][len(v.SLO)].over > 0 {
			return false
		}
	}
	return true
}
