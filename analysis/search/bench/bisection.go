package main

import (
	"fmt"
	"math"
	"slices"
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
		Cooldown: results.CooldownOf(b.probe, b.subject.services),
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
// requests, or a class's, at most so many were later than a limit or failed. A
// service none of whose clauses is of errors must have none.
func meets(services []results.Service, r results.StepResult) bool {
	for _, v := range services {
		strict := true
		for _, c := range v.SLO {
			strict = strict && c.Metric != "errors"
		}
		if strict {
			v.SLO = append(slices.Clone(v.SLO), results.Clause{Metric: "errors", Op: "<="})
		}
		n, over := count(v, r)
		for j, c := range v.SLO {
			allowed := 1 - c.Quantile
			if c.Metric == "errors" {
				allowed = c.Limit
			}
			if n[j] == 0 || float64(over[j]) > allowed*float64(n[j]) {
				return false
			}
		}
	}
	return true
}

// count counts, by clause of a service, the requests of a step's window that it is
// about and those of them that were beyond its limit or failed.
func count(v results.Service, r results.StepResult) (n, over []int64) {
	n, over = make([]int64, len(v.SLO)), make([]int64, len(v.SLO))
	for s := range r.Samples {
		if s.Service != v.Name || s.Due < r.Step.WindowStart || s.Due >= r.Step.WindowEnd {
			continue
		}
		for j, c := range v.SLO {
			if c.Class != "" && c.Class != s.Class {
				continue
			}
			n[j]++
			bad := s.Outcome != results.OK
			switch c.Metric {
			case "latency":
				bad = bad || s.Done.Sub(s.Due).Seconds() >= c.Limit
			case "ttft":
				bad = bad || s.First.Sub(s.Due).Seconds() >= c.Limit
			}
			if bad {
				over[j]++
			}
		}
	}
	return n, over
}
