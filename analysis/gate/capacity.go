package gate

import (
	"fmt"
	"slices"

	"github.com/evabench/evabench/analysis"
)

// capacity judges what a cell's search came to. The error is a *[Fault]: the requirement
// is in another unit than the load.
func (c checker) capacity(cell analysis.Cell, p Point) (Point, error) {
	found := cell.Capacity
	switch {
	case found == nil && len(cell.Capacities) > 0:
		return c.unknown(p, fmt.Sprintf("the search went along %d rays, each of which has a capacity of its own", len(cell.Capacities))), nil
	case found == nil:
		return c.unknown(p, "no capacity was searched for: search: in the scenario does"), nil
	}
	at := slices.IndexFunc(found.Loads, func(l analysis.CapacityLoad) bool { return l.Service == p.Service })
	if at < 0 {
		return c.unknown(p, "the search did not drive it"), nil
	}
	load := found.Loads[at]
	if asked := c.r.LoadUnit; asked != "" && asked != load.Unit {
		return p, c.fault(0, fmt.Sprintf("%s of %s is in %s, not in %s", c.r.Metric, p.Service, load.Unit, asked), "write the limit in "+load.Unit)
	}
	p.End = analysis.Value{Unit: load.Unit, Inapplicable: true, Why: "it is what was driven"}
	switch c.r.Metric {
	case MetricSigned:
		p.Value = load.Signed
		if !p.Value.Known() && p.Value.Why == "" {
			p.Value.Why = "no load was confirmed"
		}
	case MetricCapacity:
		p.Value, p.Note = c.estimate(*found, load)
		p.End = along(*found, load, found.Low)
		if p.Note != "" {
			p.End = analysis.Value{Unit: load.Unit, Why: p.Note}
		}
	case MetricCapacityLow:
		p.Value = along(*found, load, found.Low)
		if !p.Value.Known() {
			p.Value.Why = whyNot(*found)
		}
	}
	p.Value.Unit = load.Unit
	return c.decide(p), nil
}

// estimate is a service's load at the capacity. Where a search could say no more than
// that a load is met, that is a bound from below, and the note says so.
func (c checker) estimate(found analysis.Capacity, load analysis.CapacityLoad) (analysis.Value, string) {
	if load.Estimate.Known() {
		return load.Estimate, ""
	}
	switch found.State {
	case analysis.CapacityAlways, analysis.CapacityBracketed, analysis.CapacityCliff:
		if least := along(found, load, found.Above); least.Known() {
			return least, "at least: the search ended as " + found.State
		}
	}
	return analysis.Value{Unit: load.Unit, Why: whyNot(found)}, ""
}

func whyNot(found analysis.Capacity) string {
	why := "the search ended as " + found.State
	if found.Why != "" {
		why += ": " + found.Why
	}
	return why
}

// along gives a service's load where the ray has a load: that load of the service that
// is raised; of one that is held, what it is held at; and where all are raised by one
// factor, in proportion to the estimate or to what was signed.
func along(found analysis.Capacity, load analysis.CapacityLoad, ray analysis.Value) analysis.Value {
	if !ray.Known() {
		return analysis.Value{Unit: load.Unit, Why: ray.Why}
	}
	if found.Raised == load.Service {
		return analysis.Value{Number: ray.Number, Unit: load.Unit}
	}
	for _, known := range []struct{ service, ray analysis.Value }{{load.Estimate, found.Estimate}, {load.Signed, found.Signed}} {
		if !known.service.Known() || !known.ray.Known() || *known.ray.Number == 0 {
			continue
		}
		if found.Raised != "" {
			return known.service
		}
		value := *known.service.Number * *ray.Number / *known.ray.Number
		return analysis.Value{Number: &value, Unit: load.Unit}
	}
	return analysis.Value{Unit: load.Unit, Why: "its load at the factor is not told"}
}
